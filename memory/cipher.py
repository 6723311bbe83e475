"""Pages of an encrypted database in SQLCipher 4's format, for those who work below the engine.

A page is AES-256-CBC under the data key. The last 80 of its bytes hold a random IV and an
HMAC-SHA512 of what comes before and of the page's number; the first page begins with the file's
salt instead of SQLite's magic. As plain text the reserved bytes are zeros.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence

from memory.errors import CorruptStoreError

MAGIC = b"SQLite format 3\0"
PAGE = 4096  # bytes; the engine's default, which the store does not change
SALT = len(MAGIC)
IV, MAC = 16, 64
RESERVED = IV + MAC
BODY = PAGE - RESERVED
WAL_HEADER, FRAME = 32, 24  # bytes in front of the log and of each page in it


class Codec:
    """Encrypts and decrypts the pages of files that one of a few data keys opens."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Use these keys of 32 bytes."""
        self._keys = tuple(keys)
        self._mac_keys: dict[tuple[int, bytes], bytes] = {}
        self._likely = 0  # the key that opened the last page: most likely the next one's, too

    def decrypt(self, raw: bytes, number: int, salt: bytes) -> bytes | None:
        """Return a page as SQLite sees it; None if it is not whole or of another key."""
        if not any(raw):
            return raw  # written by nobody yet: the engine takes it for zeros as well
        at = self._opener(raw, number, salt)
        if at is None:
            return None
        self._likely = at
        skip = SALT if number == 1 else 0
        plain = _aes(self._keys[at], raw[BODY : BODY + IV], raw[skip:BODY], encrypt=False)
        return MAGIC[:skip] + plain + bytes(RESERVED)

    def encrypt(self, plain: bytes, number: int, first: bytes) -> bytes:
        """Return a page as it lies in the file whose first page is `first`, under a fresh IV.

        Raises:
            CorruptStoreError: None of the keys is the file's.
        """
        salt = first[:SALT]
        at = self._opener(first, 1, salt)
        if at is None:
            raise CorruptStoreError("an encrypted page is damaged", hint="run 'mem doctor'")
        skip, iv = SALT if number == 1 else 0, secrets.token_bytes(IV)
        body = salt[:skip] + _aes(self._keys[at], iv, plain[skip:BODY], encrypt=True) + iv
        return body + self._mac(at, salt, body[skip:], number)

    def opens(self, raw: bytes, number: int, salt: bytes) -> bool:
        """Tell whether a page is whole and of one of the keys."""
        return not any(raw) or self._opener(raw, number, salt) is not None

    def frames(self, log: bytes, salt: bytes) -> Iterator[bytes]:
        """Yield the pages in a log; a frame that is not whole as it lies there."""
        for at in range(WAL_HEADER, len(log), FRAME + PAGE):
            raw = log[at + FRAME : at + FRAME + PAGE]
            number = int.from_bytes(log[at : at + 4], "big")
            whole = self.decrypt(raw, number, salt) if len(raw) == PAGE else None
            yield raw if whole is None else whole

    def _opener(self, raw: bytes, number: int, salt: bytes) -> int | None:
        signed = raw[SALT if number == 1 else 0 : BODY + IV]
        tried: list[int] = [self._likely, *range(len(self._keys))]
        for at in tried:
            if hmac.compare_digest(self._mac(at, salt, signed, number), raw[BODY + IV :]):
                return at
        return None

    def _mac(self, at: int, salt: bytes, signed: bytes, number: int) -> bytes:
        key = self._mac_keys.get((at, salt))
        if key is None:
            # As the engine derives it; the data key is random, so two rounds are no weakness.
            masked = bytes(byte ^ 0x3A for byte in salt)
            key = hashlib.pbkdf2_hmac("sha512", self._keys[at], masked, 2, 32)
            self._mac_keys[at, salt] = key
        return hmac.digest(key, signed + number.to_bytes(4, "little"), "sha512")


def _aes(key: bytes, iv: bytes, data: bytes, *, encrypt: bool) -> bytes:
    from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415 - encrypted stores only
        Cipher,
        algorithms,
        modes,
    )

    made = Cipher(algorithms.AES(key), modes.CBC(iv))
    turning = made.encryptor() if encrypt else made.decryptor()
    return turning.update(data) + turning.finalize()
