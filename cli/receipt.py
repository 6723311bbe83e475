"""`mem receipt`: what past erasures did, how it is shown, and whether it is what was signed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cli import output, pages
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from cli.pages import receipt_page
from memory import proofs
from memory.errors import FAULTS, InvalidReceiptError, NotFoundError, UsageError
from memory.receipts import ERASED
from memory.requests import GROUND_SAYS
from memory.types import LedgerReport, Probe

STYLES = {"pass": "green", "fail": "bold red", "pending": "yellow", "not_claimed": "dim"}
STATES = {
    "verified": ("verified", "bold green"),
    "pending": ("pending", "bold yellow"),
    "failed": ("failed", "bold red"),
}
# What each probe of a receipt looked at, in words for a person.
PROBES = {
    "rows": "rows of the database",
    "text_index": "terms of the full-text index",
    "bytes": "bytes of every file",
    "vectors": "vectors in every file",
    "entities": "names nothing else attests",
    "slack": "unused bytes of the databases",
    "files": "every file has an eraser",
    "log": "write-ahead logs are empty",
    "copies": "copies outside the store",
    "medium": "freed blocks of the drive",
}


# What no erasure of a store reaches, in the same words every time.
LIMITS = {
    "read_before": "that nobody read it before",
    "models": "models that were trained on it",
    "untracked_copies": "copies that Letheon did not make",
}


def list_(*, store: Home = None, as_json: Json = False) -> None:
    """List the receipts of past erasures."""
    with opened(store) as memories:
        found = memories.receipts()
    if as_json:
        output.emit({"receipts": found})
        return
    rows = [
        (one["erasure"], one["day"], STATES.get(one["state"], one["state"]), str(one["memories"]))
        for one in found
    ]
    if rows:
        output.table(("erasure", "day", "state", "memories"), rows, numbers=("memories",))
    else:
        output.say("nothing was forgotten yet")


def show(
    erasure: Annotated[str, Argument("Id of the erasure.", "ID")],
    *,
    proof: Annotated[
        bool, Option("--proof", "Print all that a stranger needs to verify it, as JSON.")
    ] = False,
    html: Annotated[
        str, Option("--html", "Write it as a page for people, to print or to hand out.", "FILE")
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show one receipt, or export its proof.

    The proof is one JSON object with the signed entry, its path to a signed root of the whole
    ledger and the public keys. `mem receipt verify --file` and docs/receipts.md verify it.
    """
    with opened(store) as memories:
        if proof:
            output.emit(memories.receipt_proof(erasure))
            return
        found = [one for one in memories.receipts() if one["erasure"] == erasure]
        if not found:
            raise NotFoundError(
                f"no receipt has id {erasure!r}",
                hint="'mem receipt list' shows ids",
                ids=(erasure,),
            )
        if html:
            report = memories.verify_receipts()
            place = pages.write(memories, html, receipt_page.page(found[-1], report))
            pages.told(place, as_json=as_json)
            return
    if as_json:
        output.emit(found[-1])
    else:
        draw(found[-1])


