import hashlib

import pytest

from memory import merkle

SIZES = range(1, 41)


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf(bytes([at])) for at in range(size)]


def by_levels(row: list[bytes]) -> bytes:
    """The same tree made from below: pairs are hashed, an odd last one moves up as it is."""
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        pairs = zip(row[::2], row[1::2], strict=False)
        row = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return row[0]


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_that_of_a_tree_built_from_below(size: int) -> None:
    assert merkle.root(leaves(size)) == by_levels(leaves(size))


@pytest.mark.parametrize("size", SIZES)
def test_every_path_leads_to_the_root_and_only_from_its_own_leaf(size: int) -> None:
    row, root = leaves(size), merkle.root(leaves(size))
    for index in range(size):
        steps = merkle.path(row, index)

        assert merkle.root_of(row[index], index, size, steps) == root
        assert merkle.root_of(merkle.leaf(b"other"), index, size, steps) != root
        assert merkle.root_of(row[index], index, size, [*steps, root]) is None
        if steps:
            assert merkle.root_of(row[index], index, size, steps[:-1]) != root
            assert merkle.root_of(row[index], index ^ 1, size, steps) != root


def test_the_hashes_are_those_of_rfc_6962() -> None:
    # Of the test vectors of certificate-transparency-go: the empty tree, and leaves "", 0x00.
    assert merkle.root([]).hex() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    two = [merkle.leaf(b""), merkle.leaf(b"\x00")]
    assert two[0].hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.root(two).hex() == (
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    )


def test_a_leaf_is_no_node() -> None:
    left, right = leaves(2)

    assert merkle.leaf(left + right) != merkle.node(left, right)
    assert merkle.root_of(left, 0, 0, []) is None
    assert merkle.root_of(left, 2, 2, [right]) is None
