"""Judgement of a value found beside a secret-ish name: is it a secret, or words, code, a blank?"""

import re

_SENTENCE_END = ".,:;)]}>*。\uff0c、\uff1b"

# Blanks that documentation and templates leave for the reader to fill in, and lookups at run time.
_BLANK = re.compile(
    r"""(?ix)
    [<\[({].* | \$[({].* | \$[a-z_]+ | (?-i:\$[A-Z_][A-Z0-9_]*) | \$env:.*
    | %\w+% | %[({].* | %[sdv] | \#\{.* | !(?:vault|ref|sub|secret|env|include|getatt)\b.* | @[a-z]+
    | [*•●.…_\-x?#+=~|]+
    | .*(?:example|placeholder|change[_-]?me|x{4}|redacted|process\.env|os\.environ|getenv
          |import\.meta|dummy).*
    | .*\{[a-z_][\w.()]*\}.* | .*[_-]here | (?:insert|replace|enter)[_ -].* | your.*
    | (?:arn|op|vault|ssm|env|file|https?|data):.*
    """,
)
# A name, a call or an index: the value comes from code that runs elsewhere.
_CODE = re.compile(
    r"""(?x)
    [A-Za-z_]\w*+(?:(?:\.|->|::)\w++)*+[(\[].*
    | [A-Za-z_]+(?:(?:\.|->|::)[A-Za-z_]+)+
    | (?:self|cls|this|config|cfg|settings|args|opts|options|ctx|env|props|req|request|state|secrets
        |params|os|process|data|user|options)(?:\.|->|\[).*
    """,
)
_NAMED = re.compile(r"(?i)pass(?:w|phrase|code)|secret|token|api_?key|credential|pwd")
_NAME = re.compile(r"[a-z]{1,12}(?:_[a-z]{1,12}|_v?[0-9])*|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Za-z]+")
_WORDS = re.compile(r"[^\W\d_]+(?:[-_'\u2019/|&][^\W\d_]+)*[!?]?")
_SLUG = re.compile(r"[A-Za-z]++(?:[-_./:](?:[A-Za-z]++|v?[0-9]{1,4}(?![0-9A-Za-z])))*+")
_HUMPS = re.compile(r"[A-Za-z]?[a-z]{2,}(?:[A-Z][a-z]{2,})*")
_PATH = re.compile(r"(?:[~.]{0,2}/|[A-Za-z]:\\)[\w.@ -]*(?:[/\\][\w.@ -]*)*")
_FILE = re.compile(r"(?i)[\w-]+\.(?:py|js|ts|md|txt|json|ya?ml|toml|env|ini|cfg|conf|lock|log|sh)")
_NUMERIC = re.compile(r"v?[0-9]+(?:[.:/_-][0-9]+)+(?:[T_+-][0-9:.TZ+-]+)?Z?|[0-9]+[-\u2013][0-9]+")
_DIGEST = re.compile(r"(?i)(?:sha[0-9-]{1,5}|md5)[:-].*")
_TECHNICAL = re.compile(
    r"(?i)(?:sha-?[0-9]|md5|base-?[0-9]{2}|argon2|pbkdf2|utf-?[0-9]|oauth|aes-?[0-9]|rsa-?[0-9]"
    r"|hmac|1password|2fa|n/a|[0-9]+\+)"
)
_ENDS = re.compile(r"[ \t]*(?:$|[\n\r#,;}\])<\"'`|]|//|\\n|[。\uff0c、\uff1b])")
_ADJECTIVE = re.compile(r"(?i).{2,}(?:ed|ing|able|ible|ive|less|ory|ary|ful|ent|ant|ous)")
_COMMON_TEXT = """
a about after again all also always an and any are array as ask at await bar base baz be before
being bool boolean broken but by bytes can case char check class code column config const
correct data default defined dict different do does each easy empty enum env error fail false
field file fine float foo foobar for form found from function gone good got has hash have hello
hidden how if in incorrect input insecure int integer invalid is it its json just kept key known
label least len length let list login long lost map match max maybe min missing must name need
never new nil no none nope not null number object off ok okay old on one only open optional or
our pass passcode passphrase passwd password private prompt public pwd quite random read ready
really require reset right safe same schema secret secure see self sent server set short should
shown simple so some sorry still str string strong super swapped test testing text that the
their them then there these they this those to todo token too true type undefined union unique
unknown unsafe unset up use user username valid value var varchar very visible was weak were
what when where which why will with without write wrong yes you your
"""
_COMMON = frozenset(_COMMON_TEXT.split())
_GRAMMAR_TEXT = (
    "a about after all always an and any are as at be before being but by can do does each for from"
    " has have how if in is it its least long must need never not of on only or our same should so"
    " some that the their them then there these they this those to was were what when where which"
    " will with you your"
)
_GRAMMAR = frozenset(_GRAMMAR_TEXT.split())
_KEY_OF = re.compile(
    r"(?i)(?:api|access|auth|private|secret|signing|encryption|master|account|storage|service"
    r"|deploy|license|webhook)[_ .-]?$"
)
_OTHER_TOKENS = re.compile(
    r"(?i)(?:next|prev|page|paging|eos|bos|pad|unk|sep|mask|cls|stop|special|sync|continuation"
    r"|cursor|max|min|num|total|per|public|publishable|site)[ _.-]?$|:$"
)
_ISSUERS = (  # first digits and lengths of the card networks
    (re.compile(r"4"), (16, 19)),
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"6011|64[4-9]|65"), (16,)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16,)),
    (re.compile(r"30[0-5]|3[68]"), (14,)),
    (re.compile(r"62|50(?:18|20|38)|5893|6304|676[1-3]|6759"), (16, 19)),
)
_IBAN_HEAD = re.compile(r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){0,6}[ -]?$")


