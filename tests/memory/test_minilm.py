import json
import math
import random
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import transformer
from memory.embed import default_folder
from memory.errors import StoreError, UsageError
from memory.minilm import MiniLM, bounded, is_minilm, map_tensors, read_json, well_formed
from memory.transformer import Affine, Norm, attention, gelu

QUERY = "how do we deploy the payments service?"
ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJ éàüßñçøåœ .,;:!?'-",
    "cjk": "日本語漢字東京大学中文数据库北京한국어서울데이터 ひらがなカタカナ",
    "mixed": "abc 日本 def 漢字ghi 数据v2 にhello世界",
    "emoji": "🙂🚀👩\u200d💻👍🏽🇩🇪❤\ufe0f✨ ok yes",
    "arabic": "مرحبا بالعالم قاعدة البيانات السلام عليكم ",
    "hebrew": "שלום עולם מסד נתונים ",
    "cyrillic": "Привет мир база данных сервер ",
    "devanagari": "नमस्ते दुनिया डेटाबेस ",
    "code": "def f(x): return x[0] != {'a': 1} # -> int\n\tif (a && b) || !c; <T>::new() 0x1F_",
    "digits": "0123456789 3.14 2024-05-01 10:30 1e-9 v1.2.3 ",
    "controls": "a\x00b\x01 c\t\r\n\u200b\u00ad\ufeffd\u2028e\x7f",
    "accents": "e\u0301a\u0300o\u0308n\u0303 Ạ̈x ",
}
FIXED = [
    "",
    " ",
    "\n\t  \r\n",
    "\x00",
    "a",
    QUERY,
    "[CLS] not a [SEP] token [MASK] [PAD] [UNK]",
    "antidisestablishmentarianism" * 8,
    "SELECT m.id FROM memory m WHERE m.scope = ? ORDER BY bm25(fts) LIMIT 10;",
    "word " * 400,
    "The quick brown fox jumps over the lazy dog. " * 60,
    "東京" * 300,
    "🙂" * 300,
    "x" * 5000,
]


def fuzz_texts() -> list[str]:
    rng = random.Random(7)
    drawn = [
        "".join(rng.choices(letters, k=length))
        for letters in ALPHABETS.values()
        for length in (2, 7, 20, 50, 130)
    ]
    return FIXED + drawn


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    return MiniLM(default_folder(), "test")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return fuzz_texts()


@pytest.fixture(scope="module")
def reference(texts: list[str]) -> transformer.Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(default_folder()), device="cpu")
        return model.encode(texts, batch_size=32, show_progress_bar=False)


def test_vectors_are_those_of_sentence_transformers_in_every_script(encoder, texts, reference):
    vectors = encoder.encode(texts)

    cosines = (vectors * reference).sum(axis=1)
    assert cosines.min() > 0.99999, texts[cosines.argmin()][:60]


def test_one_text_at_a_time_gives_the_vectors_of_sentence_transformers(encoder, texts, reference):
    vectors = np.concatenate([encoder.encode([text]) for text in texts])

    assert np.abs(vectors - reference).max() < 1e-5


def test_a_wrong_text_does_not_pass_the_parity_test(encoder, texts, reference):
    vectors = encoder.encode(["something else"])

    assert (vectors @ reference[texts.index(QUERY)]).max() < 0.9


def test_a_text_has_the_same_vector_alone_and_in_a_batch(encoder, texts):
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])

    # float32 products of 384 to 1536 terms, summed in another order: about 1e-6
    assert np.abs(together - alone).max() < 1e-5


def test_the_order_of_a_batch_decides_only_the_order_of_its_rows(encoder, texts):
    turned = [*range(1, len(texts), 2), *range(0, len(texts), 2)]

    rows = encoder.encode([texts[at] for at in turned])

    assert np.abs(rows - encoder.encode(texts)[turned]).max() < 1e-5


def test_encoding_twice_gives_identical_bytes_once_settled(encoder, texts):
    for _ in range(10):
        encoder.encode([QUERY])

    assert encoder.encode([QUERY]).tobytes() == encoder.encode([QUERY]).tobytes()
    assert encoder.encode(texts[-40:]).tobytes() == encoder.encode(texts[-40:]).tobytes()


