"""The typed secrets of known vendors: one row per format, data for `memory.secrets`."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[re.Match[str]], bool]

# Documentation is full of tokens that were never issued; they show it in their letters.
_FAKE = re.compile(r"(?i)example|placeholder|change_?me|redacted|dummy|x{6}|your[_-]|\*{3}|\.{3}")


def genuine(match: re.Match[str]) -> bool:
    """Tell whether the matched secret could have been issued: varied letters, no filler words."""
    found = secret_of(match)
    return len(set(found.lower())) >= 8 and not _FAKE.search(found)


def secret_of(match: re.Match[str]) -> str:
    """Return the part of a match that is to be redacted."""
    return match["secret"] if "secret" in match.re.groupindex else match[0]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    A pattern with a group `secret` redacts that group and may look at its surroundings; a pattern
    without one is a token of its own, so no ASCII letter or digit may stand right before it.
    Patterns repeat possessively or within bounds, which keeps a scan linear.
    """

    name: str  # what stands in `[redacted:NAME]`
    says: str  # the same in words for a person
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()  # lower-case literals, one of which every match contains
    check: Check = genuine  # refuses candidates that no pattern can tell from a secret
    part: Callable[[re.Match[str]], str] = secret_of  # what is redacted: the start of the secret


def _rule(
    name: str,
    says: str,
    pattern: str,
    hints: str,
    check: Check = genuine,
) -> Rule:
    return Rule(name, says, re.compile(pattern), tuple(hints.split()), check)


def _near(word: str, value: str) -> str:
    """Return a pattern for a value that is only recognisable on one line with its vendor."""
    edge = "[A-Za-z0-9]"
    return rf"(?i:{word})[^\n]{{0,40}}?(?<!{edge})(?P<secret>{value})(?!{edge})"


def _unbase64(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _has_jwt_header(match: re.Match[str]) -> bool:
    try:
        header = json.loads(_unbase64(match[0].partition(".")[0]))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and bool(header.keys() & {"alg", "typ", "enc", "kid"})


def _has_key_material(match: re.Match[str]) -> bool:
    return len(match[0]) < 64_000 and bool(_KEY_MATERIAL.search(match[0]))


def _mixes_cases(match: re.Match[str]) -> bool:
    found = match["secret"]
    kinds = (str.isupper, str.islower, str.isdigit)
    return genuine(match) and all(any(map(kind, found)) for kind in kinds)


def _has_digits(match: re.Match[str]) -> bool:
    return genuine(match) and any(map(str.isdigit, secret_of(match)))


def _names_a_bot(match: re.Match[str]) -> bool:
    return _unbase64(match[0].partition(".")[0]).isdigit()


def _holds_a_login(match: re.Match[str]) -> bool:
    return b":" in _unbase64(match["secret"].rstrip("="))


def _speaks_of_mail(match: re.Match[str]) -> bool:
    around = match.string[max(0, match.start() - 80) : match.end() + 80].lower()
    return genuine(match) and ("mailgun" in around or "api" in around)


def _block(kind: str) -> str:
    """Return a pattern for an armoured block: up to its end line, or its lines if cut short."""
    body = r"[^-]*+(?:-(?!----)[^-]*+)*+"
    gap = r"(?:\s|\\[nr])"
    header = rf"(?:{gap}++[A-Z][A-Za-z-]{{2,20}}: [^\n\\]{{1,80}})*+"
    torn = rf"{header}(?:{gap}++[A-Za-z0-9+/=]{{16,}}+)++"
    return rf"-----BEGIN {kind}-----(?:{body}-----END {kind}-----|{torn})"


_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/=]{20}")
_HEX = "[0-9a-f]"
_UUID = rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_GAP = r"[\\\"'\s:=>,;|]{1,20}+"  # what stands between a name and its value
_W = "[A-Za-z0-9_-]"
_A = "[A-Za-z0-9]"

