"""An examiner with the whole drive, on a real file system in an image (needs privilege)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Selector, Store, keyslots
from memory.cipher import PAGE, SALT, Codec

TOKENS = [f"zanzibarite{n:03d}quokka" for n in range(30)]
MIB = 1 << 20

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("mkfs.ext4"),
    reason="needs Linux, privilege and mkfs.ext4",
)


@pytest.fixture
def image(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield an image with a fresh ext4 and the folder where it is mounted."""
    place, folder = tmp_path / "drive.img", tmp_path / "drive"
    folder.mkdir()
    with place.open("wb") as file:
        file.truncate(40 * MIB)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", place], check=False)
    mounted = subprocess.run(
        ["mount", "-o", "loop,nodiscard", place, folder], capture_output=True, check=False
    )
    if made.returncode or mounted.returncode:
        pytest.skip("no loop device can be mounted here")
    yield place, folder
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)


def lived(home: Path, *, encrypted: bool) -> None:
    """Live on the drive: writes, checkpoints that free the log's blocks, closes, reopenings."""
    options = {"encrypt": "file"} if encrypted else {}
    for turn in range(3):
        with Store(home, embedder="none", **options) as store:  # type: ignore[arg-type]
            for token in TOKENS[turn * 10 : turn * 10 + 10]:
                store.remember(f"the password of the {token} vault is {token[::-1]}")
            store.remember("what stays " * 50 + str(turn))
            store._con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def forgot(home: Path) -> str:
    with Store(home, embedder="none", create=False) as store:
        receipt = store.forget(store.plan_forget(Selector(query="password")))
        assert receipt.memories == len(TOKENS)
        assert receipt.state == "verified"
        (medium,) = [one for one in receipt.probes if one.name == "medium"]
        return medium.result


def drive(image: Path, folder: Path) -> bytes:
    """Return every byte of the drive, after it was detached."""
    subprocess.run(["umount", folder], check=True)
    return image.read_bytes()


def tokens(raw: bytes) -> int:
    return sum(token.encode() in raw or token[::-1].encode() in raw for token in TOKENS)


def under(raw: bytes, secret: bytes, salt: bytes) -> bytes:
    """Return all blocks of the drive that are pages under this key, decrypted."""
    codec, pages = Codec([secret]), []
    blocks = [raw[at : at + PAGE] for at in range(0, len(raw), PAGE)]
    # Pages of the file lie on block borders; their numbers are tried, for the file is small.
    for block in blocks:
        if any(block):
            pages += [
                plain
                for number in range(1, 60)
                if (plain := codec.decrypt(block, number, salt)) is not None
            ]
    return b"".join(pages)


def test_after_an_epoch_the_drive_holds_nothing_erased_and_no_key_of_it(
    image: tuple[Path, Path], tmp_path: Path
) -> None:
    home = image[1] / "store"
    lived(home, encrypted=True)
    with Store(home, create=False) as store:
        assert store._vault
        (old,) = store._vault.keys
    slot = keyslots.place_of(home).read_bytes()[old.at * keyslots.SIZE :][: keyslots.SIZE]
    salt = (home / "memory.db").read_bytes()[:SALT]
    before = drive(*image)
    assert slot in before, "positive control: the wrapped key is on the drive"
    assert b"password" in under(before, old.secret, salt), "and opens what is there"
    subprocess.run(["mount", "-o", "loop,nodiscard", *image], check=True)

    assert forgot(home) == "pass"

    wrapped = keyslots._parsed(slot)
    assert wrapped
    raw = drive(*image)
    assert tokens(raw) == 0
    for material in (old.secret, old.secret.hex().encode(), wrapped.wrapped, slot):
        assert material not in raw
    assert wrapped.wrapped.hex().encode() not in raw
    assert old.id.encode() in raw, "positive control: the receipt names the key"


def test_a_plain_store_on_the_same_drive_leaves_what_no_erasure_reaches(
    image: tuple[Path, Path],
) -> None:
    # The positive control, and why a plain receipt says "not claimed".
    home = image[1] / "store"
    lived(home, encrypted=False)

    assert forgot(home) == "not_claimed"

    with_files = sum(
        token.encode() in place.read_bytes()
        for place in home.rglob("*")
        if place.is_file()
        for token in TOKENS
    )
    assert with_files == 0, "no file holds a token any more"
    assert tokens(drive(*image)) > 0
