"""The verbs around the three main ones: import, export, models, feedback, health."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from memory import (
    behavior,
    census,
    copies,
    erasures,
    files,
    importing,
    ledger,
    proofs,
    reembed,
    reexamine,
    requests,
    restriction,
    seal,
    setting,
    tombstones,
    vectors,
)
from memory import check as checking
from memory.db import identity, snapshot, transaction
from memory.embedder import Embedder
from memory.errors import StoreError, UsageError
from memory.intake import Intake
from memory.types import (
    OUTCOMES,
    Draft,
    Encryption,
    Finding,
    LedgerReport,
    Outcome,
    Reexamined,
    Stats,
)

if TYPE_CHECKING:
    from memory.custody import Ask, CustodyKind


class Upkeep(Intake):
    """What keeps a store useful and whole; `Store` is the class to use."""

    def sample(self, count: int) -> tuple[str, ...]:
        """Return up to `count` texts spread over the store, the same for the same content."""
        with self._guard() as con:
            return census.sample(con, count)

    def feedback(self, memory_id: str, outcome: Outcome, *, root: str = "") -> None:
        """Record what became of a recalled memory: an id, an outcome, a time, nothing else.

        Raises:
            NotFoundError: There is no such memory.
            UsageError: The outcome does not exist.
        """
        if outcome not in OUTCOMES:
            raise UsageError(
                f"outcome {outcome!r} does not exist", hint=f"one of {', '.join(OUTCOMES)}"
            )
        with self._guard() as con:
            self._seq(con, memory_id)
            signals = self._behavior()
            with transaction(signals, self._wait):
                behavior.put(signals, memory_id, outcome, root, self._clock())

    def feedback_of(self, memory_id: str) -> dict[str, int]:
        """Return the number of signals per outcome about one memory."""
        with self._guard():
            return behavior.counts(self._behavior(), memory_id)

    def reembed(self, model: str = "", *, progress: importing.Progress = lambda _: None) -> int:
        """Give every memory a vector of `model` and return how many were made.

        Each batch is its own transaction and the old space serves until the last one, so the work
        can be interrupted and called again. Vectors of other models are erased at the end.

        Args:
            model: Name or folder; the store's own if empty.
            progress: Called with the number of memories after each batch.
        """
        chosen = model or setting.get(self._con, "model", "default")
        own = None if model else self._embedder
        from memory.embed import load_embedder  # noqa: PLC0415 - no recall needs it

        target = own or load_embedder(chosen, cache=self.home / files.INDEX)
        with self._writing() as con:
            space = vectors.intern_space(con, target.space, target.dim)
        done = 0
        for rows in vectors.missing(self._con, space, reembed.BATCH):
            encoded = reembed.encode(target, rows)
            with self._writing() as con:
                made = reembed.put(con, space, rows, encoded)
            done += made
            progress(made)
        with self._writing() as con:
            setting.put(con, "model", chosen)
            if reembed.drop_others(con, target.space):
                setting.put(con, setting.UNSEALED, "vectors")
            setting.next_epoch(con)
        with self._guard():
            self._model, self._embedder, self._index = chosen, target, None
            self._settle()
        return done

    def unembedded(self) -> int:
        """Return how many memories have no vector in the store's own space."""
        model = self.embedder
        with self._guard() as con:
            space = None if model is None else vectors.find_space(con, model.space)
            return vectors.count_missing(con, space)

    def stats(self) -> Stats:
        """Return counts; no content."""
        with self._guard() as con:
            signals = self._behavior()
            with snapshot(con):
                memories, attested, kinds, paths = census.totals(con)
                done, pending = erasures.count(con)
                spaces = vectors.counts(con)
                waiting, overdue = requests.totals(con, self._clock().date())
                held = restriction.holds(con, self._clock())
                return Stats(
                    path=str(self.home),
                    store_id=setting.get(con, "store_id"),
                    schema=identity(con)[1],
                    memories=memories,
                    by_kind=kinds,
                    by_scope=paths,
                    provenances=attested,
                    vectors=spaces,
                    unembedded=memories - max(spaces.values(), default=0),
                    erasures=done,
                    pending_erasures=pending,
                    feedback=behavior.total(signals),
                    open_requests=waiting,
                    overdue_requests=overdue,
                    restricted=restriction.count(con),
                    holds=len(held),
                    holds_due=sum(one.due for one in held),
                    copies=tuple(one.path for one in copies.listed(con) if one.readable),
                    bytes=files.size(self.home),
                    encryption="" if self._vault is None else self._vault.kind,
                )

    def receipts(self) -> tuple[dict[str, Any], ...]:
        """Return the receipts of every erasure, oldest first.

        Raises:
            InvalidReceiptError: A line of the ledger is none; `verify_receipts` says which.
        """
        return tuple(ledger.read(self.home))

    def verify_receipts(self) -> LedgerReport:
        """Examine chain, signatures and end of the ledger; changes nothing."""
        with self._guard() as con:
            return ledger.verify(self.home, ledger.known(con))

    def verify_erasure(
        self,
        erasure: str,
        texts: Iterable[str | Draft] = (),
        *,
        tell: Callable[[float], None] = lambda _: None,
    ) -> Reexamined:
        """Examine the receipt of an erasure and look for what was erased again; changes nothing.

        Without `texts` that is all that needs no content: signature and chain, rows, names, the
        blocks of the full-text index, unused bytes, files, logs. With them the bytes of every file
        and the vectors are searched, too; what live memories say is no residue.

        Args:
            erasure: Its id.
            texts: What was erased, as the person has it; never written anywhere.
            tell: Told which share of the search is done.

        Raises:
            NotFoundError: There was no such erasure.
        """

        def model() -> Embedder | None:
            return self.embedder

        with self._guard() as con:
            content = reexamine.content(con, texts, model)
            return reexamine.reexamine(
                con, self._behavior(), self.home, erasure, content, model=model, tell=tell
            )

    def receipt_proof(self, erasure: str) -> proofs.Proof:
        """Return the last receipt of an erasure with what a stranger needs to verify it.

        Raises:
            NotFoundError: There is no receipt of it.
            InvalidReceiptError: The ledger is not whole.
            StoreError: The certificate key is gone.
        """
        with self._guard() as con:
            return proofs.proof(self.home, ledger.known(con), erasure)

    def tombstones(self) -> int:
        """Return how many erased texts are recognised and refused."""
        with self._guard() as con, snapshot(con):
            return tombstones.count(con) if tombstones.load(self.home) else 0

    def rotate_guard(self, *, wait: float = 5.0) -> int:
        """Destroy the guard's key and tombstones; return how many texts it recognised.

        They may be stored again from now on. The next erasure makes a new key.
        """
        with self._writing() as con:
            setting.put(con, setting.UNSEALED, "tombstones")
            gone = tombstones.rotate(con, self.home)
        with self._guard():
            self._seal(wait)
        return gone

    def encryption(self) -> Encryption:
        """Return how the store is encrypted, and what is owed."""
        if self._vault is None:
            return Encryption(kept="")
        from memory import medium  # noqa: PLC0415 - encrypted stores only

        with self._guard() as con:
            return Encryption(
                kept=self._vault.kind,
                key=self._vault.keys[0].id,
                owed=len(setting.get(con, setting.EPOCH).split()),
                interrupted=self._vault.torn,
                in_place=medium.overwrites(self.home),
            )

    def rotate_key(
        self, *, keep: "CustodyKind | None" = None, key: "str | Ask | None" = None
    ) -> tuple[str, ...]:
        """Encrypt the store under a new key and destroy the old one; return the ids of the old.

        Args:
            keep: Where the new key is kept: "keyring", "passphrase", "file"; as before if None.
            key: The passphrase from now on, or what asks for it.

        Raises:
            StoreError: The store is not encrypted; others have it open; the disk is too full.
        """
        if self._vault is None:
            raise StoreError(
                f"the store at '{self.home}' is not encrypted", hint="see 'mem init --encrypt'"
            )
        from memory import custody, epoch  # noqa: PLC0415 - encrypted stores only

        with self._guard():
            ask = None if keep is None else custody.given(key)
            return epoch.rotate(self._place(), self._wait, keep, ask)

    def check(self, *, forensic: bool = False) -> tuple[Finding, ...]:
        """Examine pages, indexes, digests, files and permissions; changes nothing.

        Args:
            forensic: Also account for every byte of the databases and decode the full-text
                index from its blocks: is anything there that no live memory says?
        """
        model = self.embedder
        with self._guard() as con:
            space = None if model is None else model.space
            found = checking.check(con, self._behavior(), self.home, space, self._clock())
            found.append(checking.encryption(self.encryption()))
            if forensic:
                found += checking.forensic(con, self._behavior(), self._wait)
            return tuple(found)

    def repair(self) -> tuple[str, ...]:
        """Rebuild what is derived, close permissions, finish erasures; returns what was done."""
        with self._writing() as con:
            done = tuple(checking.repair(con, self.home))
            setting.next_epoch(con)
            setting.put(con, setting.UNSEALED, "bytes")
        with self._guard():
            if self._seal(5.0, rebuild=True) and seal.seal(self._behavior(), 5.0, rebuild=True):
                done += ("databases rebuilt, unused bytes zeroed",)
        return done + tuple(f"erasure {one.erasure}: {one.state}" for one in self.resume())
