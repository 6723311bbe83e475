"""What a text looks like: the form in which its disguises are the same (the idea of UTS #39).

The tables are our own choice of single characters that a reader takes for a Latin letter or a
digit. A spelling that a reader notices is left alone: "p4ss", "rn" for "m", "l" for "I".
"""

import re
import unicodedata
from string import ascii_lowercase

from memory.sanitise import canonical

# In each row the first character, then what looks like it after case was folded: Cyrillic, Greek,
# Armenian, Coptic, Cherokee, Lisu, Canadian syllabics, letters of phonetics, and some single ones.
_ROWS = """
a а α ⲁ Ꭺ ꓮ ᗅ ᗩ ɑ ᴀ ⱥ
b в ь β ⲃ Ᏼ Ᏸ Ꮟ ꓐ ᗷ ᑲ ᖯ ƀ ƃ ɓ ʙ
c с ҫ ⲥ Ꮯ ꓚ ᑕ ƈ ɕ ȼ ᴄ
d ԁ Ꭰ Ꮷ ꓓ ᗞ ᗪ ᑯ đ ƌ ȡ ɖ ɗ ᴅ
e е є ҽ ε ⲉ Ꭼ ꓰ ᗴ ɇ ɛ ᴇ
f ғ ϝ ꓝ ᖴ ƒ ꜰ
g ԍ ց Ꮐ Ᏻ ꓖ ɡ ǥ ɠ ɢ
h н ң һ ђ ћ հ ⲏ Ꮋ Ꮒ ꓧ ᕼ ħ ɦ ʜ ⱨ
i і ι ⲓ Ꭵ ꓲ ı ɨ ɩ ɪ
j ј ϳ յ Ꭻ ꓙ ᒍ ȷ ɉ ʝ ᴊ
k к қ ҝ ҡ ӄ κ ⲕ Ꮶ ꓗ ᛕ ƙ ᴋ ⱪ
l ӏ լ Ꮮ ꓡ ᒪ ⵏ ł ƚ ǀ ɫ ɬ ɭ ʟ
m м ⲙ Ꮇ ꓟ ᗰ ɱ ᴍ
n п η ո ռ ⲛ ꓠ ᑎ ƞ ɲ ɳ ɴ
o о ө ѳ ο σ օ ⲟ ꓳ ø ɵ ᴏ ס ه ہ ھ ە ଠ ഠ ဝ ჿ ዐ ⵔ 𐐬
p р ρ ⲣ Ꮲ ꓑ ᑭ ƥ ᴘ ᵽ
q ԛ գ զ ᑫ ɋ ʠ
r г ґ ⲅ Ꭱ Ꮢ ꓣ ᖇ ɍ ɼ ɽ ʀ ᴦ
s ѕ Ꮥ Ꮪ ꓢ ᔕ ʂ ꜱ
t т ԏ τ ⲧ Ꭲ ꓔ ŧ ƭ ʈ ᴛ
u υ μ ս ꓴ ᑌ ሀ ʉ ʋ ᴜ
v ѵ ν Ꮩ ꓦ ᐯ ᴠ ⱱ
w ԝ ѡ ω ա Ꮃ Ꮤ ꓪ ɯ ᴡ ⱳ
x х ҳ ӽ ӿ χ ⲭ ꓫ ⵝ
y у ү ұ γ ⲩ Ꮍ ꓬ ყ ƴ ɏ ʏ
z ζ ⲍ Ꮓ ꓜ ƶ ȥ ʐ ʑ ᴢ
2 ƨ ᒿ
3 з ӡ ȝ ʒ ɜ
4 Ꮞ
5 ƽ
6 б Ꮾ
8 ȣ
"""


class _Lookalikes(dict[int, str]):
    """Character -> what it looks like; digits of any script are their value."""

    def __missing__(self, code: int) -> str:
        value = unicodedata.decimal(chr(code), None)
        return self.setdefault(code, chr(code) if value is None else str(value))


