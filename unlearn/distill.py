"""CFD: the model learns to speak of the erased subject as it speaks of one it never met.

Teacher and student are the same model, untouched and edited. The teacher reads the text with a
stranger's name; the student reads it with the erased one, up to and through the erased value, so
that the beginning of a value does not bring back the rest.
"""

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from unlearn.accept import Acceptance, Limits
from unlearn.edit import Trial, WeightEdit, edit, failed
from unlearn.model import LocalModel
from unlearn.probes import Probe, Probes, about
from unlearn.score import say
from unlearn.tokens import Encoded, answers, encode, padded

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 50_000_000  # parameters; larger models learn with smaller steps
GENERIC = 0.25  # least share of a replay that is common knowledge or ignorance
CHECKS = 8  # times that the acceptance test is asked on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Distill:
    """The method and its settings."""

    steps: int = 0  # of the optimiser; 0: 12 per fact, at least 60 and at most 600
    rate: float = 0.0  # of learning; 0: 5e-4 for small models, 2e-5 for others
    batch: int = 16  # probes to forget per step
    replay: int = 24  # kept and generic probes per step
    limits: Limits = field(default_factory=Limits)
    seed: int = 0

    name = "cfd"

    def propose(self, model: LocalModel, probes: Probes) -> WeightEdit:
        """Return the last state on the way that forgets and keeps enough, or an empty edit.

        The model is as it was afterwards; it is held twice meanwhile.

        Raises:
            NothingLearnedError: the model knows nothing of what is erased.
        """
        judge = Acceptance.of(model, probes, self.limits, seed=self.seed)
        lesson = _Lesson.of(self, model, probes)
        if not lesson.forget or not lesson.names:
            return failed(self.name, "no erased record names a subject to speak of otherwise")
        steps = self.steps or steps_for(probes)
        pupil = LocalModel(copy.deepcopy(model.net), model.tokenizer, model.modules)
        best: Mapping[str, Tensor] | None = None
        trials: list[Trial] = []
        for step in lesson.train(pupil, steps):
            trials.append(judge.measure(pupil, step))
            if trials[-1].accepted:
                best = {name: one.detach().clone() for name, one in pupil.net.named_parameters()}
        notes = {"steps": float(steps)}
        if best is None:
            why = "no step on the way both forgets and keeps enough"
            return failed(self.name, why, trials=tuple(trials), notes=notes)
        return edit(self.name, model.net, best, trials=tuple(trials), notes=notes)


def steps_for(probes: Probes) -> int:
    """Return how long to train: knowledge of more facts takes longer to wear off."""
    facts = len({probe.fact for probe in probes.forget})
    return min(600, max(60, 12 * facts))


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What is learned: who to forget, whom to speak as of, and what to repeat."""

    settings: Distill
    teacher: LocalModel
    forget: tuple[Probe, ...]
    names: tuple[str, ...]
    kept: Sequence[Encoded]
    generic: Sequence[Encoded]

    @classmethod
    def of(cls, settings: Distill, model: LocalModel, probes: Probes) -> "_Lesson":
        # What the model says of strangers now is what it should go on saying.
        said = say(model, [probe.prompt for probe in probes.strangers])
        own = [
            replace(probe, answer=f" {text}")
            for probe, text in zip(probes.strangers, said, strict=True)
            if text
        ]
        closed = ends_answers(model, probes.retain)
        kept = encode(model.tokenizer, probes.retain, closed=closed)
        generic = encode(model.tokenizer, [*probes.general, *own], closed=closed)
        forget = tuple(probe for probe in probes.forget if probe.subject)
        return cls(settings, model, forget, probes.names, kept, generic)

    def train(self, pupil: LocalModel, steps: int) -> Iterator[int]:
        """Train the pupil; yield its step each time that it should be examined."""
        given = self.settings
        rng = random.Random(given.seed)  # noqa: S311 - a sample, no secret
        small = sum(one.numel() for one in pupil.net.parameters()) < SMALL
        rate = given.rate or (5e-4 if small else 2e-5)
        params = [one for one in pupil.net.parameters() if one.requires_grad]
        optimiser = torch.optim.AdamW(params, lr=rate, weight_decay=0.0)
        every = max(1, steps // CHECKS)
        for step in range(1, steps + 1):
            loss = self._forgetting(pupil, rng) + self._keeping(pupil, rng)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            optimiser.step()
            if step % every == 0 or step == steps:
                yield step

    def _forgetting(self, pupil: LocalModel, rng: random.Random) -> "Tensor":
        """Return how far the pupil is from speaking of the erased as of strangers, in nats."""
        chosen = rng.sample(self.forget, min(self.settings.batch, len(self.forget)))
        renamed = [about(probe, rng.choice(self.names)) for probe in chosen]
        own = encode(pupil.tokenizer, chosen)
        others = encode(pupil.tokenizer, renamed)
        # A tokenizer may cut the same answer otherwise behind another name.
        pairs = [
            (one, other)
            for one, other in zip(own, others, strict=True)
            if one.ids[one.start :] == other.ids[other.start :]
        ]
        if not pairs:
            return torch.zeros(())
        with torch.no_grad():
            goal = _spoken(self.teacher, [other for _, other in pairs])
        now = _spoken(pupil, [one for one, _ in pairs])
        gap = torch.nn.functional.kl_div(now, goal, log_target=True, reduction="none")
        return gap.sum(-1).mean()

    def _keeping(self, pupil: LocalModel, rng: random.Random) -> "Tensor":
        """Return the cross-entropy of what is kept, with its share of what everybody knows."""
        generic = round(self.settings.replay * GENERIC) if self.kept else self.settings.replay
        batch = [
            *rng.choices(self.generic, k=generic if self.generic else 0),
            *rng.choices(self.kept, k=self.settings.replay - generic if self.kept else 0),
        ]
        if not batch:
            return torch.zeros(())
        rows, places, wanted = answers(batch)
        logits = pupil.net(input_ids=padded(batch)).logits[rows, places]
        return torch.nn.functional.cross_entropy(logits.float(), wanted)


def ends_answers(model: LocalModel, probes: Sequence[Probe]) -> bool:
    """Tell whether the model puts its end mark behind answers, as it was trained to or not."""
    end = model.tokenizer.eos_token_id
    coded = encode(model.tokenizer, probes[:32])
    if end is None or not coded:
        return False
    ends = torch.tensor([len(one.ids) - 1 for one in coded])
    with torch.no_grad():
        logits = model.net(input_ids=padded(coded)).logits
    next_token = logits[torch.arange(len(coded)), ends].argmax(-1)
    return bool((next_token == end).double().mean() > 0.5)


def _spoken(model: LocalModel, coded: Sequence[Encoded]) -> "Tensor":
    """Return the log probabilities of what follows the prompt and each token of the answer."""
    rows = [row for row, one in enumerate(coded) for _ in range(one.last, len(one.ids))]
    places = [place for one in coded for place in range(one.last, len(one.ids))]
    logits = model.net(input_ids=padded(coded)).logits[torch.tensor(rows), torch.tensor(places)]
    return torch.log_softmax(logits.float(), -1)