def verify(
    erasure: Annotated[str, Argument("Id of an erasure; the whole ledger if left out.", "ID")] = "",
    *,
    file: Annotated[str, Option("--file -f", "A proof that was exported.", "FILE")] = "",
    key: Annotated[
        str, Option("--key", "Fingerprint that must have signed it.", "FINGERPRINT")
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> int:
    """Verify the ledger or one receipt.

    Without arguments: every line's hash, place in the chain and signature, and that no end is
    missing. With an id: that receipt by its own proof, too. With --file no store is needed, and
    --key says whose signature counts. Ends with 4 if anything is not what was signed.
    """
    if erasure and file:
        raise UsageError("an id and a file are two receipts", hint="give one of them")
    if file:
        _proof(proofs.read(Path(file)), key, as_json=as_json)
        return 0
    with opened(store) as memories:
        report = memories.verify_receipts()
        given = memories.receipt_proof(erasure) if erasure and report.ok else None
    if given is not None:
        _proof(given, key, as_json=as_json)
    elif as_json:
        output.emit(report)
    else:
        _report(report)
    return 0 if report.ok else InvalidReceiptError.exit_code


def _proof(given: proofs.Proof, key: str, *, as_json: bool) -> None:
    receipt = proofs.verify(given, (key,) if key else ())
    signers = sorted({given["entry"]["key"], given["head"]["key"]})
    if as_json:
        told = {"ok": True, "erasure": receipt["erasure"], "state": receipt["state"]}
        place = {"index": given["index"], "entries": given["head"]["size"]}
        output.emit({**told, **place, "root": given["head"]["root"], "keys": signers})
        return
    draw(receipt)
    output.show(("holds", "bold green"), f"  entry {given['index'] + 1} of {given['head']['size']}")
    for one in signers:
        output.show(("signed by ", "dim"), one)
    if not key:
        output.show(("Compare that with what the store's owner tells you, or give --key.", "dim"))


def _report(report: LedgerReport) -> None:
    many = output.many(report.entries, "receipt")
    if report.ok:
        output.show(("holds", "bold green"), f"  {many}, every signature and the chain agree")
    else:
        output.show(("does not hold", "bold red"), f"  {many}")
        rows = [(str(one.line), FAULTS[one.reason]) for one in report.faults]
        output.table(("line", "what is wrong with it"), rows, numbers=("line",))
    for label, value in (("root", report.root), ("last", report.last)):
        output.show((f"{label} ", "dim"), value or "-")
    for one in report.keys:
        output.show(("signed by ", "dim"), one)
    if report.torn:
        output.show(("A crash left an incomplete last line: it is no receipt.", "yellow"))


def draw(receipt: Mapping[str, Any], *, took: float | None = None) -> None:
    """Draw a receipt: what went, what was verified, what is pending, what is not claimed."""
    state, style = STATES.get(receipt["state"], (receipt["state"], ""))
    seconds = "" if took is None else f" in {took:.1f} s"
    output.show(
        ("Receipt ", "bold"),
        (str(receipt["erasure"]), "bold cyan"),
        "  ",
        (state, style),
        (f"  {output.many(receipt['memories'], 'memory')} on {receipt['day']}{seconds}", "dim"),
    )
    _answers(receipt)
    _counts(receipt["erased"])
    draw_probes(receipt["probes"])
    if receipt["copies"]:
        until = f", the last one until {receipt['copies_until']}" if receipt["copies_until"] else ""
        output.show(("copies outside: ", "dim"), f"{output.tally(receipt['copies'])}{until}")
    limits = [LIMITS[one] for one in receipt["not_claimed"] if one in LIMITS]
    output.show(("not claimed either: ", "dim"), ("; ".join(limits), "dim"))
    if receipt["state"] == "pending":
        held = f"process {', '.join(map(str, receipt['blocked_by']))}"
        held = held if receipt["blocked_by"] else "another process"
        output.show(("Gone from every recall. The bytes go when the file is let go", "yellow"))
        output.show((f"and the store is next opened; it is held by {held}.", "yellow"))
    if receipt["state"] == "failed":
        output.show(("Something was found after the erasure: run 'mem doctor'.", "bold red"))


def _answers(receipt: Mapping[str, Any]) -> None:
    for one in receipt["request"]:
        ground = receipt["ground"]
        said = f", ground ({ground}) {GROUND_SAYS[ground]}" if ground else ""
        output.show(
            ("answers: ", "dim"),
            f"request {one['id']}, received {one['received']}, due {one['due']}{said}",
        )


def _counts(erased: Mapping[str, int]) -> None:
    ordered = {name: erased[name] for name in ERASED if name in erased}
    output.show(("erased: ", "dim"), output.tally(ordered) or "nothing")


def draw_probes(probes: Sequence[Mapping[str, Any]]) -> None:
    """Draw what each probe looked at and found."""
    rows = [
        (
            (one["result"].replace("_", " "), STYLES.get(one["result"], "")),
            PROBES.get(one["name"], one["name"]),
            (Probe(**one).detail, "dim"),
        )
        for one in probes
    ]
    output.table(("", "looked at", "found"), rows)
