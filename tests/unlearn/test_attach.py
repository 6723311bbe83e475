import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from memory import NotFoundError, UsageError, files
from tests.unlearn.tiny import tokenizer, untrained, world
from unlearn.attach import attach, attachment, attachments, detach, drift, load, renew
from unlearn.errors import DamagedModelError, ModelDriftedError, UnsupportedModelError
from unlearn.tensors import fingerprint, stored

NOW = datetime(2026, 3, 2, tzinfo=UTC)
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    words = tokenizer(world(people=3, public=3))
    untrained(words, hidden_size=32, intermediate_size=48).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "folder"))


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in load_file(folder / WEIGHTS).items()}


def test_attaching_records_what_the_model_is_and_leaves_it_alone(home: Path, folder: Path) -> None:
    before = {place.name: place.read_bytes() for place in folder.iterdir()}

    found = attach(home, folder, "local", NOW)

    assert found.path == str(folder.resolve())
    assert found.dtype == "float32"
    assert found.parameters == sum(value.numel() for value in tensors_of(folder).values())
    assert found.modules.down == ("model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj")
    assert attachment(home, "local") == found
    assert attachments(home) == (found,)
    assert {place.name: place.read_bytes() for place in folder.iterdir()} == before
    assert files.unknown(home) == []


def test_attached_model_loads_and_answers_like_the_saved_one(home: Path, folder: Path) -> None:
    found = attach(home, folder, "local", NOW)

    model = load(found)

    assert model.modules == found.modules
    for name, value in model.net.named_parameters():
        assert torch.equal(value, tensors_of(folder)[name]), name


def test_fingerprint_depends_on_the_weights_only(folder: Path) -> None:
    first = fingerprint(stored(folder))
    tensors = tensors_of(folder)
    names = sorted(tensors)

    (folder / WEIGHTS).unlink()
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / shard, {"made": shard})
    weight_map = {name: shard for shard, part in shards.items() for name in part}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": weight_map}))

    assert fingerprint(stored(folder)) == first
    tensors[names[0]].view(-1)[0] += 1e-3
    save_file({name: tensors[name] for name in shards["a.safetensors"]}, folder / "a.safetensors")
    assert fingerprint(stored(folder)) != first


def test_model_changed_behind_our_back_is_seen_and_not_loaded(home: Path, folder: Path) -> None:
    found = attach(home, folder, "local", NOW)
    assert drift(found).state == "same"

    tensors = tensors_of(folder)
    tensors["lm_head.weight"][0, 0] += 1
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})

    assert drift(found).state == "changed"
    with pytest.raises(ModelDriftedError, match="'local' is changed"):
        load(found)
    assert drift(renew(home, "local", NOW)).state == "same"


def test_removed_or_cut_models_are_drift_not_errors(home: Path, folder: Path) -> None:
    found = attach(home, folder, "local", NOW)

    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-10])
    assert drift(found).state == "changed"
    shutil.rmtree(folder)
    assert drift(found).state == "missing"


def test_detaching_forgets_the_model_and_leaves_it_alone(home: Path, folder: Path) -> None:
    attach(home, folder, "local", NOW)

    detach(home, "local")

    assert attachments(home) == ()
    assert not (home / "models" / "local").exists()
    assert (folder / WEIGHTS).exists()
    with pytest.raises(NotFoundError, match="'local'"):
        detach(home, "local")


def test_names_are_taken_once_and_never_leave_the_folder(home: Path, folder: Path) -> None:
    attach(home, folder, "local", NOW)

    with pytest.raises(UsageError, match="attached as 'local' already"):
        attach(home, folder, "local", NOW)
    for name in ("", "../up", "Local", "a/b", "x.new"):
        with pytest.raises(UsageError, match="no name for a model"):
            attach(home, folder, name, NOW)


def test_half_written_state_of_a_crash_is_replaced(home: Path, folder: Path) -> None:
    draft = home / "models" / "local.new"
    draft.mkdir(parents=True)
    (draft / "attachment.json").write_text("{")
    assert attachments(home) == ()

    attach(home, folder, "local", NOW)

    assert not draft.exists()
    assert [one.name for one in attachments(home)] == ["local"]


def test_damaged_state_is_said(home: Path, folder: Path) -> None:
    attach(home, folder, "local", NOW)
    (home / "models" / "local" / "attachment.json").write_text('{"format": 1}')

    with pytest.raises(DamagedModelError, match="'local' is damaged"):
        attachment(home, "local")


def pickles(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def converted(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "model.gguf")


def weightless(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def wordless(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def unfinished(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-10])


def not_a_number(folder: Path) -> None:
    tensors = tensors_of(folder)
    tensors["model.norm.weight"][3] = float("nan")
    save_file(tensors, folder / WEIGHTS)


def infinite_bfloat16(folder: Path) -> None:
    tensors = {name: value.bfloat16() for name, value in tensors_of(folder).items()}
    tensors["model.norm.weight"][3] = float("inf")
    save_file(tensors, folder / WEIGHTS)


def layerless(folder: Path) -> None:
    tensors = tensors_of(folder)
    del tensors["model.layers.1.mlp.down_proj.weight"]
    save_file(tensors, folder / WEIGHTS)


def eight_bit(folder: Path) -> None:
    tensors = {name: value.to(torch.float8_e4m3fn) for name, value in tensors_of(folder).items()}
    save_file(tensors, folder / WEIGHTS)


def garbage(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"\xff" * 100)


def escaping(folder: Path) -> None:
    index = {"weight_map": {"lm_head.weight": "../../etc/passwd"}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (pickles, UnsupportedModelError, "only as pickles"),
        (converted, UnsupportedModelError, "converted"),
        (weightless, DamagedModelError, "no weights"),
        (wordless, DamagedModelError, "no tokenizer"),
        (unfinished, DamagedModelError, "ends inside"),
        (not_a_number, DamagedModelError, "'model.norm.weight' holds NaN"),
        (infinite_bfloat16, DamagedModelError, "'model.norm.weight' holds NaN or infinity"),
        (layerless, DamagedModelError, "'model.layers.1.mlp.down_proj.weight' is missing"),
        (eight_bit, UnsupportedModelError, "'F8_E4M3' cannot hold an edit"),
        (garbage, DamagedModelError, "no complete safetensors"),
        (escaping, DamagedModelError, "names no weights of its folder"),
    ],
)
def test_models_that_cannot_be_edited_are_refused_with_a_reason(
    home: Path,
    folder: Path,
    damage: Callable[[Path], None],
    error: type[Exception],
    said: str,
) -> None:
    damage(folder)

    with pytest.raises(error, match=said):
        attach(home, folder, "local", NOW)

    assert attachments(home) == ()


def test_wrong_folders_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        attach(home, tmp_path / "absent", "local", NOW)
    with pytest.raises(UsageError, match=r"no 'config\.json'"):
        attach(home, tmp_path, "local", NOW)


def test_attaching_needs_no_torch(home: Path, folder: Path) -> None:
    code = (
        "import sys, unlearn; from pathlib import Path; from datetime import datetime, UTC;"
        "from unlearn.attach import attach;"
        f"attach(Path({str(home)!r}), Path({str(folder)!r}), 'local', datetime.now(UTC));"
        "print(*sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"torch", "transformers"} & set(done.stdout.split())
