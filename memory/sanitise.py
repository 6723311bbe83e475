"""Text at the border: what may be stored, what may be shown, and the form used for equality."""

import re
import unicodedata

from memory.errors import UsageError

# Escape sequences of terminals go as a whole: operating system commands (titles, links), device
# control strings, control sequences, then any short escape. One line at most, so that an opening
# without an end cannot hide what follows.
_ANSI = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*+(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]*+(?:\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"
    r"|\x1b[ -/]*+[0-~]"
)
# Selectors and joiners an emoji needs stay; the rest is invisible and can carry hidden text.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and newline
    "\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\u115f\u1160\u3164\uffa0"  # fillers without a glyph
    "\ufe00-\ufe0d\ufff9-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef"
    "\ud800-\udfff]"  # a lone surrogate cannot be encoded
)
_SELECTORS = re.compile("([\ufe0e\ufe0f])[\ufe0e\ufe0f]+")  # a run of selectors encodes bits
_PICTURE = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_LONE_JOINER = re.compile(f"(?<![{_PICTURE}])(?<![{_PICTURE}]\ufe0f)\u200d|\u200d(?![{_PICTURE}])")
_LINES = re.compile("\r\n?|[\u2028\u2029]")
_PLAIN = re.compile(r"[\t\n -~]*")

# Marks of these combining classes are vowel signs, viramas and voicing marks, which tell words
# apart ("かき" oyster, "かぎ" key); the other marks are accents and points that people leave out.
_LETTER_MARKS = frozenset({0, 6, 7, 8, 9, 84, 91, 103, 107, 118, 122, 129, 130, 132})
_IGNORABLE = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ASCII_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f]")  # those that are no space
_ASCII_GAP = re.compile(r"[^0-9a-z_]+")


def clean(text: str) -> str:
    """Return `text` safe to show: no controls, escape sequences or invisible characters.

    Tabs, newlines and emoji sequences stay. Cleaning the result again changes nothing.
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _LINES.sub("\n", _ANSI.sub("", text))
    text = _SELECTORS.sub(r"\1", _INVISIBLE.sub("", text))
    return _LONE_JOINER.sub("", text)


def canonical(text: str) -> str:
    """Return the form in which texts are compared and phrases looked for.

    Compatibility forms, case, accents, punctuation and spacing no longer differ; marks that are
    letters of their script stay. The canonical form of the result is the result.
    """
    if text.isascii():
        return _ASCII_GAP.sub(" ", _ASCII_CONTROL.sub("", text.lower())).strip()
    folded = _folded(text)
    # Folding case can bring up characters that fold once more (final iota, dotted capital i).
    while (again := _folded(folded)) != folded:
        folded = again
    return folded


def _folded(text: str) -> str:
    text = _IGNORABLE.sub("", unicodedata.normalize("NFKC", text).casefold())
    kept = (c for c in unicodedata.normalize("NFKD", text) if not _is_dropped(c))
    text = unicodedata.normalize("NFKC", "".join(kept)).casefold()
    return " ".join("".join(c if _is_word(c) else " " for c in text).split())


def _is_dropped(c: str) -> bool:
    category = unicodedata.category(c)
    if category == "Mn":
        return unicodedata.combining(c) not in _LETTER_MARKS
    return category in ("Cf", "Cs") or (category == "Cc" and not c.isspace())


def _is_word(c: str) -> bool:
    return c.isalnum() or c == "_" or unicodedata.category(c) in ("Mn", "Mc")


def validate(text: str, *, field: str = "text", limit: int = 1_000_000) -> str:
    """Return `text` as it may be stored: LF line ends, no space around, else untouched.

    Args:
        text: What is to be stored.
        field: Its name in an error message.
        limit: Largest size in bytes of UTF-8.

    Raises:
        UsageError: It is no text, empty, too long, or cannot be kept as UTF-8 without NUL.
    """
    given: object = text  # callers from JSON may hand over anything
    if not isinstance(given, str):
        raise UsageError(f"{field} is of type {type(given).__name__!r}, not a string")
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text or not clean(text).strip():
        raise UsageError(f"{field} is empty", hint="give at least one visible character")
    if (at := text.find("\x00")) >= 0:
        raise UsageError(
            f"{field} has a NUL character at {at}", hint="is this a binary file? give plain text"
        )
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise UsageError(
            f"{field} has a lone surrogate at {exc.start}",
            hint="it was decoded wrongly; read it as UTF-8",
        ) from exc
    if size > limit:
        raise UsageError(
            f"{field} has {size:,} bytes, more than {limit:,}",
            hint="split it, or store a summary and the path of the whole",
        )
    return text
