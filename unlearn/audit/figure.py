"""What a test found: one number, and how many questions it rests on."""

import math
from dataclasses import dataclass

Z = 1.96  # of a two-sided interval of 95 %


@dataclass(frozen=True, slots=True)
class Figure:
    """A share or a score, with the number of independent questions behind it."""

    value: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of a share (Wilson): of five facts, one is a fifth."""
        if not self.n:
            return 0.0, 1.0
        spread = Z * Z / self.n
        middle = (self.value + spread / 2) / (1 + spread)
        inside = self.value * (1 - self.value) / self.n + spread / (4 * self.n)
        half = Z * math.sqrt(max(0.0, inside)) / (1 + spread)
        return max(0.0, middle - half), min(1.0, middle + half)
