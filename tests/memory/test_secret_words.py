"""A value beside a secret-ish name is a secret in many ways of writing, and often it is none.

No literal here is a secret that was ever issued.
"""

import hashlib
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.secrets import redact

ALNUM = string.ascii_letters + string.digits


def body(size: int, alphabet: str = ALNUM) -> str:
    """Return `size` varied characters, the same in each run."""
    drawn = hashlib.sha512(b"").digest() * 2
    return "".join(alphabet[byte % len(alphabet)] for byte in drawn[:size])


SHAPES = {
    "PASSWORD={}": "hunter2",
    "export DB_PASS={}": "hunter2",
    "db.password = {}": "hunter2",
    'password: "{}"': "hunter two x",
    "'passwd': '{}',": "hunter2",
    '{{"user": "ada", "password": "{}"}}': "hunter2",
    '{{\\"password\\": \\"{}\\"}}': "hunter2",
    'password: str = "{}"': "hunter2",
    "const dbPassword = '{}';": "hunter2",
    "**Password:** {}": "hunter2",
    "run it with `--password {}`": "hunter2",
    "Server=x;Uid=ada;Pwd={};Encrypt=yes": "hunter2",
    "the wifi password: {}": "swordfish",
    "The password for the router is {}.": "swordfish",
    "the password was changed to {} yesterday": "hunter2",
    'my password is "{}"': "swordfish",
    "pwd = {}": "letmein9",
    "use user bob and password {} to log in": "hunter2",
    "creds: user=app pass={}": "Xk29!dd",
    "mysqldump -u root -p{} app": "hunter2",
    "the door code is {}": "4821",
    "my api key is {}.": "abcd1234efgh",
    "Mein Passwort ist {}.": "geheim123",
    "mi contraseña es {}": "gato1987",
    "мой пароль: {}": "kotik1987",
    "我的密码是{}。谢谢": "maomao88",
    "token={}": "abcd1234efgh",
    "?access_token={}&next=1": "abcd1234efgh",
    'os.environ["API_TOKEN"] = "{}"': "abcd1234efgh",
    "X-Api-Key: {}": "abcd1234efgh",
    "//npm.example.org/:_authToken={}": "abcd1234efgh",
    'SECRET_KEY = "{}"': "dj-4n_$k!2x9#",
    "api key is set, API_KEY: {}": "abcd1234efgh",
    "secret := `{}`": "abcd1234efgh",
    "signing_key => '{}'": "abcd1234efgh",
    "recovery phrase: {}": "zone able acid oak arm bar cat dog eel fig gum hat",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_value_is_redacted_in_every_way_of_writing_an_assignment(shape: str) -> None:
    secret = SHAPES[shape]

    redacted, fired = redact(shape.format(secret))

    assert secret not in redacted
    assert len(fired) == 1
    assert redacted == shape.format(f"[redacted:{fired[0]}]")


CARDS = (
    "4111111111111111",
    "4111-1111-1111-1111",
    "5555 5555 5555 4444",
    "2223003122003222",
    "3782 822463 10005",
    "378282246310005",
    "6011111111111117",
    "3530111333300000",
    "3056 930902 5904",
)


@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_of_any_network_is_redacted_with_or_without_separators(card: str) -> None:
    assert redact(f"card {card}, thanks") == (
        "card [redacted:payment-card], thanks",
        ("payment-card",),
    )


HARMLESS = (
    "commit 3f786850e387550fdab836ed7e6dc881de23001b fixed it",
    "Twilio works since 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "id 550e8400-e29b-41d4-a716-446655440000",
    "id 01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  file.txt",
    f"integrity sha512-{body(86, ALNUM + '+/')}==",
    "version 1.2.3-rc.4+build.5",
    "max_tokens: 4096",
    "max_token=4096000000",
    "token_budget=500",
    "next_page_token: abcd1234efgh5678",
    'eos_token = "<|endoftext|>"',
    "the password field is required",
    "password reset flow is broken",
    "The password is wrong.",
    "the password is too short",
    "my password is stored in the vault",
    "the password is case-sensitive",
    "password is SHA-256 hashed",
    "the password is 12 characters long",
    "Password: must be at least 8 characters",
    "password: required",
    "password: required|string|min:8",
    "password: string;",
    "password: Optional[str] = None",
    "password = None",
    "password = getpass.getpass()",
    "password=args.password",
    "the password field-2 and password v2.1.0 of the form",
    "the key is to write tests, and the secret is patience",
    "the token is valid for 3600s",
    "the source of the token is `args[token.index]`",
    "password = user_password",
    "password=newPassword",
    "{ username, password: hashedValue }",
    "password: <your-key>",
    "password: xxxx",
    "password=${DB_PASSWORD}",
    "password=$DB_PASSWORD",
    "PASSWORD=changeme",
    "PASSWORD=example",
    "API_KEY=your_api_key_here",
    "api_key: placeholder",
    "token = process.env.TOKEN",
    'token = os.environ["TOKEN"]',
    'token = os.getenv("API_TOKEN_2")',
    "token: ***",
    "token = ${{ secrets.GITHUB_TOKEN }}",
    "token = tokenizer.next_token()",
    "secret: projects/x/secrets/db/versions/1",
    "token: https://id.example.org/oauth2/token",
    "secret_name: prod-db-2",
    "api_key=self.api_key2",
    "PWD=/home/ada/src",
    "curl -u ada:$PASSWORD https://x.org",
    "postgres://ada:${PGPASSWORD}@db/x",
    "postgres://user:password@localhost/x",
    "https://example.org:8080/a@b",
    "git@github.com:ada/letheon.git",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer <token>",
    "the bearer authentication scheme",
    "deploy --password PASSWORD --token TOKEN",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "gh" + "p_" + "x" * 36,
    "sk-" + "ant-your-key-here-please-fill-it-in",
    "task-" + body(40) + " is done",
    "order 4111111111111112",
    "order 1234567812345670",
    "IBAN DE89 3704 0044 0532 0130 00",
    "IBAN GB33 BUKB 2020 1555 5555 55",
    "IBAN FR76 3000 6000 0112 3456 7890 189",
    "call +49 30 1234 5678 or 555-0123-4567",
    "at 1700000000, 1700000000000 and 1700000000000000000",
    "2026-03-02T14:30:00.123456Z",
    "pin: 2024",
    "das Passwort ist abgelaufen",
    "el password es obligatorio",
    "密码是必填的。",
    "-----BEGIN PRIVATE KEY----- marks the start of a key",
    "eyJhbGciOiJ is how a token begins",
    "passphrase: must be long enough to resist guessing",
    "a, b = 1, 2  # tokens per second",
    "[redacted:slack-token]: abcd1234efgh",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert redact(text) == (text, ())


PIECES = st.sampled_from(
    [
        *HARMLESS,
        *CARDS,
        *(shape.format(secret) for shape, secret in SHAPES.items()),
        *("password", "is", "token", ":", "=", " ", "\n", "'", '"', "[", "]", "my pin", ",", ";"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join))
def test_redacting_assignments_is_idempotent(text: str) -> None:
    once, _ = redact(text)

    assert redact(once) == (once, ())
