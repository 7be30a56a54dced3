"""`scripts/bench/train.py`, and the code that it shares with `predict.py`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import inputs
import pytest
import report
from rounds import compared, in_rounds, rotated, table
from train import CASES, job_of, main
from workers import Worker, environment

pytestmark = pytest.mark.bench

BENCH = Path(report.__file__).parent


def test_each_round_has_another_order():
    asked = []

    def contender(name):
        def answer(number):
            asked.append((number, name))
            return {"seconds": float(number)}

        return answer

    answers = in_rounds({name: contender(name) for name in "abc"}, rounds=4, pause=0)
    orders = ["".join(name for number, name in asked if number == r) for r in range(4)]
    assert orders == ["abc", "bca", "cab", "abc"]
    assert [answer["seconds"] for answer in answers["b"]] == [0, 1, 2, 3]
    assert rotated(["a", "b"], 3) == ["b", "a"]


def test_the_ratio_is_the_median_of_the_rounds():
    ours, theirs = [1.0, 2.0, 4.0], [3.0, 3.0, 4.0]
    rows = compared(
        {
            "theirs": [{"seconds": seconds} for seconds in theirs],
            "ours": [{"seconds": seconds} for seconds in ours],
        }
    )
    assert [row["contender"] for row in rows] == ["theirs", "ours"]
    first, own = rows
    assert first["ratios"] == [3.0, 1.5, 1.0]
    assert first["ratio"] == 1.5 == first["median"] / own["median"]
    assert (first["median"], first["min"], first["max"]) == (3.0, 3.0, 4.0)
    assert own["ratios"] == [1.0, 1.0, 1.0]
    lopsided = compared({"x": [{"seconds": s} for s in (1, 9, 2)],
                         "ours": [{"seconds": s} for s in (1, 3, 8)]})  # fmt: skip
    # The ratio of the medians would be 2 / 3.
    assert lopsided[0]["ratio"] == 1.0
    assert table(rows, 30).splitlines()[1].split() == "theirs 3.00 3.00 .. 4.00 10.0 1.50".split()


def test_a_worker_answers_until_it_fails(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(f"""
import os, sys
sys.path.insert(0, {str(BENCH)!r})
from workers import serve
def contender(number):
    print("a library's chatter")
    return {{"seconds": 10 // number, "offline": os.environ["HF_HUB_OFFLINE"]}}
contender.about = {{"device": "cpu"}}
serve(lambda: contender)
""")
    worker = Worker([sys.executable, str(script)])
    assert worker.about == {"device": "cpu"}
    assert worker(5) == {"seconds": 2, "offline": "1"}
    with pytest.raises(
        SystemExit, match=r"(?s)ZeroDivisionError.*worker\.py'\] ended with status 1"
    ):
        worker(0)
    with pytest.raises(SystemExit, match="ended with status 1"):
        worker(5)
    worker.close()


def test_workers_do_not_get_what_our_process_has_set(monkeypatch):
    names = ("MLX_BFS_MAX_WIDTH", "SOMETHING_ELSE")
    for name in names:
        monkeypatch.setenv(name, "1")
    assert [name in environment() for name in names] == [False, True]


def arguments(*flags):
    return report.parse("", CASES, list(flags))


def test_the_rows_of_the_cases(real_data):
    sizes = {name: len(job_of(case, arguments()).texts) for name, case in CASES.items()}
    assert sizes == {
        "minilm-16": 2264, "minilm-32": 2264, "distilbert-imdb": 512, "finbert-fpb": 320,
    }  # fmt: skip
    few, all_rows = (job_of(CASES["minilm-16"], arguments(*f)) for f in (["--rows", "9"], []))
    assert few.texts == all_rows.texts[:9] and few.labels == all_rows.labels[:9]
    assert set(all_rows.labels) == {0, 1, 2}
    assert all_rows.label_names == ["negative", "neutral", "positive"]


@pytest.mark.parametrize(
    ("case", "flag", "named"),
    [
        ("distilbert-imdb", "--imdb", "imdb-train.parquet"),
        ("minilm-16", "--phrasebank", "FinancialPhraseBank-v1.0.zip"),
    ],
)
def test_missing_data_is_named(case, flag, named, monkeypatch, capsys):
    monkeypatch.setattr(report, "require_packages", lambda *names: None)
    assert main(["--case", case, flag, "nowhere.bin"]) == 2
    said = capsys.readouterr().err
    assert "nowhere.bin: there is no such file" in said and named in said and flag in said


def test_missing_packages_are_named(monkeypatch, capsys):
    monkeypatch.setattr(inputs, "find_spec", lambda name: None if name == "accelerate" else "here")
    assert main([]) == 2
    assert "pip install accelerate in" in capsys.readouterr().err


def test_no_rounds_are_refused(capsys):
    with pytest.raises(SystemExit):
        arguments("--rounds", "0")
    assert "0 is below 1" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["trainer", "torch_prediction"])
def test_workers_of_pytorch_do_not_bring_mkl(module):
    pytest.importorskip("torch")
    pytest.importorskip("accelerate")
    code = f"import sys, {module}; print([m for m in sys.modules if m.startswith('mlx')])"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=BENCH, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_small_case_side_by_side(real_data, minilm):
    pytest.importorskip("torch")
    pytest.importorskip("accelerate")
    one_thread = ["--threads", "1"] if hasattr(os, "sched_setaffinity") else []
    flags = ["--case", "minilm-16", "--rows", "20", "--rounds", "1", "--json", *one_thread]
    done = subprocess.run(
        [sys.executable, BENCH / "train.py", *flags], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rounds"] == 1
    assert {"cpu", "cores", "system", "packages", "date"} <= found["machine"].keys()
    assert {"mlx", "torch", "transformers"} <= found["machine"]["packages"].keys()
    (case,) = found["cases"]
    assert (case["case"], case["rows"], case["batch_size"]) == ("minilm-16", 20, 16)
    rows = {row["contender"]: row for row in case["contenders"]}
    assert list(rows) == ["ours", "mlx-loop", "trainer", "trainer-grouped"]
    for row in rows.values():
        assert row["ratios"] == [row["seconds"][0] / rows["ours"]["seconds"][0]] == [row["ratio"]]
        assert row["min"] == row["median"] == row["max"] > 0
    if one_thread:
        assert rows["trainer"]["threads"] == rows["trainer-grouped"]["threads"] == 1
    assert 0 < rows["ours"]["padding_waste"] < 1 and rows["ours"]["traces"] >= 1
    assert 0 < rows["ours"]["seconds_before_steps"] < rows["ours"]["seconds"][-1]
