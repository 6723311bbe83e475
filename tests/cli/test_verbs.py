"""The everyday verbs, each against a real store."""

import json
from pathlib import Path
from typing import Any

import pytest

from memory import Store
from memory.wire import plain
from tests.cli.runner import Mem

KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
LINES = 448


def only(mem: Mem) -> dict[str, Any]:
    """Return the one memory of a store."""
    (found,) = mem.ok("list", "--json").json["memories"]
    shown: dict[str, Any] = mem.ok("show", found["id"], "--json").json["memories"][0]
    return shown


# -- init


def test_init_makes_a_private_store_and_says_what_comes_next(mem: Mem) -> None:
    done = mem.ok("init")

    assert done.out.startswith(f"created: {mem.home}\n")
    assert "mem remember" in done.err
    assert mem.home.stat().st_mode & 0o777 == 0o700


def test_init_twice_leaves_the_store_as_it_is(mem: Mem) -> None:
    first = mem.ok("init", "--json").json
    mem.ok("remember", "x")
    second = mem.ok("init", "--json").json

    assert (first["created"], second["created"]) == (True, False)
    assert mem.ok("stats", "--json").json["memories"] == 1


def test_init_takes_the_model_named(mem: Mem) -> None:
    assert mem.ok("init", "--json", "--model", "default").json["space"].startswith("all-MiniLM")


def test_init_with_a_model_that_does_not_exist_makes_no_store(mem: Mem) -> None:
    done = mem("init", "--model", str(mem.folder))

    assert done.code == 2
    assert not mem.home.exists()


# -- remember and show


def test_remember_keeps_every_field_given(mem: Mem) -> None:
    words = ["--kind", "decision", "--scope", "project:x", "--title", "Indent", "--actor", "ada"]
    times = ["--at", "2026-03-02", "--valid-from", "2026-03-03", "--valid-to", "2027-01-01"]
    origin = ["--source", "file", "--uri", "notes.md", "--key", "k1"]

    done = mem.ok("remember", "tabs", "in", "SQL", *words, *times, *origin)

    found = only(mem)
    assert found["id"] == done.out.strip()
    assert found["text"] == "tabs in SQL"
    assert (found["kind"], found["scope"], found["title"]) == ("decision", "project:x", "Indent")
    assert found["at"] == "2026-03-02T00:00:00.000Z"
    assert (found["valid_from"][:10], found["valid_to"][:10]) == ("2026-03-03", "2027-01-01")
    (origin_kept,) = found["provenances"]
    assert origin_kept["root"] == "os:ada"
    assert (origin_kept["source"], origin_kept["uri"]) == ("file", "notes.md")


def test_remember_reads_standard_input(mem: Mem) -> None:
    mem.ok("remember", "-", stdin="first line\nsecond line\n")

    assert only(mem)["text"] == "first line\nsecond line"


def test_remember_takes_words_that_look_like_options_behind_two_dashes(mem: Mem) -> None:
    mem.ok("remember", "--", "--force", "is", "forbidden")

    assert only(mem)["text"] == "--force is forbidden"


