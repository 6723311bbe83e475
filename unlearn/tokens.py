"""Probes as token ids, with the places an edit or an audit looks at."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from memory.errors import UsageError
from unlearn.probes import Probe

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

BATCH_TOKENS = 4096  # padding included: bounds the logits of a pass


@dataclass(frozen=True, slots=True)
class Encoded:
    """One probe in tokens."""

    ids: tuple[int, ...]
    start: int  # place of the first token of the answer; len(ids) if there is none
    subject: int  # place of the last token of the subject; `last` if it has none

    @property
    def last(self) -> int:
        """Return the place of the last token of the prompt."""
        return self.start - 1


def encode(
    tokenizer: "PreTrainedTokenizerFast", probes: Sequence[Probe], *, closed: bool = False
) -> list[Encoded]:
    """Return the probes in tokens, prompt and answer encoded as one text.

    A prompt that is encoded alone may end in other tokens than it has before its answer; places
    come from offsets into the text instead.

    Args:
        tokenizer: One that knows offsets.
        probes: What to encode.
        closed: Put the end-of-text token behind each answer, as training does.

    Raises:
        UsageError: a probe has an empty prompt, so that nothing precedes its answer.
    """
    if not probes:
        return []
    texts = [probe.prompt + probe.answer for probe in probes]
    coded = tokenizer(texts, return_offsets_mapping=True)
    end = [tokenizer.eos_token_id] if closed and tokenizer.eos_token_id is not None else []
    return [
        _encoded(probe, ids, offsets, end if probe.answer else [])
        for probe, ids, offsets in zip(
            probes, coded["input_ids"], coded["offset_mapping"], strict=True
        )
    ]


def _encoded(
    probe: Probe, ids: list[int], offsets: list[tuple[int, int]], end: list[int]
) -> Encoded:
    # Marks of the tokenizer's own have no extent; those behind the text would end the answer.
    size = max((i + 1 for i, (first, after) in enumerate(offsets) if after > first), default=0)
    cut = len(probe.prompt)
    start = next((i for i in range(size) if offsets[i][1] > cut), size)
    if start == 0:
        raise UsageError("a probe has no prompt before its answer")
    subject = start - 1
    if probe.subject and probe.subject in probe.prompt:
        edge = probe.prompt.rindex(probe.subject) + len(probe.subject)
        subject = max(i for i in range(start) if offsets[i][0] < edge)
    return Encoded((*ids[:size], *end), start, subject)


def batches(coded: Sequence[Encoded], tokens: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Yield the indices of all probes in groups of similar length, shortest first."""
    order = sorted(range(len(coded)), key=lambda i: len(coded[i].ids))
    group: list[int] = []
    for i in order:
        if group and (len(group) + 1) * len(coded[i].ids) > tokens:
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def padded(coded: Sequence[Encoded]) -> "Tensor":
    """Return the ids as one matrix, filled up on the right.

    No attention mask is needed: a causal model's tokens see nothing to their right.
    """
    longest = max(len(one.ids) for one in coded)
    ids = torch.zeros((len(coded), longest), dtype=torch.long)
    for row, one in enumerate(coded):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
    return ids


def answers(coded: Sequence[Encoded]) -> "tuple[Tensor, Tensor, Tensor]":
    """Return where answers are predicted: row, place of the token before, and the token."""
    rows = [row for row, one in enumerate(coded) for _ in one.ids[one.start :]]
    places = [i - 1 for one in coded for i in range(one.start, len(one.ids))]
    tokens = [token for one in coded for token in one.ids[one.start :]]
    return torch.tensor(rows), torch.tensor(places), torch.tensor(tokens)


def some(coded: Sequence[Encoded], count: int, seed: int) -> list[Encoded]:
    """Return at most `count` of the probes, the same ones for the same seed."""
    if len(coded) <= count:
        return list(coded)
    return random.Random(seed).sample(list(coded), count)  # noqa: S311 - a sample, no secret