def bare(match: re.Match[str]) -> str:
    """Return the value of a match; what ends the sentence is cut unless quotes hold the value."""
    found = match["secret"]
    return found if match["quote"] else found.rstrip(_SENTENCE_END)


def is_assigned_password(match: re.Match[str]) -> bool:
    """Tell whether `password = VALUE` gives a password away."""
    found = bare(match)
    if match["name"].lower() == "pwd" and _PATH.fullmatch(found):
        return False
    if not match["quote"] and _HUMPS.fullmatch(found) and not found[1:].islower():
        return False  # a variable in camel case
    return _is_password(found, match)


def is_told_password(match: re.Match[str]) -> bool:
    """Tell whether "the password is VALUE" gives a password away."""
    found = bare(match)
    if _PATH.fullmatch(found) or _FILE.fullmatch(found) or "://" in found:
        return False
    return _is_password(found, match)


def is_password_beside_its_name(match: re.Match[str]) -> bool:
    """Tell whether "password VALUE" without a verb gives one away: letters and digits mixed."""
    found = match["secret"].rstrip(_SENTENCE_END)
    mixed = any(c.isdigit() for c in found) and any(c.isalpha() for c in found)
    blank = _is_hollow(found) or _TECHNICAL.match(found) or _SLUG.fullmatch(found)
    return mixed and not blank and not _CODE.fullmatch(found) and not _NUMERIC.fullmatch(found)


def is_told_password_abroad(match: re.Match[str]) -> bool:
    """Tell the same of other languages, where any plain word may be an adjective."""
    words = not match["quote"] and _WORDS.fullmatch(bare(match))
    return not words and is_told_password(match)


def is_flag_value(match: re.Match[str]) -> bool:
    """Tell whether a command-line option is given a secret rather than a variable."""
    found = bare(match)
    plain = not match["quote"] and bool(_WORDS.fullmatch(found))
    return not plain and not _is_hollow(found) and not _PATH.fullmatch(found)


def is_assigned_token(match: re.Match[str]) -> bool:
    """Tell whether `token = VALUE` holds something issued: long, unlike a word, name or path."""
    found = bare(match)
    if len(found) < 8 or any(c.isspace() for c in found) or _is_hollow(found):
        return False
    before = match.string[max(0, match.start() - 16) : match.start()]
    if match["name"].lower() == "key" and not _KEY_OF.search(before):
        return False
    if _OTHER_TOKENS.search(before):
        return False
    if _PATH.fullmatch(found) or _NUMERIC.fullmatch(found) or _DIGEST.match(found):
        return False
    if "://" in found or _FILE.fullmatch(found) or re.fullmatch(r"[^@]+@[^@]+\.[a-z]+", found):
        return False
    if found.isalpha():
        return len(found) >= 16 and not _HUMPS.fullmatch(found)
    if _SLUG.fullmatch(found) or (match["quote"] in (None, "`") and _CODE.fullmatch(found)):
        return False
    if any(c.isdigit() for c in found):
        return any(c.isalpha() for c in found)
    return len(found) >= 12


