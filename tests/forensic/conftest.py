"""The examiner of `benchmarks/`, which shares no code with what it examines."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