PRIVATE_KEYS: tuple[Rule, ...] = (
    _rule(
        "private-key",
        "PEM or OpenSSH private key block",
        _block(r"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY"),
        "key-----",
        check=_has_key_material,
    ),
    _rule(
        "pgp-private-key",
        "PGP private key block",
        _block("PGP PRIVATE KEY BLOCK"),
        "block-----",
        check=_has_key_material,
    ),
    _rule(
        "putty-private-key",
        "PuTTY private key section",
        r"Private-Lines: [0-9]{1,4}(?P<secret>(?:(?:\s|\\[nr])++[A-Za-z0-9+/=]{16,}+)++)",
        "private-lines:",
        check=_has_key_material,
    ),
    _rule("age-key", "age identity", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", "age-secret-key-1"),
)

VENDORS: tuple[Rule, ...] = (
    _rule(
        "aws-access-key-id",
        "AWS access key id",
        r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}(?![A-Za-z0-9])",
        "akia asia abia acca",
    ),
    _rule(
        "aws-secret-key",
        "AWS secret access key beside its name or its id",
        rf"(?:(?i:secret[_ -]?(?:access[_ -]?)?key|aws[_ -]?secret)|A(?:KIA|SIA)[A-Z2-7]{{16}})"
        rf"{_GAP}(?P<secret>[A-Za-z0-9/+]{{40}})(?![A-Za-z0-9/+=])",
        "secret akia asia",
        check=_mixes_cases,
    ),
    _rule("aws-bedrock-key", "Amazon Bedrock API key", r"ABSK[A-Za-z0-9+/]{90,}+=*+", "absk"),
    _rule("gcp-api-key", "Google API key", rf"AIza{_W}{{35}}(?!{_W})", "aiza"),
    _rule("google-oauth-secret", "Google OAuth client secret", rf"GOCSPX-{_W}{{24,}}+", "gocspx-"),
    _rule(
        "google-oauth-token",
        "Google OAuth access or refresh token",
        rf"ya29\.{_W}{{20,}}+|1//0{_W}{{40,}}+",
        "ya29. 1//0",
    ),
    _rule(
        "azure-storage-key",
        "Azure account or shared access key in a connection string",
        r"(?i:AccountKey|SharedAccessKey|SharedSecretValue)=(?P<secret>[A-Za-z0-9+/]{42,}+={0,2})",
        "accountkey= sharedaccesskey= sharedsecretvalue=",
    ),
    _rule(
        "azure-sas",
        "signature of an Azure shared access URL",
        r"[?&;]sig=(?P<secret>(?:[A-Za-z0-9+/]|%[0-9A-Fa-f]{2}){40,}+=?)",
        "?sig= &sig= ;sig=",
    ),
    _rule(
        "azure-client-secret",
        "Microsoft Entra client secret",
        r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        "q~",
    ),
    _rule("github-token", "GitHub token", rf"gh[pousr]_{_A}{{36,}}+", "ghp_ gho_ ghu_ ghs_ ghr_"),
    _rule("github-pat", "GitHub fine-grained token", r"github_pat_\w{40,}+", "github_pat_"),
    _rule(
        "gitlab-token",
        "GitLab token",
        rf"gl(?:pat|ptt|dt|rt|cbt|ft|soat|imt|agent|ffct|oas)-{_W}{{20,}}+(?:\.[a-z0-9_]{{2,}}+)*+",
        "glpat- glptt- gldt- glrt- glcbt- glft- glsoat- glimt- glagent- glffct- gloas-",
    ),
    _rule("bitbucket-password", "Bitbucket app password", rf"ATBB{_A}{{28,}}+", "atbb"),
    _rule(
        "slack-token",
        "Slack token",
        r"(?:xoxe\.)?xox[abceoprs]-[A-Za-z0-9-]{10,}+|xapp-[0-9]-[A-Za-z0-9-]{20,}+",
        "xox xapp-",
    ),
    _rule(
        "slack-webhook",
        "Slack webhook path",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9_/+-]{20,}+)",
        "hooks.slack.com/",
    ),
    _rule(
        "stripe-key", "Stripe secret key", rf"[sr]k_(?:live|test)_{_A}{{16,}}+", "k_live_ k_test_"
    ),
    _rule("webhook-secret", "webhook signing secret", r"whsec_[A-Za-z0-9+/=]{24,}+", "whsec_"),
    _rule("anthropic-key", "Anthropic API key", rf"sk-ant-{_W}{{20,}}+", "sk-ant-"),
    _rule("openrouter-key", "OpenRouter API key", rf"sk-or-v1-{_HEX}{{64}}", "sk-or-v1-"),
    _rule(
        "openai-key",
        "OpenAI API key",
        rf"sk-(?:(?:proj|svcacct|admin|None)-{_W}{{20,}}+|{_A}{{32,}}+)",
        "sk-",
    ),
    _rule("groq-key", "Groq API key", rf"gsk_{_A}{{40,}}+", "gsk_"),
    _rule("xai-key", "xAI API key", rf"xai-{_A}{{60,}}+", "xai-"),
    _rule("perplexity-key", "Perplexity API key", rf"pplx-{_A}{{40,}}+", "pplx-"),
    _rule("replicate-token", "Replicate token", rf"r8_{_A}{{37,}}+", "r8_"),
    _rule("langsmith-key", "LangSmith key", rf"lsv2_(?:pt|sk)_{_HEX}{{32}}_{_HEX}{{10}}", "lsv2_"),
    _rule(
        "huggingface-token", "Hugging Face token", rf"(?:hf|api_org)_{_A}{{30,}}+", "hf_ api_org_"
    ),
    _rule("npm-token", "npm access token", rf"npm_{_A}{{36,}}+", "npm_"),
    _rule("pypi-token", "PyPI upload token", rf"pypi-Ag{_W}{{50,}}+", "pypi-ag"),
    _rule("rubygems-key", "RubyGems API key", rf"rubygems_{_HEX}{{48}}", "rubygems_"),
    _rule(
        "crates-token",
        "crates.io token",
        rf"cio{_A}{{32}}(?!{_A})",
        "cio",
        check=_has_digits,
    ),
    _rule("nuget-key", "NuGet API key", r"oy2[a-z0-9]{43}(?![A-Za-z0-9])", "oy2"),
    _rule("docker-token", "Docker access token", rf"dckr_(?:pat|oat)_{_W}{{20,}}+", "dckr_"),
    _rule(
        "docker-auth",
        "registry login in a Docker configuration",
        r'"auth":\s{0,4}"(?P<secret>[A-Za-z0-9+/]{8,}+={0,2})"',
        '"auth":',
        check=_holds_a_login,
    ),
    _rule("digitalocean-token", "DigitalOcean token", rf"do[opr]_v1_{_HEX}{{64}}", "_v1_"),
    _rule("heroku-token", "Heroku token", rf"HRKU-{_W}{{30,}}+", "hrku-"),
    _rule("heroku-key", "Heroku API key beside its name", _near("heroku", _UUID), "heroku"),
    _rule("twilio-key", "Twilio API key", rf"SK{_HEX}{{32}}(?!{_A})", "sk"),
    _rule("twilio-token", "Twilio auth token", _near("twilio", f"{_HEX}{{32}}"), "twilio"),
    _rule("sendgrid-key", "SendGrid API key", rf"SG\.{_W}{{16,32}}\.{_W}{{30,}}+", "sg."),
    _rule(
        "mailgun-key",
        "Mailgun API key",
        rf"key-{_HEX}{{32}}(?!{_A})",
        "key-",
        check=_speaks_of_mail,
    ),
    _rule("mailchimp-key", "Mailchimp API key", rf"{_HEX}{{32}}-us[0-9]{{1,2}}(?!{_A})", "-us"),
    _rule("brevo-key", "Brevo API key", rf"xkeysib-{_HEX}{{64}}-{_A}{{16}}", "xkeysib-"),
    _rule("telegram-token", "Telegram bot token", rf"[0-9]{{8,10}}:AA{_W}{{33}}(?!{_W})", ":aa"),
    _rule(
        "discord-token",
        "Discord bot token",
        rf"[MNO]{_W}{{23,27}}\.{_W}{{6}}\.{_W}{{27,}}+",
        ".",
        check=_names_a_bot,
    ),
    _rule(
        "discord-webhook",
        "Discord webhook path",
        rf"discord(?:app)?\.com/api/(?:v[0-9]{{1,2}}/)?webhooks/[0-9]{{15,21}}/"
        rf"(?P<secret>{_W}{{40,}}+)",
        "/webhooks/",
    ),
    _rule("shopify-token", "Shopify token", r"shp(?:at|ca|pa|ss|tka)_[0-9a-fA-F]{32}", "shp"),
    _rule(
        "square-token",
        "Square access token or secret",
        rf"sq0(?:atp|csp)-{_W}{{22,}}+|EAAA{_W}{{60}}(?!{_W})",
        "sq0 eaaa",
    ),
    _rule("databricks-token", "Databricks token", rf"dapi{_HEX}{{32}}(?:-[0-9])?", "dapi"),
    _rule(
        "datadog-key",
        "Datadog API or application key",
        _near(
            r"(?:datadog|\bdd)[\w \t-]{0,20}?(?:api|app|application)[ _-]?key",
            f"(?:{_HEX}{{40}}|{_HEX}{{32}})",
        ),
        "datadog dd",
    ),
    _rule(
        "newrelic-key",
        "New Relic key",
        rf"NRAK-[A-Z0-9]{{27}}|NRJS-{_HEX}{{19}}|NRI[IQ]-{_W}{{32}}|{_HEX}{{36}}(?:FFFF)?NRAL",
        "nrak- nrjs- nrii- nriq- nral",
    ),
    _rule(
        "grafana-token",
        "Grafana token",
        rf"glsa_{_A}{{32}}_[0-9A-Fa-f]{{8}}|glc_[A-Za-z0-9+/]{{32,}}+={{0,2}}",
        "glsa_ glc_",
    ),
    _rule(
        "sentry-dsn",
        "key of a Sentry DSN",
        rf"://(?P<secret>{_HEX}{{32}}(?::{_HEX}{{32}})?)@[A-Za-z0-9.:-]{{1,80}}/[0-9]",
        "://",
    ),
    _rule(
        "sentry-token",
        "Sentry auth token",
        rf"sntrys_[A-Za-z0-9+/=_-]{{40,}}+|sntryu_{_HEX}{{64}}",
        "sntry",
    ),
    _rule("linear-key", "Linear API key", rf"lin_(?:api|oauth)_{_A}{{32,}}+", "lin_"),
    _rule("notion-token", "Notion token", rf"(?:ntn|secret)_{_A}{{40,}}+", "ntn_ secret_"),
    _rule("figma-token", "Figma token", rf"fig[dour]_{_W}{{30,}}+", "fig"),
    _rule(
        "atlassian-token",
        "Atlassian API token",
        r"AT(?:ATT|CTT|STT)3[A-Za-z0-9_=-]{50,}+",
        "atatt3 atctt3 atstt3",
    ),
    _rule("postman-key", "Postman API key", rf"PMAK-{_HEX}{{24}}-{_HEX}{{34}}", "pmak-"),
    _rule("airtable-token", "Airtable token", rf"pat{_A}{{14}}\.{_HEX}{{64}}", "pat"),
    _rule("hubspot-token", "HubSpot token", rf"pat-[a-z]{{2}}[0-9]-{_UUID}", "pat-"),
    _rule("contentful-token", "Contentful token", rf"CFPAT-{_W}{{43}}", "cfpat-"),
    _rule("dropbox-token", "Dropbox token", rf"sl\.(?:u\.)?{_W}{{100,}}+", "sl."),
    _rule(
        "doppler-token",
        "Doppler token",
        rf"dp\.(?:pt|st|ct|sa|scim|audit|said)\.(?:[a-z0-9_-]{{2,35}}\.)?{_A}{{40,}}+",
        "dp.",
    ),
    _rule("vault-token", "HashiCorp Vault token", rf"hv[sbr]\.{_W}{{24,}}+", "hvs. hvb. hvr."),
    _rule("terraform-token", "Terraform token", rf"{_A}{{14}}\.atlasv1\.{_W}{{60,}}+", ".atlasv1."),
    _rule("pulumi-token", "Pulumi access token", rf"pul-{_HEX}{{40}}(?!{_A})", "pul-"),
    _rule(
        "fly-token",
        "Fly.io token",
        rf"fm[12][ar]?_[A-Za-z0-9+/=_-]{{40,}}+|fo1_{_W}{{43}}",
        "fm1 fm2 fo1_",
    ),
    _rule(
        "supabase-key",
        "Supabase token or secret key",
        rf"sbp_{_HEX}{{40}}|sb_secret_{_W}{{20,}}+",
        "sbp_ sb_secret_",
    ),
    _rule(
        "cloudflare-token",
        "Cloudflare token or origin key",
        rf"cf(?:k|ut|at)_{_A}{{40,}}+|v1\.0-{_HEX}{{24}}-{_HEX}{{120,}}+",
        "cfk_ cfut_ cfat_ v1.0-",
    ),
    _rule(
        "cloudflare-key",
        "older Cloudflare token or key beside its name",
        _near(r"(?:cloudflare|\bcf)[\w .-]{0,20}?(?:token|key)", f"{_W}{{37}}|{_W}{{40}}"),
        "cloudflare cf",
        check=_has_digits,
    ),
    _rule(
        "vercel-token",
        "Vercel token",
        rf"vc[piark]_{_A}{{24,}}+|vercel_blob_rw_{_A}{{16,}}+_{_A}{{24,}}+",
        "vcp_ vci_ vca_ vcr_ vck_ vercel_",
    ),
    _rule(
        "vercel-key",
        "older Vercel token beside its name",
        _near(r"vercel[\w .-]{0,20}?token", f"{_A}{{24}}"),
        "vercel",
        check=_mixes_cases,
    ),
    _rule("netlify-token", "Netlify token", rf"nf[pcu]_{_A}{{36,}}+", "nfp_ nfc_ nfu_"),
    _rule("render-key", "Render API key", rf"rnd_{_A}{{28,}}+", "rnd_"),
    _rule(
        "planetscale-token", "PlanetScale key", r"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,}+", "pscale_"
    ),
    _rule("artifactory-key", "JFrog Artifactory key", rf"AKC[a-z0-9]{_A}{{60,}}+", "akc"),
    _rule("sonar-token", "SonarQube token", rf"sq[upa]_{_HEX}{{40}}", "squ_ sqp_ sqa_"),
    _rule("buildkite-token", "Buildkite token", rf"bk[ua]a_{_HEX}{{40}}", "bkua_ bkaa_"),
    _rule(
        "tailscale-key", "Tailscale key", rf"tskey-[a-z]{{3,10}}-{_A}{{8,}}+-{_A}{{20,}}+", "tskey-"
    ),
    _rule("onepassword-token", "1Password service token", rf"ops_eyJ{_W}{{100,}}+", "ops_eyj"),
    _rule(
        "dynatrace-token", "Dynatrace token", r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}", "dt0"
    ),
    _rule(
        "jwt",
        "JSON web token",
        rf"(?:(?<!{_W})|(?<=\\[nrt]))eyJ{_W}{{8,}}+(?:\.{_W}{{2,}}+){{1,4}}+",
        "eyj",
        check=_has_jwt_header,
    ),
)
