"""Owner of `models/NAME/attachment.json`: which local models an erasure has to reach."""

import json
import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from memory.errors import NotFoundError, UsageError
from memory.files import sync_folder
from memory.wire import dumps
from unlearn.errors import DamagedModelError, ModelDriftedError
from unlearn.modules import ModuleMap, map_tensors
from unlearn.tensors import fingerprint, not_finite, precision, read_json, stored

if TYPE_CHECKING:
    from unlearn.model import LocalModel

MODELS = "models"
STATE = "attachment.json"
FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# Any of these makes a tokenizer; each tuple has to be complete.
TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A local model as it was when it was attached; holds nothing it has learned."""

    format: int
    name: str
    path: str  # absolute path of the model's folder
    fingerprint: str  # "sha256:…" over its tensors
    dtype: str  # precision of its weights, as torch names it
    parameters: int  # numbers in its tensors
    modules: ModuleMap
    day: str  # on which it was attached, or last brought up to date


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What became of an attached model since."""

    state: Literal["same", "changed", "missing"]
    detail: str = ""


def read(folder: Path, name: str, now: datetime) -> Attachment:
    """Return what is to be known about the causal language model in a folder.

    All of its bytes are read once; nothing in it is executed or changed.

    Raises:
        UsageError: the folder holds no model.
        DamagedModelError: a part is missing, or weights are not finite.
        UnsupportedModelError: the model cannot be edited.
    """
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is no folder")
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{str(folder)!r} is no model folder: it has no 'config.json'",
            hint="name the folder that 'save_pretrained' wrote",
        )
    config = read_json(folder / "config.json")
    tensors = stored(folder)
    modules = map_tensors(config, {tensor.name: tensor.shape for tensor in tensors})
    if not any(all((folder / part).is_file() for part in parts) for parts in TOKENIZERS):
        raise DamagedModelError(
            f"{str(folder)!r} has no tokenizer", hint="copy 'tokenizer.json' beside the weights"
        )
    dtype = precision(tensors)
    if bad := not_finite(tensors):
        raise DamagedModelError(f"tensor {bad!r} holds NaN or infinity")
    return Attachment(
        format=FORMAT,
        name=name,
        path=str(folder.resolve()),
        fingerprint=fingerprint(tensors),
        dtype=dtype,
        parameters=sum(math.prod(tensor.shape) for tensor in tensors),
        modules=modules,
        day=now.date().isoformat(),
    )


def attach(home: Path, folder: Path, name: str, now: datetime) -> Attachment:
    """Attach a local model to the store in `home` under a name, which must be free.

    Raises:
        UsageError: the name is taken or not a name, or the folder holds no model.
        UnlearnError: the model is damaged or cannot be edited; nothing was written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a model",
            hint="lower-case letters, digits, '-' and '_', at most 64",
        )
    if _state(home, name).exists():
        raise UsageError(f"a model is attached as {name!r} already", hint="detach it first")
    found = read(folder, name, now)
    _write(home, found)
    return found


def renew(home: Path, name: str, now: datetime) -> Attachment:
    """Take the model as it is now for what is attached, after an edit of ours or the user's."""
    found = read(Path(attachment(home, name).path), name, now)
    _write(home, found)
    return found


def attachments(home: Path) -> tuple[Attachment, ...]:
    """Return the attached models by name."""
    places = sorted((home / MODELS).glob(f"*/{STATE}"))
    return tuple(_read(place) for place in places if NAME.fullmatch(place.parent.name))


def attachment(home: Path, name: str) -> Attachment:
    """Return one attached model.

    Raises:
        NotFoundError: no model is attached under the name.
    """
    if not NAME.fullmatch(name) or not _state(home, name).is_file():
        raise NotFoundError(
            f"no model is attached as {name!r}",
            hint=f"attached are {', '.join(one.name for one in attachments(home)) or 'none'}",
        )
    return _read(_state(home, name))


def detach(home: Path, name: str) -> Attachment:
    """Forget that a model is attached; the model itself is left alone.

    Raises:
        NotFoundError: no model is attached under the name.
    """
    found = attachment(home, name)
    _state(home, name).unlink()
    # Other state of the model may lie beside it; its owner removes that.
    with suppress(OSError):
        _state(home, name).parent.rmdir()
    return found


def drift(found: Attachment) -> Drift:
    """Compare a model with its attachment; all of its bytes are read."""
    folder = Path(found.path)
    if not folder.is_dir():
        return Drift(state="missing", detail=f"{found.path!r} is no folder any more")
    try:
        tensors = stored(folder)
        now = fingerprint(tensors)
    except (DamagedModelError, OSError) as exc:
        return Drift(state="changed", detail=str(exc))
    if now != found.fingerprint:
        return Drift(state="changed", detail="the weights are not those that were attached")
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    if map_tensors(read_json(folder / "config.json"), shapes) != found.modules:
        return Drift(state="changed", detail="the configuration is not the one that was attached")
    return Drift(state="same")


def load(found: Attachment) -> "LocalModel":
    """Return an attached model ready to be audited or edited, in the precision of its weights.

    Raises:
        ModelDriftedError: it is not the model that was attached.
        UnlearnError: it cannot be loaded.
    """
    from unlearn.model import LocalModel  # noqa: PLC0415 - torch costs seconds

    seen = drift(found)
    if seen.state != "same":
        raise ModelDriftedError(
            f"model {found.name!r} is {seen.state}: {seen.detail}",
            hint="attach it again once you know why",
        )
    return LocalModel.load(Path(found.path), found.dtype)


def _state(home: Path, name: str) -> Path:
    return home / MODELS / name / STATE


def _write(home: Path, found: Attachment) -> None:
    """Put the state in place at once: a crash leaves the old or the new one, and no third file."""
    # A dot cannot be in a name, so this folder is nobody's; the next write cleans it up.
    draft = home / MODELS / f"{found.name}.new"
    place = _state(home, found.name)
    for folder in (draft, place.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(draft / STATE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(dumps(found, indent=2) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    (draft / STATE).replace(place)
    draft.rmdir()
    sync_folder(place.parent)
    sync_folder(home / MODELS)


def _read(place: Path) -> Attachment:
    try:
        held = json.loads(place.read_text("utf-8"))
        if held["format"] != FORMAT:
            raise DamagedModelError(
                f"attachment {place.parent.name!r} is of an unknown format",
                hint="it was written by another version of Letheon",
            )
        return Attachment(**{**held, "modules": _modules(held["modules"])})
    except (ValueError, TypeError, KeyError) as exc:
        raise DamagedModelError(
            f"attachment {place.parent.name!r} is damaged", hint="detach and attach the model"
        ) from exc


def _modules(value: dict[str, Any]) -> ModuleMap:
    return ModuleMap(**{**value, "down": tuple(value["down"])})
