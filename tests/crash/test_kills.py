import os
import subprocess
import sys

import pytest

from tests.crash import cuts

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="forks its workers and kills them"
)


def killed(count: int, seed: int, *more: str) -> tuple[int, str]:
    """The benchmark's exit status and what it says of violations."""
    script = str(cuts.ROOT / "benchmarks" / "crash.py")
    done = subprocess.run(
        [sys.executable, script, "--kills", str(count), "--cuts", "0", "--seed", str(seed), *more],
        cwd=cuts.ROOT,
        env={**os.environ, "PYTHONPATH": str(cuts.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_nothing_is_lost_or_left_when_processes_are_killed() -> None:
    assert killed(25, 1) == (0, "")


@pytest.mark.slow
def test_nothing_is_lost_or_left_by_many_kills() -> None:
    assert killed(150, 7) == (0, "")


def test_an_acknowledgement_before_the_act_is_found_out() -> None:
    status, said = killed(30, 2, "--early")

    assert status == 1
    assert "I1" in said or "I2" in said
