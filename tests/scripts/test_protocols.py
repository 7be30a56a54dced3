"""The protocols `mlm` and `distil` of `scripts/reproduce.py`, on small data with small models."""

import json
import re
import shlex
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from protocols import differences, mlm, series
from protocols.series import Outcome, Series, command_line
from reproduce import main

from mlx_finbert.cli.flags import parse_values
from mlx_finbert.data import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.paired import difference_intervals, drawn_figures
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.training.config import TrainSettings


def outcome(rng, right):
    """Random answers, of which this share is right."""
    label_ids = rng.integers(0, 3, 200)
    logits = rng.normal(size=(200, 3))
    logits[np.arange(200), label_ids] += np.where(rng.random(200) < right, 5, 0)
    return Outcome(label_ids, logits, {})


@pytest.fixture
def ways():
    """Three ways with two seeds, on the same rows."""
    found = {}
    for name, right in (("low", 0.1), ("middle", 0.5), ("high", 0.9)):
        rng = np.random.default_rng(0)
        found[name] = [outcome(rng, right), outcome(rng, right)]
    for outcomes in found.values():
        outcomes[1] = Outcome(outcomes[0].label_ids, np.roll(outcomes[1].logits, 1), {})
    return found


def test_differences_of_one_seed_are_those_of_compare(ways):
    one = {name: outcomes[:1] for name, outcomes in ways.items()}
    (line,) = differences.difference_rows(one, [("low", "high")])
    low, middle, high = (one[name][0] for name in ("low", "middle", "high"))
    drawn = drawn_figures([low.answers, middle.answers, high.answers])
    bounds = difference_intervals(drawn[0], drawn[2])["accuracy"]
    gain = high.metrics.accuracy - low.metrics.accuracy
    assert line.startswith("high minus low")
    assert f"{gain:+.4f} ({bounds[0]:+.4f}, {bounds[1]:+.4f})" in line


def test_means_over_the_seeds(ways):
    table = list(differences.figures_table(ways, [3, 4]))
    assert [line.split("  ")[0] for line in table[1:5]] == [
        "low, seed 3", "low, seed 4", "low, mean", "low, std"
    ]  # fmt: skip
    values = [float(line.split()[-3]) for line in table[1:5]]
    assert values[2] == pytest.approx(np.mean(values[:2]), abs=1e-4)
    assert values[3] == pytest.approx(np.std(values[:2], ddof=1), abs=1e-4)


def test_the_gap_that_is_closed(ways):
    ways = {name: outcomes[:1] for name, outcomes in ways.items()}
    (line,) = differences.closed_gap(ways, "low", "middle", "high")
    low, middle, high = (ways[name][0].metrics.accuracy for name in ("low", "middle", "high"))
    share, first, last = map(int, re.findall(r"(-?\d+)%", line)[:3])
    assert share == round(100 * (middle - low) / (high - low))
    assert first < share < last
    (same,) = differences.closed_gap(ways | {"high": ways["low"]}, "low", "middle", "high")
    assert "-" in same.split()


@dataclass
class Plan:
    """Settings of a series."""

    rate: float = 1.0
    seeds: list[int] | None = None


def test_a_series_goes_on(tmp_path):
    calls = []

    def work(folder):
        calls.append(folder.name)
        return {"label_ids": [0, 1], "logits": [[1.0, 0.0], [0.5, 2.0]], "more": 3}

    Series(tmp_path / "s", Plan()).outcome("a", work)
    again = Series(tmp_path / "s", Plan(seeds=[0, 1]))
    found = again.outcome("a", work)
    again.outcome("b", work)
    assert calls == ["a", "b"]
    assert found.metrics.accuracy == 1.0 and found.more["more"] == 3
    assert found.more["seconds"] >= 0
    with pytest.raises(InputError, match=r"results with rate = 1\.0, not 2\.0"):
        Series(tmp_path / "s", Plan(rate=2.0))


