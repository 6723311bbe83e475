"""The forget epoch: an encrypted store gets a new key, the old one is destroyed, receipts say so.

Whatever the drive kept of the store's files, from whenever, is noise without the key it was
written under. An erasure therefore ends with a change of the key. That needs the files to itself
(`alone`); until it has them the epoch is owed, and is done by whoever opens, closes or tends the
store next and is alone with it.

    new key into the free slot -> both databases under it -> every page read -> old slot zeroed

Both keys are at hand until the last step, so that a crash leaves a store that opens, and the
change goes on where it was.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from memory import held, ledger, medium, pages, receipts, seal, setting, verify
from memory.alone import alone, path_of
from memory.cipher import PAGE, SALT, Codec
from memory.custody import Ask, CustodyKind
from memory.db import Connection, set_key, transaction
from memory.errors import StoreBusyError, StoreError, StoreFullError
from memory.types import Probe, ProbeName, Receipt
from memory.vault import Vault

if TYPE_CHECKING:
    from memory.forget import Place

BRIEF = 0.5  # seconds to wait for others to leave: who stays longer, stays
ROOM = 1.2  # free disk that a change of key needs, in sizes of the files: their pages in a journal


def claim(
    place: "Place", probes: Sequence[Probe], wait: float
) -> tuple[list[Probe], tuple[str, ...]]:
    """Change the key now if nobody else has the store open.

    Returns:
        The probes with what is now true of the medium, and the ids of the keys destroyed.
    """
    if not change(place, wait):
        return list(probes), ()
    return _after(probes, _fresh(place)), _destroyed(place)


def note(place: "Place", receipt: Receipt) -> None:
    """Keep in mind that an erasure waits for its epoch, or say of those that did that it is over.

    In the caller's transaction, which appended the receipt.
    """
    waiting = setting.get(place.con, setting.EPOCH).split()
    if any(probe.name == "medium" and probe.result == "pending" for probe in receipt.probes):
        setting.put(place.con, setting.EPOCH, " ".join(dict.fromkeys([*waiting, receipt.erasure])))
    else:
        _amend(place, {one.name: one for one in receipt.probes})


def resume(place: "Place", wait: float) -> list[Receipt]:
    """Do the epoch that is owed, if nobody else has the store open; return the receipts amended."""
    vault = _vault(place)
    if not vault.torn and not setting.get(place.con, setting.EPOCH):
        return []
    if not change(place, wait):
        return []
    return settle(place)


def settle(place: "Place") -> list[Receipt]:
    """Say in the receipts that waited for it that the key is destroyed; return those receipts."""
    fresh = _fresh(place)
    with transaction(place.con, place.write_wait):
        amended = _amend(place, fresh)
    seal.scrub(place.con, BRIEF)
    return amended


def change(
    place: "Place", wait: float, kind: CustodyKind | None = None, ask: Ask | None = None
) -> bool:
    """Encrypt both databases under a new key and destroy the old one.

    Args:
        place: The store.
        wait: Seconds to wait for others to close it, at most `BRIEF`.
        kind: Keep the new key in this way; as the old one if None.
        ask: Asks for the passphrase of the new key.

    Returns:
        False if others have the store open, or the disk is too full; nothing was changed then.
    """
    vault, files = _vault(place), (place.signals, place.con)
    if not has_room(place):
        return False
    _retire(place)
    patience = min(wait, BRIEF)
    with alone(place.con, patience) as free, alone(place.signals, patience * free) as also:
        if not (free and also):
            return False
        for one in files:
            pages.scrub(path_of(one))
        vault.begin(place.now, kind, ask)
        held.unlock(place.home, vault.secrets)
        for one in files:
            _encrypt(one, vault.secrets[0])
        vault.finish()
        held.unlock(place.home, vault.secrets)
    return True


def _encrypt(con: Connection, key: bytes) -> None:
    # The engine says "ok" to a change of key that failed, too. So every page is looked at, before
    # anything else is asked of the connection.
    path = path_of(con)
    if not _is_under(path, key):
        set_key(con, key, anew=True)
    _examine(path, key)


def has_room(place: "Place") -> bool:
    """Tell whether the disk has room for a change of the key."""
    size = sum(path_of(one).stat().st_size for one in (place.signals, place.con))
    return shutil.disk_usage(place.home).free >= ROOM * size


def rotate(
    place: "Place", wait: float, kind: CustodyKind | None = None, ask: Ask | None = None
) -> tuple[str, ...]:
    """Change the key now, and how it is kept if asked; return the ids of the keys destroyed.

    Raises:
        StoreBusyError: Others have the store open.
        StoreFullError: The disk is too full.
    """
    if not has_room(place):
        raise StoreFullError(
            f"no space left for another copy of '{place.home}'", hint="free some space"
        )
    # An interrupted change has its key already, kept in the old way.
    steps = [(None, None)] if _vault(place).torn and kind else []
    for how, asks in [*steps, (kind, ask)]:
        if not change(place, wait, how, asks):
            raise StoreBusyError(
                f"another program, or another part of this one, has '{place.home}' open",
                hint="close it, and try again",
            )
    gone = _destroyed(place)
    settle(place)
    return gone


def _vault(place: "Place") -> Vault:
    if place.vault is None:
        raise StoreError("the store is not encrypted", hint="see 'mem init --encrypt'")
    return place.vault


def _retire(place: "Place") -> None:
    """Remember the keys that are about to go, so that a receipt can name them after a crash."""
    before = setting.get(place.con, setting.RETIRED).split()
    now = list(dict.fromkeys([*before, *(key.id for key in _vault(place).keys)]))
    if now != before:
        with transaction(place.con, place.write_wait):
            setting.put(place.con, setting.RETIRED, " ".join(now))


def _destroyed(place: "Place") -> tuple[str, ...]:
    left = {key.id for key in _vault(place).keys}
    return tuple(
        ident for ident in setting.get(place.con, setting.RETIRED).split() if ident not in left
    )


def _fresh(place: "Place") -> dict[ProbeName, Probe]:
    """Return the probes that an epoch decides, by name."""
    slack = verify.slack(place.con, place.signals)
    if slack.result == "pending":  # somebody came and wrote since
        slack = replace(slack, result="not_claimed", why="blocked")
    return {"slack": slack, "medium": _medium(place)}


def _medium(place: "Place") -> Probe:
    # A slot that was overwritten somewhere else lies there still, wrapped by a custody key that
    # opens the new one, too. Only a keyring's entry went with the old key.
    if _vault(place).kind == "keyring" or medium.overwrites(place.home):
        return Probe(name="medium", result="pass", why="destroyed")
    return Probe(name="medium", result="not_claimed", why="unreachable")


def _after(probes: Sequence[Probe], fresh: Mapping[ProbeName, Probe]) -> list[Probe]:
    """Return the probes as they are after an epoch."""
    return [fresh[one.name] if one.why == "rotating" else one for one in probes]


def _amend(place: "Place", fresh: Mapping[ProbeName, Probe]) -> list[Receipt]:
    """Append the receipts of the erasures that waited for the epoch that is over now."""
    done = []
    destroyed = _destroyed(place)
    for ident in setting.get(place.con, setting.EPOCH).split():
        before = ledger.last(place.home, ident)
        if before is None:
            continue  # a ledger that lost its lines: the doctor says so
        receipt = receipts.restored(before)
        probes = _after(receipt.probes, fresh)
        receipt = replace(
            receipt,
            probes=tuple(probes),
            not_claimed=receipts.not_claimed(probes),
            keys_destroyed=(*receipt.keys_destroyed, *destroyed),
        )
        ledger.append(place.con, place.home, receipt)
        done.append(receipt)
    setting.drop(place.con, setting.EPOCH)
    setting.drop(place.con, setting.RETIRED)
    return done


def _is_under(path: Path, key: bytes) -> bool:
    with held.opened(path) as descriptor:
        first = held.raw_at(descriptor, PAGE, 0)
    return Codec([key]).opens(first, 1, first[:SALT])


def _examine(path: Path, key: bytes) -> None:
    """Return if every page of a file opens with this key: the others are about to go.

    Raises:
        StoreError: One does not; both keys stay.
    """
    codec = Codec([key])
    with held.opened(path) as descriptor:
        salt = held.raw_at(descriptor, SALT, 0)
        at = 0
        while raw := held.raw_at(descriptor, PAGE, at * PAGE):
            at += 1
            if not codec.opens(raw, at, salt):
                raise StoreError(
                    f"page {at} of '{path}' is not under the new key", hint="run 'mem doctor'"
                )
