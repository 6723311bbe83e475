"""Assert what a wheel contains: the five packages with their data, and nothing else."""

import sys
import zipfile
from pathlib import Path

PACKAGES = ("memory", "ranker", "unlearn", "cli", "mcp_server")
DATA = {
    "memory/py.typed",
    "cli/data/demo.jsonl",
    "cli/data/demo_questions.json",
    "mcp_server/instructions.md",
}


def expected(root: Path) -> set[str]:
    """Return the files of the packages as they are in the checkout."""
    sources = {
        place.relative_to(root).as_posix()
        for package in PACKAGES
        for pattern in ("*.py", "*.sql")
        for place in (root / package).rglob(pattern)
    }
    return sources | DATA


def main() -> int:
    """Compare the wheel given as argument with the checkout."""
    root = Path(__file__).resolve().parent.parent
    names = set(zipfile.ZipFile(sys.argv[1]).namelist())
    packed = {name for name in names if ".dist-info/" not in name}
    missing, foreign = expected(root) - packed, packed - expected(root)
    licensed = any(name.endswith("licenses/LICENSE") for name in names)
    for name in sorted(missing):
        sys.stderr.write(f"missing from the wheel: {name}\n")
    for name in sorted(foreign):
        sys.stderr.write(f"not expected in the wheel: {name}\n")
    if not licensed:
        sys.stderr.write("the wheel has no LICENSE\n")
    sys.stdout.write(f"{len(packed)} files in the wheel\n")
    return int(bool(missing or foreign or not licensed))


if __name__ == "__main__":
    raise SystemExit(main())
