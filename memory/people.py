"""People a store knows about, and what they asked for: Articles 12, 15 to 17 and 20 GDPR."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from memory import (
    answering,
    dossier,
    naming,
    records,
    references,
    setting,
    subject_export,
    subjects,
)
from memory import requests as asked
from memory.db import Connection, snapshot
from memory.disclosing import Disclosing
from memory.errors import NotFoundError, UsageError
from memory.subjects import Name, Subject
from memory.types import EVIDENCE, Ground, IdentityCheck, RecipientKind, Requester

WAIT = 5.0  # seconds for a seal after names went; a reader delays it to the next start


class People(Disclosing):
    """Subjects and their requests; `Store` is the class to use."""

    def subjects(self) -> tuple[Subject, ...]:
        """Return the people that were declared, and those an open request is about."""
        with self._guard() as con, snapshot(con):
            return tuple(subjects.all_(con))

    def add_subject(self, name: str, names: Sequence[str] = ()) -> Subject:
        """Declare a person with aliases, e-mails and handles, told apart by their form.

        Raises:
            UsageError: A name is not acceptable, or somebody goes by it already.
        """
        accepted = naming.accepted(name)
        with self._writing() as con:
            known = [one for one in subjects.named(con, accepted) if not one.declared]
            if known:
                subjects.declare(con, known[0].id)
            else:
                subjects.require_new(con, accepted)
            ident = known[0].id if known else answering.midnight_id(self._clock())
            if not known:
                subjects.put(con, ident, accepted, declared=True)
            subjects.add_names(con, ident, _names(names))
            return _existing(con, ident)

    def name_subject(self, name: str, names: Sequence[str]) -> Subject:
        """Give a declared person more names.

        Raises:
            NotFoundError: Nobody is declared by this name.
            UsageError: A name is not acceptable, or several people go by `name`.
        """
        with self._writing() as con:
            found = _declared(con, name)
            more = [one for one in _names(names) if one.value != found.name]
            subjects.add_names(con, found.id, more)
            return _existing(con, found.id)

    def unname_subject(self, name: str, names: Sequence[str]) -> Subject:
        """Take names from a declared person, and their bytes from the file.

        Raises:
            NotFoundError: Nobody is declared by this name, or has one of the names.
        """
        with self._writing() as con:
            found = _declared(con, name)
            absent = sorted(set(names) - {one.value for one in found.names})
            if absent:
                raise NotFoundError(f"{found.name!r} has no name {absent[0]!r}")
            subjects.remove_names(con, found.id, names)
            setting.put(con, setting.UNSEALED, "names")
            after = _existing(con, found.id)
        with self._guard():
            self._seal(WAIT)
        return after

    def merge_subjects(self, into: str, other: str) -> Subject:
        """Make one person of two that are one; all names of `other` become names of `into`.

        Raises:
            NotFoundError: One of them is not declared.
            UsageError: Both are the same already.
        """
        with self._writing() as con:
            kept, gone = _declared(con, into), _declared(con, other)
            if kept.id == gone.id:
                raise UsageError(f"{into!r} and {other!r} are one person already")
            if asked.pointing(con, gone.id):
                mac = references.reference(self.home, kept.name)
                asked.move(con, gone.id, kept.id, mac)
            subjects.merge(con, kept, gone)
            return _existing(con, kept.id)

    def dossier(self, name: str) -> subject_export.Dossier:
        """Return what the store holds about a person, declared or not, and why it thinks so.

        Raises:
            AmbiguousNameError: Several people go by this name.
        """
        with self._guard() as con, snapshot(con):
            return self._dossier(con, dossier.resolve(con, name))

    def name_proposals(self, name: str) -> tuple[tuple[Name, int], ...]:
        """Return names that the store attests for a person and nobody confirmed, most often first.

        Raises:
            AmbiguousNameError: Several people go by this name.
        """
        with self._guard() as con, snapshot(con):
            return tuple(dossier.proposals(con, dossier.resolve(con, name)))

    def _dossier(self, con: Connection, subject: Subject) -> subject_export.Dossier:
        found = dossier.find(con, subject)
        rank = {why: at for at, why in enumerate(EVIDENCE)}
        memories = records.attested(con, list(found.why))
        order = sorted(found.why, key=lambda seq: (rank[found.why[seq]], seq))
        also = records.fetch(con, sorted(found.said))
        return subject_export.Dossier(
            subject=subject,
            day=self._today().isoformat(),
            counts=found.counts(),
            memories=tuple(
                subject_export.Evident(memory=memories[seq], why=found.why[seq]) for seq in order
            ),
            also_said=tuple(also[seq].id for seq in sorted(found.said)),
            proposals=tuple(dossier.proposals(con, subject)),
            requests=self._requests_of(con, subject),
            recipients=self._recipients([memories[seq].id for seq in order]),
        )

    def _requests_of(self, con: Connection, subject: Subject) -> tuple[asked.Request, ...]:
        known = (references.known(self.home, name) for name in subject.every)
        macs = {mac.hex() for mac in known if mac}
        return tuple(one for one in asked.list_(con, self._today()) if one.reference in macs)

    def _recipients(self, ids: Sequence[str]) -> dict[RecipientKind, int]:
        """Return how many recipients of each kind were given some of these memories."""
        return dict(Counter(one.kind for one in self.recipients(ids))) if ids else {}

    def export_subject(self, name: str, article: subject_export.Article = "15") -> dict[str, Any]:
        """Return all about a person in a documented form: Article 15, or what Article 20 gives.

        Raises:
            AmbiguousNameError: Several people go by this name.
            NotFoundError: The store holds nothing about them.
        """
        found = self.dossier(name)
        if not found.memories and not found.subject.id:
            raise NotFoundError(f"nothing is known about {name!r}")
        return subject_export.document(found, setting.get(self._con, "store_id"), article)

    def open_request(
        self,
        kind: asked.RequestKind,
        subject: str = "",
        *,
        ground: Ground = "",
        requester: Requester = "",
        identity: IdentityCheck = "",
        received: date | None = None,
    ) -> asked.Request:
        """Record a request; the answer is due one month after it was received.

        Until it is answered the store keeps the person's name for it, as if they were declared.

        Raises:
            UsageError: The day is to come, the name is ambiguous, or the ground does not fit.
        """
        today = self._today()
        day = received or today
        if day > today:
            raise UsageError(f"{day} is a day to come", hint="give the day of receipt")
        ident = answering.midnight_id(self._clock())
        with self._writing() as con:
            person = self._kept(con, subject) if subject else None
            opening = asked.Opening(
                kind=kind,
                received=day,
                reference=references.reference(self.home, person.name) if person else b"",
                subject_id=person.id if person else None,
                ground=ground,
                requester=requester,
                identity=identity,
            )
            asked.put(con, ident, opening)
            return asked.get(con, ident, today)

    def _kept(self, con: Connection, name: str) -> Subject:
        person = dossier.resolve(con, naming.accepted(name, "subject"))
        if person.id:
            return person
        ident = answering.midnight_id(self._clock())
        subjects.put(con, ident, person.name, declared=False)
        return _existing(con, ident)

    def requests(self) -> tuple[asked.Request, ...]:
        """Return every request, open ones first by the day they are due."""
        with self._guard() as con, snapshot(con):
            return tuple(asked.list_(con, self._today()))

    def request(self, ident: str) -> asked.Request:
        """Return one request.

        Raises:
            NotFoundError: There is none with this id.
        """
        with self._guard() as con, snapshot(con):
            return asked.get(con, ident, self._today())

    def verify_request(self, ident: str, identity: IdentityCheck) -> asked.Request:
        """Record that the identity of who asked is settled, and how.

        Raises:
            NotFoundError: There is no such request.
            UsageError: It is answered.
        """
        with self._writing() as con:
            asked.verify(con, ident, identity, self._today())
            return asked.get(con, ident, self._today())

    def extend_request(
        self, ident: str, reason: asked.Delay, months: int = asked.LONGEST_DELAY
    ) -> asked.Request:
        """Put the answer off by one or two months, Article 12(3).

        Raises:
            NotFoundError: There is no such request.
            UsageError: It is answered, or its first month is over.
        """
        with self._writing() as con:
            asked.extend(con, ident, months, reason, self._today())
            return asked.get(con, ident, self._today())

    def refuse_request(self, ident: str, reason: asked.Refusal) -> asked.Request:
        """Record a refusal with its reason; the store forgets whom the request was about.

        Raises:
            NotFoundError: There is no such request.
            UsageError: It is answered, or the reason is for another kind of request.
        """
        return self._answered(ident, "refused", reason)

    def close_request(self, ident: str) -> asked.Request:
        """Record that a request was fulfilled; the store forgets whom it was about.

        Raises:
            NotFoundError: There is no such request.
            UsageError: It is answered.
        """
        return self._answered(ident, "done")

    def _answered(
        self, ident: str, state: asked.RequestState, reason: asked.Refusal | None = None
    ) -> asked.Request:
        with self._writing() as con:
            found = asked.opened(con, ident, self._today())
            if reason is not None:
                asked.check_refusal(found.kind, reason)
            person = asked.subject_of(con, ident)
            asked.answer(con, ident, state, self._today(), reason or "")
            kept_for_it = person is not None and not _existing(con, person).declared
            if person and kept_for_it and not asked.pointing(con, person):
                subjects.erase(con, [person])
            setting.put(con, setting.UNSEALED, "names")
            after = asked.get(con, ident, self._today())
        with self._guard():
            self._seal(WAIT)
        return after

    def require_rectification(self, ident: str) -> None:
        """Return if this is an open request of rectification.

        Raises:
            NotFoundError: There is no such request.
            UsageError: It is answered, or of another kind.
        """
        with self._guard() as con, snapshot(con):
            asked.require_kind(asked.opened(con, ident, self._today()), "rectification")

    def count_correction(self, ident: str) -> None:
        """Record that a memory was corrected for a request of rectification.

        Raises:
            NotFoundError: There is no such request.
            UsageError: It is answered, or of another kind.
        """
        with self._writing() as con:
            asked.corrected(con, ident, self._today())

    def _today(self) -> date:
        return self._clock().date()


def _names(values: Sequence[str]) -> list[Name]:
    plain = [naming.accepted(value) for value in values]
    return [Name(kind=naming.kind_of(value), value=value) for value in plain]


def _existing(con: Connection, ident: str) -> Subject:
    found = subjects.get(con, ident)
    if found is None:
        raise NotFoundError(f"no subject has id {ident!r}", ids=(ident,))
    return found


def _declared(con: Connection, name: str) -> Subject:
    found = dossier.resolve(con, name)
    if not found.id:
        raise NotFoundError(
            f"nobody is declared by the name {name!r}", hint=f"mem subject add {name!r}"
        )
    return found
