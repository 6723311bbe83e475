"""Markdown in pieces of a size worth remembering: paragraphs, lists and code below one heading."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FEW_WORDS = 40
MANY_WORDS = 200
_MAX_CHARS = 50_000  # of one piece without a break, such as an embedded image

_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)(.*)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_LIST_OR_TABLE = re.compile(r"\s*(?:[-*+>|]|\d{1,9}[.)])")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\uabff\uac00-\ud7af]+")
_META = re.compile(r"(title|date):[ \t]+(.*)")


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a page; lines are 1-based and inclusive."""

    text: str
    headings: tuple[str, ...]  # from the top of the page down
    first: int
    last: int


@dataclass(slots=True)
class _Block:
    lines: list[tuple[int, str]] = field(default_factory=list)  # number, text
    level: int = 0  # of a heading, 0 for anything else
    is_code: bool = False

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines).strip("\n")

    @property
    def words(self) -> int:
        return _words(self.text)


def _words(text: str) -> int:
    """Count words, CJK signs as one each; long runs without a space count by their length."""
    return len(_WORD.findall(text)) + len(text) // 500


def front_matter(text: str) -> tuple[dict[str, str], int]:
    """Return the plain `title` and `date` of a YAML head, and the line the body begins at."""
    lines = text.split("\n", 201)[:201]
    if lines[0].rstrip() != "---":
        return {}, 1
    meta: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        if line.rstrip() in ("---", "..."):
            return meta, number + 1
        found = _META.match(line)
        value = found[2].strip().strip("\"'").strip() if found else ""
        if found and value and value[0] not in "[{|>&*!":
            meta[found[1]] = value
    return {}, 1  # never closed: a page that begins with a rule


def chunks(text: str, first_line: int = 1) -> Iterator[Chunk]:
    """Yield the pieces of a page from `first_line` on, in order.

    A piece lies below one heading and has 40 to 200 words where the text allows it; a code block
    is never cut and stays with the paragraph before it.
    """
    path: list[tuple[int, str]] = []  # level and text of the headings above
    held: list[_Block] = []
    lines = list(enumerate(text.split("\n"), start=1))[first_line - 1 :]
    for block in _blocks(lines):
        if block.level:
            yield from _joined(held, path)
            held = []
            path = [one for one in path if one[0] < block.level] + [(block.level, block.text)]
            continue
        for part in [block] if block.is_code else _parts(block):
            if _is_full(held, part):
                yield from _joined(held, path)
                held = []
            held.append(part)
    yield from _joined(held, path)


def _is_full(held: list[_Block], following: _Block) -> bool:
    words = sum(block.words for block in held)
    if following.is_code:
        return bool(held) and held[-1].is_code and words >= MANY_WORDS
    return words >= FEW_WORDS and words + following.words > MANY_WORDS


def _joined(held: list[_Block], path: list[tuple[int, str]]) -> Iterator[Chunk]:
    if any(block.words for block in held):
        yield Chunk(
            text="\n\n".join(block.text for block in held),
            headings=tuple(text for _, text in path if text),
            first=held[0].lines[0][0],
            last=held[-1].lines[-1][0],
        )


def _blocks(lines: list[tuple[int, str]]) -> Iterator[_Block]:
    block = _Block()
    fence = ""
    for number, line in lines:
        if fence:
            block.lines.append((number, line))
            closing = _FENCE.fullmatch(line)
            if closing and closing[1].startswith(fence) and not closing[2].strip():
                yield block
                block, fence = _Block(), ""
            continue
        opening, heading = _FENCE.fullmatch(line), _HEADING.fullmatch(line)
        underline = _UNDERLINE.fullmatch(line)
        if underline and len(block.lines) == 1 and not _LIST_OR_TABLE.match(block.lines[0][1]):
            level = 1 if underline[1].startswith("=") else 2
            yield _Block([(number, block.lines[0][1].strip())], level)
            block = _Block()
        elif opening or heading or not line.strip():
            if block.lines:
                yield block
            block = _Block()
            if opening:
                fence = opening[1]
                block = _Block([(number, line)], is_code=True)
            elif heading:
                title = re.sub(r"(?:^|[ \t])#+$", "", heading[2].strip()).strip()
                yield _Block([(number, title)], len(heading[1]))
        else:
            block.lines.append((number, line))
    if block.lines:
        yield block


def _parts(block: _Block) -> Iterator[_Block]:
    """Yield a long block in parts of at most 200 words: at lines, sentences, or in between."""
    if block.words <= MANY_WORDS and len(block.text) <= _MAX_CHARS:
        yield block
        return
    part, words = _Block(), 0
    for number, line in block.lines:
        for piece in _pieces(line):
            size = _words(piece)
            if part.lines and words + size > MANY_WORDS:
                yield part
                part, words = _Block(), 0
            if part.lines and part.lines[-1][0] == number:
                part.lines[-1] = (number, f"{part.lines[-1][1]} {piece}")
            else:
                part.lines.append((number, piece))
            words += size
    if part.lines:
        yield part


def _pieces(line: str) -> Iterator[str]:
    if _words(line) <= MANY_WORDS and len(line) <= _MAX_CHARS:
        yield line
        return
    for sentence in filter(None, _SENTENCE.split(line)):
        words = sentence.split()
        for at in range(0, len(words), MANY_WORDS):
            run = " ".join(words[at : at + MANY_WORDS])
            yield from (run[i : i + _MAX_CHARS] for i in range(0, len(run), _MAX_CHARS))
