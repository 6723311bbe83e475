"""Redaction before storage: secrets leave a text as `[redacted:RULE]`, by typed rules only."""

import re
from collections.abc import Iterator

from memory import secret_words as words
from memory.secret_rules import PRIVATE_KEYS, VENDORS, Check, Rule, secret_of

_MARKER = re.compile(r"\[redacted:[a-z0-9-]{1,40}\]")
_ESCAPED = re.compile(r"(?:\\[nrt]|%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4})$")
_REACH = 128  # a refused candidate longer than this is passed over, so that scans stay linear

# Names of a value that is secret by itself, and of one that must also look like a token.
_ITS_NAME = (
    r"(?P<name>pass(?:w(?:or)?d|phrase|code)|pwd|(?<=[_.'\"-])pass(?=['\"\s:=])|(?<=\s)pass(?==))"
)
_KEY_NAME = r"(?P<name>key|secret|token|credential)"
_TAIL = (
    r"(?:[_-]?(?:key|base|value|prod(?:uction)?|dev(?:elopment)?|test(?:ing)?|stag(?:ing|e)|live"
    r"|[0-9]{1,3})(?![a-z]))*+"
)
_TYPE = r"(?:&?(?:'static )?str(?:ing)?|SecretStr|Optional\[str\]|str \| None|bytes)"
_GIVES = (
    rf"(?:\\?[\"'`*\])]){{0,3}}+[ \t\xa0]{{0,8}}+"
    rf"(?::=|=>|={{1,3}}|\uff1a|:(?:[ \t]{{0,4}}{_TYPE}[ \t]{{0,4}}=)?+)[ \t\xa0*]{{0,8}}+"
    rf"(?:[frbu]{{1,2}}(?=[\"']))?+"
)
_STOP = r"\s\"'`“”\u2018\u2019«»\uff0c。、"
_BARE = (  # without quotes a value also ends before the next assignment: `a=1,b=2`, `a=1&b=2`
    rf"[^{_STOP},;&<]++(?:(?:<(?!/)|[,;&](?!\s?[\w.-]{{1,40}}\s?[=:]))[^{_STOP},;&<]*+)*+"
)
_QUOTED = r"(?:(?!(?P=quote)|[”\u2019»])(?:\\[^\n]|[^\n\\])){1,512}"
_VALUE = rf"(?P<quote>\"\"\"|'''|\\?[\"'`]|[“\u2018«])?+(?P<secret>(?(quote){_QUOTED}|{_BARE}))"

_FOREIGN = (
    "passwort|kennwort|contrase[nñ]a|mot de passe|senha|wachtwoord|has[lł]o|l[öo]senord"
    "|adgangskode|salasana|пароль|密码|密碼|パスワード|비밀번호"
)
_IS = r"(?:has been |was |is )?(?:set|changed|reset|updated) to\b|is\b|was\b"
_IST = r"is\b|ist\b|lautet\b|es\b|est\b|é\b|è\b|jest\b|är\b|er\b|on\b|[:\uff1a=]|是|为|為|は|는|은"
_FOR = r"(?:[ ](?:for|to|of|on|für|para|pour)[ ][^\n.:=]{1,40}?)??\s{0,3}"
_TOLD = (
    rf"(?:pass(?:w(?:or)?d|phrase|code)|pwd)"
    rf"(?:{_FOR}(?:{_IS})|[ ](?:for|to|of|on)[ ][^\n.:=]{{1,40}}[:=])"
    rf"(?:[ ](?:now|still|again|simply|just|currently))?+\s{{0,3}}:?+\s{{0,3}}{_VALUE}"
)
_TOLD_ABROAD = rf"(?P<foreign>{_FOREIGN}){_FOR}(?:{_IST})\s{{0,3}}[:\uff1a]?+\s{{0,3}}{_VALUE}"
_TOLD_TOKEN = rf"{_KEY_NAME}{_FOR}(?:is|was)\b:?+\s{{0,3}}{_VALUE}"
_BESIDE = r"pass(?:word|code|wd)[ ](?:-[ ])?(?P<secret>[^\s\"'`]{6,128}+)"
_SHELL = (
    r"(?:sshpass[ ]{1,3}-p[ ]?|mysql(?:dump|admin)?[ ][^\n|;]{0,80}?(?<=[ ])-p)"
    r"[\"']?(?P<secret>[^\s\"']{3,128})"
)
_PIN = (
    r"\b(?:pin(?:[ -](?:code|number))?|(?:door|gate|alarm|entry|unlock|safe)[ ]code)"
    r"(?:[ ](?:for|to|of)[ ][^\n.:=]{1,40}?)??\s{0,3}"
    r"(?P<is>is|was|:|=)\s{0,3}(?P<secret>[0-9]{4,6})(?![\w-]|\.[0-9])"
)
_FLAG = (
    r"(?<![\w-])--(?:[a-z0-9]{1,20}-){0,4}(?:password|passwd|passphrase|token|secret"
    r"|(?:api|access|secret|auth|private)-?key)[= \t]{1,4}"
    r"(?P<quote>[\"'])?+(?P<secret>[^\s\"'`]{4,512}+)"
)
_PHRASE = (
    r"(?:passphrase|(?:seed|recovery|backup|mnemonic)[ _-](?:phrase|words)|mnemonic"
    r"|wi-?fi (?:password|key))[\"'`*]{0,2}\s{0,3}(?:[:\uff1a=]|is\b)\s{0,3}[\"'`]?"
    r"(?P<secret>[a-z]{3,10}(?:[ ,]{1,2}[a-z]{3,10}){3,23})(?![a-z])"
)
_HEADER = (
    r"authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
    r"(?:(?:bearer|basic|token|apikey|digest|negotiate)\s{1,3})?+(?P<secret>[\w.~+/-]{8,}+=*+)"
)
_URL = r"(?<=[a-z0-9])://[^\s/:@?#\"'<>]{0,128}:(?P<secret>[^\s/?#\"'<>]{1,256})@(?=[\w\[])"
_CARD = (
    r"(?<![0-9A-Za-z_.])(?<![0-9]-)(?:[0-9]{4}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    r"|[0-9]{4}([ -]?)[0-9]{6}\2[0-9]{4,5})(?![0-9A-Za-z_]|[.-][0-9])"
)


