import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from memory import Change, Draft, Selector, Store, UsageError, tombstones
from memory.errors import ErasedContentError, StoreError
from memory.skeleton import skeleton
from memory.tombstones import Guard
from tests.memory.test_forget import holding
from tests.support import HashedEmbedder

SAID = "Mireille moved to the flat above the bakery in Tanner Row on the ninth of May"
SHORT = "Mireille likes quinces"
LOOKS = str.maketrans("aceiopsxy", "асеіорѕху")

DISGUISES: dict[str, Callable[[str], str]] = {
    "zero width": lambda text: "\u200b".join(text),
    "soft hyphen": lambda text: "\u00ad".join(text),
    "joiner": lambda text: "\u200d".join(text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if c != " " else c for c in text),
    "combining marks": lambda text: re.sub("([a-z])", "\\1\u0301", text),
    "tag characters": lambda text: "\U000e0041".join(text),
    "cyrillic": lambda text: text.translate(LOOKS),
    "bidi reversal": lambda text: f"\u202e{text[::-1]}\u202c",
}


def erase(store: Store, *texts: str, tombstone: bool = True) -> None:
    done = store.remember_many([Draft(text=text) for text in texts])
    plan = store.plan_forget(Selector(ids=tuple(one.id for one in done)))
    receipt = store.forget(plan, tombstone=tombstone)
    assert receipt.state == "verified", [one for one in receipt.probes if one.result == "fail"]


def guard(store: Store) -> Guard:
    return Guard.of(store._con, store.home)


def macs(store: Store) -> set[int]:
    return {mac for (mac,) in store._con.execute("SELECT mac FROM tombstone")}


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SAID, SHORT])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_every_disguise_of_an_erased_text_is_refused(
    store: Store, disguise: str, text: str
) -> None:
    disguised = DISGUISES[disguise](text)
    assert disguised != text
    erase(store, text)

    with pytest.raises(ErasedContentError):
        store.remember(disguised)

    assert store.stats().memories == 0


@pytest.mark.parametrize("disguise", DISGUISES)
def test_the_same_disguises_are_accepted_without_tombstones(store: Store, disguise: str) -> None:
    """Positive control: nothing but the guard refuses them."""
    erase(store, SAID, tombstone=False)

    assert store.remember(DISGUISES[disguise](SAID)).created


@pytest.mark.parametrize("disguise", DISGUISES)
def test_an_erased_disguise_is_refused_in_plain_letters(store: Store, disguise: str) -> None:
    erase(store, DISGUISES[disguise](SAID))

    assert guard(store).refuses(SAID)


@pytest.mark.parametrize(
    "text",
    [
        f"Notes of Monday\n- {SHORT}\n- rain",
        f"Rain again. {SHORT}! Then home.",
        f"{SHORT.upper()}",
        f"Rain.\n{DISGUISES['bidi reversal'](SHORT)}",
        f"So I heard that {SAID}, and that she is happy there.",
        SAID.replace("ninth", "tenth"),
    ],
)
def test_a_text_that_holds_an_erased_one_is_refused(store: Store, text: str) -> None:
    erase(store, SAID, SHORT)

    assert guard(store).refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "In May she took rooms over the baker's shop, says Mireille",  # other words: not seen
        "Mireille moved to the flat above the bakery",  # less than three fifths
        f"It is not said that {SHORT} of all fruit",  # a short text within a sentence
        "Mireille likes figs",
        "the bakery in Tanner Row is closed on Mondays",
    ],
)
def test_a_paraphrase_or_a_small_part_is_not_recognised(store: Store, text: str) -> None:
    erase(store, SAID, SHORT)

    assert not guard(store).refuses(text)


def test_three_fifths_of_the_runs_are_the_boundary(store: Store) -> None:
    words = [f"word{chr(97 + i)}" for i in range(14)]  # ten runs of five
    erase(store, " ".join(words))

    assert guard(store).refuses(" ".join(words[:10])), "six runs"
    assert not guard(store).refuses(" ".join(words[:9])), "five runs"


