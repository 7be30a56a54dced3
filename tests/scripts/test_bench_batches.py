"""`scripts/bench/batches.py`, `defaults.py` and their saved runs."""

from itertools import combinations

import batches
import defaults
import kept_runs
import numpy as np
import pytest
from kept_runs import DATA, Kept, drawn, drawn_without_test_rows, interval, settings_of

pytestmark = pytest.mark.bench


def test_an_interval_is_students():
    # From scipy.stats.t.interval(0.95, 3, mean, sem).
    mean, half = interval([0.017, 0.018, -0.002, -0.003])
    assert (mean, half) == (pytest.approx(0.0075), pytest.approx(0.018389, abs=1e-5))
    assert len(kept_runs.T95) == 10


def test_runs_that_are_kept_are_not_made_again(tmp_path):
    made = []

    def make():
        made.append(len(made))
        return {"loss": float(len(made))}

    for _ in range(2):
        kept = Kept(str(tmp_path / "new" / "runs.jsonl"))
        assert kept.get(make, data="fiqa", seed=0)["loss"] == 1.0
        assert kept.get(make, data="fiqa", seed=1)["loss"] == 2.0
    assert made == [0, 1]
    assert Kept(None).get(make, seed=0) == {"seed": 0, "loss": 3.0}


def test_a_cell_has_the_paired_difference():
    random = [{"loss": 0.5}, {"loss": 0.9}]
    found = [{"loss": 0.6}, {"loss": 1.1}]
    assert batches.cell(random, random, "loss", alone=True) == "0.7000"
    assert batches.cell(found, random, "loss", alone=False) == "0.8500 (+0.1500 ± 0.6353)"


def test_every_pair_of_settings_is_balanced():
    design = defaults.DESIGN
    assert design.shape == (12, len(defaults.SETTINGS))
    assert (design.sum(axis=0) == 6).all()
    for one, other in combinations(design.T, 2):
        assert sorted(2 * one + other) == sorted([0, 1, 2, 3] * 3)


def test_effects_are_those_of_the_second_values():
    worth = np.linspace(0.1, 1.1, len(defaults.SETTINGS))
    runs = [dict.fromkeys(defaults.FIGURES, float(row @ worth)) for row in defaults.DESIGN]
    lines = defaults.table(runs).splitlines()
    assert [float(line.split()[-1]) for line in lines[2:]] == pytest.approx(worth, abs=1e-4)
    assert lines[2].startswith("--learning-rate 1e-4, 2e-4 ")


def test_the_head_learns_as_the_rest_where_the_design_says_so(monkeypatch, tmp_path):
    (tmp_path / "fiqa").mkdir()
    monkeypatch.setattr(defaults, "drawn_without_test_rows", lambda settings: None)
    made = []
    monkeypatch.setattr(defaults, "figures_of", lambda settings, _: made.append(settings) or {})
    for number in range(len(defaults.DESIGN)):
        defaults.one_run("fiqa", number, Kept(None), str(tmp_path))
    rates = {
        (own.learning_rate, own.for_model(384, is_fresh=True).head_learning_rate) for own in made
    }
    assert rates == {(1e-4, 1e-4), (1e-4, 1e-3), (2e-4, 2e-4), (2e-4, 1e-3)}


