"""Requests of people: the clock of Article 12(3), closed words, and what is left afterwards."""

import calendar
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import NotFoundError, Selector, Store, UsageError, requests
from memory.db import connect
from memory.ids import is_id
from memory.requests import (
    REFUSALS,
    REQUEST_KINDS,
    Refusal,
    RequestKind,
    check_refusal,
    later,
)
from tests.support import Clock

DAYS = st.dates(date(1990, 1, 1), date(2199, 12, 31))


@given(DAYS, st.integers(0, 40))
def test_later_is_the_same_day_or_the_last_of_its_month(day: date, months: int) -> None:
    found = later(day, months)

    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == months
    assert found.day == min(day.day, calendar.monthrange(found.year, found.month)[1])


@given(DAYS, DAYS, st.integers(0, 5))
def test_who_asks_later_is_not_answered_earlier(one: date, other: date, months: int) -> None:
    first, second = sorted((one, other))

    assert later(first, months) <= later(second, months)


@given(DAYS)
def test_a_month_is_28_to_31_days_and_three_follow_one(day: date) -> None:
    assert timedelta(28) <= later(day, 1) - day <= timedelta(31)
    assert later(day, 1) < later(day, 2) < later(day, 3)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2028-01-31", "2028-02-29"),
        ("2027-01-30", "2027-02-28"),
        ("2028-02-29", "2028-03-29"),
        ("2026-08-31", "2026-09-30"),
        ("2026-12-31", "2027-01-31"),
        ("2026-11-05", "2026-12-05"),
    ],
)
def test_month_ends_and_leap_years(received: str, due: str) -> None:
    assert later(date.fromisoformat(received), 1).isoformat() == due


def at(clock: Clock, day: str) -> None:
    clock.at = datetime.fromisoformat(f"{day}T09:30:00+00:00")


def test_a_request_is_due_one_month_after_it_came_in(store: Store) -> None:
    made = store.open_request("access", "Mireille", received=date(2026, 1, 31))

    assert (made.received, made.due, made.state) == ("2026-01-31", "2026-02-28", "open")
    assert made.overdue
    assert made.days_left == -2
    assert is_id(made.id)


def test_an_extension_counts_from_the_day_of_receipt(store: Store, clock: Clock) -> None:
    made = store.open_request("access", received=date(2026, 2, 28))

    after = store.extend_request(made.id, "complexity")

    assert (after.due, after.extended, after.extended_for) == ("2026-05-28", 2, "complexity")
    assert store.extend_request(made.id, "number", 1).due == "2026-04-28"


@pytest.mark.parametrize(("day", "allowed"), [("2026-04-02", True), ("2026-04-03", False)])
def test_only_the_first_month_allows_an_extension(
    store: Store, clock: Clock, day: str, allowed: bool
) -> None:
    made = store.open_request("access")
    at(clock, day)

    if allowed:
        assert store.extend_request(made.id, "complexity").due == "2026-06-02"
    else:
        with pytest.raises(UsageError, match="first month ended on 2026-04-02"):
            store.extend_request(made.id, "complexity")


@pytest.mark.parametrize("months", [0, 3, -1])
def test_an_extension_is_one_or_two_months(store: Store, months: int) -> None:
    made = store.open_request("access")

    with pytest.raises(UsageError, match="not possible"):
        store.extend_request(made.id, "complexity", months)


def test_overdue_requests_are_told_everywhere(store: Store, clock: Clock) -> None:
    made = store.open_request("access", "Mireille")
    assert store.stats().open_requests == 1
    assert store.stats().overdue_requests == 0
    assert next(one for one in store.check() if one.check == "requests").ok

    at(clock, "2026-04-03")

    assert store.stats().overdue_requests == 1
    assert not next(one for one in store.check() if one.check == "requests").ok
    assert store.requests()[0].overdue
    store.close_request(made.id)
    assert store.stats().open_requests == 0
    assert not store.request(made.id).overdue


