"""ULID identifiers: 48 bits of milliseconds and 80 random bits in Crockford base 32.

The published package costs 40 ms to import, a fifth of a lexical recall; this is the same format.
"""

import re
import secrets
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_id(now: datetime) -> str:
    """Return a fresh ULID whose prefix sorts by `now`."""
    number = int(now.timestamp() * 1000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))


def is_id(text: str) -> bool:
    """Tell whether `text` has the form of a ULID."""
    return _FORM.fullmatch(text) is not None
