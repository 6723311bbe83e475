"""The receipt of an erasure as a page for a data-protection officer."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli import output
from cli.pages import Html, badge, code, document, facts, h, listed, section, table, tag
from memory.requests import GROUND_SAYS
from memory.types import LedgerReport, Probe

STATES = {
    "verified": ("verified", "good"),
    "pending": ("pending", "open"),
    "failed": ("verification failed", "bad"),
}
LEADS = {
    "verified": "were erased, and every check that could be made afterwards found nothing of them.",
    "pending": "are hidden from every search. Another program held the file, so their bytes go,"
    " and the checks are made, when it lets go.",
    "failed": "were deleted, but a check found something afterwards. The erasure is not complete.",
}
RESULTS = {
    "pass": ("nothing found", "good"),
    "fail": ("found", "bad"),
    "pending": ("pending", "open"),
    "not_claimed": ("not claimed", "plain"),
}
# What each probe is, in words for somebody who does not know databases.
PROBES = {
    "rows": "Records in the database, and records that lead nowhere",
    "text_index": "Words in the index that searches use, also in its raw blocks",
    "bytes": "Pieces of the text in every file of the store, in six spellings",
    "vectors": "Numbers computed from the text, from which it could be guessed",
    "entities": "Names that nothing else in the store attests",
    "slack": "Unused bytes of the database files, where deleted text often stays",
    "files": "Files in the store's folder that nobody accounts for",
    "log": "Write-ahead logs, which keep recent changes",
    "copies": "Exports and backups that were written outside the store",
    "medium": "Blocks of the drive that were freed earlier",
}
ERASED = {
    "memory": "Memories",
    "provenance": "Notes on where they came from",
    "scope": "Names of areas that became empty",
    "actor": "Names of speakers nobody else needs",
    "subject": "Names of people",
    "alias": "Aliases, e-mail addresses and handles",
    "text_index": "Entries of the search index",
    "context_rewritten": "Neighbours whose entries were rewritten",
    "vector": "Vectors",
    "lineage": "Records of derivation",
    "signal": "Signals of use",
    "index_file": "Index files",
    "tombstone": "Fingerprints kept to refuse it",
}
LIMITS = {
    "read_before": "that nobody read it before it was erased",
    "models": "models that were trained on it",
    "untracked_copies": "copies that Letheon did not make itself",
    "medium": "blocks that the file system or the drive freed earlier",
    "copies": "the content of exports and backups outside the store",
}
RECIPIENTS = {
    "agent": "agents that recalled some of it",
    "model": "models it was given to",
    "export": "exports",
    "backup": "backups",
    "remote": "remote stores",
}
REQUESTERS = {
    "": "not recorded",
    "subject": "the person concerned",
    "guardian": "a parent or guardian",
    "representative": "a representative",
    "controller": "the controller itself",
    "authority": "a supervisory authority or a court",
}
IDENTITIES = {
    "": "not recorded",
    "none": "not in doubt",
    "account": "by an account they use",
    "contact": "by a known contact address",
    "document": "by a document",
}


def page(receipt: Mapping[str, Any], report: LedgerReport) -> str:
    """Return the page of one receipt; `report` says whether the ledger it stands in is whole."""
    said, kind = STATES.get(receipt["state"], (receipt["state"], "plain"))
    many = output.many(receipt["memories"], "memory")
    lead = tag("p", f"{many} {LEADS.get(receipt['state'], '')}", kind="lead")
    return document(
        "Receipt of an erasure",
        lead,
        _about(receipt),
        *_request(receipt),
        _erased(receipt),
        _probes(receipt["probes"]),
        *_outside(receipt),
        _limits(receipt["not_claimed"]),
        _verify(receipt, report),
        mark=badge(said, kind),
    )


def _about(receipt: Mapping[str, Any]) -> Html:
    return section(
        "This erasure",
        facts(
            (
                ("Receipt", tag("span", receipt["erasure"], kind="id")),
                ("Store", tag("span", receipt["store"], kind="id")),
                ("Asked for on", receipt["day"]),
                ("Method", "physical: records, indexes and freed bytes of the store's own files"),
                ("Kept back under a restriction", receipt["held"] or ""),
                ("Keys destroyed", ", ".join(receipt["keys_destroyed"])),
                ("Letheon", receipt["version"]),
                ("SQLite", receipt["engine"]),
            )
        ),
    )


def _request(receipt: Mapping[str, Any]) -> list[Html]:
    ground = receipt["ground"]
    named = f"Article 17(1)({ground}): {GROUND_SAYS[ground]}" if ground else ""
    return [
        section(
            "The request it answers",
            facts(
                (
                    ("Request", tag("span", one["id"], kind="id")),
                    ("Ground", named),
                    ("Received", one["received"]),
                    ("Answer due, Article 12(3)", one["due"]),
                    (
                        "Extended by",
                        f"{output.many(one['extended'], 'month')}" * bool(one["extended"]),
                    ),
                    ("Asked by", REQUESTERS[one["requester"]]),
                    ("Identity, Article 12(6)", IDENTITIES[one["identity"]]),
                    ("Identity settled on", one["verified"]),
                )
            ),
            tag("p", "A receipt never says who asked; it names kinds of people only.", kind="note"),
        )
        for one in receipt["request"]
    ]


def _erased(receipt: Mapping[str, Any]) -> Html:
    rows = [
        (ERASED.get(name, name.replace("_", " ")), f"{receipt['erased'][name]:,}")
        for name in sorted(receipt["erased"], key=[*ERASED, *receipt["erased"]].index)
        if receipt["erased"][name]
    ]
    body = table(("What", "Number"), rows, kind="counts") if rows else tag("p", "Nothing.")
    return section("What was erased", body)


def _probes(probes: Sequence[Mapping[str, Any]]) -> Html:
    rows = []
    for one in probes:
        said, kind = RESULTS[one["result"]]
        rows.append((badge(said, kind), PROBES.get(one["name"], one["name"]), Probe(**one).detail))
    return section(
        "What was looked at afterwards",
        table(("Result", "Where", "Counted"), rows, kind="probes"),
    )


def _outside(receipt: Mapping[str, Any]) -> list[Html]:
    told = [f"{n:,} {RECIPIENTS[name]}" for name, n in receipt["recipients"].items() if n]
    copies = [f"{output.many(n, name)}" for name, n in receipt["copies"].items() if n]
    parts: list[Html] = []
    if told:
        parts.append(tag("p", "Some of it had been given to the following, who have to be told:"))
        parts.append(listed(told))
    if copies:
        until = receipt["copies_until"]
        ends = f"; the last backup expires on {until}" if until else ""
        parts.append(tag("p", f"Copies outside the store may hold it: {', '.join(copies)}{ends}."))
    return [section("Recipients and copies, Articles 17(2) and 19", *parts)] if parts else []


def _limits(names: Sequence[str]) -> Html:
    return section(
        "What this receipt does not claim",
        listed(LIMITS.get(name, PROBES.get(name, name)) for name in names),
        tag(
            "p",
            "It records what was done and checked. Whether that meets a legal duty is for the"
            " controller to judge.",
            kind="note",
        ),
    )


def _verify(receipt: Mapping[str, Any], report: LedgerReport) -> Html:
    ident = receipt["erasure"]
    if report.ok:
        many = output.many(report.entries, "receipt")
        whole = f"When this page was made, the ledger of {many} was whole and every signature held."
    else:
        whole = "When this page was made, the ledger was not whole: run 'mem receipt verify'."
    keys = tag("span", ", ".join(report.keys) or "-", kind="id")
    return section(
        "How to verify it",
        tag("p", whole, " This page is not signed; the receipt is. In the store:"),
        code(f"mem receipt verify {ident}"),
        tag("p", "Anywhere else, with a proof that was exported from the store:"),
        code(
            f"mem receipt show {ident} --proof > proof.json",
            "mem receipt verify --file proof.json --key FINGERPRINT",
        ),
        facts(
            (
                ("Fingerprint of the signing key", keys),
                ("Root of the ledger", tag("span", h(report.root or "-"), kind="id")),
            )
        ),
    )
