"""Owner of `tombstone`, `erased_id` and `keys/suppress.key`: what was erased is recognised.

Kept are keyed MACs only: of an erased text as a whole and of every five words of it. They share a
random number per text and name neither memory nor erasure. Without the key they are noise; who
holds the key can try out a text of few possibilities, hence a key of its own that can be destroyed.
"""

import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memory import setting
from memory.db import Connection
from memory.errors import StoreError
from memory.files import KEYS, sync_folder
from memory.sanitise import clean
from memory.skeleton import orders, readings
from memory.text import STOP_WORDS

KEY = "suppress.key"  # suppresses what was erased, and does nothing else
ID_KEY = "erased_id_key"  # setting, made by the migration
SHINGLE = 5  # words
TELLING = 3  # words besides stop words; what has fewer, and no digit, anybody may say
SKETCH = 256  # at most so many shingles of a text: those of the smallest MACs, a random sample
# A text is refused that holds so much of an erased one: 3 of 5 shingles.
HELD, OF = 3, 5

# Where scripts write no spaces every character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^ {_UNSPACED}]+")
_LETTER = re.compile(r"\w")
_SENTENCE = re.compile("[\n\r]+|(?<=[.!?;…])\\s+|(?<=[。！？；])")


@dataclass(frozen=True, slots=True)
class Guard:
    """Recognises what was erased. One object serves one transaction."""

    con: Connection
    key: bytes | None = field(repr=False)  # None: nothing is refused

    @classmethod
    def of(cls, con: Connection, home: Path) -> "Guard":
        """Return the guard of a store; it costs one look at an index where nothing was erased."""
        (some,) = con.execute("SELECT EXISTS (SELECT 1 FROM tombstone)").fetchone()
        return cls(con, load(home) if some else None)

    def refuses(self, *texts: str) -> bool:
        """Tell whether texts that belong together hold what was erased.

        One of them is an erased text, or a line or sentence of one is a short erased text, or they
        hold three fifths of the five-word runs of an erased text; each in every disguise that
        `readings` sees through.
        """
        if self.key is None:
            return False
        read = {text: _readings(text) for text in texts}
        whole = {reading for found in read.values() for reading in found}
        runs = whole | {" ".join(found[0] for found in read.values())}  # split into title and text
        macs = {_mac(self.key, one) for one in whole.union(*map(_short, texts))}
        for one in runs:
            macs |= _shingles(self.key, _WORD.findall(one))
        found = self.con.execute(
            "SELECT 1 FROM tombstone WHERE mac IN (SELECT value FROM json_each(?))"
            " GROUP BY item, shingles HAVING shingles = 0 OR ? * count(*) >= ? * shingles LIMIT 1",
            (json.dumps(list(macs)), OF, HELD),
        ).fetchone()
        return found is not None


def put(con: Connection, home: Path, texts: Iterable[str]) -> int:
    """Keep the MACs of texts that are about to be erased; return how many texts that were.

    Raises:
        StoreError: There is no key and none can be written.
    """
    key = ready(con, home)
    wholes = {_mac(key, reading): reading for text in texts for reading in _readings(text)}
    known = con.execute(
        "SELECT mac FROM tombstone WHERE shingles = 0 AND mac IN (SELECT value FROM json_each(?))",
        (json.dumps(list(wholes)),),
    ).fetchall()
    for (mac,) in known:
        del wholes[mac]
    rows: list[tuple[int, int, int]] = []
    for whole, reading in wholes.items():
        item = secrets.randbits(63)
        words = _WORD.findall(reading)
        shingles = sorted(_shingles(key, words))[:SKETCH] if _tells(words) else []
        rows.append((whole, item, 0))
        rows += [(mac, item, len(shingles)) for mac in shingles]
    # In the order of the MACs, which says nothing about the order of the texts.
    con.executemany("INSERT INTO tombstone (mac, item, shingles) VALUES (?, ?, ?)", sorted(rows))
    return len(wholes)


def put_ids(con: Connection, ids: Iterable[str]) -> None:
    """Keep the MACs of the ids of memories that are about to be erased, whatever their texts."""
    con.executemany(
        "INSERT INTO erased_id (mac) VALUES (?) ON CONFLICT DO NOTHING",
        sorted((_id_mac(con, ident),) for ident in ids),
    )