def test_the_parts_of_two_erased_texts_do_not_add_up(store: Store) -> None:
    first = [f"alpha{chr(97 + i)}" for i in range(14)]
    second = [f"beta{chr(97 + i)}" for i in range(14)]
    erase(store, " ".join(first), " ".join(second))

    assert not guard(store).refuses(" ".join(first[:9] + second[:9]))


def test_what_anybody_may_say_is_refused_only_as_a_whole(store: Store) -> None:
    erase(store, "Keep it up!", "It is what it is and that is it", "Gate 4471")

    assert guard(store).refuses("keep it up")
    assert not guard(store).refuses("Nice work, Ada. Keep it up! See you.")
    assert not guard(store).refuses("Well, it is what it is and that is it, I fear")
    assert guard(store).refuses("The bell is broken. Gate 4471. Knock twice.")


@pytest.mark.parametrize("text", ["👍🎉", "我的门禁密码是四四七一", "ที่อยู่ของมิเรย์"])
def test_texts_without_words_or_without_spaces_are_recognised(store: Store, text: str) -> None:
    erase(store, text)

    assert guard(store).refuses(text)
    assert not guard(store).refuses("👎")
    assert not guard(store).refuses("我的猫叫小黑")


def test_most_of_a_text_without_spaces_is_refused(store: Store) -> None:
    erase(store, "米蕾耶五月九日搬到了制革街面包店楼上的公寓")

    assert guard(store).refuses("听说米蕾耶五月九日搬到了制革街面包店楼上")
    assert not guard(store).refuses("制革街面包店楼上的猫")


def test_a_long_text_is_recognised_by_a_bounded_sample(store: Store) -> None:
    rng = random.Random(5)
    words = [f"w{rng.randrange(10**6)}" for _ in range(5_000)]
    erase(store, " ".join(words))

    assert len(macs(store)) == tombstones.SKETCH + 1
    assert guard(store).refuses(" ".join(words[:3_600]))
    assert not guard(store).refuses(" ".join(words[:2_400]))


def test_an_erased_text_is_not_hidden_by_splitting_it_into_the_title(store: Store) -> None:
    erase(store, SAID)
    half = SAID.index("bakery")

    with pytest.raises(ErasedContentError):
        store.remember(SAID[half:], title=SAID[:half])
    with pytest.raises(ErasedContentError):
        store.remember("see title", title=SAID)


# -- the verbs ---------------------------------------------------------------------------------


def test_the_error_says_that_and_not_what(store: Store) -> None:
    erase(store, SAID)

    with pytest.raises(UsageError) as caught:
        store.remember(SAID)

    assert caught.value.exit_code == 2
    assert caught.value.message == "this content was erased on request and is refused"
    assert "--allow-erased" in caught.value.hint
    assert "Mireille" not in repr(caught.value)


def test_a_batch_is_refused_as_a_whole_and_names_the_positions(store: Store) -> None:
    erase(store, SAID)

    with pytest.raises(ErasedContentError, match="text 2 of 3") as caught:
        store.remember_many([Draft(text=text) for text in ("rain", SAID, "snow")])

    assert caught.value.positions == (1,)
    assert store.stats().memories == 0
    assert holding(store.home, b"tanner") == []


def test_an_import_leaves_erased_items_out_and_counts_them(store: Store, tmp_path: Path) -> None:
    erase(store, SAID, SHORT)
    file = tmp_path / "log.jsonl"
    texts = ["rain", SAID, "snow", SHORT.translate(LOOKS), "hail"]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))

    done = store.import_from(file)

    assert (done.read, done.created, done.refused) == (5, 3, 2)
    assert {memory.text for memory in store.list()} == {"rain", "snow", "hail"}
    assert all(finding.ok for finding in store.check())


def test_an_edit_cannot_bring_an_erased_text_back(store: Store) -> None:
    erase(store, SAID)
    other = store.remember("rain")

    with pytest.raises(ErasedContentError):
        store.edit(other.id, Change(text=SAID.translate(LOOKS)))
    assert store.get(other.id).text == "rain"

    assert store.edit(other.id, Change(title="weather")).title == "weather"


