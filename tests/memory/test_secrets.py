"""Secrets are redacted by kind; prose, code and identifiers stay. No literal here is a secret:
every example is put together at run time, so that scanners of hosting services stay quiet."""

import base64
import hashlib
import json
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.secrets import _HINTS, RULES, redact

HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
BASE32 = string.ascii_uppercase + "234567"
URLSAFE = ALNUM + "_-"


def body(size: int, alphabet: str = ALNUM, seed: str = "") -> str:
    """Return `size` varied characters, the same in each run, beginning and ending with letters."""
    drawn = b"".join(hashlib.sha512(f"{seed}{n}".encode()).digest() for n in range(size // 64 + 1))
    return "".join(alphabet[byte % len(alphabet)] for byte in drawn[:size])


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def armour(kind: str) -> str:
    lines = "\n".join(body(64, ALNUM + "+/", str(n)) for n in range(4))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"


UUID = "-".join(body(n, HEX, str(n)) for n in (8, 4, 5, 3, 12)).replace("-", "x", 0)
UUID = "-".join((body(8, HEX), body(4, HEX), body(4, HEX, "b"), body(4, HEX, "c"), body(12, HEX)))
JWT = ".".join((encoded({"alg": "HS256", "typ": "JWT"}), encoded({"sub": "ada"}), body(43)))
BOT = base64.b64encode(b"123456789012345678").decode()

# rule -> (text, the part that must not survive)
EXAMPLES: dict[str, tuple[str, str]] = {
    "private-key": (armour("OPENSSH PRIVATE " + "KEY"), body(64, ALNUM + "+/", "2")),
    "pgp-private-key": (armour("PGP PRIVATE " + "KEY BLOCK"), body(64, ALNUM + "+/", "1")),
    "putty-private-key": (
        f"Private-{'Lines'}: 2\n{body(64, seed='0')}\n{body(64, seed='1')}\nPrivate-MAC: 12",
        body(64, seed="1"),
    ),
    "age-key": ("AGE-SECRET-" + "KEY-1" + body(58, UPPER), body(58, UPPER)),
    "aws-access-key-id": ("id AK" + "IA" + body(16, BASE32), body(16, BASE32)),
    "aws-secret-key": ("aws_secret_access_key = " + body(40), body(40)),
    "aws-bedrock-key": ("AB" + "SK" + body(120), body(120)),
    "gcp-api-key": ("?k=AI" + "za" + body(35, URLSAFE), body(35, URLSAFE)),
    "google-oauth-secret": ("GOC" + "SPX-" + body(28), body(28)),
    "google-oauth-token": ("ya" + "29." + body(60), body(60)),
    "azure-storage-key": (
        f"AccountName=ada;Account{'Key'}={body(86)}==;EndpointSuffix=core",
        body(86),
    ),
    "azure-sas": (f"https://a.blob/x?sv=2023&s{'ig'}={body(43)}%3D&se=2026", body(43)),
    "azure-client-secret": ("a8" + "J8" + "Q~" + body(34), body(34)),
    "github-token": ("gh" + "p_" + body(36), body(36)),
    "github-pat": ("github" + "_pat_" + body(22) + "_" + body(59), body(59)),
    "gitlab-token": ("gl" + "pat-" + body(20), body(20)),
    "bitbucket-password": ("AT" + "BB" + body(32), body(32)),
    "slack-token": ("xo" + "xb-" + body(12, string.digits) + "-" + body(24), body(24)),
    "slack-webhook": (
        f"https://hooks.slack.{'com'}/services/T{body(8, UPPER)}/B{body(8, UPPER)}/{body(24)}",
        body(24),
    ),
    "stripe-key": ("sk" + "_live_" + body(24), body(24)),
    "webhook-secret": ("wh" + "sec_" + body(32), body(32)),
    "anthropic-key": ("sk-" + "ant-api03-" + body(93, URLSAFE), body(93, URLSAFE)),
    "openrouter-key": ("sk-" + "or-v1-" + body(64, HEX), body(64, HEX)),
    "openai-key": ("sk-" + "proj-" + body(48, URLSAFE), body(48, URLSAFE)),
    "groq-key": ("gs" + "k_" + body(52), body(52)),
    "xai-key": ("xa" + "i-" + body(80), body(80)),
    "perplexity-key": ("pp" + "lx-" + body(48), body(48)),
    "replicate-token": ("r" + "8_" + body(37), body(37)),
    "langsmith-key": ("lsv2" + "_pt_" + body(32, HEX) + "_" + body(10, HEX), body(32, HEX)),
    "huggingface-token": ("h" + "f_" + body(34), body(34)),
    "npm-token": ("np" + "m_" + body(36), body(36)),
    "pypi-token": ("py" + "pi-Ag" + body(80), body(80)),
    "rubygems-key": ("ruby" + "gems_" + body(48, HEX), body(48, HEX)),
    "crates-token": ("ci" + "o" + body(32), body(32)),
    "nuget-key": ("oy" + "2" + body(43, HEX), body(43, HEX)),
    "docker-token": ("dckr" + "_pat_" + body(27), body(27)),
    "docker-auth": ('{"auth": "' + base64.b64encode(b"ada:hunter2").decode() + '"}', "aHVudGVy"),
    "digitalocean-token": ("do" + "p_v1_" + body(64, HEX), body(64, HEX)),
    "heroku-token": ("HR" + "KU-" + body(60), body(60)),
    "heroku-key": (f"heroku login with {UUID}", UUID),
    "twilio-key": ("S" + "K" + body(32, HEX), body(32, HEX)),
    "twilio-token": (f"twilio auth: {body(32, HEX)}", body(32, HEX)),
    "sendgrid-key": ("S" + "G." + body(22) + "." + body(43), body(43)),
    "mailgun-key": ("mailgun api ke" + "y-" + body(32, HEX), body(32, HEX)),
    "mailchimp-key": (body(32, HEX) + "-us" + "12", body(32, HEX)),
    "brevo-key": ("xkey" + "sib-" + body(64, HEX) + "-" + body(16), body(64, HEX)),
    "telegram-token": ("123456789:" + "AA" + body(33), body(33)),
    "discord-token": (f"{BOT}.{body(6)}.{body(38)}", body(38)),
    "discord-webhook": (
        f"https://discord.{'com'}/api/webhooks/{'1' * 18}/{body(68)}",
        body(68),
    ),
    "shopify-token": ("shp" + "at_" + body(32, HEX), body(32, HEX)),
    "square-token": ("sq0" + "atp-" + body(22), body(22)),
    "databricks-token": ("da" + "pi" + body(32, HEX), body(32, HEX)),
    "datadog-key": (f"DD_API_KEY {body(32, HEX)}", body(32, HEX)),
    "newrelic-key": ("NR" + "AK-" + body(27, UPPER), body(27, UPPER)),
    "grafana-token": ("gl" + "sa_" + body(32) + "_" + body(8, HEX), body(32)),
    "sentry-dsn": (f"https://{body(32, HEX)}@o1.ingest.sentry.io/42", body(32, HEX)),
    "sentry-token": ("sntr" + "yu_" + body(64, HEX), body(64, HEX)),
    "linear-key": ("lin" + "_api_" + body(40), body(40)),
    "notion-token": ("nt" + "n_" + body(46), body(46)),
    "figma-token": ("fig" + "d_" + body(40), body(40)),
    "atlassian-token": ("ATA" + "TT3" + body(180), body(180)),
    "postman-key": ("PM" + "AK-" + body(24, HEX) + "-" + body(34, HEX), body(34, HEX)),
    "airtable-token": ("pa" + "t" + body(14) + "." + body(64, HEX), body(64, HEX)),
    "hubspot-token": ("pa" + "t-na1-" + UUID, UUID),
    "contentful-token": ("CF" + "PAT-" + body(43), body(43)),
    "dropbox-token": ("s" + "l." + body(130), body(130)),
    "doppler-token": ("dp" + ".st.prod." + body(43), body(43)),
    "vault-token": ("hv" + "s." + body(90), body(90)),
    "terraform-token": (body(14) + ".atlas" + "v1." + body(67), body(67)),
    "pulumi-token": ("pu" + "l-" + body(40, HEX), body(40, HEX)),
    "fly-token": ("fm" + "2_" + body(120), body(120)),
    "supabase-key": ("sb" + "p_" + body(40, HEX), body(40, HEX)),
    "cloudflare-token": ("cf" + "ut_" + body(48), body(48)),
    "cloudflare-key": (f"the cloudflare token {body(40, URLSAFE)}", body(40, URLSAFE)),
    "vercel-token": ("vc" + "p_" + body(56), body(56)),
    "vercel-key": (f"my vercel token {body(24)}", body(24)),
    "netlify-token": ("nf" + "p_" + body(40), body(40)),
    "render-key": ("rn" + "d_" + body(28), body(28)),
    "planetscale-token": ("pscale" + "_tkn_" + body(43), body(43)),
    "artifactory-key": ("AK" + "Cp" + body(69), body(69)),
    "sonar-token": ("sq" + "p_" + body(40, HEX), body(40, HEX)),
    "buildkite-token": ("bk" + "ua_" + body(40, HEX), body(40, HEX)),
    "tailscale-key": ("ts" + "key-auth-" + body(12) + "-" + body(32), body(32)),
    "onepassword-token": ("ops" + "_eyJ" + body(200), body(200)),
    "dynatrace-token": (f"dt0{'c01'}.{body(24, UPPER)}.{body(64, UPPER)}", body(64, UPPER)),
    "jwt": (f"cookie {JWT}", JWT.rpartition(".")[2]),
    "url-password": ("postgres://ada:" + "p@ss-w0rd" + "@db.local:5432/x", "ss-w0rd"),
    "authorization-header": (
        "Authorization: Basic " + base64.b64encode(b"ada:hunter2").decode(),
        "aHVudGVy",
    ),
    "bearer-token": (f"sent as Bearer {body(32)}", body(32)),
    "curl-login": ("curl -X POST -u ada:" + "hunter2 https://x.org", "hunter2"),
    "netrc-password": ("machine x.org\n  login ada\n  password " + "hunter2", "hunter2"),
    "xml-secret": ("<server><password>" + "hunter2</password></server>", "hunter2"),
    "command-line-secret": ("deploy --api-key " + body(20) + " --force", body(20)),
    "password": ("DB_PASSWORD=" + "hunter2", "hunter2"),
    "told-password": ("my password is " + "hunter2!", "hunter2"),
    "passphrase": ("the wifi password: " + "correct horse battery staple", "horse"),
    "token": (f"client_secret: {body(24)}", body(24)),
    "told-token": (f"the API key of the weather service is {body(24)}", body(24)),
    "shell-password": ("sshpass -p " + "hunter2 ssh ada@x.org", "hunter2"),
    "pin": ("the pin of the card is " + "4821", "4821"),
    "card-code": ("CVV: " + "123", "123"),
    "payment-card": ("paid with 4111 1111 " + "1111 1111", "1111"),
}


def test_every_rule_has_an_example_and_a_description() -> None:
    assert {name for name, _ in RULES} == set(EXAMPLES)
    assert len(RULES) == len(EXAMPLES)
    assert all(says for _, says in RULES)


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_secret_is_redacted_by_its_own_rule(rule: str) -> None:
    text, secret = EXAMPLES[rule]

    redacted, fired = redact(f"note: {text} (from Ada)")

    assert fired == (rule,)
    assert secret not in redacted
    assert f"[redacted:{rule}]" in redacted
    assert redacted.startswith("note: ")
    assert redacted.endswith("(from Ada)")


@pytest.mark.parametrize("rule", EXAMPLES)
def test_redacting_an_example_twice_changes_nothing(rule: str) -> None:
    once, _ = redact(EXAMPLES[rule][0])

    assert redact(once) == (once, ())


def test_rules_are_named_in_text_order_and_the_text_between_stays() -> None:
    key, card = EXAMPLES["github-token"][0], "4111" + "1" * 12

    redacted, fired = redact(f"pay {card} then push with {key} and pay {card}")

    assert fired == ("payment-card", "github-token", "payment-card")
    assert redacted == (
        "pay [redacted:payment-card] then push with [redacted:github-token]"
        " and pay [redacted:payment-card]"
    )


def test_overlapping_finds_become_one_marker() -> None:
    redacted, fired = redact(f"Authorization: Bearer {JWT}")

    assert redacted == "Authorization: Bearer [redacted:jwt]"
    assert fired == ("jwt",)


def test_a_url_keeps_its_user_and_host() -> None:
    redacted, _ = redact("amqp://ada:" + "hunter2@mq.local:5672/v")

    assert redacted == "amqp://ada:[redacted:url-password]@mq.local:5672/v"


def test_a_service_account_loses_its_private_key_and_nothing_else() -> None:
    account = {"type": "service_account", "private_key": armour("PRIVATE " + "KEY"), "id": "x1"}

    redacted, fired = redact(json.dumps(account))

    assert json.loads(redacted) == account | {"private_key": "[redacted:private-key]"}
    assert fired == ("private-key",)


def test_a_private_key_without_its_end_is_redacted_up_to_its_last_full_line() -> None:
    torn = armour("EC PRIVATE " + "KEY").rpartition("\n")[0]

    redacted, fired = redact(f"{torn}\nand so on")

    assert redacted == "[redacted:private-key]\nand so on"
    assert fired == ("private-key",)


def test_a_token_after_an_escape_sequence_is_found() -> None:
    for before in ("\\n", "%3D", "\\u003d"):
        _, fired = redact(before + EXAMPLES["github-token"][0])

        assert fired == ("github-token",)


def test_a_text_without_candidates_is_the_same_object() -> None:
    text = "We chose SQLite because it is embedded."

    assert redact(text)[0] is text


PIECES = st.sampled_from(
    [
        *(text for text, _ in EXAMPLES.values()),
        *(
            "password",
            "is",
            "token",
            ":",
            "=",
            " ",
            "\n",
            "'",
            '"',
            "[",
            "]",
            "://",
            "@",
            "--",
            "\\n",
        ),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "[redacted:jwt]",
            "hunter2",
            "my pin",
            "4111",
            ",",
            ";",
            "&",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join))
def test_redaction_is_idempotent(text: str) -> None:
    once, _ = redact(text)

    assert redact(once) == (once, ())


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_a_text_without_digits_and_hints_is_unchanged(text: str) -> None:
    low = text.lower()
    for hint in {hint for hint, _ in _HINTS if hint}:
        low = low.replace(hint, "")
    plain = "".join(c for c in low if not c.isdigit() and c != ".")
    if any(hint in plain for hint, _ in _HINTS if hint):
        return

    assert redact(plain) == (plain, ())


HOSTILE = {
    "one letter": "a",
    "digits": "4",
    "digits and spaces": "4111 1",
    "spaced digits": "4 ",
    "passwords": "password=",
    "refused passwords": "password=${",
    "quoted passwords": "password=\"${'",
    "told passwords": "password is is ",
    "password for": "password for a ",
    "dots": "password is ....",
    "key starts": "-----BEGIN PRIVATE KEY-----",
    "key starts with lines": "-----BEGIN PRIVATE KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAA\n",
    "dashes": "-",
    "urls": "a://b:c",
    "url users": "://a:@",
    "jwt starts": "eyJ.",
    "long jwt": "eyJhbGciOiJI",
    "discord": "MMMMM",
    "all vendors": "".join(text + " " for text, _ in EXAMPLES.values()),
    "all hints": " ".join(hint for hint, _ in _HINTS),
    "twilio": "twilio ",
    "datadog": "dd dd ",
    "assignments": "token=a,",
    "commas": ",",
    "seed words": "recovery phrase: zone able acid ",
    "tags": "<a.a.a.a.a.a",
    "flags": "--a-a-a-a",
    "logins": "curl -u a:",
    "headers": "authorization: ",
    "quotes": '"',
    "backslashes": "\\",
    "spaces": "password" + " " * 50,
    "pins": "pin for a ",
    "markers": "[redacted:jwt]",
    "many secrets": "password=hunter2 ",
}


def seconds(unit: str, size: int) -> float:
    text = (unit * (size // len(unit) + 1))[:size]
    began = time.process_time()
    redact(text)
    return time.process_time() - began


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hostile_text_takes_time_proportional_to_its_length(shape: str) -> None:
    # Four times the length: four times the time when linear, sixteen when quadratic. The best of
    # three in CPU time; what is too short to be measured is short enough.
    short, long = (min(seconds(HOSTILE[shape], n) for _ in range(3)) for n in (40_000, 160_000))

    assert long < 10 * short + 0.02
