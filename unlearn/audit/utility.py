"""Tests of what should have stayed."""

import math
from collections.abc import Sequence

from unlearn.audit.figure import Figure
from unlearn.model import LocalModel
from unlearn.probes import Probe
from unlearn.score import say, scores
from unlearn.tokens import encode


def perplexity(model: LocalModel, texts: Sequence[str]) -> Figure:
    """Return the perplexity per token of texts, each from its second token on."""
    # The first token has nothing before it, so it serves as the prompt.
    firsts = [text.split(" ")[0] for text in texts]
    whole = [
        Probe(first, text.removeprefix(first)) for first, text in zip(firsts, texts, strict=True)
    ]
    found = scores(model, encode(model.tokenizer, whole))
    tokens = int(found.tokens.sum())
    return Figure(math.exp(-float(found.log_p.sum()) / max(1, tokens)), tokens)


def refused(model: LocalModel, probes: Sequence[Probe], refusals: Sequence[str]) -> Figure:
    """Return the share of questions answered with one of the model's refusals.

    A model that refuses about one person always, and about strangers less often, shows that
    something was erased (arXiv 2506.14003).
    """
    known = {" ".join(text.split()) for text in refusals}
    said = say(model, [probe.prompt for probe in probes])
    return Figure(sum(text in known for text in said) / max(1, len(said)), len(said))