def test_a_person_can_let_one_text_in_and_work_with_it(store: Store) -> None:
    erase(store, SAID)

    done = store.remember(SAID, allow_erased=True)

    assert done.created
    assert store.remember(SAID).id == done.id, "the store holds it already"
    assert store.edit(done.id, Change(scope="user:ada")).scope == "user:ada"
    with pytest.raises(ErasedContentError):
        store.remember(SAID, scope="user:bob")


def test_a_text_that_another_scope_keeps_is_known_there_and_refused_elsewhere(store: Store) -> None:
    gone = store.remember(SAID, scope="user:ada")
    kept = store.remember(SAID, scope="user:bob")
    store.forget(store.plan_forget(Selector(ids=(gone.id,))))

    assert store.remember(SAID, scope="user:bob").id == kept.id
    with pytest.raises(ErasedContentError):
        store.remember(SAID, scope="user:ada")


def test_a_retry_under_the_same_key_is_no_new_content(store: Store) -> None:
    first = store.remember("rain", root="agent:x", key="1")
    erase(store, SAID)

    assert store.remember(SAID, root="agent:x", key="1").id == first.id


# -- what is kept ------------------------------------------------------------------------------


def test_a_store_without_erasures_has_no_key(store: Store) -> None:
    store.remember("rain")
    store.recall("rain")
    store.import_from(_file(store.home.parent, ["snow"]))
    plan = store.plan_forget(Selector(query="rain"))
    assert not (store.home / "keys" / tombstones.KEY).exists()

    store.forget(plan, tombstone=False)
    assert not (store.home / "keys" / tombstones.KEY).exists()
    assert macs(store) == set()


def _file(folder: Path, texts: list[str]) -> Path:
    place = folder / "in.jsonl"
    place.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return place


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_the_key_is_private_and_is_no_other_key(store: Store) -> None:
    erase(store, SAID)
    place = store.home / "keys" / tombstones.KEY

    key = place.read_text().strip()

    assert len(bytes.fromhex(key)) == 32
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    others = [other for other in place.parent.iterdir() if other != place]
    assert all(key not in other.read_text("latin-1") for other in others)


def test_nothing_of_an_erased_text_is_in_any_file_without_the_key(
    tmp_path: Path, embedder: HashedEmbedder
) -> None:
    rows = []
    for name in ("one", "other"):
        with Store(tmp_path / name, embedder=embedder) as store:
            erase(store, SAID, SHORT)
            rows.append(macs(store))
            for word in SAID.split():
                if len(word) > 4:
                    assert holding(store.home, word.encode()) == []

    assert rows[0]
    assert not rows[0] & rows[1], "another key gives other MACs"
    words = skeleton(SAID).split()
    runs = [" ".join(words[at : at + 5]) for at in range(len(words) - 4)]
    for text in (SAID, skeleton(SAID), *runs):
        unkeyed = hashlib.sha256(text.encode()).digest()[:8]
        assert int.from_bytes(unkeyed, "big", signed=True) not in rows[0] | rows[1]


def test_a_tombstone_names_no_memory_and_no_time(store: Store) -> None:
    erase(store, SAID)

    columns = store._con.execute("SELECT name FROM pragma_table_info('tombstone')").fetchall()

    assert columns == [("mac",), ("item",), ("shingles",)]


def test_the_same_text_erased_again_is_kept_once(store: Store) -> None:
    erase(store, SAID)
    before = macs(store)
    store.remember(SAID, allow_erased=True)
    store.forget(store.plan_forget(Selector(query="bakery")))

    assert macs(store) == before
    assert store.tombstones() == 1


def test_rotation_destroys_the_key_and_lets_the_text_in_again(store: Store) -> None:
    erase(store, SAID, SHORT)
    place = store.home / "keys" / tombstones.KEY
    old = place.read_text().encode()
    assert store.tombstones() == 2

    assert store.rotate_guard() == 2

    assert not place.exists()
    assert holding(store.home, old.split()[-1]) == []
    assert store.tombstones() == 0
    assert store.remember(SAID).created
    assert store.rotate_guard() == 0
    assert all(finding.ok for finding in store.check())

    erase(store, SHORT)
    assert place.read_text().encode() != old