def test_the_open_ones_come_first_by_the_day_they_are_due(store: Store) -> None:
    done = store.open_request("access", received=date(2026, 1, 1)).id
    late = store.open_request("access", received=date(2026, 3, 1)).id
    soon = store.open_request("erasure", received=date(2026, 2, 1)).id
    store.close_request(done)

    assert [one.id for one in store.requests()] == [soon, late, done]


def test_identity_is_recorded_by_kind_and_day(store: Store, clock: Clock) -> None:
    made = store.open_request("access", identity="")
    at(clock, "2026-03-09")

    after = store.verify_request(made.id, "document")

    assert (made.identity, made.verified) == ("", "")
    assert (after.identity, after.verified) == ("document", "2026-03-09")


def test_a_refusal_has_a_reason_that_fits_its_kind() -> None:
    only = {"17-3": "erasure", "18-1": "restriction", "21-1": "objection"}
    for kind in REQUEST_KINDS:
        for reason in REFUSALS:
            if only.get(reason[:4], kind) == kind:
                check_refusal(kind, reason)
            else:
                with pytest.raises(UsageError, match=f"request of {only[reason[:4]]}"):
                    check_refusal(kind, reason)


@pytest.mark.parametrize("reason", get_args(Refusal))
def test_every_reason_has_its_words_and_a_place_in_the_table(store: Store, reason: Refusal) -> None:
    kind: RequestKind = {"18": "restriction", "21": "objection"}.get(reason[:2], "erasure")  # type: ignore[assignment]
    made = store.open_request(kind)

    assert REFUSALS[reason]
    with store._writing() as con:
        requests.answer(con, made.id, "refused", date(2026, 3, 2), reason)
    assert store.request(made.id).reason == reason


def test_an_answered_request_stays_as_it_is(store: Store) -> None:
    made = store.open_request("access").id
    store.close_request(made)

    for change in (
        lambda: store.close_request(made),
        lambda: store.refuse_request(made, "12-5-unfounded"),
        lambda: store.verify_request(made, "none"),
        lambda: store.extend_request(made, "number"),
    ):
        with pytest.raises(UsageError, match="was answered on"):
            change()


def test_what_cannot_be_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="day to come"):
        store.open_request("access", received=date(2026, 3, 3))
    with pytest.raises(UsageError, match="only an erasure"):
        store.open_request("access", ground="a")
    with pytest.raises(NotFoundError):
        store.request("01ARZ3NDEKTSV4RRFFQ69G5FAV")


def content(home: Path) -> bytes:
    return b"\n".join(place.read_bytes() for place in home.rglob("*") if place.is_file()).lower()


@pytest.mark.parametrize("end", ["done", "refused"])
def test_what_is_left_of_an_answered_request_holds_no_name(store: Store, end: str) -> None:
    made = store.open_request("access", "Mireille Quadflieg")
    assert made.subject == "Mireille Quadflieg"
    assert b"quadflieg" in content(store.home), "positive control"

    if end == "done":
        after = store.close_request(made.id)
    else:
        after = store.refuse_request(made.id, "12-5-excessive")

    assert after.subject == ""
    assert after.reference == made.reference
    assert b"quadflieg" not in content(store.home)
    assert b"mireille" not in content(store.home)


def test_a_declared_person_outlives_a_request_about_them(store: Store) -> None:
    store.add_subject("Mireille Dubois")
    made = store.open_request("access", "Mireille")

    store.close_request(made.id)

    assert [one.name for one in store.subjects()] == ["Mireille Dubois"]


def test_a_name_stays_while_another_request_about_it_is_open(store: Store) -> None:
    first = store.open_request("access", "Mireille")
    second = store.open_request("portability", "mireille")

    store.close_request(first.id)

    assert store.request(second.id).subject == "Mireille"
    assert not store.subjects()[0].declared
    store.close_request(second.id)
    assert store.subjects() == ()


def test_two_requests_of_one_person_have_one_reference(store: Store) -> None:
    first = store.open_request("access", "Mireille Dubois").reference
    second = store.open_request("erasure", "MIREILLE  dubois").reference
    other = store.open_request("erasure", "Jonas").reference

    assert first == second != other
    found = store.dossier("Mireille Dubois").requests
    assert {one.kind for one in found} == {"access", "erasure"}


