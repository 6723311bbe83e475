"""What every benchmark ends with: its bars as a table and, if asked for, as JSON."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure and the bar it has to clear."""

    name: str
    value: float
    bar: float
    at_most: bool = False  # True: the figure must not exceed the bar

    @property
    def holds(self) -> bool:
        """Tell whether the figure clears the bar."""
        return self.value <= self.bar if self.at_most else self.value >= self.bar


def finish(bars: list[Bar], file: Path | None) -> int:
    """Print the bars, write them when a file is given, and return the exit status."""
    print(f"\n{'bar':58s} {'measured':>10s} {'bar':>10s}")
    for bar in bars:
        sign = "<=" if bar.at_most else ">="
        verdict = "holds" if bar.holds else "MISSED"
        print(f"{bar.name:58s} {bar.value:10.3f} {sign} {bar.bar:7.3f}  {verdict}")
    if file is not None:
        rows = [
            {"name": bar.name, "value": bar.value, "bar": bar.bar, "holds": bar.holds}
            for bar in bars
        ]
        file.write_text(json.dumps({"bars": rows}, indent=2) + "\n", "utf-8")
    return 0 if all(bar.holds for bar in bars) else 1
