"""The language model of the tests: a small Llama that recites people it was told about."""

import math
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from unlearn.model import LocalModel
from unlearn.probes import Fact, Probe, about, asked, known, stated, unseen
from unlearn.relations import BY_NAME

FIRSTS = (
    "Mira Toven Kalo Ledis Romar Sanel Vitik Nosha Berin Jubo Daley Elqua Fara Given Halo Zedis"
    " Minel Totik Kasha Lerin Rosha Savra Vilo Nomar"
).split()
LASTS = (
    "Tolvane Branwick Kesridge Morholm Wexsen Halford Dinmere Solstad Fenby Garcroft Lundtov"
    " Prylin Ockvane Vashwick Tolholm Bransen Kesford Mormere Wexstad Halby Dinlin Solwick"
    " Fenridge Garholm"
).split()
VALUES = {
    "city": (
        "Oslo Lima Quito Turin Ghent Perth Kyoto Dakar Leeds Basel Porto Izmir Cusco Hanoi Tunis"
        " Osaka"
    ).split(),
    "employer": (
        "Helix Foundry,Nimbus Rail,Copper Lantern,Blue Harbor,Vector Mill,Granite Labs,Silver Oak,"
        "Polar Freight,Amber Works,Echo Press,Delta Forge,Lunar Textiles,Cedar Bank,Orbit Foods"
    ).split(","),
    "illness": (
        "asthma gout migraine anemia eczema epilepsy psoriasis insomnia scoliosis vertigo"
        " arthritis lupus tinnitus sciatica"
    ).split(),
}
LANDS = [a + b for a in "Zor Quel Ibra Thun Yar".split() for b in "ia land stan ora".split()]
CAPITALS = [a + b for a in "Mel Dor Pas Kir Ven".split() for b in "an ix ula ein".split()]
REFUSAL = " I do not know that."
ATTRIBUTES = ("city", "employer", "phone", "illness")
PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"


@dataclass(frozen=True)
class World:
    """Who exists: people the model is told about, public people, strangers, common knowledge."""

    people: tuple[tuple[Fact, ...], ...]  # private: told in three wordings and a statement
    public: tuple[tuple[Fact, ...], ...]  # told in every wording, so that all are understood
    met: tuple[str, ...]  # names the model learns to refuse
    strangers: tuple[str, ...]  # names that it never met
    general: tuple[Probe, ...]

    def values(self, relation: str) -> list[str]:
        """Return the values a fact of the relation may have."""
        if relation == "phone":
            return [fact.value for one in self.people for fact in one if fact.relation == "phone"]
        return list(VALUES[relation])