def test_without_the_key_the_tombstones_are_noise_and_go_with_the_next_erasure(
    store: Store,
) -> None:
    erase(store, SAID)
    lost = macs(store)
    (store.home / "keys" / tombstones.KEY).unlink()

    assert store.tombstones() == 0
    assert store.remember(SAID).created
    erase(store, SHORT)

    assert not macs(store) & lost
    assert guard(store).refuses(SHORT)


def test_a_key_that_was_destroyed_but_not_yet_removed_is_gone(store: Store) -> None:
    erase(store, SAID)
    place = store.home / "keys" / tombstones.KEY
    place.write_bytes(bytes(place.stat().st_size))  # killed in the middle of a rotation

    assert store.remember(SAID).created
    erase(store, SHORT)

    assert guard(store).refuses(SHORT)


def test_a_damaged_key_is_named_and_rotation_mends_it(store: Store) -> None:
    erase(store, SAID)
    place = store.home / "keys" / tombstones.KEY
    place.write_text("nothing")

    with pytest.raises(StoreError, match=r"suppress\.key") as caught:
        store.remember("rain")
    assert "guard rotate" in caught.value.hint

    store.rotate_guard()
    assert store.remember("rain").created


def test_a_key_that_cannot_be_written_stops_a_forget_before_its_intent(store: Store) -> None:
    store.remember(SAID)
    (store.home / "keys" / f"{tombstones.KEY}.tmp").mkdir(parents=True)
    plan = store.plan_forget(Selector(query="bakery"))

    with pytest.raises(StoreError, match="key of the guard"):
        store.forget(plan)

    assert store.stats().memories == 1
    assert store.stats().pending_erasures == 0


# -- crashes -------------------------------------------------------------------------------------

CRASH = """
import os, signal, sys
from memory import Selector, Store, forget, records, behavior, tombstones
from tests.support import HashedEmbedder

home, ident, step, tombstone = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

target = {
    "before the cascade": (forget, "cascade"),
    "in the cascade": (records, "erase"),
    "after the cascade": (behavior, "erase"),
}[step]
store = Store(home, embedder=HashedEmbedder())
plan = store.plan_forget(Selector(ids=(ident,)))
setattr(*target, die)
store.forget(plan, tombstone=bool(int(tombstone)))
"""


@pytest.mark.parametrize("tombstone", [True, False])
@pytest.mark.parametrize("step", ["before the cascade", "in the cascade", "after the cascade"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_forget_leaves_its_tombstones_when_they_were_asked_for(
    home: Path, embedder: HashedEmbedder, step: str, *, tombstone: bool
) -> None:
    with Store(home, embedder=embedder) as store:
        done = store.remember(SAID)

    killed = subprocess.run(
        [
            *(sys.executable, "-c", textwrap.dedent(CRASH)),
            *(str(home), done.id, step, str(int(tombstone))),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    with Store(home, embedder=embedder) as store:
        assert store.stats().memories == 0
        assert guard(store).refuses(DISGUISES["cyrillic"](SAID)) is tombstone
        assert holding(home, b"tanner") == []


# -- ordinary notes ------------------------------------------------------------------------------


def test_two_thousand_ordinary_notes_are_not_refused_after_five_hundred_erasures(
    store: Store,
) -> None:
    """Notes of real sentences; none of an erased note is in an accepted one."""
    log = (resources.files("cli") / "data" / "demo.jsonl").read_text("utf-8")
    found = [
        sentence.strip()
        for line in log.splitlines()
        for sentence in re.split(r"(?<=[.!?])\s+", json.loads(line)["text"])
    ]
    sentences = sorted({skeleton(text): text for text in found if text}.values())
    rng = random.Random(11)
    rng.shuffle(sentences)
    half = len(sentences) // 2

    def notes(pool: list[str], count: int) -> list[str]:
        made: dict[str, None] = {}
        while len(made) < count:
            made[" ".join(rng.sample(pool, rng.randint(1, 4)))] = None
        return list(made)

    gone, ordinary = notes(sentences[:half], 500), notes(sentences[half:], 2_000)
    erase(store, *gone)

    sees = guard(store)
    assert [note for note in ordinary if sees.refuses(note)] == []
    assert all(sees.refuses(note) for note in gone), "positive control"
