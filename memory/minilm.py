"""The MiniLM sentence encoder in numpy: mapped weights, no padding, no torch."""

import json
import math
import mmap
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from memory.errors import StoreError, UsageError
from memory.transformer import FEW_ROWS, PANEL_IN, Affine, Array, Layer, Norm

CHUNK_TOKENS = 2048  # packed rows per pass: 12 MB for the widest activation
WINDOW = 4096  # texts whose token ids are held at once
LONG_TEXT = 16_384  # characters; 256 tokens of running text are about 1200


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a BERT-type encoder, as read from its folder."""

    hidden: int  # width of a token's vector
    heads: int  # attention heads per layer
    layers: int
    inner: int  # width between the two feed-forward products
    vocabulary: int
    positions: int
    max_tokens: int  # tokens read of a text, [CLS] and [SEP] included
    epsilon: float  # added to variances


class MiniLM:
    """An encoder that any number of threads may share.

    It starts on the weights as they lie in the file, which costs a process with a single query
    next to nothing. A process that asks again pays 7 ms more for each of the next few short
    texts, in which one layer at a time is repacked (43 MB in all); later ones take 2 ms less.
    """

    def __init__(self, folder: Path, space: str) -> None:
        """Map the model in `folder`, for which `is_minilm` holds, under the name `space`.

        Raises:
            StoreError: a file is missing, damaged or of another shape than its config says.
        """
        shape = read_shape(folder)
        if shape is None:
            raise StoreError(f"{str(folder)!r} holds no model of the MiniLM kind")
        tensors = map_tensors(folder / "model.safetensors")
        part = "embeddings"
        places = take(tensors, f"{part}.position_embeddings.weight", shape.positions, shape.hidden)
        segment = take(tensors, f"{part}.token_type_embeddings.weight", 2, shape.hidden)[0]
        words = take(tensors, f"{part}.word_embeddings.weight", shape.vocabulary, shape.hidden)
        self.space = space
        self.dim = shape.hidden
        self._heads = shape.heads
        self._tokenizer = read_tokenizer(folder / "tokenizer.json", shape.max_tokens)
        self._words = words  # (vocabulary, hidden), left in the file until a row is needed
        self._places = places[: shape.max_tokens] + segment  # (max_tokens, hidden)
        self._first_norm = read_norm(tensors, f"{part}.LayerNorm", shape)
        self._layers = [read_layer(tensors, shape, number) for number in range(shape.layers)]
        self._short_passes = 0
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Array:
        """Return one unit vector per text, `(texts, dim)`, in the order given.

        A text's vector does not depend on its company in the batch beyond rounding (1e-6).
        Only the first 256 tokens are read. Nothing of a text is kept.

        Raises:
            UsageError: `texts` is a single string, which would be taken letter by letter.
        """
        if isinstance(texts, str):
            raise UsageError("texts must be a sequence of strings, not one string")
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), WINDOW):
            ids = [self.tokenize(text) for text in texts[start : start + WINDOW]]
            order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
            for chunk in chunks(order, ids):
                vectors[[start + at for at in chunk]] = self.forward([ids[at] for at in chunk])
        return vectors

    def tokenize(self, text: str) -> NDArray[np.intp]:
        """Return the token ids of `text`, [CLS] first and [SEP] last, at most `max_tokens`."""
        ids = self._tokenizer.encode(well_formed(bounded(text))).ids
        return np.array(ids, np.intp)

    def forward(self, ids: Sequence[NDArray[np.intp]]) -> Array:
        """Return the unit vectors of texts given as token ids, ordered by length."""
        lengths = [len(one) for one in ids]
        groups = [(len(list(same)), length) for length, same in groupby(lengths)]
        at = np.concatenate([np.arange(length) for length in lengths])
        x = self._first_norm(self._words[np.concatenate(ids)] + self._places[at])  # (rows, hidden)
        for layer in self._layers:
            x = layer(x, groups, self._heads)
        if len(x) <= FEW_ROWS:
            self._settle()
        starts = np.cumsum([0, *lengths[:-1]])
        means: Array = np.add.reduceat(x, starts, axis=0)  # mean pooling, up to the scale
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return means

    def _settle(self) -> None:
        """Repack the next layer, unless this was the first short pass of the process."""
        with self._lock:
            if 0 < self._short_passes <= len(self._layers):
                layer = self._layers[self._short_passes - 1]
                self._layers[self._short_passes - 1] = layer.packed()
            self._short_passes += 1


def chunks(order: Sequence[int], ids: Sequence[NDArray[np.intp]]) -> Iterator[list[int]]:
    """Yield runs of `order` whose tokens together fit one pass."""
    chunk: list[int] = []
    tokens = 0
    for at in order:
        if chunk and tokens + len(ids[at]) > CHUNK_TOKENS:
            yield chunk
            chunk, tokens = [], 0
        chunk.append(at)
        tokens += len(ids[at])
    if chunk:
        yield chunk


def well_formed(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def bounded(text: str) -> str:
    """Return the part of a long text that can reach the encoder.

    Every word gives at least one token, so no word after the 256th is read by the model; the
    tokenizer would still walk through all of them.
    """
    if len(text) <= LONG_TEXT:
        return text
    return " ".join(text.split(maxsplit=256)[:256])[:LONG_TEXT]


def is_minilm(folder: Path) -> bool:
    """Say whether `MiniLM` gives the vectors that sentence-transformers would give."""
    return read_shape(folder) is not None


def read_shape(folder: Path) -> Shape | None:
    """Return the sizes of the model in `folder`, None if it is of another kind than MiniLM."""
    config = read_json(folder / "config.json")
    limits = read_json(folder / "sentence_bert_config.json")
    longest = read_json(folder / "tokenizer_config.json").get("model_max_length")
    if not is_bert(config) or not is_mean_pooled(folder) or limits.get("do_lower_case"):
        return None
    try:
        shape = Shape(
            hidden=int(config["hidden_size"]),
            heads=int(config["num_attention_heads"]),
            layers=int(config["num_hidden_layers"]),
            inner=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            positions=int(config["max_position_embeddings"]),
            max_tokens=int(limits.get("max_seq_length", longest)),
            epsilon=float(config["layer_norm_eps"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    sliced = shape.hidden % PANEL_IN == 0 and shape.inner % PANEL_IN == 0
    divided = shape.heads > 0 and shape.hidden % shape.heads == 0
    return shape if sliced and divided and 2 < shape.max_tokens <= shape.positions else None


def is_bert(config: Mapping[str, Any]) -> bool:
    """Say whether `memory.transformer` computes what this `config.json` describes."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and config.get("dtype", config.get("torch_dtype", "float32")) == "float32"
    )