def test_repacking_the_layers_changes_no_vector():
    fresh = MiniLM(default_folder(), "test")
    first = fresh.encode([QUERY])

    later = [fresh.encode([QUERY]) for _ in range(10)]

    assert all(layer.qkv.panels is not None for layer in fresh._layers)
    assert max(np.abs(vector - first).max() for vector in later) < 1e-5


def test_a_process_with_one_query_repacks_nothing():
    fresh = MiniLM(default_folder(), "test")

    fresh.encode([QUERY])

    assert all(layer.qkv.panels is None for layer in fresh._layers)


def test_threads_that_share_an_encoder_get_the_right_vectors(texts):
    shared = MiniLM(default_folder(), "test")
    some = texts[-40:]
    expected = shared.encode(some)
    wrong: list[str] = []

    def work(start: int) -> None:
        for at in (*range(start, len(some)), *range(start)):
            gap = np.abs(shared.encode([some[at]])[0] - expected[at]).max()
            wrong.extend([some[at]] if gap > 1e-5 else [])

    threads = [threading.Thread(target=work, args=(7 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_categories=()), max_size=80), min_size=1, max_size=4
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_string_gives_a_unit_vector(some):
    vectors = MiniLMOnce.get().encode(some)

    assert vectors.shape == (len(some), 384)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


class MiniLMOnce:
    """Hypothesis does not mix with fixtures of a narrower scope."""

    held: MiniLM | None = None

    @classmethod
    def get(cls) -> MiniLM:
        cls.held = cls.held or MiniLM(default_folder(), "test")
        return cls.held


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_one_string_is_refused_because_it_would_be_read_letter_by_letter(encoder):
    with pytest.raises(UsageError, match="sequence of strings"):
        encoder.encode(QUERY)


def test_texts_beyond_256_tokens_are_cut_there(encoder):
    assert len(encoder.tokenize("word " * 5000)) == 256
    assert (encoder.tokenize("word " * 5000) == encoder.tokenize("word " * 254)).all()


def test_lone_surrogates_are_replaced_and_pairs_are_joined(encoder):
    assert well_formed("a\ud800b") == "a\ufffdb"
    assert well_formed("\ud83d\ude42") == "🙂"
    assert (encoder.encode(["a \ud800"]) == encoder.encode(["a \ufffd"])).all()


@pytest.mark.parametrize(
    "piece", ["lorem ipsum ", "x", "漢字", "\u0301", "🙂", ".", "\x00", "\ud800", " \n"]
)
def test_of_a_megabyte_no_more_than_a_page_reaches_the_tokenizer(encoder, piece):
    text = piece * (1_000_000 // len(piece))

    assert len(bounded(text)) <= 16_384
    assert np.isfinite(encoder.encode([text])).all()


def test_cutting_a_long_text_keeps_all_that_the_model_reads(encoder):
    text = " \n" * 20_000 + "the release is on friday " * 3000

    assert len(bounded(text)) < len(text)
    assert (encoder.tokenize(text) == encoder.tokenize("the release is on friday " * 60)).all()


def test_gelu_is_exact_to_float32_rounding():
    x = np.linspace(-30, 30, 60_000)
    exact = np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x])

    found = gelu(x.astype(np.float32).reshape(-1, 3)).ravel()

    error = np.abs(found - exact)
    assert error[np.abs(x) < 8].max() < 1e-6
    assert (error / np.maximum(1, np.abs(x))).max() < 1e-6


@pytest.mark.parametrize("rows", [1, 4, 10, 12, 13, 25, 26, 40, 41, 100])
@pytest.mark.parametrize(("inputs", "outputs"), [(384, 384), (384, 1536), (1536, 384)])
def test_every_way_to_multiply_gives_the_same_product(rows, inputs, outputs):
    rng = np.random.default_rng(rows)
    weights = tuple(rng.standard_normal((outputs, inputs)).astype(np.float32) for _ in range(2))
    affine = Affine(weights, rng.standard_normal(2 * outputs).astype(np.float32))
    x = rng.standard_normal((rows, inputs)).astype(np.float32)

    exact = x.astype(float) @ np.concatenate(weights).T.astype(float) + affine.bias

    # float32 unit roundoff times the root of the number of terms times their size, with room
    assert np.abs(affine(x) - exact).max() < 1e-3
    assert np.abs(affine.packed()(x) - exact).max() < 1e-3