def _is_hollow(found: str) -> bool:
    """Tell whether a value is a blank to fill in, a common word, or the name of another value."""
    low = found.lower()
    if low in _COMMON or _BLANK.fullmatch(found) or not any(c.isalnum() for c in found):
        return True
    # "user_password" is a name, but "Password123" is one of the commonest passwords
    return bool(_NAMED.search(found) and _NAME.fullmatch(found))


def _is_password(found: str, match: re.Match[str]) -> bool:
    quoted = bool(match["quote"])
    if len(found) < 4 or _is_hollow(found) or _TECHNICAL.match(found):
        return False
    if " " in found:  # only quotes hold spaces: a passphrase, or a label of a form
        words = found.lower().split()
        return len(words) > 2 and not _NAMED.search(found) and not _COMMON.intersection(words)
    if not quoted and _CODE.fullmatch(found):
        return False
    if any(part in _COMMON for part in re.split(r"[|,/]", found.lower())):
        return False
    ends = quoted or len(found) < len(match["secret"]) or _at_end(match)
    if _WORDS.fullmatch(found):
        return _is_plain_password(found.rstrip("?"), ends=ends)
    if not any(c.isalpha() for c in found):
        return ends and not _NUMERIC.fullmatch(found)
    return True


def _is_plain_password(found: str, *, ends: bool) -> bool:
    parts = re.split(r"[-_'\u2019/|&!]", found.lower())
    if len(parts) > 3 and not _COMMON.intersection(parts):
        return True  # correct-horse-battery-staple
    if found.endswith("!"):
        found = found[:-1]
    if not found.isascii() or not found.isalpha() or found.lower() in _COMMON:
        return False
    if found[1:] != found[1:].lower() and not found.isupper():
        return True  # capitals inside a word
    return ends and not _ADJECTIVE.fullmatch(found)


def _at_end(match: re.Match[str]) -> bool:
    return bool(_ENDS.match(match.string, match.end("secret")))


def is_phrase(match: re.Match[str]) -> bool:
    """Tell whether the words after "passphrase:" are drawn words and no sentence."""
    drawn = re.split(r"[ ,]+", match["secret"].lower())
    grammar = sum(word in _GRAMMAR for word in drawn)
    if len(drawn) >= 12:
        return grammar <= len(drawn) // 4  # the usual word list shares a few words with prose
    return not grammar and not any(word.endswith(("ed", "ing")) for word in drawn)


def is_login(match: re.Match[str]) -> bool:
    """Tell whether a password that stands in a URL, a netrc line or a tag is a real one."""
    return not _is_hollow(match["secret"]) and len(match["secret"]) > 2


def is_curl_login(match: re.Match[str]) -> bool:
    """Tell whether `-u NAME:PASSWORD` belongs to a curl command."""
    return "curl" in match.string[max(0, match.start() - 300) : match.start()] and is_login(match)


def is_bearer(match: re.Match[str]) -> bool:
    """Tell whether the word after an authorization scheme is a credential."""
    found = match["secret"]
    issued = any(c.isdigit() for c in found) or len(set(found)) >= 12
    if found.startswith("AWS4-HMAC"):
        return False  # a scheme; its signature does not outlive the request
    return issued and not _is_hollow(found) and not _CODE.fullmatch(found)


def is_pin(match: re.Match[str]) -> bool:
    """Tell whether the digits after "pin" are one; years and dates are not."""
    return match["is"].lower() in ("is", "was") or not match["secret"].startswith(("19", "20"))


def is_card(match: re.Match[str]) -> bool:
    """Tell whether digits are a payment card: network, length and Luhn sum, and no IBAN."""
    digits = re.sub(r"[ -]", "", match[0])
    if not any(first.match(digits) and len(digits) in sizes for first, sizes in _ISSUERS):
        return False
    if len(digits) == 19 and match[0] == digits:
        return False  # one in ten long ids passes Luhn; nobody writes such a card in one piece
    if _IBAN_HEAD.search(match.string[max(0, match.start() - 40) : match.start()]):
        return False
    doubled = (int(c) * (1 + at % 2) for at, c in enumerate(reversed(digits)))
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0
