from pathlib import Path

import byte_matrix
import pytest
from byte_matrix import CASES, COVERED, Churned, churned, measure, residue


def test_every_victim_is_found_before_it_is_forgotten(made: Churned) -> None:
    before = made.examine(made.home)

    assert len(before.readable) == len(before.raw) == len(before.index) == 40
    assert {form: len(keys) for form, keys in before.vectors.items()} == {
        "float16": 40,
        "int8": 40,
        "bits": 40,
    }
    assert before.slack > 0
    assert before.errors == []


@pytest.mark.parametrize(("off", "shared"), [case for case in CASES if case[0] in COVERED])
def test_a_forget_leaves_no_byte(
    made: Churned, tmp_path: Path, off: tuple[str, ...], shared: bool
) -> None:
    found = measure(made, tmp_path, off, shared=shared)

    assert (found.readable, found.any_vector) == (set(), set())
    assert (found.slack, found.separators, found.log) == (0, 0, 0)
    assert found.errors == []


@pytest.mark.parametrize(("off", "shared"), [case for case in CASES if case[0] not in COVERED])
def test_without_a_protection_the_examiner_finds_what_it_is_for(
    made: Churned, tmp_path: Path, off: tuple[str, ...], shared: bool
) -> None:
    found = measure(made, tmp_path, off, shared=shared)

    assert residue(found) > 0
    kinds = {
        "text index secure-delete": len(found.index),
        "checkpoint": len(found.raw) * found.log,
        "slack scrub": found.slack,
        "bump": found.slack,
        "separators": found.separators,
        "sidecar": len(found.vectors["int8"] & found.vectors["bits"]),
        "neighbours": len(found.index),
        "secure_delete": len(found.in_slack),
    }
    for name in off:
        assert kinds.get(name, 1), name


@pytest.mark.slow
def test_six_hundred_of_twenty_thousand_leave_no_byte(tmp_path: Path) -> None:
    made = churned(tmp_path / "made", 20_000, 600)
    before = made.examine(made.home)
    assert len(before.readable) == len(before.any_vector) == 400

    found = measure(made, tmp_path, ())

    assert residue(found) == found.log == 0
    worst = measure(made, tmp_path, ("rebuild (VACUUM)", "slack scrub"))
    assert worst.in_slack, "rows that moved before they were deleted"


def test_every_protection_is_switched_off_once() -> None:
    assert {name for off, _ in CASES for name in off} == set(byte_matrix.PROTECTIONS)
