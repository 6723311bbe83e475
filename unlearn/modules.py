"""Where the parts of a causal language model are that an edit or an audit touches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from unlearn.errors import DamagedModelError, UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Family:
    """Names of one architecture, as `transformers` gives them; `{i}` is the number of a layer."""

    down: str  # output projection of the MLP of a layer
    inputs: str  # input embedding
    outputs: tuple[str, ...]  # output embedding, by each name that it has had
    layers: str = "num_hidden_layers"  # configuration key for the number of layers
    width: str = "hidden_size"  # configuration key for the width of the residual stream
    base: str = "model"  # prefix that a checkpoint of the bare decoder lacks
    transposed: bool = False  # the projection is a Conv1D, whose weight is (in, out)
    tied: bool = False  # both embeddings are one matrix unless the configuration denies it


_LLAMA = Family(
    down="model.layers.{i}.mlp.down_proj",
    inputs="model.embed_tokens",
    outputs=("lm_head",),
)
_GEMMA = replace(_LLAMA, tied=True)
# `model_type` of a configuration -> names. Mixtures of experts, multimodal and encoder-decoder
# models are left out on purpose: their projections are not one matrix per layer.
FAMILIES: Mapping[str, Family] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": _GEMMA,
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "phi3": _LLAMA,
    "phi": Family(
        down="model.layers.{i}.mlp.fc2",
        inputs="model.embed_tokens",
        outputs=("lm_head",),
    ),
    "gpt2": Family(
        down="transformer.h.{i}.mlp.c_proj",
        inputs="transformer.wte",
        outputs=("lm_head",),
        layers="n_layer",
        width="n_embd",
        base="transformer",
        transposed=True,
        tied=True,
    ),
    "gpt_neox": Family(
        down="gpt_neox.layers.{i}.mlp.dense_4h_to_h",
        inputs="gpt_neox.embed_in",
        outputs=("lm_head", "embed_out"),
        base="gpt_neox",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleMap:
    """The editable parts of one model by name."""

    family: str  # key of `FAMILIES`
    down: tuple[str, ...]  # output projections of the MLPs, one per layer, without ".weight"
    inputs: str  # input embedding, without ".weight"
    outputs: str  # output embedding, without ".weight"
    tied: bool  # both embeddings are one matrix
    transposed: bool  # weights of `down` are (in, out) rather than (out, in)
    width: int  # of the residual stream: rows that a projection writes
    inner: int  # of the MLP: columns that a projection reads

    @property
    def layers(self) -> int:
        """Return the number of layers."""
        return len(self.down)


def map_tensors(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> ModuleMap:
    """Return the map of a model from its configuration and the shapes of its tensors.

    Args:
        config: The content of `config.json`.
        shapes: Shape per tensor name, as in the checkpoint or in `named_parameters`.

    Raises:
        UnsupportedModelError: the architecture is not in the table, or the weights are quantised.
        DamagedModelError: a tensor that the architecture has is missing or of another shape.
    """
    kind = str(config.get("model_type", ""))
    family = FAMILIES.get(kind)
    if family is None:
        raise UnsupportedModelError(
            f"models of type {kind!r} have no known layout",
            hint=f"known are {', '.join(sorted(FAMILIES))}",
        )
    if config.get("quantization_config"):
        raise UnsupportedModelError(
            "the weights are quantised, so an edit would not fit into them",
            hint="attach the model it was made from and convert the edited one again",
        )
    count, width = config.get(family.layers), config.get(family.width)
    if not isinstance(count, int) or not isinstance(width, int) or count < 1 or width < 1:
        raise DamagedModelError(f"the configuration lacks {family.layers!r} or {family.width!r}")
    # A checkpoint of the bare decoder, such as the published GPT-2, leaves the prefix out.
    bare = f"{family.inputs}.weight" not in shapes
    strip = f"{family.base}." if bare else ""
    down = tuple(family.down.format(i=i).removeprefix(strip) for i in range(count))
    inputs = family.inputs.removeprefix(strip)
    _shape(shapes, inputs, width, axis=1)
    inner = {_inner(shapes, name, width, transposed=family.transposed) for name in down}
    if len(inner) != 1:
        raise UnsupportedModelError("the MLPs of the layers differ in width")
    tied = bool(config.get("tie_word_embeddings", family.tied))
    outputs = [name for name in family.outputs if f"{name}.weight" in shapes]
    if not tied and not outputs:
        raise DamagedModelError(f"tensor {family.outputs[0] + '.weight'!r} is missing")
    return ModuleMap(
        family=kind,
        down=down,
        inputs=inputs,
        outputs=inputs if tied else outputs[0],
        tied=tied,
        transposed=family.transposed,
        width=width,
        inner=inner.pop(),
    )


def map_modules(model: "nn.Module") -> ModuleMap:
    """Return the map of a loaded model, and check that each layer has a projection of its own.

    Raises:
        UnsupportedModelError: the architecture is not in the table, or layers share weights.
        DamagedModelError: a part of the architecture is missing.
    """
    config: dict[str, Any] = model.config.to_dict()
    named = dict(model.named_parameters(remove_duplicate=False))
    found = map_tensors(config, {name: tuple(value.shape) for name, value in named.items()})
    weights = [named[f"{name}.weight"] for name in found.down]
    if len({weight.data_ptr() for weight in weights}) != len(weights):
        raise UnsupportedModelError("layers share their weights, so none can be edited alone")
    if not all(weight.dtype.is_floating_point for weight in weights):
        raise UnsupportedModelError("the weights are not floating-point numbers")
    if found.tied != (model.get_output_embeddings().weight is named[f"{found.inputs}.weight"]):
        raise UnsupportedModelError("the embeddings are not tied as the configuration says")
    return found


def projection(model: "nn.Module", modules: ModuleMap, layer: int) -> "nn.Module":
    """Return the output projection of the MLP of one layer."""
    return model.get_submodule(modules.down[layer])


def weight(model: "nn.Module", modules: ModuleMap, layer: int) -> "Tensor":
    """Return a view of one layer's projection as `(d_out, d_in)`, whatever the module keeps."""
    stored = model.get_parameter(f"{modules.down[layer]}.weight").detach()
    return stored.T if modules.transposed else stored


def _shape(shapes: Mapping[str, Sequence[int]], name: str, size: int, *, axis: int) -> int:
    """Return the other side of a matrix whose side `axis` has to be `size`."""
    shape = shapes.get(f"{name}.weight")
    if shape is None:
        raise DamagedModelError(f"tensor {name + '.weight'!r} is missing")
    if len(shape) != 2 or shape[axis] != size:
        raise DamagedModelError(
            f"tensor {name + '.weight'!r} has shape {tuple(shape)!r}, not the configured {size}"
        )
    return int(shape[1 - axis])


def _inner(shapes: Mapping[str, Sequence[int]], name: str, width: int, *, transposed: bool) -> int:
    return _shape(shapes, name, width, axis=1 if transposed else 0)