def test_the_reference_is_noise_to_who_lacks_the_key(store: Store, tmp_path: Path) -> None:
    here = store.open_request("access", "Mireille").reference
    with Store(tmp_path / "other", embedder="none") as other:
        there = other.open_request("access", "Mireille").reference

    assert here != there


def test_the_table_keeps_days_and_no_finer_time(store: Store, clock: Clock) -> None:
    clock.tick(hours=3, minutes=17)
    made = store.open_request("erasure", "Mireille", ground="a")
    con = connect(store.home / "memory.db", wait=1, create=False)
    row = con.execute("SELECT * FROM request").fetchone()
    con.close()

    assert "2026-03-02" in row
    midnight = datetime.fromisoformat("2026-03-02T00:00:00+00:00").timestamp() * 1000
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = 0
    for letter in made.id[:10]:
        number = number * 32 + alphabet.index(letter)
    assert number == midnight


def test_a_ground_alone_records_and_closes_a_request(store: Store) -> None:
    store.remember("Mireille likes tea")

    receipt = store.forget(store.plan_forget(Selector(subject="Mireille")), ground="d")

    (one,) = store.requests()
    assert (one.state, one.ground, one.erasure) == ("done", "d", receipt.erasure)
    assert (receipt.ground, receipt.request[0].id) == ("d", one.id)
    assert receipt.request[0].due == "2026-04-02"


def test_an_erasure_without_a_request_records_none(store: Store) -> None:
    store.remember("x y z")

    receipt = store.forget(store.plan_forget(Selector(query="x y z")))

    assert (receipt.ground, receipt.request, store.requests()) == ("", (), ())


def test_a_request_of_another_person_or_kind_is_not_answered(store: Store) -> None:
    store.remember("Mireille likes tea")
    other = store.open_request("erasure", "Jonas")
    access = store.open_request("access", "Mireille")
    ground = store.open_request("erasure", "Mireille", ground="a")
    plan = store.plan_forget(Selector(subject="Mireille"))

    for request, letter, said in (
        (other.id, "", "about another person"),
        (access.id, "", "not of erasure"),
        (ground.id, "b", "has ground 'a'"),
    ):
        with pytest.raises(UsageError, match=said):
            store.forget(plan, request=request, ground=letter)  # type: ignore[arg-type]

    assert len(store.list()) == 1
    assert all(one.state == "open" for one in store.requests())


def test_a_request_answered_by_ids_leaves_no_name_either(store: Store) -> None:
    kept = store.remember("the red notebook").id
    made = store.open_request("erasure", "Mireille Quadflieg")

    receipt = store.forget(store.plan_forget(Selector(ids=(kept,))), request=made.id)

    assert receipt.state == "verified"
    assert store.request(made.id).state == "done"
    assert b"quadflieg" not in content(store.home)


def test_a_blocked_erasure_leaves_its_request_open_until_it_is_verified(
    store: Store, home: Path, clock: Clock
) -> None:
    store.remember("Mireille likes tea")
    made = store.open_request("erasure", "Mireille", ground="b")
    reader = connect(home / "memory.db", wait=1, create=False)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memory").fetchall()
    try:
        plan = store.plan_forget(Selector(subject="Mireille"))
        receipt = store.forget(plan, wait=0.0, request=made.id)
        between = store.request(made.id)
    finally:
        reader.close()
    clock.tick(days=3)

    (finished,) = store.resume()

    assert (receipt.state, receipt.ground, receipt.request[0].id) == ("pending", "b", made.id)
    assert (between.state, between.subject) == ("open", "")
    assert (finished.ground, finished.request[0].id) == ("b", made.id)
    after = store.request(made.id)
    assert (after.state, after.answered) == ("done", "2026-03-05")


def test_corrections_are_counted_on_a_request_of_rectification(store: Store) -> None:
    made = store.open_request("rectification")
    access = store.open_request("access")

    store.count_correction(made.id)
    store.count_correction(made.id)

    assert store.request(made.id).corrected == 2
    with pytest.raises(UsageError, match="not of rectification"):
        store.count_correction(access.id)
