"""Merkle trees as RFC 6962 defines them: a leaf can never pass for an inner node."""

import hashlib
from collections.abc import Sequence

LEAF, NODE = b"\x00", b"\x01"  # what is hashed in front of a leaf and of two nodes


def leaf(body: bytes) -> bytes:
    """Return the hash of one entry."""
    return hashlib.sha256(LEAF + body).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbours."""
    return hashlib.sha256(NODE + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the hash over all leaves; that of no bytes when there are none."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    cut = _cut(len(leaves))
    return node(root(leaves[:cut]), root(leaves[cut:]))


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from leaf `index`, 0-based, to the root, nearest first."""
    if len(leaves) == 1:
        return []
    cut = _cut(len(leaves))
    if index < cut:
        return [*path(leaves[:cut], index), root(leaves[cut:])]
    return [*path(leaves[cut:], index - cut), root(leaves[:cut])]


def root_of(body: bytes, index: int, size: int, steps: Sequence[bytes]) -> bytes | None:
    """Return the root that a path leads to; None if no tree of `size` has such a path.

    RFC 9162, 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    found, last = body, size - 1
    for step in steps:
        if not last:
            return None
        if index & 1 or index == last:
            found = node(step, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = node(found, step)
        index, last = index >> 1, last >> 1
    return None if last else found


def _cut(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