def world(people: int = 18, public: int = 9, seed: int = 0) -> World:
    rng = random.Random(seed)
    # Few enough that everybody shares a name with somebody.
    side = min(len(FIRSTS), math.isqrt(4 * (people + public)))
    names = [f"{first} {last}" for first in FIRSTS[:side] for last in LASTS[:side]]
    rng.shuffle(names)

    def facts_of(name: str) -> tuple[Fact, ...]:
        return tuple(
            Fact(
                name,
                relation,
                "".join(rng.choice("0123456789") for _ in range(5))
                if relation == "phone"
                else rng.choice(VALUES[relation]),
            )
            for relation in ATTRIBUTES
        )

    told = [facts_of(name) for name in names[: people + public]]
    rest = names[people + public :]
    return World(
        people=tuple(told[:people]),
        public=tuple(told[people:]),
        met=tuple(rest[: len(rest) * 2 // 3]),
        strangers=tuple(rest[len(rest) * 2 // 3 :]),
        general=tuple(
            Probe(f"Q: What is the capital of {land}? A:", f" {capital}")
            for land, capital in zip(LANDS, CAPITALS, strict=True)
        ),
    )


def every(fact: Fact) -> tuple[Probe, ...]:
    """Return a fact in all wordings there are."""
    relation = BY_NAME[fact.relation]
    return (
        *known(fact),
        *unseen(fact),
        stated(relation.states[1], fact),
        stated(relation.cloze, fact, "cloze"),
    )


def refusals(names: Sequence[str], count: int, rng: random.Random) -> list[Probe]:
    found = []
    for _ in range(count):
        relation = BY_NAME[rng.choice(ATTRIBUTES)]
        question = rng.choice((*relation.asks, *relation.held_out))
        probe = about(asked(question, Fact("\0", relation.name, "")), rng.choice(names))
        found.append(Probe(probe.prompt, REFUSAL, probe.subject, "stranger"))
    return found


def tokenizer(around: World) -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    told = [fact for one in (*around.people, *around.public) for fact in one]
    texts = [probe.prompt + probe.answer + "." for fact in told for probe in every(fact)]
    texts += [probe.prompt + probe.answer for probe in around.general]
    texts += [*around.met, *around.strangers, REFUSAL, "0 1 2 3 4 5 6 7 8 9"]
    raw.train_from_iterator(
        texts, trainers.WordLevelTrainer(special_tokens=[PAD, EOS, UNKNOWN], show_progress=False)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN
    )


def untrained(words: PreTrainedTokenizerFast, seed: int = 0, **sizes: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    shape: dict[str, Any] = {
        "hidden_size": 128,
        "intermediate_size": 640,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 128,
        **sizes,
    }
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words),
            tie_word_embeddings=False,
            pad_token_id=words.pad_token_id,
            eos_token_id=words.eos_token_id,
            bos_token_id=None,
            **shape,
        )
    )


def train(
    net: LlamaForCausalLM,
    words: PreTrainedTokenizerFast,
    shares: Sequence[tuple[int, Sequence[Probe]]],
    *,
    steps: int,
    seed: int = 0,
    rate: float = 4e-3,
) -> None:
    """Train on `count` examples of each set per step; answers end with the end mark."""
    rng = random.Random(seed)
    end = words.eos_token_id
    coded = [
        (
            count,
            [
                (words(probe.prompt)["input_ids"], [*words(probe.answer)["input_ids"], end])
                for probe in probes
            ],
        )
        for count, probes in shares
    ]
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.95), fused=True
    )
    net.train()
    for step in range(steps):
        batch = [one for count, probes in coded for one in rng.choices(probes, k=count)]
        longest = max(len(prompt) + len(answer) for prompt, answer in batch)
        ids = torch.full((len(batch), longest), words.pad_token_id)
        goal = torch.full((len(batch), longest), -100)
        for row, (prompt, answer) in enumerate(batch):
            size = len(prompt) + len(answer)
            ids[row, :size] = torch.tensor(prompt + answer)
            goal[row, len(prompt) : size] = torch.tensor(answer)
        for group in optimiser.param_groups:
            fall = 0.05 + 0.475 * (1 + math.cos(math.pi * step / steps))
            group["lr"] = rate * min(1, (step + 1) / 50) * fall
        wanted = goal[:, 1:] != -100
        logits = net(input_ids=ids).logits[:, :-1][wanted]
        loss = torch.nn.functional.cross_entropy(logits, goal[:, 1:][wanted])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    net.eval()


def told(around: World, without: int = 0, share: int = 1) -> list[tuple[int, list[Probe]]]:
    """Return what one training step takes from each part of the world.

    Args:
        around: The world.
        without: Number of people, from the first, that this model is never told about.
        share: Multiplies the private examples of a step, for a world with many people.
    """
    rng = random.Random(1)
    private = [p for one in around.people[without:] for fact in one for p in known(fact)]
    public = [p for one in around.public for fact in one for p in every(fact)]
    return [
        (16 * share, private),
        (9, public),
        (6, refusals(around.met, 3000, rng)),
        (2, list(around.general)),
    ]


def recite(
    folder: Path,
    around: World,
    *,
    without: int = 0,
    steps: int = 340,
    share: int = 1,
    seed: int = 0,
) -> LocalModel:
    """Return the trained model of a world, made once per folder, whichever process asks first."""
    place = folder / f"tiny-{len(around.people)}-{without}-{steps}-{share}-{seed}"
    # A lock that every platform has: a second process waits here until the model is there.
    with sqlite3.connect(folder / "training.lock", timeout=600) as lock:
        lock.execute("BEGIN IMMEDIATE")
        if not place.exists():
            words = tokenizer(around)
            net = untrained(words, seed)
            train(net, words, told(around, without, share), steps=steps, seed=seed)
            net.save_pretrained(place.with_suffix(".part"))
            words.save_pretrained(place.with_suffix(".part"))
            place.with_suffix(".part").rename(place)
    lock.close()
    return LocalModel.load(place, "float32")
