"""The protocol of what turns a text into a vector, apart from any model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Maps texts to unit vectors; any object with these three members will do."""

    @property
    def space(self) -> str:
        """Name of the vector space: model and start of its weights' sha256, "name@53aa51172d14"."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row of unit length per text, `(texts, dim)`, in the order given."""
