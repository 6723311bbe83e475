"""What a model says to probes: whether it gives the answer, and how probable that answer is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from unlearn.model import LocalModel
from unlearn.probes import Probe
from unlearn.tokens import Encoded, answers, batches, encode, padded

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Scores:
    """Per probe, in the order given; all `(n,)`."""

    hits: "Tensor"  # bool: greedy decoding gives exactly the answer
    log_p: "Tensor"  # float64: natural logarithm of the probability of the whole answer
    tokens: "Tensor"  # tokens of the answer

    @property
    def rate(self) -> float:
        """Return the share of exact answers; 0 of nothing."""
        return self.hits.double().mean().item() if len(self.hits) else 0.0

    @property
    def probability(self) -> float:
        """Return the mean probability of the answers; 0 of nothing."""
        return self.log_p.exp().mean().item() if len(self.log_p) else 0.0


def scores(model: LocalModel, coded: Sequence[Encoded]) -> Scores:
    """Return how the model answers.

    All answers are read in one pass each: an answer is given greedily exactly if every one of its
    tokens is the most probable after those before it.
    """
    hits = torch.zeros(len(coded), dtype=torch.bool)
    log_p = torch.zeros(len(coded), dtype=torch.float64)
    tokens = torch.tensor([len(one.ids) - one.start for one in coded])
    for group in batches(coded):
        part = [coded[i] for i in group]
        where, wrong, log = _read(model, part)
        miss = torch.zeros(len(part), dtype=torch.long).index_add_(0, where, wrong.long())
        at = torch.tensor(group)
        hits[at] = miss == 0
        log_p[at] = torch.zeros(len(part), dtype=torch.float64).index_add_(0, where, log)
    return Scores(hits, log_p, tokens)


def ask(model: LocalModel, probes: Sequence[Probe]) -> Scores:
    """Return how the model answers probes."""
    return scores(model, encode(model.tokenizer, probes))


def _read(model: LocalModel, part: Sequence[Encoded]) -> "tuple[Tensor, Tensor, Tensor]":
    """Return, per token of the answers: its row, whether another is likelier, its log p."""
    rows, places, wanted = answers(part)
    with torch.no_grad():
        logits = model.net(input_ids=padded(part)).logits[rows, places].double()
    log = torch.log_softmax(logits, -1).gather(-1, wanted.unsqueeze(-1)).squeeze(-1)
    return rows, logits.argmax(-1) != wanted, log


def say(model: LocalModel, prompts: Sequence[str], *, most: int = 12) -> list[str]:
    """Return what the model says greedily to prompts, up to its end mark or `most` tokens."""
    coded = encode(model.tokenizer, [Probe(prompt, "") for prompt in prompts])
    said: list[str] = [""] * len(coded)
    by_length: dict[int, list[int]] = {}
    for i, one in enumerate(coded):
        by_length.setdefault(len(one.ids), []).append(i)
    end = model.tokenizer.eos_token_id
    for size, group in sorted(by_length.items()):
        ids = padded([coded[i] for i in group])
        for _ in range(most):
            with torch.no_grad():
                best = model.net(input_ids=ids).logits[:, -1].argmax(-1, keepdim=True)
            ids = torch.cat([ids, best], 1)
            if end is not None and bool((ids[:, size:] == end).any(1).all()):
                break
        for i, row in zip(group, ids[:, size:].tolist(), strict=True):
            tokens = row[: row.index(end)] if end in row else row
            said[i] = model.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    return said