def test_layer_normalisation_leaves_rows_of_mean_zero_and_variance_one():
    x = np.random.default_rng(1).normal(3, 5, (9, 384)).astype(np.float32)

    y = Norm(np.ones(384, np.float32), np.zeros(384, np.float32), 1e-12)(x)

    assert np.abs(y.mean(axis=1)).max() < 1e-6
    assert np.abs(y.var(axis=1) - 1).max() < 1e-5


def test_packed_attention_is_attention_text_by_text(monkeypatch):
    heads, d, groups = 3, 4, [(2, 5), (1, 7), (3, 8)]
    rows = sum(texts * length for texts, length in groups)
    qkv = np.random.default_rng(2).standard_normal((rows, 3 * heads * d)).astype(np.float32)
    expected = []
    start = 0
    for texts, length in groups:
        for _ in range(texts):
            q, k, v = np.split(qkv[start : start + length].astype(float), 3, axis=1)
            start += length
            for head in range(heads):
                at = slice(head * d, (head + 1) * d)
                weights = np.exp(q[:, at] @ k[:, at].T / math.sqrt(d))
                weights /= weights.sum(axis=1, keepdims=True)
                expected.append((start - length, head, weights @ v[:, at]))

    whole = attention(qkv, groups, heads)
    monkeypatch.setattr(transformer, "SCORE_CELLS", 1)  # one text at a time
    parts = attention(qkv, groups, heads)

    for first, head, exact in expected:
        found = whole[first : first + len(exact), head * d : (head + 1) * d]
        assert np.abs(found - exact).max() < 1e-5
    assert np.abs(parts - whole).max() < 1e-6


def safetensors(header: object, body: bytes = bytes(16)) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(shape: object, offsets: object) -> dict[str, object]:
    return {"w": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}


def test_a_sound_weight_file_is_read(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors({"__metadata__": {"format": "pt"}, **entry([2, 2], [0, 16])}))

    assert map_tensors(path)["w"].tolist() == [[0, 0], [0, 0]]
    assert not map_tensors(path)["w"].flags.writeable


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        b"\xff" * 40,
        (10**6).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{]",
        safetensors([]),
        safetensors({"w": 3}),
        safetensors({"w": {"dtype": "F32"}}),
        safetensors(entry([2, 2], [0, 12])),
        safetensors(entry([2, 2], [4, 20])),
        safetensors(entry([2, 2], [-8, 8])),
        safetensors(entry([-2, -2], [0, 16])),
        safetensors(entry([2.0, 2], [0, 16])),
        safetensors(entry([True, 4], [0, 16])),
        safetensors(entry(None, [0, 16])),
        safetensors(entry([2, 2], [0])),
        safetensors(entry([2**62, 4], [0, 16])),
    ],
)
def test_a_damaged_weight_file_is_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)

    with pytest.raises(StoreError, match="cannot read model weights"):
        map_tensors(path)


def linked(folder: Path, **changed: object) -> Path:
    """Return a copy of the default model by links, with the named JSON files changed."""
    source = default_folder()
    for file in sorted(source.rglob("*")):
        target = folder / file.relative_to(source)
        if file.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file)
    for name, update in changed.items():
        path = folder / f"{name}.json"
        new = {**read_json(path), **update} if isinstance(update, dict) else update
        path.unlink()
        path.write_text(json.dumps(new))
    return folder


def test_weights_of_another_shape_than_the_config_says_are_refused(tmp_path):
    folder = linked(tmp_path, config={"intermediate_size": 768})

    with pytest.raises(StoreError, match=r"should have shape \(768, 384\)"):
        MiniLM(folder, "test")


def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path):
    folder = linked(tmp_path)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").write_text("{}")

    with pytest.raises(StoreError, match="cannot read the tokenizer"):
        MiniLM(folder, "test")


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "mpnet"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"torch_dtype": "float16"},
        {"hidden_size": 320},
        {"num_attention_heads": 7},
        {"layer_norm_eps": None},
    ],
)
def test_models_that_compute_something_else_are_left_to_sentence_transformers(tmp_path, change):
    assert is_minilm(default_folder())
    assert is_minilm(linked(tmp_path / "same", config={}))
    assert not is_minilm(linked(tmp_path / "other", config=change))


def test_a_folder_that_is_no_minilm_is_not_loaded(tmp_path):
    with pytest.raises(StoreError, match="no model of the MiniLM kind"):
        MiniLM(tmp_path, "test")
