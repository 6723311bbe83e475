"""The store: one folder and a method for each verb."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from memory import census, correct, files, records, reserve, setting
from memory import forget as forgetting
from memory import plan as planning
from memory import recall as recalling
from memory import remember as remembering
from memory.answering import Answering
from memory.db import snapshot
from memory.errors import NotFoundError
from memory.rights import Rights
from memory.scope import Scope
from memory.tombstones import Guard
from memory.types import (
    Draft,
    ForgetPlan,
    Ground,
    Kind,
    Memory,
    Recalled,
    Receipt,
    Remembered,
    Selector,
    SourceClass,
)
from memory.vector_index import VectorIndex


class Store(Rights):
    """A memory in one folder: remember, recall, forget.

    Safe to use from several threads, and from several processes at once. Every verb is one
    transaction; what it returned is on disk. Use as a context manager, or call `close`.
    """

    def remember(
        self,
        text: str,
        *,
        kind: Kind = "note",
        scope: str = "",
        title: str = "",
        actor: str = "",
        at: datetime | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        source: SourceClass = "user",
        root: str = "",
        uri: str = "",
        key: str | None = None,
        keep_secrets: bool = False,
        allow_erased: bool = False,
    ) -> Remembered:
        """Store one text durably and say which memory it is; see `Draft` for the fields.

        Secrets are replaced by ``[redacted:RULE]`` before anything is written, unless
        `keep_secrets`. The same text in the same scope gains a provenance instead of a copy. What
        was erased is refused, unless `allow_erased` lets this one text in.

        Raises:
            UsageError: A field is not acceptable, or its subclass `ErasedContentError`: the
                content was erased on request. Nothing was written.
        """
        draft = Draft(
            text=text,
            kind=kind,
            scope=scope,
            title=title,
            actor=actor,
            at=at,
            valid_from=valid_from,
            valid_to=valid_to,
            source=source,
            root=root,
            uri=uri,
            key=key,
        )
        (done,) = self.remember_many([draft], keep_secrets=keep_secrets, allow_erased=allow_erased)
        return done

    def remember_many(
        self, drafts: Iterable[Draft], *, keep_secrets: bool = False, allow_erased: bool = False
    ) -> tuple[Remembered, ...]:
        """Store several texts in one transaction: all of them or none.

        Raises:
            UsageError: A draft is not acceptable, or was erased; nothing was written.
        """
        batch = [remembering.prepare(draft, keep_secrets=keep_secrets) for draft in drafts]
        return self._write(batch, erased="allow" if allow_erased else "refuse")

    def recall(
        self,
        query: str,
        *,
        scope: str = "",
        limit: int = 10,
        kinds: Sequence[Kind] = (),
        as_of: datetime | None = None,
        budget: int | None = None,
        lexical: bool = False,
        strict: bool = True,
        recipient: str = "",
    ) -> Recalled:
        """Return the memories that best answer `query`, with the reasons of each.

        A scope shows what lies inside it and what holds more broadly: a project's recall sees the
        user's memories, never another project's. The query is not kept anywhere.

        Args:
            query: A question or keywords, any language.
            scope: Where the asker stands.
            limit: At most so many hits, 1 to 1000.
            kinds: Only these kinds; all if empty.
            as_of: Answer as of that time: what was said and valid then.
            budget: At most so many estimated tokens of text in all.
            lexical: Leave the vectors out.
            strict: Refuse a scope that no memory has; else broader memories answer alone.
            recipient: The agent that is given the answer, for the record; none for a person.

        Raises:
            UsageError: An argument is not acceptable.
            NotFoundError: Strict, and no memory has this scope.
        """
        asked = recalling.checked(
            recalling.Query(
                text=query,
                scope=Scope.parse(scope),
                limit=limit,
                kinds=tuple(kinds),
                as_of=as_of,
                budget=budget,
                strict=strict,
            )
        )
        model = None if lexical else self.embedder
        with self._guard() as con:
            if model is not None and (self._index is None or self._index.space != model.space):
                # No sidecar beside an encrypted store: its vectors would lie there in plain.
                folder = self.home / files.INDEX if self._vault is None else None
                self._index = VectorIndex(model.space, model.dim, folder)
            channels = recalling.Channels(
                directory=self._directory, lexical=self._lexical, embedder=model, index=self._index
            )
            found = recalling.recall(con, asked, channels, self._clock())
        self.given([hit.memory.id for hit in found.hits], recipient)
        return found

    def get(self, memory_id: str, *, recipient: str = "") -> Memory:
        """Return one memory with all its provenances; `recipient` is the agent that gets it.

        Raises:
            NotFoundError: There is none with this id.
        """
        with self._guard() as con, snapshot(con):
            seq = self._seq(con, memory_id)
            found = records.attested(con, [seq])[seq]
        self.given([found.id], recipient)
        return found

    def list(
        self,
        *,
        scope: str = "",
        kinds: Sequence[Kind] = (),
        limit: int = 50,
        before: str = "",
        recipient: str = "",
    ) -> tuple[Memory, ...]:
        """Return the memories inside a scope, newest first, older than the id `before`.

        `recipient` is the agent that gets them, for the record.
        """
        with self._guard() as con, snapshot(con):
            inside = None
            if scope:
                wanted = Scope.parse(scope)
                inside = [i for i, other in records.scopes(con) if wanted.contains(other)]
                if not inside:
                    raise NotFoundError(
                        f"no memory has scope '{wanted}'", hint="'mem stats' lists scopes"
                    )
            found = census.page(con, scopes=inside, kinds=kinds, limit=limit, before=before)
        self.given([memory.id for memory in found], recipient)
        return tuple(found)

    def edit(self, memory_id: str, change: correct.Change, *, wait: float = 5.0) -> Memory:
        """Correct a memory in place and seal the file, so that the old wording is gone from it.

        A reader that blocks the seal for longer than `wait` seconds delays it to the next start.

        Raises:
            NotFoundError: There is no such memory.
            UsageError: A field is not acceptable, another memory says the same, or the new
                wording brings back what was erased.
        """
        before = self.get(memory_id)
        after = remembering.prepare(correct.changed(before, change))
        model, encoded = self._encode([after.draft])
        if change.scope is not None:
            with self._guard():
                self._pin([memory_id])
        with self._writing() as con:
            remembering.admit_wording(before, after, Guard.of(con, self.home))
            remembering.withheld(con, [after], erased="refuse")
            setting.put(con, setting.UNSEALED, "wording")
            correct.correct(con, self._seq(con, memory_id), after, embedder=model, encoded=encoded)
        with self._guard():
            self._seal(wait)
        return self.get(memory_id)

    def plan_forget(self, selector: Selector, *, also: Sequence[str] = ()) -> ForgetPlan:
        """Return what a forget would erase; changes nothing.

        The plan's `related` are memories that may say the same as some that go: they stay, unless
        their ids are given as `also` for a second plan.

        Raises:
            UsageError: The selector is empty or malformed.
            NotFoundError: An id or scope does not exist.
        """
        with self._guard() as con, snapshot(con):
            return planning.plan(con, selector, also)

    def forget(
        self,
        plan: ForgetPlan,
        *,
        wait: float | None = None,
        tombstone: bool = True,
        request: str = "",
        ground: Ground = "",
        shred_backups: bool = False,
        say: forgetting.Progress = lambda _: None,
    ) -> Receipt:
        """Erase exactly what `plan` names, physically, verify it and return the receipt.

        A reader that holds the file makes the receipt "pending": the memories are gone for every
        recall at once, their bytes at the latest when the reader lets go and the store is next
        opened.

        Args:
            plan: From `plan_forget`.
            wait: Seconds to wait for blocking readers; the store's own by default.
            tombstone: Recognise the erased texts afterwards, by keyed MACs, and refuse them.
            request: Id of the open request that this answers; it is closed with the erasure.
            ground: Letter of Article 17(1); without `request` one is recorded and closed.
            shred_backups: Destroy the keys of the backups that may hold them.
            say: Told the name of each step.

        Raises:
            NotFoundError: The plan names nothing, or there is no such request.
            UsageError: The plan was altered, or the request cannot be answered by it.
        """
        with self._guard():
            self._index = None  # let go of the mapped sidecar
            place = self._place(say)
            limit = self._wait if wait is None else wait
            answers = Answering(request=request, ground=ground)
            try:
                return forgetting.forget(
                    place, plan, limit, tombstone=tombstone, answers=answers, shred=shred_backups
                )
            finally:
                reserve.keep(self.home)  # it may have given way to this one