def _rule(name: str, says: str, pattern: str, hints: str, check: Check) -> Rule:
    compiled = re.compile("(?i)" + pattern)
    part = words.bare if "quote" in compiled.groupindex else secret_of
    return Rule(name, says, compiled, tuple(hints.split("|")) if hints else (), check, part)


_NAMES = "passw|passphrase|passcode|pwd|pass"
_GENERAL = (
    _rule("url-password", "password in a URL", _URL, "://", words.is_login),
    _rule(
        "authorization-header",
        "credential of an HTTP Authorization header",
        _HEADER,
        "authorization",
        words.is_bearer,
    ),
    _rule(
        "bearer-token",
        "token after the word Bearer",
        r"\bbearer[ \t]{1,3}(?P<secret>[\w.~+/-]{16,}+=*+)",
        "bearer",
        words.is_bearer,
    ),
    _rule(
        "curl-login",
        "password given to curl",
        r"(?<!\S)(?:-u|--user)[= \t]{0,2}[\"']?[\w.@+-]{1,64}:(?P<secret>[^\s\"']{3,256})",
        "curl",
        words.is_curl_login,
    ),
    _rule(
        "netrc-password",
        "password of a netrc line",
        r"machine\s{1,4}\S{1,128}\s{1,8}login\s{1,4}\S{1,64}\s{1,8}password\s{1,4}"
        r"(?P<secret>\S{3,256})",
        "machine",
        words.is_login,
    ),
    _rule(
        "xml-secret",
        "password or token in an XML element",
        r"<(?:[\w.:-]{1,40}?)??(?:password|passphrase|secret|token|api-?key)>"
        r"(?P<secret>[^<\s]{4,256})</",
        "</",
        words.is_login,
    ),
    _rule("command-line-secret", "secret given as an option", _FLAG, "--", words.is_flag_value),
    _rule(
        "password",
        "value assigned to a password",
        _ITS_NAME + _TAIL + _GIVES + _VALUE,
        _NAMES,
        words.is_assigned_password,
    ),
    _rule(
        "told-password",
        "password told in a sentence",
        _TOLD,
        _NAMES,
        words.is_told_password,
    ),
    _rule(
        "told-password",
        "password told in a sentence",
        _BESIDE,
        _NAMES,
        words.is_password_beside_its_name,
    ),
    _rule(
        "told-password",
        "password told in a sentence",
        _TOLD_ABROAD,
        "passwort|kennwort|contrase|mot de passe|senha|wachtwoord|haslo|hasło|senord|adgangskode"
        "|salasana|пароль|密码|密碼|パスワード|비밀번호",
        words.is_told_password_abroad,
    ),
    _rule(
        "passphrase",
        "drawn words after their name",
        _PHRASE,
        "phrase|words|mnemonic|wifi|wi-fi",
        words.is_phrase,
    ),
    _rule(
        "token",
        "value assigned to a token, key or secret",
        _KEY_NAME + _TAIL + _GIVES + _VALUE,
        "key|secret|token|credential",
        words.is_assigned_token,
    ),
    _rule(
        "told-token",
        "token, key or secret told in a sentence",
        _TOLD_TOKEN,
        "key|secret|token|credential",
        words.is_assigned_token,
    ),
    _rule(
        "shell-password",
        "password given to sshpass or mysql",
        _SHELL,
        "sshpass|mysql",
        words.is_login,
    ),
    _rule(
        "pin",
        "personal identification number",
        _PIN,
        "pin|code",
        words.is_pin,
    ),
    _rule(
        "card-code",
        "verification code of a payment card",
        r"\b(?:cvv2?|cvc2?)(?:[ ]code)?\s{0,3}(?:is|:|=)?\s{0,3}(?P<secret>[0-9]{3,4})(?![\w.])",
        "cvv|cvc",
        lambda _: True,
    ),
    _rule("payment-card", "payment card number", _CARD, "", words.is_card),
)

