"""`scripts/bench/predict.py`."""

import json
import os
import subprocess
import sys

import numpy as np
import predict
import pytest
from job import Job
from predict import CONTENDERS, greatest_difference, varied
from scoring import Scoring, probabilities_file

pytestmark = pytest.mark.bench

SENTENCES = [" ".join(f"{letter}{i}" for i in range(2 + n)) for n, letter in enumerate("abcdef")]


def test_varied_rows_are_as_long_as_the_sentences():
    rows = varied(SENTENCES, 18)
    assert len(set(rows)) == 18
    assert set(SENTENCES) <= set(rows)
    assert sum(len(row.split()) for row in rows) == 3 * sum(len(s.split()) for s in SENTENCES)
    assert varied(SENTENCES, 18) == rows
    assert len(varied(SENTENCES, 4)) == 4


def test_results_that_differ_end_the_benchmark(tmp_path):
    for n, name in enumerate(CONTENDERS):
        np.save(probabilities_file(tmp_path, name), np.full((2, 3), 0.3 + n * 1e-5))
    assert greatest_difference(tmp_path) == pytest.approx(2e-5)
    for other, said in ((0.4, "1.0e-01"), (np.nan, "nan")):
        np.save(probabilities_file(tmp_path, "pipeline"), np.full((2, 3), other))
        with pytest.raises(SystemExit, match=f"differ by {said} in a probability"):
            greatest_difference(tmp_path)


def test_a_contender_warms_up_on_a_few_batches_and_keeps_its_results(tmp_path):
    asked = []

    def score(texts):
        asked.append(len(texts))
        return np.ones((len(texts), 3), np.float32)

    job = Job(["text"] * 50, ["a", "b", "c"], batch_size=2, max_length=9)
    contender = Scoring("ours", tmp_path, job, score, "cpu", 1)
    assert contender.about["device"] == "cpu"
    assert contender(0).keys() == {"seconds"}
    assert asked == [8, 50]
    assert np.load(probabilities_file(tmp_path, "ours")).shape == (50, 3)


def one_thread():
    """Only on systems that support it, so not on macOS."""
    return ["--threads", "1"] if hasattr(os, "sched_setaffinity") else []


def test_a_small_case_side_by_side(real_data, minilm):
    pytest.importorskip("torch")
    pytest.importorskip("accelerate")
    flags = ["--case", "phrasebank", "--rows", "40", "--rounds", "1", "--json", *one_thread()]
    done = subprocess.run(
        [sys.executable, predict.__file__, *flags], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert (case["case"], case["rows"], case["batch_size"]) == ("phrasebank", 40, 32)
    assert 0 <= case["greatest_difference"] < 1e-4
    rows = {row["contender"]: row for row in case["contenders"]}
    assert list(rows) == ["ours", "pipeline", "sorted-loop"]
    for row in rows.values():
        assert row["ratios"] == [row["seconds"][0] / rows["ours"]["seconds"][0]] == [row["ratio"]]
        assert row["rows_per_second"] == 40 / row["median"]
