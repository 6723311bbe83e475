"""The layers of a BERT-type encoder in numpy, over packed texts and weights left in their file."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Groups = Sequence[tuple[int, int]]  # (texts, tokens per text) in the order of the packed rows

# A matrix product of few rows is bound by how its weights are read, not by arithmetic. OpenBLAS
# has kernels that skip the usual repacking for products up to these sizes (interface/gemm.c and
# kernel/x86_64/sgemm_small_kernel_permit_skylakex.c), so weights are handed over in slices.
FEW_ROWS = 40
SLICES = (96, 48, 24, 16)  # outputs per slice; each divides every multiple of 384
SLICE_FLOPS = 100**3
SLICE_CELLS = 1200
PANEL_IN, PANEL_OUT = 384, 64  # a panel of a repacked weight: 96 KB, read in one sweep

SCORE_CELLS = 1 << 20  # attention scores held at once: 4 MB
GELU_ROWS = 64  # rows whose intermediates stay in the second-level cache

# Half the log-odds of the normal distribution function at x, divided by x, as a polynomial in x²:
# weighted minimax fit on |x| <= 6. Increasing beyond it, so tanh saturates on the right side.
GELU = (0.797884216, 0.0363342835, -3.31299941e-05, -5.52401579e-05, 3.96910934e-06)
GELU_TAIL = (-1.334464e-07, 1.80561617e-09)


@dataclass(frozen=True, slots=True)
class Affine:
    """The map ``x @ W.T + b``; several matrices stand side by side in the output."""

    weights: tuple[Array, ...]  # each (outputs, inputs), as in the file
    bias: Array  # (all outputs,)
    panels: Array | None = None  # (inputs / 384, outputs / 64, 384, 64): the same, repacked

    def packed(self) -> Self:
        """Return the same map with a copy of its weights laid out in the order they are read."""
        columns = [
            W.reshape(-1, PANEL_OUT, W.shape[1] // PANEL_IN, PANEL_IN).transpose(2, 0, 3, 1)
            for W in self.weights
        ]
        panels = np.ascontiguousarray(np.concatenate(columns, axis=1))
        return replace(self, panels=panels)

    def __call__(self, x: Array) -> Array:
        """Return `(rows, outputs)` for `x` of `(rows, inputs)`."""
        if self.panels is not None and len(x) <= FEW_ROWS:
            y = self._by_panels(x, self.panels)
        else:
            y = self._by_matrices(x)
        y += self.bias
        return y

    def _by_panels(self, x: Array, panels: Array) -> Array:
        rows, depth = len(x), len(panels)
        x = x.reshape(rows, depth, 1, PANEL_IN).transpose(1, 2, 0, 3)  # (depth, 1, rows, 384)
        y: Array = (x @ panels).sum(axis=0)  # (outputs / 64, rows, 64)
        return y.transpose(1, 0, 2).reshape(rows, -1)

    def _by_matrices(self, x: Array) -> Array:
        y = np.empty((len(x), len(self.bias)), np.float32)
        start = 0
        for W in self.weights:
            part = y[:, start : start + len(W)]
            start += len(W)
            size = slice_size(len(x), W.shape[1])
            if size is None:
                np.matmul(x, W.T, out=part)
            else:
                slices = W.reshape(-1, size, W.shape[1]).transpose(0, 2, 1)
                np.matmul(x, slices, out=part.reshape(len(x), -1, size).transpose(1, 0, 2))
        return y


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation (Ba, Kiros & Hinton 2016, eq. 4)."""

    gain: Array  # (hidden,)
    bias: Array  # (hidden,)
    epsilon: float

    def __call__(self, x: Array) -> Array:
        """Return `x` of `(rows, hidden)` with rows of mean 0 and variance 1, scaled; reuses `x`."""
        width = np.float32(x.shape[1])
        x -= np.add.reduce(x, axis=1, keepdims=True) / width
        variance = np.einsum("ij,ij->i", x, x) / width
        x /= np.sqrt(variance + np.float32(self.epsilon))[:, None]
        x *= self.gain
        x += self.bias
        return x


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights of one encoder layer (Vaswani et al. 2017, §3.1; Devlin et al. 2019, §3)."""

    qkv: Affine  # queries, keys and values side by side
    mix: Affine  # joins the heads
    mix_norm: Norm
    widen: Affine
    narrow: Affine
    narrow_norm: Norm

    def packed(self) -> Self:
        """Return the same layer with repacked weights."""
        return replace(
            self,
            qkv=self.qkv.packed(),
            mix=self.mix.packed(),
            widen=self.widen.packed(),
            narrow=self.narrow.packed(),
        )

    def __call__(self, x: Array, groups: Groups, heads: int) -> Array:
        """Return the layer's output `(rows, hidden)` for packed texts `x` of the same shape."""
        mixed = self.mix(attention(self.qkv(x), groups, heads))
        mixed += x
        mixed = self.mix_norm(mixed)
        wide = self.narrow(gelu(self.widen(mixed)))
        wide += mixed
        return self.narrow_norm(wide)


def slice_size(rows: int, inputs: int) -> int | None:
    """Return how many outputs to compute at a time, None for all of them."""
    if rows > FEW_ROWS:
        return None
    fits = (s for s in SLICES if s * rows <= SLICE_CELLS and s * rows * inputs <= SLICE_FLOPS)
    return next(fits, None)


def gelu(x: Array) -> Array:
    """Return ``x * Phi(x)`` in place, Phi the normal distribution function.

    Hendrycks & Gimpel 2016, §2: their tanh form with six terms instead of two, which brings the
    largest error from 5e-4 to 5e-7.
    """
    for start in range(0, len(x), GELU_ROWS):
        part = x[start : start + GELU_ROWS]
        square = part * part
        odds = square * np.float32(GELU_TAIL[1])
        for factor in (GELU_TAIL[0], *reversed(GELU[1:])):
            odds += np.float32(factor)
            odds *= square
        odds += np.float32(GELU[0])
        odds *= part
        np.tanh(odds, out=odds)
        part *= np.float32(0.5)
        odds *= part
        part += odds
    return x


def attention(qkv: Array, groups: Groups, heads: int) -> Array:
    """Return softmax(Q Kᵀ / √d) V of each text, heads side by side (Vaswani et al. 2017, eq. 1).

    Texts of equal length are one batch, so no position is ever padded or masked.

    Args:
        qkv: Queries, keys and values, `(rows, 3 * hidden)`.
        groups: How the rows divide into texts.
        heads: Number of heads.
    """
    hidden = qkv.shape[1] // 3
    d = hidden // heads
    mixed = np.empty((len(qkv), hidden), np.float32)
    start = 0
    for texts, length in split(groups, heads):
        rows = slice(start, start + texts * length)
        start = rows.stop
        q, k, v = qkv[rows].reshape(texts, length, 3, heads, d).transpose(2, 0, 3, 1, 4)
        scores = q @ k.swapaxes(2, 3)  # (texts, heads, length, length)
        scores *= np.float32(1 / math.sqrt(d))
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        context = scores @ v  # (texts, heads, length, d)
        context /= scores.sum(axis=3, keepdims=True)
        mixed[rows].reshape(texts, length, heads, d)[:] = context.transpose(0, 2, 1, 3)
    return mixed


def split(groups: Groups, heads: int) -> Iterator[tuple[int, int]]:
    """Yield the groups in parts whose attention scores fit the memory set aside for them."""
    for texts, length in groups:
        most = max(1, SCORE_CELLS // (heads * length * length))
        for done in range(0, texts, most):
            yield min(most, texts - done), length
