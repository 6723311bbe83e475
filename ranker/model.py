"""The linear ranker: a named weight per feature."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranker.features import NAMES

Floats = NDArray[np.float32]

# Untrained defaults, set by hand on LoCoMo (research/retrieval §2.3, system W2); `identifier`
# outweighs all the rest together, because an exact key must not lose to a similar text.
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "lexical": 1.0,
    "dense": 0.5,
    "context": 0.5,
    "subject": 0.15,
    "question": -0.1,
    "month": 0.2,
    "day": 0.2,
    "session_lexical": 0.15,
    "session_dense": 0.1,
    "identifier": 3.0,
}


@dataclass(frozen=True, slots=True)
class LinearRanker:
    """Scores are ``X @ w``: every share of a score can be named."""

    weights: Mapping[str, float]

    def contributions(self, features: Floats) -> Floats:
        """Return each feature's share of each score, `(n, len(NAMES))` to the same shape."""
        return np.asarray(features * self._vector(), np.float32)

    def score(self, features: Floats) -> Floats:
        """Return one score per candidate, `(n, len(NAMES))` to `(n,)`."""
        return np.asarray(features @ self._vector(), np.float32)

    def _vector(self) -> Floats:
        return np.array([self.weights.get(name, 0.0) for name in NAMES], np.float32)


DEFAULT = LinearRanker(DEFAULT_WEIGHTS)
