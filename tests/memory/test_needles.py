import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.needles import attested, found_in, scan, text_windows, vector_windows


@settings(max_examples=100)
@given(st.binary(min_size=0, max_size=200), st.integers(0, 40))
def test_a_planted_window_is_found_at_every_offset(around: bytes, shift: int) -> None:
    windows = text_windows(["the quagga sleeps in berth seven"])
    planted = b"\0" * shift + b"xx the quagga sleeps" + around

    assert len(found_in(planted, windows)) > 0


@given(st.binary(max_size=400))
def test_what_is_found_is_really_there(data: bytes) -> None:
    windows = text_windows(["the quagga sleeps in berth seven"])

    for hit in found_in(data + b"quagga sl", windows):
        assert int(hit).to_bytes(8, "little") in data + b"quagga sl"


@pytest.mark.parametrize(
    "form",
    [
        "Grüße an Zoë Quagga".encode(),
        "GRÜSSE AN ZOË QUAGGA".casefold().encode(),
        json.dumps("Grüße an Zoë Quagga").encode(),
        "Grüße an Zoë Quagga".encode("utf-16-le"),
        b"gru\xc3\x9fe an zoe quagga",
    ],
)
def test_a_text_is_found_in_each_written_form(form: bytes) -> None:
    assert len(found_in(b"...." + form + b"....", text_windows(["Grüße an Zoë Quagga"]))) > 0


def test_a_window_across_two_chunks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.needles.CHUNK", 64)
    windows = text_windows(["the quagga sleeps in berth seven"])
    for start in range(50, 70):
        assert len(found_in(b"." * start + b"the quagga sleeps" + b"." * 50, windows)) > 0


@pytest.mark.parametrize("kind", ["<f2", "<f4", "int8"])
def test_a_vector_is_found_in_each_stored_form(kind: str) -> None:
    row = np.random.default_rng(0).normal(size=384).astype(np.float32)
    blob = (row / np.linalg.norm(row)).astype("<f2").tobytes()
    plain = np.frombuffer(blob, "<f2").astype(np.float32)
    scale = np.abs(plain).max() / 127
    body = np.rint(plain / scale).astype(np.int8) if kind == "int8" else plain.astype(kind)

    assert len(found_in(os.urandom(99) + body.tobytes(), vector_windows([blob]))) > 10


def test_words_that_live_texts_share_are_attested() -> None:
    windows = text_windows(["the quagga sleeps in berth seven"])
    shared = attested(windows, iter(["nobody sleeps in berth six"]))

    assert 0 < len(shared) < len(windows)
    assert len(attested(windows, iter(["something else"]))) == 0


def test_runs_of_the_same_bytes_are_no_needles() -> None:
    assert len(text_windows(["        ", "aaaaaaaaaaaaaaaa", "-" * 80])) == 0


def test_an_empty_file_and_no_needles_are_no_hits(tmp_path: Path) -> None:
    place = tmp_path / "empty"
    place.write_bytes(b"")
    assert len(scan(place, text_windows(["the quagga sleeps"]))) == 0
    place.write_bytes(b"the quagga sleeps")
    assert len(scan(place, text_windows([]))) == 0
    assert len(scan(place, text_windows(["the quagga sleeps"]))) > 0
