"""Root pages of all b-trees, read from the bytes of the schema table without a connection."""

from collections.abc import Callable

from memory.btree import Cells

NAME, ROOTPAGE = 1, 3  # columns of sqlite_schema
LONGEST = 1 << 20  # bytes of a record whose head is looked at


class Roots:
    """Collects root pages from batches of the schema's pages; never raises."""

    def __init__(self, page: Callable[[int], bytes]) -> None:
        """Use `page` to read overflow pages by number."""
        self._page = page
        self.found: dict[str, int] = {}  # by name of the table or index
        self.errors: list[str] = []

    def __call__(self, data: bytes | bytearray, cells: Cells) -> None:
        """Take the rows from a batch of schema pages."""
        rows = zip(
            cells.body[cells.leaf].tolist(),
            cells.local[cells.leaf].tolist(),
            cells.payload[cells.leaf].tolist(),
            strict=True,
        )
        for body, local, payload in rows:
            record = bytes(data[body : body + local])
            if local < payload:
                link = int.from_bytes(data[body + local : body + local + 4], "big")
                record += self._rest(link, min(payload, LONGEST) - local)
            entry = named_root(record)
            if entry is None or entry[0] in self.found:
                self.errors.append("the schema has a row that cannot be read")
            elif entry[1]:
                self.found[entry[0]] = entry[1]

    def _rest(self, link: int, wanted: int) -> bytes:
        parts = b""
        while link and len(parts) < wanted:
            page = self._page(link)
            if len(page) < 4:
                break
            parts += page[4:]
            link = int.from_bytes(page[:4], "big")
        return parts


def named_root(record: bytes) -> tuple[str, int] | None:
    """Return name and root page in a row of the schema; 0 for views and virtual tables."""
    width, at = varint(record, 0)
    types: list[int] = []
    while at < min(width, len(record)) and len(types) <= ROOTPAGE:
        kind, at = varint(record, at)
        types.append(kind)
    if len(types) <= ROOTPAGE:
        return None
    begins = [width + sum(map(_length, types[:column])) for column in (NAME, ROOTPAGE)]
    name, body = (
        record[begin : begin + _length(types[column])]
        for begin, column in zip(begins, (NAME, ROOTPAGE), strict=True)
    )
    kind = types[ROOTPAGE]
    if kind in (0, 8, 9):  # NULL, or the constants 0 and 1
        return name.decode(errors="replace"), int(kind == 9)
    if not 1 <= kind <= 6 or len(body) < _length(kind):
        return None
    return name.decode(errors="replace"), int.from_bytes(body, "big")


def _length(kind: int) -> int:
    """Return the bytes of a column of this serial type."""
    return (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind] if kind < 12 else (kind - 12) // 2


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the variable-length number at `at` and the place behind it; 0 behind the end."""
    value = 0
    for turn, byte in enumerate(data[at : at + 9]):
        if turn == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + turn + 1
    return value, at + 9