def test_a_run_that_fails_is_not_kept(tmp_path):
    def stopped(folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Series(tmp_path, Plan()).step("a", stopped)
    assert not (tmp_path / series.RESULTS).exists()


def test_commands_have_the_settings():
    settings = TrainSettings(model="m", data="a b.csv", calibration=False, labels=["x", "y"])
    line = command_line("mlx_finbert.train", settings)
    words = line.removeprefix("python -m mlx_finbert.train --").split(" --")
    assert sorted(words) == ["data 'a b.csv'", "labels x,y", "model m", "no-calibration"]
    assert parse_values(TrainSettings, "", "", shlex.split(line)[3:]) == {
        "data": "a b.csv", "labels": ["x", "y"], "model": "m", "calibration": False
    }  # fmt: skip


REVIEWS = ["profit rose in the quarter", "sales fell", "strong margin", "weak orders and a loss"]


@pytest.fixture
def imdb(tmp_path):
    """Small files of IMDB's form; one test review is a training review."""
    folder = tmp_path / "reviews"
    folder.mkdir()
    for name, count in (("train", 60), ("test", 30)):
        texts = [f"{REVIEWS[i % 4]} {i} {name}" for i in range(count)]
        if name == "test":
            texts[0] = "profit rose in the quarter 0 train"
        table = pa.table({"text": texts, "label": [(i + 1) % 2 for i in range(count)]})
        pq.write_table(table, folder / f"imdb-{name}.parquet")
    return folder


@pytest.fixture
def mlm_flags(imdb, checkpoint, tmp_path):
    return [
        "mlm", "--model", str(checkpoint()), "--seeds", "0,1", "--imdb", str(imdb),
        "--output-dir", str(tmp_path / "out"), "--max-steps", "2", "--read-tokens", "200",
        "--read-batch-size", "4", "--read-max-length", "16", "--labelled", "24",
        "--test-reviews", "20", "--read-whole-words",
    ]  # fmt: skip


def test_mlm(mlm_flags, tmp_path, capsys):
    assert main(mlm_flags) == 0
    said = capsys.readouterr().out
    table = said[said.rindex("24 labelled reviews a seed") :]
    assert "20 test reviews of IMDB" in table
    for name in ("without reading, seed 0", "after reading, seed 1", "after reading, mean"):
        assert name in table
    assert "after reading minus without reading" in table
    assert "cores" in table
    commands = [line for line in table.splitlines() if line.startswith("python -m")]
    assert len(commands) == 3
    kinds = PretrainSettings, TrainSettings, TrainSettings
    for command, kind in zip(commands, kinds, strict=True):
        _, _, module, *words = shlex.split(command)
        assert kind(**parse_values(kind, module, "", words))
    read = json.loads((tmp_path / "out" / "results.json").read_text())
    assert set(read["results"]) == {
        "reading", "alone/seed-0", "alone/seed-1", "after/seed-0", "after/seed-1"
    }  # fmt: skip
    assert "--max-steps 4" in commands[0] and "--whole-words" in commands[0]
    rows = load_texts(str(tmp_path / "out" / "reviews-seed-0.csv"), Columns(split="split"))
    other = load_texts(str(tmp_path / "out" / "reviews-seed-1.csv"), Columns(split="split"))
    parts = [
        {split: {t for t, s in zip(of.texts, of.splits, strict=True) if s == split}
         for split in ("train", "test")}
        for of in (rows, other)
    ]  # fmt: skip
    assert len(parts[0]["train"]) == 24 and len(parts[0]["test"]) == 20
    assert parts[0]["test"] == parts[1]["test"]
    assert parts[0]["train"] != parts[1]["train"]
    assert all("test" in text for text in parts[0]["test"])


def test_mlm_goes_on(mlm_flags, tmp_path, capsys, monkeypatch):
    """What is finished is not repeated."""
    true = mlm.run

    def stop(settings):
        true(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(mlm, "run", stop)
    assert main(mlm_flags) == 130
    kept = json.loads((tmp_path / "out" / "results.json").read_text())["results"]
    assert set(kept) == {"reading"}
    monkeypatch.setattr(mlm, "run", true)
    monkeypatch.setattr(mlm, "pretrain", lambda settings: pytest.fail("read again"))
    assert main(mlm_flags) == 0
    capsys.readouterr()
    monkeypatch.setattr(mlm, "run", lambda settings: pytest.fail("trained again"))
    assert main(mlm_flags) == 0
    assert "after reading minus without reading" in capsys.readouterr().out


def test_a_stopped_reading_goes_on_from_its_checkpoint(mlm_flags, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mlm, "SAVE_STEPS", 1)
    true = mlm.pretrain

    def stop(settings):
        true(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(mlm, "pretrain", stop)
    assert main(mlm_flags) == 130
    last = tmp_path / "out" / "reading" / "checkpoints" / "step-00000004"
    for path in last.iterdir():
        path.unlink()
    last.rmdir()
    monkeypatch.setattr(mlm, "pretrain", true)
    capsys.readouterr()
    assert main(mlm_flags) == 0
    assert "resuming after step 3" in capsys.readouterr().out


def test_protocols_have_their_own_data(capsys):
    assert main(["mlm", "--data", "x.csv"]) == 2
    assert "leave out --data" in capsys.readouterr().err