def test_values_of_one_setting_are_compared(monkeypatch, tmp_path, capsys):
    (tmp_path / "fiqa").mkdir()
    monkeypatch.setattr(defaults, "drawn_without_test_rows", lambda settings, share: settings)
    monkeypatch.setattr(
        defaults, "figures_of",
        lambda own, _: dict.fromkeys(defaults.FIGURES, own.num_train_epochs + own.seed / 10),
    )  # fmt: skip
    argv = ["--data", "fiqa", "--folder", str(tmp_path), "--seeds", "2"]
    argv += ["--setting", "num_train_epochs"]
    assert defaults.main([*argv, "--values", "3", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[-2:]] == [["3", "3.0500"], ["7", "7.0500"]]
    assert defaults.main(argv) == 2
    assert "--values is missing" in capsys.readouterr().err
    assert defaults.main([*argv, "--values", "many"]) == 2


def test_other_settings_of_compared_runs_are_given(monkeypatch, tmp_path, capsys):
    (tmp_path / "fiqa").mkdir()
    made = []
    monkeypatch.setattr(defaults, "drawn_without_test_rows", lambda settings, share: settings)
    monkeypatch.setattr(
        defaults, "figures_of",
        lambda own, _: made.append(own) or dict.fromkeys(defaults.FIGURES, 0.5),
    )  # fmt: skip
    argv = ["--data", "fiqa", "--folder", str(tmp_path), "--seeds", "1"]
    compared = ["--setting", "learning_rate", "--values", "5e-4", "1e-3"]
    assert (
        defaults.main([*argv, *compared, "--with", "lora_rank=8", "label_smoothing_factor=0"]) == 0
    )
    assert [(own.learning_rate, own.lora_rank, own.label_smoothing_factor) for own in made] == [
        (5e-4, 8, 0.0), (1e-3, 8, 0.0),
    ]  # fmt: skip
    capsys.readouterr()
    for words, message in (
        ([*compared, "--with", "lora=8"], "--with has 'lora=8': NAME=VALUE, such as lora_rank=8"),
        ([*compared, "--with", "lora_rank=many"], "--with is 'many', not"),
        (["--with", "lora_rank=8"], "--with applies only to --setting"),
    ):
        assert defaults.main([*argv, *words]) == 2
        assert message in capsys.readouterr().err


def test_missing_data_is_named(capsys):
    assert batches.main(["--data", "fiqa", "--folder", "nowhere"]) == 2
    told = "nowhere/fiqa: there is no such file; give the path of the folder that holds fiqa with"
    assert f"{told} --folder" in capsys.readouterr().err
    assert batches.main(["--seeds", "11"]) == 2
    assert "--seeds is 11: must be from 0 to 10" in capsys.readouterr().err


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize("name", DATA)
def test_the_rows_of_the_data(name):
    settings = settings_of(name, 1, {}, None)
    splits, again = drawn(settings), drawn_without_test_rows(settings)
    sizes = len(splits.train), len(splits.test)
    assert sizes == {
        "araci": (3488, 970), "allagree": (1627, 453), "fiqa": (752, 258),
        "imdb": (4000, 1000),
    }[name]  # fmt: skip
    # The search for defaults uses no test rows, and measured rows do not choose the epoch.
    assert abs(len(again.validation) - len(again.test)) <= 1
    used = again.train.texts + again.validation.texts + again.test.texts
    assert not set(splits.test.texts) & set(used) - leaks(name)
    assert not set(again.test.texts) & set(again.validation.texts)
    whole = drawn_without_test_rows(settings, share=1)
    assert whole.test.texts == whole.validation.texts
    if name != "imdb":  # of which samples are drawn
        assert set(whole.test.texts) == set(again.test.texts + again.validation.texts)


def leaks(name):
    """Five of Araci's test sentences are training sentences too."""
    if name != "araci":
        return set()
    splits = drawn(settings_of(name, 0, {}, None))
    return set(splits.test.texts) & set(splits.train.texts + splits.validation.texts)


@pytest.mark.usefixtures("real_data", "minilm")
def test_a_small_table(capsys):
    flags = ["--data", "fiqa", "--ways", "no", "--rows", "32", "--rounds", "1", "--seeds", "0"]
    assert batches.main(flags) in (0, None)
    lines = capsys.readouterr().out.splitlines()
    (packed, no) = (line.split() for line in lines[-2:])
    assert (packed[0], no[0]) == ("packed", "no")
    assert float(packed[1].rstrip("%")) < 12 < 45 < float(no[1].rstrip("%"))
    assert packed[-1] == "1.00" and float(no[-1]) > 0