def erased_ids(con: Connection, ids: Iterable[str]) -> set[str]:
    """Return those of the ids whose memory was erased."""
    macs = {_id_mac(con, ident).hex(): ident for ident in ids}
    rows = con.execute(
        "SELECT lower(hex(mac)) FROM erased_id"
        " WHERE mac IN (SELECT unhex(value) FROM json_each(?))",
        (json.dumps(list(macs)),),
    )
    return {macs[mac] for (mac,) in rows}


def _id_mac(con: Connection, ident: str) -> bytes:
    # The key stands beside the MACs: an id is random and no content. It makes those of two stores
    # have nothing in common.
    key = bytes.fromhex(setting.get(con, ID_KEY))
    return hmac.digest(key, f"erased id\0{ident}".encode(), "sha256")[:16]


def count(con: Connection) -> int:
    """Return how many texts are recognised, each reading of a disguised one counted."""
    (items,) = con.execute("SELECT count(*) FROM tombstone WHERE shingles = 0").fetchone()
    return int(items)


def rotate(con: Connection, home: Path) -> int:
    """Destroy the key with all it recognises; return how many texts that were.

    The next erasure makes a new key. The caller seals the file.
    """
    gone = count(con)
    drop(con)
    _destroy(home / KEYS / KEY)
    return gone


def drop(con: Connection) -> None:
    """Delete every tombstone: they were made with a key that is not here."""
    con.execute("DELETE FROM tombstone")


def ready(con: Connection, home: Path) -> bytes:
    """Return the key, made now if there is none. The caller is in a write transaction.

    Raises:
        StoreError: The file is no key, or none can be written.
    """
    key = load(home)
    if key is None:
        drop(con)
        key = _make(home / KEYS)
    return key


def load(home: Path) -> bytes | None:
    """Return the key; None if nothing was erased since the last one was destroyed.

    Raises:
        StoreError: The file is no key of the guard.
    """
    place = home / KEYS / KEY
    try:
        text = place.read_text("ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = ""
    if text and not text.strip("\0"):
        return None  # destroyed, and a crash came before it was removed
    if not re.fullmatch(r"[0-9a-f]{64}\n", text):
        raise StoreError(
            f"'{place}' is not a key of the guard, or cannot be read",
            hint="'mem guard rotate' makes a new one, which recognises no earlier erasure",
        )
    return bytes.fromhex(text)


def _make(folder: Path) -> bytes:
    key = secrets.token_bytes(32)
    temporary = folder / f"{KEY}.tmp"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(fd, f"{key.hex()}\n".encode("ascii"))
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(folder / KEY)
        sync_folder(folder)
        sync_folder(folder.parent)
    except OSError as exc:
        raise StoreError(
            f"cannot write the key of the guard into '{folder}': {exc.strerror}",
            hint="check the folder's owner and mode; --no-tombstone erases without it",
        ) from exc
    return key


def _destroy(place: Path) -> None:
    try:
        with place.open("r+b") as held:
            held.write(bytes(place.stat().st_size))
            held.flush()
            os.fsync(held.fileno())
        place.unlink()
        sync_folder(place.parent)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StoreError(
            f"cannot destroy '{place}': {exc.strerror}", hint="check the folder's owner and mode"
        ) from exc


def _readings(text: str) -> list[str]:
    return [reading or clean(text) for reading in readings(text)]  # pictures have no skeleton


def _short(text: str) -> Iterator[str]:
    """Yield the short lines and sentences of a text, each of which may be a whole erased one."""
    for order in orders(text):
        for sentence in _SENTENCE.split(order):
            if sum(1 for word in sentence.split() if _LETTER.search(word)) >= SHINGLE:
                continue  # a cheap look: no skeleton has fewer words
            for reading in readings(sentence):
                words = _WORD.findall(reading)
                if len(words) < SHINGLE and _tells(words):
                    yield reading


def telling(reading: str) -> bool:
    """Tell whether a text, as `readings` sees it, is one that not just anybody may say."""
    return _tells(_WORD.findall(reading))


def _tells(words: Sequence[str]) -> bool:
    """Tell whether a text is worth recognising inside others: not "Keep it up!" or "Done."."""
    telling = [word for word in words if word not in STOP_WORDS]
    return len(telling) >= TELLING or any(c.isdigit() for word in words for c in word)


def _shingles(key: bytes, words: Sequence[str]) -> set[int]:
    runs = {" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}
    return {_mac(key, f"shingle\0{run}") for run in runs}


def _mac(key: bytes, text: str) -> int:
    """Return the first 64 bits of the keyed MAC; no skeleton has the NUL that marks shingles."""
    return int.from_bytes(hmac.digest(key, text.encode(), "sha256")[:8], "big", signed=True)