def test_remember_names_the_rules_that_redacted_and_stores_no_secret(mem: Mem) -> None:
    done = mem.ok("remember", f"the key is {KEY}")

    assert done.err.startswith("redacted: ")
    assert KEY not in only(mem)["text"]
    assert all(KEY.encode() not in place.read_bytes() for place in mem.home.glob("*"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a" * 1_000_001, "more than 1,000,000"),
        ("a\0b", "NUL"),
        ("not utf-8: \udcff", "lone surrogate"),
        (" \u200b ", "empty"),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused_and_the_store_unchanged(
    mem: Mem, text: str, fault: str
) -> None:
    mem.ok("init")

    done = mem("remember", "-", stdin=text, env={"LC_ALL": "C.UTF-8"})

    assert done.code == 2
    assert fault in done.err
    assert mem.ok("stats", "--json").json["memories"] == 0


def test_remember_keeps_secrets_when_told_to(mem: Mem) -> None:
    mem.ok("remember", f"the key is {KEY}", "--keep-secrets")

    assert KEY in only(mem)["text"]


def test_remember_uses_the_scope_of_the_environment(mem: Mem) -> None:
    mem.ok("remember", "x", env={"LETHEON_SCOPE": "project:env"})

    assert only(mem)["scope"] == "project:env"


def test_remember_says_that_a_text_was_known(mem: Mem) -> None:
    mem.ok("remember", "x")
    again = mem.ok("remember", "x", "--json")

    assert again.json["created"] is False
    assert "gained a provenance" in mem.ok("remember", "x").err


def test_show_writes_fields_provenances_and_text(mem: Mem) -> None:
    ident = mem.ok("remember", "tabs", "--actor", "ada", "--uri", "a.md").out.strip()

    out = mem.ok("show", ident).out

    assert f"id:         {ident}\n" in out
    assert "actor:      ada\n" in out
    assert "os:ada  user  ada  a.md" in out
    assert out.endswith("\n\ntabs\n")


def test_show_of_an_unknown_id_ends_with_3_and_carries_the_id(told: Mem) -> None:
    ident = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

    done = told("show", ident, "--json")

    assert (done.code, done.out) == (3, "")
    assert done.error["kind"] == "NotFoundError"
    assert done.error["ids"] == [ident]


def test_what_is_shown_holds_no_control_characters_but_json_is_untouched(mem: Mem) -> None:
    evil = "tabs \x1b[31mred\x1b[0m \u202egnp.exe\u200b end"
    with Store(mem.home, embedder="none") as store:
        ident = store.remember(evil).id

    shown = mem.ok("show", ident).out + mem.ok("recall", "tabs").out + mem.ok("list").out

    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "tabs red gnp.exe end" in shown
    assert mem.ok("show", ident, "--json").json["memories"][0]["text"] == evil


# -- recall and list


def test_recall_json_is_the_wire_form_of_what_the_store_answers(told: Mem) -> None:
    done = told.ok("recall", "event", "bus", "--json", "--lexical").json
    with Store(told.home, create=False) as store:
        expected = plain(store.recall("event bus", lexical=True))

    assert json.loads(json.dumps(done)) == expected
    assert done["mode"] == "lexical"


def test_recall_in_a_pipe_is_plain_and_ranked(told: Mem) -> None:
    done = told.ok("recall", "snapshot tests", "-n", "2", "-x")

    heads = [row for row in done.out.splitlines() if row[:2] in ("1.", "2.")]
    assert len(heads) == 2
    assert done.out.count("   why: words: ") == 2
    assert "\x1b" not in done.out


def test_recall_ids_are_ids_alone(told: Mem) -> None:
    ids = told.ok("recall", "snapshot tests", "--ids", "-n", "3").out.split()

    assert len(ids) == 3
    assert all(len(ident) == 26 for ident in ids)


def test_recall_keeps_to_kinds_scope_time_and_budget(told: Mem) -> None:
    told.ok("remember", "the snapshot rule", "--kind", "rule", "--scope", "project:lighthouse")

    def hits(*words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = told.ok("recall", "snapshot", "--json", *words).json["hits"]
        return found

    assert [one["memory"]["kind"] for one in hits("--kind", "rule")] == ["rule"]
    assert {one["memory"]["kind"] for one in hits("-k", "rule", "-k", "turn")} == {"rule", "turn"}
    scoped = {one["memory"]["scope"] for one in hits("--scope", "project:lighthouse")}
    assert not any("harbor" in scope for scope in scoped)
    assert all(one["memory"]["at"] < "2026-03-10" for one in hits("--as-of", "2026-03-09"))
    assert sum(one["tokens"] for one in hits("--budget", "40")) <= 40


def test_recall_in_a_scope_that_nothing_has_ends_with_3(told: Mem) -> None:
    assert told("recall", "x", "--scope", "project:nowhere").code == 3


def test_a_scope_of_the_environment_that_nothing_has_is_no_error(told: Mem) -> None:
    told.ok("recall", "snapshot", env={"LETHEON_SCOPE": "project:nowhere"})


def test_recall_that_finds_nothing_says_so_aside(mem: Mem) -> None:
    mem.ok("init")
    done = mem.ok("recall", "anything")

    assert (done.out, done.err) == ("", "nothing found\n")


def test_recall_on_a_terminal_draws_bars_and_reasons(told: Mem) -> None:
    code, screen = told.on_terminal("recall", "snapshot tests", "-n", "3", "-x")

    assert code == 0
    assert "████████" in screen
    assert "why: words: " in screen
    assert max(len(row) for row in screen.splitlines() if "\x1b" not in row) <= 100


def test_list_gives_lines_of_six_fields_and_pages(told: Mem) -> None:
    first = told.ok("list", "--limit", "5")
    rows = [row.split("\t") for row in first.out.splitlines()]
    second = told.ok("list", "--limit", "500", "--before", rows[-1][0])

    assert [len(row) for row in rows] == [6] * 5
    assert f"--before {rows[-1][0]}" in first.err
    assert len(second.out.splitlines()) == LINES - 5
    assert second.err == ""


def test_list_keeps_to_scope_and_kind(told: Mem) -> None:
    told.ok("remember", "x", "--kind", "rule", "--scope", "project:lighthouse")

    found = told.ok("list", "-s", "project:lighthouse", "-k", "rule", "--json").json["memories"]

    assert [one["text"] for one in found] == ["x"]


def test_list_on_a_terminal_is_a_table(told: Mem) -> None:
    code, screen = told.on_terminal("list", "-n", "2")

    assert code == 0
    assert "─" in screen


# -- edit


def test_edit_by_options_changes_only_what_is_given(mem: Mem) -> None:
    ident = mem.ok("remember", "spaces in SQL", "--actor", "ada").out.strip()

    after = mem.ok("edit", ident, "--text", "tabs in SQL", "--kind", "rule", "--json").json

    assert (after["text"], after["kind"], after["actor"]) == ("tabs in SQL", "rule", "ada")
    assert only(mem)["id"] == ident


def test_edit_reads_standard_input(mem: Mem) -> None:
    ident = mem.ok("remember", "spaces").out.strip()
    mem.ok("edit", ident, "--text", "-", stdin="tabs\n")

    assert only(mem)["text"] == "tabs"


def test_edit_erases_the_old_wording_from_the_folder(mem: Mem) -> None:
    ident = mem.ok("remember", "the zanzibar clause").out.strip()
    mem.ok("edit", ident, "--text", "another clause")

    assert all(b"zanzibar" not in place.read_bytes() for place in mem.home.glob("*"))


def test_edit_opens_the_editor_and_leaves_no_file_behind(mem: Mem) -> None:
    ident = mem.ok("remember", "spaces in SQL").out.strip()
    scratch = mem.folder / "scratch"
    scratch.mkdir()

    code, _ = mem.on_terminal(
        "edit",
        ident,
        env={"EDITOR": "sed -i s/spaces/tabs/", "XDG_RUNTIME_DIR": str(scratch), "VISUAL": ""},
    )

    assert code == 0
    assert only(mem)["text"] == "tabs in SQL"
    assert list(scratch.iterdir()) == []


def test_an_editor_that_fails_changes_nothing(mem: Mem) -> None:
    ident = mem.ok("remember", "spaces").out.strip()

    code, screen = mem.on_terminal("edit", ident, env={"VISUAL": "false"})

    assert code == 1
    assert "nothing was changed" in screen
    assert only(mem)["text"] == "spaces"


def test_edit_without_options_and_terminal_is_a_usage_error(mem: Mem) -> None:
    ident = mem.ok("remember", "spaces").out.strip()

    assert mem("edit", ident).code == 2


# -- stats, doctor, reembed


def test_stats_counts_and_draws(told: Mem) -> None:
    counts = told.ok("stats", "--json").json
    drawn = told.ok("stats").out

    assert counts["memories"] == LINES
    assert counts["by_kind"] == {"turn": LINES}
    assert str(LINES) in drawn
    assert "█" in drawn


def test_doctor_finds_a_sound_store_sound(told: Mem) -> None:
    done = told.ok("doctor", "--json").json

    assert done["ok"] is True
    assert len(done["findings"]) >= 10


def test_doctor_accounts_for_every_byte_when_asked(told: Mem) -> None:
    plain = told.ok("doctor", "--json").json
    told.ok("doctor", "--repair")

    done = told.ok("doctor", "--forensic", "--json").json

    names = {one["check"]: one for one in done["findings"]}
    added = set(names) - {one["check"] for one in plain["findings"]}
    assert added == {
        "unused bytes of memory.db",
        "unused bytes of behavior.db",
        "blocks of the full-text index",
    }
    assert names["unused bytes of memory.db"]["detail"].endswith("all zero")


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_doctor_ends_with_4_and_names_the_repair(told: Mem, words: tuple[str, ...]) -> None:
    (told.home / "stray.txt").write_text("what is this")

    done = told("doctor", *words)

    assert done.code == 4
    assert "stray.txt" in done.out


def test_doctor_repairs_permissions(told: Mem) -> None:
    (told.home / "memory.db").chmod(0o644)
    assert told("doctor").code == 4

    done = told.ok("doctor", "--repair")

    assert "closed to other users" in done.err
    assert told("doctor").code == 0


def test_reembed_gives_every_memory_a_vector(mem: Mem) -> None:
    for text in ("tabs in SQL", "rebase before merge"):
        mem.ok("remember", text)

    done = mem.ok("reembed", "--model", "default", "--json").json

    assert done["made"] == 2
    assert mem.ok("stats", "--json").json["vectors"] == {done["space"]: 2}
    assert mem.ok("recall", "indentation", "--json").json["mode"] == "hybrid"


def test_the_store_of_the_option_wins_over_the_environment(mem: Mem, tmp_path: Path) -> None:
    mem.ok("remember", "x", "--store", str(tmp_path / "other"))

    assert not mem.home.exists()
    assert (tmp_path / "other" / "memory.db").exists()