_TABLE: tuple[Rule, ...] = (*PRIVATE_KEYS, *VENDORS, *_GENERAL)
_HINTS = tuple((hint, rank) for rank, rule in enumerate(_TABLE) for hint in rule.hints or ("",))
RULES: tuple[tuple[str, str], ...] = tuple({rule.name: rule.says for rule in _TABLE}.items())


def redact(text: str) -> tuple[str, tuple[str, ...]]:
    """Return `text` with every recognised secret replaced, and the rules that fired.

    Redacting the result again changes nothing. A text without a candidate comes back as it is.
    Overlapping finds become one marker that covers them all, named by the widest.

    Returns:
        The text with `[redacted:RULE]` for each secret, and the names in text order.
    """
    fired: list[tuple[int, str]] = []  # where each marker written so far stands, and its rule
    # Usually one round; taking a secret away may uncover the borders of another one.
    while spans := _spans(text):
        text, fired = _replaced(text, spans, fired)
    return text, tuple(name for _, name in fired)


def _spans(text: str) -> list[tuple[int, int, str]]:
    # Markers are blanked at equal length: the name of a rule is no name of a value.
    blanked = _MARKER.sub(lambda marker: f"[{'*' * (len(marker[0]) - 2)}]", text)
    low = blanked.lower()
    hinted = {rank for hint, rank in _HINTS if hint in low}
    found = [(start, -end, rank) for rank in hinted for start, end in _finds(_TABLE[rank], blanked)]
    merged: list[tuple[int, int, str]] = []
    for start, end, rank in sorted(found):
        if merged and start < merged[-1][1]:
            first, last, name = merged[-1]
            merged[-1] = (first, max(last, -end), name)
        else:
            merged.append((start, -end, _TABLE[rank].name))
    return merged


def _finds(rule: Rule, text: str) -> Iterator[tuple[int, int]]:
    group = "secret" if "secret" in rule.pattern.groupindex else 0
    at = 0
    while match := rule.pattern.search(text, at):
        start, end = match.span(group)
        if (group or not _glued(text, start)) and rule.check(match):
            yield start, start + len(rule.part(match))
            at = end
        elif end - start > _REACH:
            at = end
        else:
            at = max(start, match.start() + 1)


def _glued(text: str, start: int) -> bool:
    """Tell whether a token continues the word before it; an escape sequence is no word."""
    before = text[max(0, start - 6) : start]
    return before[-1:].isascii() and before[-1:].isalnum() and not _ESCAPED.search(before)


def _replaced(
    text: str, spans: list[tuple[int, int, str]], fired: list[tuple[int, str]]
) -> tuple[str, list[tuple[int, str]]]:
    pieces: list[str] = []
    moved: list[tuple[int, str]] = []
    kept = iter([*fired, (len(text) + 1, "")])
    place, old = next(kept)
    size = at = 0
    for start, end, name in [*spans, (len(text), len(text), "")]:
        while place < max(end, start + 1) and old:
            if place < start:
                moved.append((size + place - at, old))
            place, old = next(kept)
        marker = f"[redacted:{name}]" if name else ""
        if marker:
            moved.append((size + start - at, name))
        pieces += (text[at:start], marker)
        size += start - at + len(marker)
        at = end
    return "".join(pieces), moved