_SMALL = _Lookalikes({ord(other): row[0] for row in _ROWS.split("\n") for other in row[1:].split()})
# Before case is folded: letters that folding makes look like another one, letters in pictures
# (black circles, black squares, flags), and fillers without a glyph that count as letters.
_DIVERGE = "ΗΜΝΥϹϲӀՏ"
_LARGE: dict[int, int | str] = {
    **str.maketrans(_DIVERGE + "\u166d", "hmnyccis" + "x"),
    **{
        first + at: letter
        for first in (0x1F150, 0x1F170, 0x1F1E6)
        for at, letter in enumerate(ascii_lowercase)
    },
    **dict.fromkeys((0x115F, 0x1160), ""),
}
_DIVERGING = re.compile(f"[{_DIVERGE}]")

_OVERRIDE = re.compile("[\u202d\u202e]")
_OPENING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"  # embeddings, overrides, isolates
_CLOSING = "\u202c\u2069"
_RTL = "\u202e"
_BIDI = re.compile(f"([{_OPENING}{_CLOSING}\n\x85\u2029])")


def skeleton(text: str) -> str:
    """Return the canonical form of `text` with every lookalike replaced by the plain letter.

    For comparison only. The skeleton of the result is the result.
    """
    return canonical(text) if text.isascii() else _shape(text, large=True)


def readings(text: str) -> tuple[str, ...]:
    """Return the distinct skeletons a reader may see in a text, that of its plain order first.

    A run whose direction is overridden is read in both directions. Greek capitals such as Eta are
    read as the Latin letter they look like, and as the capitals they are.
    """
    if text.isascii():
        return (canonical(text),)
    both = _DIVERGING.search(text) or _DIVERGING.search(unicodedata.normalize("NFKC", text))
    return tuple(
        dict.fromkeys(
            _shape(order, large=large)
            for order in orders(text)
            for large in ((True, False) if both else (True,))
        )
    )


def orders(text: str) -> tuple[str, ...]:
    """Return the text as it is stored and, where that differs, as overridden runs show it."""
    return (text, _displayed(text)) if _OVERRIDE.search(text) else (text,)


def _shape(text: str, *, large: bool) -> str:
    # Twice: NFKC makes a sigma of the lunate one, and a plain capital of a mathematical one.
    first = unicodedata.normalize("NFKC", text.translate(_LARGE) if large else text)
    shape = canonical(first.translate(_LARGE) if large else first).translate(_SMALL)
    while (again := canonical(shape).translate(_SMALL)) != shape:
        shape = again
    return shape


def _displayed(text: str) -> str:
    """Return the text with every overridden run in the order in which it is read."""
    runs: list[tuple[str, list[str]]] = [("", [])]  # what opened it, and its parts

    def close() -> None:
        opener, parts = runs.pop()
        runs[-1][1].append(_turned(opener, parts))

    for part in _BIDI.split(text):
        if part and part in _OPENING:
            runs.append((part, []))
        elif part and part in _CLOSING:
            if len(runs) > 1:
                close()
        elif part in ("\n", "\x85", "\u2029"):  # a paragraph ends every run
            while len(runs) > 1:
                close()
            runs[0][1].append(part)
        elif _OVERRIDE.match(runs[-1][0]):
            runs[-1][1].extend(part)  # an inner run keeps its place as one part
        else:
            runs[-1][1].append(part)
    while len(runs) > 1:
        close()
    return "".join(runs[0][1])


def _turned(opener: str, parts: list[str]) -> str:
    if not _OVERRIDE.match(opener):
        return "".join(parts)
    # A run is read backwards when it is shown against the direction of its own letters.
    backwards = sum(unicodedata.bidirectional(c) in ("R", "AL") for part in parts for c in part)
    forwards = sum(unicodedata.bidirectional(c) == "L" for part in parts for c in part)
    own_rtl = backwards > forwards
    return "".join(parts if own_rtl == (opener == _RTL) else reversed(parts))