def is_mean_pooled(folder: Path) -> bool:
    """Say whether the folder's vectors are normalised means over a plain encoder's tokens."""
    modules = read_json(folder / "modules.json", [])
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    pooling = read_json(folder / "1_Pooling" / "config.json")
    modes = [name for name, on in pooling.items() if name.startswith("pooling_mode_") and on]
    prompts = read_json(folder / "config_sentence_transformers.json")
    return (
        kinds == ["Transformer", "Pooling", "Normalize"]
        and (modes == ["pooling_mode_mean_tokens"] or pooling.get("pooling_mode") == "mean")
        and not prompts.get("default_prompt_name")
        and (folder / "tokenizer.json").is_file()
        and not (folder / "adapter_config.json").exists()
    )


def read_json(path: Path, default: Any = None) -> Any:
    """Return what a JSON file holds; `default`, or an empty object, where there is none."""
    default = {} if default is None else default
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return default
    return found if isinstance(found, type(default)) else default


def read_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    """Return the tokenizer in `path` set to one text at a time: cut at the limit, never padded.

    Raises:
        StoreError: the file is no tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the library raises bare Exception for every fault of a file
        raise StoreError(f"cannot read the tokenizer {str(path)!r}: {exc}") from exc
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def read_layer(tensors: Mapping[str, Array], shape: Shape, number: int) -> Layer:
    """Return encoder layer `number`, each weight a view of the mapped file."""
    name = f"encoder.layer.{number}"
    hidden, inner = shape.hidden, shape.inner
    heads = tuple(f"{name}.attention.self.{part}" for part in ("query", "key", "value"))
    return Layer(
        qkv=read_affine(tensors, heads, hidden, hidden),
        mix=read_affine(tensors, (f"{name}.attention.output.dense",), hidden, hidden),
        mix_norm=read_norm(tensors, f"{name}.attention.output.LayerNorm", shape),
        widen=read_affine(tensors, (f"{name}.intermediate.dense",), inner, hidden),
        narrow=read_affine(tensors, (f"{name}.output.dense",), hidden, inner),
        narrow_norm=read_norm(tensors, f"{name}.output.LayerNorm", shape),
    )


def read_affine(
    tensors: Mapping[str, Array], names: Sequence[str], outputs: int, inputs: int
) -> Affine:
    """Return the named affine maps side by side."""
    return Affine(
        weights=tuple(take(tensors, f"{name}.weight", outputs, inputs) for name in names),
        bias=np.concatenate([take(tensors, f"{name}.bias", outputs) for name in names]),
    )


def read_norm(tensors: Mapping[str, Array], name: str, shape: Shape) -> Norm:
    """Return the named layer normalisation."""
    gain, bias = (take(tensors, f"{name}.{part}", shape.hidden) for part in ("weight", "bias"))
    return Norm(gain, bias, shape.epsilon)


def take(tensors: Mapping[str, Array], name: str, *shape: int) -> Array:
    """Return the named tensor.

    Raises:
        StoreError: it is missing or of another shape.
    """
    tensor = tensors.get(name)
    if tensor is None or tensor.shape != shape:
        found = "nothing" if tensor is None else f"shape {tensor.shape}"
        raise StoreError(f"model tensor {name!r} should have shape {shape}, found {found}")
    return tensor


def map_tensors(path: Path) -> dict[str, Array]:
    """Return the float32 tensors of a safetensors file as read-only views of the mapped file.

    The format: eight bytes of header length, the header in JSON, then the tensors' bytes
    (github.com/huggingface/safetensors, README). Pages are read when they are first used.

    Raises:
        StoreError: the file cannot be read, or its header does not describe it.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8:start]) if 8 < start <= len(mapped) else None
        if not isinstance(header, dict):
            raise ValueError("no header")
        header.pop("__metadata__", None)
        return {
            name: view(mapped, start, entry)
            for name, entry in header.items()
            if entry["dtype"] == "F32"
        }
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise StoreError(
            f"cannot read model weights {str(path)!r}: {exc}", hint="install the model again"
        ) from exc


def view(mapped: mmap.mmap, start: int, entry: Mapping[str, Any]) -> Array:
    """Return one tensor of a mapped safetensors file; ValueError if it does not lie inside."""
    shape = entry["shape"]
    begin, end = entry["data_offsets"]
    if not all(type(size) is int and size >= 0 for size in (*shape, begin, end)):
        raise ValueError("a size is no natural number")
    if end - begin != 4 * math.prod(shape) or start + end > len(mapped):
        raise ValueError("a tensor lies outside the file")
    flat = np.frombuffer(mapped, "<f4", math.prod(shape), start + begin)
    return flat.reshape(shape)
