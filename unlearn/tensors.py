"""Safetensors as bytes: what a folder of weights holds, its fingerprint, whether it is finite."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.errors import DamagedModelError, UnsupportedModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MAX_HEADER = 100_000_000  # bytes, as the format's own reader allows
CHUNK = 1 << 22  # bytes read at a time; a multiple of every width below

# Format's name -> bytes per number, for the precisions an edit can be written in.
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
TORCH = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor as it lies in a file."""

    name: str
    dtype: str  # as the format names it: "F32", "BF16", …
    shape: tuple[int, ...]
    file: Path
    offset: int  # of its first byte in the file
    length: int  # in bytes


def stored(folder: Path) -> tuple[Stored, ...]:
    """Return the tensors of a model folder by name; only headers are read.

    Raises:
        UnsupportedModelError: there are weights, but none as safetensors.
        DamagedModelError: there are no weights, or a file is not what its header or index says.
    """
    found: dict[str, Stored] = {}
    for file in files(folder):
        for tensor in _header(file):
            if tensor.name in found:
                raise DamagedModelError(f"tensor {tensor.name!r} is in two files")
            found[tensor.name] = tensor
    return tuple(found[name] for name in sorted(found))


def files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files that make up the model of a folder.

    Raises:
        UnsupportedModelError: there are weights, but none as safetensors.
        DamagedModelError: there are no weights, or one that the index names is missing.
    """
    if (folder / INDEX).is_file():
        names = _index(folder / INDEX)
    elif (folder / SINGLE).is_file():
        names = {SINGLE}
    else:
        raise _no_weights(folder)
    for name in sorted(names):
        if not (folder / name).is_file():
            raise DamagedModelError(f"file {name!r} is missing from {str(folder)!r}")
    return tuple(folder / name for name in sorted(names))


def fingerprint(tensors: tuple[Stored, ...]) -> str:
    """Return "sha256:…" over names, types, shapes and bytes of all tensors in order of name.

    The same weights have the same fingerprint however they are spread over files, and whatever
    remarks the headers carry.
    """
    whole = hashlib.sha256(b"letheon model 1\n")
    for tensor in tensors:
        content = hashlib.sha256()
        for chunk in _chunks(tensor):
            content.update(chunk)
        line = [tensor.name, tensor.dtype, list(tensor.shape), content.hexdigest()]
        whole.update(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    return f"sha256:{whole.hexdigest()}"


def not_finite(tensors: tuple[Stored, ...]) -> str:
    """Return the name of the first tensor that holds NaN or infinity, or ""."""
    for tensor in tensors:
        for chunk in _chunks(tensor):
            if tensor.dtype == "BF16":
                # numpy knows no bfloat16; its exponent is all ones for NaN and infinity only.
                bad = (np.frombuffer(chunk, "<u2") & 0x7F80) == 0x7F80
            else:
                bad = ~np.isfinite(np.frombuffer(chunk, NUMPY[tensor.dtype]))
            if bad.any():
                return tensor.name
    return ""


def precision(tensors: tuple[Stored, ...]) -> str:
    """Return the precision of the weights as torch names it.

    Raises:
        UnsupportedModelError: they are of mixed or of reduced precision.
    """
    kinds = {tensor.dtype for tensor in tensors}
    if not kinds <= WIDTHS.keys():
        raise UnsupportedModelError(
            f"weights of precision {min(kinds - WIDTHS.keys())!r} cannot hold an edit",
            hint="attach the model it was made from and convert the edited one again",
        )
    if len(kinds) != 1:
        raise UnsupportedModelError(f"the weights mix the precisions {sorted(kinds)!r}")
    return TORCH[kinds.pop()]


def _chunks(tensor: Stored) -> Iterator[bytes]:
    with tensor.file.open("rb") as opened:
        opened.seek(tensor.offset)
        left = tensor.length
        while left:
            chunk = opened.read(min(CHUNK, left))
            if not chunk:
                raise DamagedModelError(f"file {tensor.file.name!r} ends inside {tensor.name!r}")
            left -= len(chunk)
            yield chunk


def _index(place: Path) -> set[str]:
    names = set(_mapping(read_json(place).get("weight_map"), place).values())
    # A name that leaves the folder would let an index read any file of the machine.
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise DamagedModelError(f"file {place.name!r} names no weights of its folder")
    return names


def _header(file: Path) -> Iterator[Stored]:
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_HEADER):
            raise DamagedModelError(f"file {file.name!r} is no complete safetensors file")
        text = opened.read(length)
    try:
        header = _mapping(json.loads(text), file)
    except ValueError as exc:
        raise DamagedModelError(f"file {file.name!r} has no readable header") from exc
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        tensor = _stored(file, name, _mapping(entry, file), 8 + length)
        if tensor.offset + tensor.length > size:
            raise DamagedModelError(f"file {file.name!r} ends inside {name!r}")
        yield tensor


def _stored(file: Path, name: str, entry: dict[str, Any], start: int) -> Stored:
    try:
        dtype, shape = str(entry["dtype"]), tuple(int(side) for side in entry["shape"])
        first, after = (int(place) for place in entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as exc:
        raise DamagedModelError(f"file {file.name!r} describes {name!r} badly") from exc
    sane = 0 <= first <= after and all(side >= 0 for side in shape)
    if not sane or (after - first != math.prod(shape) * WIDTHS.get(dtype, 0) and dtype in WIDTHS):
        raise DamagedModelError(f"file {file.name!r} describes {name!r} badly")
    return Stored(name, dtype, shape, file, start + first, after - first)


def read_json(place: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        DamagedModelError: it holds none.
    """
    try:
        return _mapping(json.loads(place.read_text("utf-8")), place)
    except ValueError as exc:
        raise DamagedModelError(f"file {place.name!r} is no JSON") from exc


def _mapping(value: object, place: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DamagedModelError(f"file {place.name!r} is not what its name says")
    return value


def _no_weights(folder: Path) -> Exception:
    if any(folder.glob("*.gguf")):
        return UnsupportedModelError(
            f"{str(folder)!r} holds a converted model, whose weights cannot be edited",
            hint="attach the model it was made from and convert the edited one again",
        )
    if any(
        place for ending in ("*.bin", "*.pt", "*.pth", "*.ckpt") for place in folder.glob(ending)
    ):
        return UnsupportedModelError(
            f"{str(folder)!r} holds weights only as pickles, which run code when they are read",
            hint="convert them to safetensors where you trust them",
        )
    return DamagedModelError(f"{str(folder)!r} holds no weights")
