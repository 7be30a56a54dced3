"""`scripts/bench/memory.py`: its processes on small cases, and its tables."""

import json
import subprocess
import sys
from pathlib import Path

import memory
import numpy as np
import pytest
from training_memory import Training, made_up_splits, words_of

from mlx_finbert.data.tokens import tokenize

pytestmark = pytest.mark.bench


def test_rows_are_exactly_as_long_as_the_case_says(tiny):
    _, tokenizer = tiny
    words = words_of(tokenizer)
    splits = made_up_splits(words, Training("bert", 2, 12))
    tokens = tokenize(tokenizer, splits.train.texts, 40)
    assert set(tokens.lengths) == {12}
    assert tokenizer.unk_token_id not in tokens.ids
    # The last words, which do not fill a row, are not used.
    assert len(words) - 10 <= len(np.unique(tokens.ids)) - 2 <= len(words)
    assert len(splits.validation) == 2


def test_the_peak_is_not_that_of_the_process_before():
    ballast = b"x" * 2**28
    code = "import memory; print(memory.resident_peak())"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(
        argv, capture_output=True, text=True, cwd=Path(memory.__file__).parent, check=True
    )
    assert 0 < int(done.stdout) < len(ballast) < memory.resident_peak()


def test_bytes_by_parameters_and_tokens():
    case = Training("bert", 16, 32, True)
    found = {"parameters": 1000, "peak": 75_200, "resident": 2_000_000}
    row = memory.training_row(case, found, smallest_peak=24_800)
    assert case.name == row["case"] == "bert-16x32-checkpointing"
    assert (row["bytes_per_parameter"], row["smallest_bytes_per_parameter"]) == (75.2, 24.8)
    assert row["bytes_per_token"] == 50_400 / (16 * 32 - 8)
    assert memory.training_row(case, found, smallest_peak=80_000)["bytes_per_token"] == 0


def test_training_in_a_process(checkpoint, monkeypatch):
    folder = checkpoint()
    monkeypatch.setattr(memory, "write_checkpoint", lambda model, labels, place: None)
    run = memory.in_a_process
    monkeypatch.setattr(memory, "in_a_process", lambda place, case: run(folder, case))
    (row,) = memory.training_rows([Training("bert", 4, 16)])
    # At least weights, gradients and two moments of four bytes each.
    assert row["bytes_per_parameter"] > 16 and row["parameters"] > 3000
    assert row["resident_mb"] > row["peak_mb"]


def test_a_case_that_fails_ends_the_benchmark(tmp_path):
    with pytest.raises(SystemExit, match="config"):
        memory.in_a_process(tmp_path, Training("bert", 4, 16))


def test_prediction_takes_no_more_memory_for_a_longer_file(minilm):
    short, long = memory.prediction_rows([5_000, 50_000])
    assert (short["rows"], long["rows"]) == (5_000, 50_000)
    assert short["over_first"] == 1 and long["over_first"] < 1.1


def test_the_tables(monkeypatch, capsys):
    parameters = {"parameters": 10**6, "peak": 25 * 10**6, "resident": 99 * 10**6}
    monkeypatch.setattr(memory, "write_checkpoint", lambda model, labels, place: None)
    monkeypatch.setattr(memory, "in_a_process", lambda folder, case: parameters)
    rows = [{"rows": 7000, "seconds": 2.0, "peak_mb": 8, "resident_mb": 130.0, "over_first": 1.0}]
    monkeypatch.setattr(memory, "prediction_rows", lambda counts: rows if counts else [])
    memory.main([])
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["minilm-16x32", "25", "99", "25.0", "25.0", "0"] in printed
    assert ["7,000", "rows", "8", "130.0", "1.0", "2.0"] in printed
    memory.main(["--json", "--case", "distilbert-8x512"])
    found = json.loads(capsys.readouterr().out)
    assert [row["case"] for row in found["training"]] == ["distilbert-8x512"]
    assert found["prediction"] == []
