import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import cuts
from tests.crash.cuts import Recording
from tests.crash.replay import Medium, Op

pytestmark = pytest.mark.skipif(bool(cuts.missing()), reason=cuts.missing() or "it can run")

STEPS = 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cuts")


@pytest.fixture(scope="module")
def made(folder: Path) -> Recording:
    return cuts.recorded(folder, seed=5, steps=STEPS)


@pytest.fixture
def images(folder: Path) -> Iterator[Path]:
    with cuts.room() as place:
        yield place


def sampled(
    made: Recording, images: Path, most: int, *, deaf_to: tuple[str, ...] = (), seed: int = 1
) -> list[str]:
    chosen = cuts.chosen(made.ops, most, seed)
    done = cuts.replay(made.ops, images, chosen, deaf_to=deaf_to, apart=False)
    return [said for _, said in done.wrong]


def test_a_recording_played_to_its_end_is_what_the_program_left(
    made: Recording, folder: Path
) -> None:
    assert cuts.unlike(made, folder / "whole") == []
    assert {op.kind for op in made.ops} >= set("CMRUWTSDK")
    names = {path.name for path in (made.root / "store").rglob("*")}
    assert names >= {"memory.db", "ledger.jsonl", "certificate.key", "suppress.key"}


def test_nothing_is_lost_or_left_by_a_power_cut(made: Recording, images: Path) -> None:
    assert sampled(made, images, 100) == []


@pytest.mark.slow
def test_nothing_is_lost_or_left_by_any_of_many_power_cuts() -> None:
    for seed in (101, 102):
        done, log = cuts.run(seed, steps=60, most=700)
        assert done.wrong == [], log


@pytest.mark.parametrize(
    ("deaf", "says"),
    [
        ("memory.db-wal", "I1"),
        ("/memory.db", "I"),
        ("ledger.jsonl", "I7"),
        ("suppress.key.tmp", "does not open"),
        ("/keys", "not refused"),
        ("/store", "I7"),
    ],
)
def test_without_one_sync_the_same_replay_finds_damage(
    made: Recording, images: Path, deaf: str, says: str
) -> None:
    found = sampled(made, images, 24, deaf_to=(deaf,))

    assert any(says in one for one in found), found


# -- the medium itself ---------------------------------------------------------------------------


def left(ops: list[Op], place: Path, mode: str, seed: int = 0) -> dict[str, bytes]:
    medium = Medium()
    for op in ops:
        medium.play(op)
    medium.cut(place, mode, random.Random(seed))  # type: ignore[arg-type]
    return dict(cuts.bodies(place))


def op(kind: str, number: int = 0, at: int = 0, data: bytes = b"") -> Op:
    return Op(kind, number, at, data)


def test_what_was_synced_is_there_and_nothing_else(tmp_path: Path) -> None:
    ops = [
        op("C", 1, data=b"a"),
        op("W", 1, 0, b"synced"),
        op("S", 1),
        op("D", data=b""),
        op("W", 1, 0, b"SYN"),
        op("C", 2, data=b"b"),
        op("W", 2, 0, b"b"),
    ]

    assert left(ops, tmp_path / "none", "none") == {"a": b"synced"}
    assert left(ops, tmp_path / "all", "all") == {"a": b"SYNced", "b": b"b"}


def test_a_synced_file_whose_folder_was_not_synced_may_be_gone(tmp_path: Path) -> None:
    ops = [op("C", 1, data=b"a"), op("W", 1, 0, b"x"), op("S", 1)]

    assert left(ops, tmp_path / "none", "none") == {}


def test_names_change_in_their_order(tmp_path: Path) -> None:
    ops = [
        op("C", 1, data=b"old"),
        op("C", 2, data=b"new"),
        op("R", data=b"new\0old"),
        op("U", data=b"old"),
    ]

    seen = {tuple(sorted(left(ops, tmp_path / str(seed), "some", seed))) for seed in range(40)}

    assert seen == {(), ("old",), ("new", "old")}


def test_a_torn_write_keeps_whole_sectors_and_leaves_holes(tmp_path: Path) -> None:
    ops = [op("C", 1, data=b"a"), op("D", data=b""), op("W", 1, 100, b"x" * 2000)]

    for seed in range(40):
        body = left(ops, tmp_path / str(seed), "torn", seed)["a"]
        for at in range(0, len(body), 512):
            assert set(body[max(at, 100) : at + 512]) in ({0}, {ord("x")})
