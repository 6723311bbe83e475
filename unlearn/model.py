"""A causal language model in memory, with its tokenizer and the map of its parts."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from unlearn.errors import DamagedModelError
from unlearn.modules import ModuleMap, map_modules

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A loaded model; methods read it and leave it as they found it."""

    net: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"  # one that knows where in the text each token lies
    modules: ModuleMap

    @classmethod
    def of(cls, net: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast") -> Self:
        """Return a model that is in memory already, switched to evaluation."""
        return cls(net.eval(), tokenizer, map_modules(net))

    @classmethod
    def load(cls, folder: Path, dtype: str) -> Self:
        """Read a model folder; no network, no code from the folder, safetensors only.

        Raises:
            DamagedModelError: `transformers` cannot make a model and tokenizer of it.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            net, report = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, dtype),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError) as exc:
            raise DamagedModelError(f"{str(folder)!r} cannot be loaded: {exc}") from exc
        if not tokenizer.is_fast:
            raise DamagedModelError(
                f"{str(folder)!r} has no 'tokenizer.json'",
                hint="save the tokenizer once with the 'tokenizers' library",
            )
        # transformers draws missing tensors at random and only warns.
        if missing := sorted(report["missing_keys"]):
            raise DamagedModelError(f"tensor {missing[0]!r} is missing from {str(folder)!r}")
        return cls.of(net, tokenizer)
