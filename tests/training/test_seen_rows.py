"""No command measures a model on its training rows, even if their file changes."""

import contextlib
import csv
import json
import os
import random
import shutil

import pytest
import yaml

import mlx_finbert
from mlx_finbert.convert.fuse import main as fuse
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.data import load_texts
from mlx_finbert.data.flags import SplitSettings
from mlx_finbert.data.text_hashes import SeenTexts, fold
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.evaluation.config import EvaluateSettings, complete
from mlx_finbert.evaluation.evaluate import run
from mlx_finbert.train import main as train

VERBS = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
SHORT = ["--max-steps", "2", "--batch-size", "8", "--max-length", "16", "--save-epochs", "0"]


def write(path, rows, header=("text", "label")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def table(tmp_path):
    rows = [
        (f"sales {verb} by {i} percent", label) for i in range(40) for label, verb in VERBS.items()
    ]
    return write(tmp_path / "news.csv", rows)


@pytest.fixture
def trained(checkpoint, table, tmp_path):
    """Factory of runs: `trained(output, *flags)`."""
    base = str(checkpoint())

    def make(name, *flags):
        out = tmp_path / name
        argv = ["--model", base, "--data", str(table), "--output-dir", str(out), *SHORT, *flags]
        assert train(argv) == 0
        return out

    return make


def measured(model, *flags, capsys):
    """The output of `evaluate --json`."""
    capsys.readouterr()
    assert evaluate(["--model", str(model), "--json", *flags]) == 0
    return json.loads(capsys.readouterr().out)


def seen_by(model):
    return SeenTexts.read(model / "seen_texts.tsv")


def texts_measured(model, **settings):
    given = {"model": str(model)} | {name: str(value) for name, value in settings.items()}
    return run(complete(given)).rows.texts


@pytest.fixture
def phrasebank(real_data, tmp_path):
    """Financial PhraseBank's archive, and its sentences as a table of pairs."""
    archive = f"{real_data / 'FinancialPhraseBank-v1.0.zip'}"
    data = load_texts(f"{archive}:50agree")
    labels = [data.label_names[i] for i in data.label_ids]
    return archive, list(zip(data.texts, labels, strict=True))


EDITS = {
    "appended": lambda rows: [*rows, ("The company has raised its guidance.", "positive")],
    "relabelled": lambda rows: [(rows[0][0], "negative"), *rows[1:]],
    "sorted": sorted,
    "deleted": lambda rows: rows[:2000] + rows[2100:],
    "shuffled in capitals": lambda rows: random.Random(0).sample(
        [(f" {text.upper()}", label) for text, label in rows], len(rows)
    ),
}


@pytest.mark.slow
def test_five_edits_of_a_file_after_the_training(phrasebank, checkpoint, tmp_path, capsys):
    _, rows = phrasebank
    file, out = write(tmp_path / "bank.csv", rows), tmp_path / "out"
    argv = ["--model", str(checkpoint()), "--data", str(file), "--output-dir", str(out), *SHORT]
    assert train(argv) == 0
    parts = SplitSettings().draw(load_texts(str(file)))
    learned = {fold(text) for part in (parts.train, parts.validation) for text in part.texts}
    for name, edit in EDITS.items():
        write(file, edit(rows))
        found = texts_measured(out)
        assert len(found) == pytest.approx(970, abs=40), name
        assert not learned & {fold(text) for text in found}, name
        figures = measured(out, capsys=capsys)
        assert figures["rows"] == len(found) and figures["seen_rows_checked"], name


@pytest.mark.slow
def test_trained_on_one_level_of_agreement_and_measured_on_another(
    phrasebank, checkpoint, tmp_path, capsys
):
    archive, rows = phrasebank
    out = tmp_path / "out"
    argv = ["--model", str(checkpoint()), "--data", f"{archive}:allagree", "--output-dir", str(out)]
    assert train([*argv, *SHORT]) == 0
    parts = SplitSettings().draw(load_texts(f"{archive}:allagree"))
    learned = {fold(text) for part in (parts.train, parts.validation) for text in part.texts}
    found = texts_measured(out, data=f"{archive}:50agree")
    assert len(found) == sum(fold(text) not in learned for text, _ in rows)
    assert not learned & {fold(text) for text in found}
    figures = measured(out, "--data", f"{archive}:50agree", capsys=capsys)
    assert figures["seen_rows_left_out"] == len(rows) - len(found) > 1700


@pytest.mark.slow
def test_published_test_rows_that_are_training_rows_too(phrasebank, checkpoint, tmp_path, capsys):
    archive, _ = phrasebank
    argv = ["--model", str(checkpoint()), "--data", f"{archive}:araci", *SHORT]
    assert train([*argv, "--output-dir", str(tmp_path / "a")]) == 0
    assert "5 of 970 rows were left out" in capsys.readouterr().out
    assert "5 of 970 rows were left out" in (tmp_path / "a" / "report.html").read_text()
    assert measured(tmp_path / "a", capsys=capsys)["seen_rows_left_out"] == 5
    assert train([*argv, "--output-dir", str(tmp_path / "b"), "--include-seen"]) == 0
    assert "5 of 970 rows have texts that the model saw" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "b" / "metrics.json").read_text())
    assert metrics["rows"] == 970
    assert yaml.safe_load((tmp_path / "b" / "config.yaml").read_text())["include_seen"] is True
    assert measured(tmp_path / "b", "--include-seen", capsys=capsys)["rows"] == 970


@pytest.mark.slow
def test_labels_of_a_coin_stay_a_coins(checkpoint, tmp_path, capsys):
    """A model that has memorized its rows is detected, whichever row is relabelled."""
    coin, words = random.Random(0), "abcdefghijklmnopqrstuvwxyz"
    rows = [
        (" ".join(coin.choices(words, k=12)), coin.choice(["negative", "positive"]))
        for _ in range(400)
    ]
    file, out = write(tmp_path / "coin.csv", rows), tmp_path / "out"
    argv = ["--model", str(checkpoint(labels=["negative", "positive"])), "--data", str(file)]
    argv += [
        "--num-train-epochs",
        "40",
        "--learning-rate",
        "1e-2",
        "--batch-size",
        "16",
        "--save-epochs",
        "0",
    ]
    assert train([*argv, "--output-dir", str(out), "--metric-for-best-model", "accuracy"]) == 0
    assert measured(out, "--split", "train", capsys=capsys)["accuracy"] > 0.8
    before = measured(out, capsys=capsys)
    flip = {"negative": "positive", "positive": "negative"}
    for i in range(0, 400, 80):
        write(file, [*rows[:i], (rows[i][0], flip[rows[i][1]]), *rows[i + 1 :]])
        after = measured(out, capsys=capsys)
        assert after["rows"] == before["rows"]
        # One of some 80 rows may have changed its label.
        assert abs(after["accuracy"] - before["accuracy"]) <= 1 / before["rows"] + 1e-9


def test_the_file_is_in_every_folder_that_holds_the_model(trained, tmp_path):
    run_folder = trained("run", "--save-epochs", "1", "--max-steps", "12")
    (step, *_) = sorted((run_folder / "checkpoints").glob("step-*"))
    content = (run_folder / "seen_texts.tsv").read_bytes()
    assert (step / "seen_texts.tsv").read_bytes() == content
    assert "seen_texts.tsv" in json.loads((step / "checksums.json").read_text())
    parts = SplitSettings().draw(load_texts(str(tmp_path / "news.csv")))
    assert seen_by(run_folder) == SeenTexts.of(parts.train, parts.validation)


@pytest.mark.parametrize("flags", [["--dtype", "float16"], ["--quantize", "8"]])
def test_conversions_hand_it_on(trained, checkpoint, tmp_path, flags, capsys):
    wide = checkpoint(name="wide", hidden_size=64, num_attention_heads=2, intermediate_size=64)
    run_folder = trained("run", "--model", str(wide))
    output = tmp_path / "converted"
    assert to_mlx(["--model", str(run_folder), "--output", str(output), *flags]) == 0
    assert seen_by(output) == seen_by(run_folder)
    found = measured(output, capsys=capsys)
    assert found["seen_rows_checked"] and found["rows"] < 60


@pytest.mark.slow
def test_adapters_have_it_and_fuse_hands_it_on(trained, tmp_path, capsys):
    adapters = trained("adapters", "--lora-rank", "2")
    assert len(seen_by(adapters).rows) > 60
    assert fuse(["--model", str(adapters), "--output", str(tmp_path / "fused")]) == 0
    assert seen_by(tmp_path / "fused") == seen_by(adapters)
    assert measured(tmp_path / "fused", capsys=capsys)["seen_rows_checked"]


def test_a_model_written_over_another_does_not_keep_its_file(trained, checkpoint, tmp_path):
    run_folder, other, out = trained("run"), checkpoint(name="other"), tmp_path / "out"
    assert to_mlx(["--model", str(run_folder), "--output", str(out)]) == 0
    assert (out / "seen_texts.tsv").exists() and (out / "config.yaml").exists()
    assert to_mlx(["--model", str(other), "--output", str(out), "--overwrite"]) == 0
    assert not (out / "seen_texts.tsv").exists() and not (out / "config.yaml").exists()


@pytest.mark.slow
def test_each_fold_has_its_own(checkpoint, tmp_path, capsys):
    words = "profit loss sales orders margin dividend guidance outlook".split()
    rows = [
        (f"{a} {b} {verb}", label) for a in words for b in words for label, verb in VERBS.items()
    ]
    table, out = write(tmp_path / "news.csv", rows), tmp_path / "folds"
    argv = ["--model", str(checkpoint()), "--data", str(table), "--output-dir", str(out)]
    assert train([*argv, *SHORT, "--folds", "3"]) == 0
    found = [texts_measured(out / f"fold-0{i}") for i in (1, 2, 3)]
    assert sum(map(len, found)) == len({text for texts in found for text in texts})
    for i, texts in enumerate(found, 1):
        assert not seen_by(out / f"fold-0{i}").holds(texts).any()
        assert len(texts) == json.loads((out / f"fold-0{i}" / "metrics.json").read_text())["rows"]


def test_fine_tuning_goes_on_without_testing_on_what_the_base_has_seen(trained, table, capsys):
    first = trained("first")
    parts = SplitSettings(split_seed=1).draw(load_texts(str(table)))
    known = int(seen_by(first).holds(parts.test.texts).sum())
    assert 0 < known < len(parts.test)
    capsys.readouterr()
    second = trained("second", "--model", str(first), "--split-seed", "1")
    assert f"{known} of {len(parts.test)} rows were left out" in capsys.readouterr().out
    metrics = json.loads((second / "metrics.json").read_text())
    assert metrics["rows"] == len(parts.test) - known
    assert seen_by(second).holds(load_texts(str(table)).texts).sum() > 96 + 10
    assert not seen_by(first).holds(texts_measured(second)).any()


def test_a_base_of_an_earlier_version_is_told_and_remembered(trained, tmp_path, capsys):
    first = trained("first")
    (first / "seen_texts.tsv").unlink()
    second = trained("second", "--model", str(first))
    assert "it may have been trained on these test rows" in capsys.readouterr().out
    assert "cannot be checked" in (second / "report.html").read_text()
    assert not measured(second, capsys=capsys)["seen_rows_checked"]


def test_evaluate_takes_the_runs_own_data_as_it_was_read(checkpoint, tmp_path, capsys):
    rows = [
        (f"sales {v} by {i} percent", i % 7, name) for i in range(30) for name, v in VERBS.items()
    ]
    table = write(tmp_path / "wire.csv", rows, ("headline", "number", "mood"))
    out = tmp_path / "run"
    argv = ["--model", str(checkpoint()), "--data", str(table), "--output-dir", str(out)]
    argv += ["--text-column", "headline", "--label-column", "mood", "--test-fraction", "0.4"]
    assert train([*argv, *SHORT]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    for flags in ([], ["--data", str(table)], ["--data", os.path.relpath(table)]):
        found = measured(out, *flags, capsys=capsys)
        assert found["rows"] == metrics["rows"]
        assert found["loss"] == pytest.approx(metrics["loss"], abs=1e-6)
    assert evaluate(["--model", str(out)]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == f"{table} (test), split seed 0: {metrics['rows']} rows"
    # Given flags override those of the run.
    assert evaluate(["--model", str(out), "--label-column", "number"]) == 2
    assert "the labels of the data (0, 1, 2, 3, 4, 5, 6)" in capsys.readouterr().err
    moved = shutil.move(table, tmp_path / "moved.csv")
    assert evaluate(["--model", str(out)]) == 2
    assert "was trained on" in (error := capsys.readouterr().err) and "--data" in error
    columns = ["--text-column", "headline", "--label-column", "mood"]
    found = measured(out, "--data", str(moved), *columns, capsys=capsys)
    assert found["rows"] == metrics["rows"]


def test_other_data_is_measured_whole_and_the_first_line_says_so(trained, tmp_path, capsys):
    out = trained("run")
    other = write(
        tmp_path / "new.csv",
        [(f"orders {v} {i}", name) for i in range(9) for name, v in VERBS.items()],
    )
    capsys.readouterr()
    assert evaluate(["--model", str(out), "--data", str(other)]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == f"{other}: all 27 rows; {out} was trained on {tmp_path / 'news.csv'}"
    assert evaluate(["--model", str(out), "--data", str(other), "--split", "test"]) == 0
    assert "its test rows were drawn now" in capsys.readouterr().out


def test_a_model_of_others_needs_data_and_is_not_said_to_be_checked(checkpoint, table, capsys):
    folder = str(checkpoint())
    assert evaluate(["--model", folder]) == 2
    assert "give the data to measure with --data" in capsys.readouterr().err
    assert evaluate(["--model", folder, "--data", str(table)]) == 0
    assert "could not be checked whether" in capsys.readouterr().out


def test_a_run_of_an_earlier_version_is_refused_on_its_own_data(trained, capsys):
    out = trained("run")
    (out / "seen_texts.tsv").unlink()
    assert evaluate(["--model", str(out)]) == 2
    assert "earlier version" in capsys.readouterr().err
    assert not measured(out, "--include-seen", capsys=capsys)["seen_rows_checked"]


def test_a_damaged_file_is_never_passed_over(trained, table, tmp_path, capsys):
    out = trained("run")
    path = out / "seen_texts.tsv"
    path.write_bytes(path.read_bytes()[:-20])
    for command, argv in (
        (evaluate, []),
        (to_mlx, ["--output", str(tmp_path / "o")]),
        (train, ["--data", str(table), "--output-dir", str(tmp_path / "t")]),
    ):
        assert command(["--model", str(out), *argv]) == 2
        error = capsys.readouterr().err
        assert "seen_texts.tsv is damaged" in error and error.count("\n") == 1
    assert not (tmp_path / "o").exists() and not (tmp_path / "t").exists()


def test_samples_of_rows(trained, table, capsys):
    out = trained("run", "--max-train-rows", "20", "--max-eval-rows", "5")
    said = capsys.readouterr().out
    parts = SplitSettings().draw(load_texts(str(table)))
    assert f"20 of {len(parts.train)} rows are used, by --max-train-rows" in said
    assert f"5 of {len(parts.validation)} rows are used, by --max-eval-rows" in said
    assert json.loads((out / "metrics.json").read_text())["rows"] == 5
    assert len(seen_by(out).rows) == 25
    assert measured(out, capsys=capsys)["rows"] == len(parts.test)
    figures = measured(out, "--max-eval-rows", "7", capsys=capsys)
    assert figures["rows"] == 7
    assert any(note.endswith("rows are used, by --max-eval-rows") for note in figures["notes"])
    # Rows that were not sampled have not been seen.
    assert measured(out, "--split", "all", capsys=capsys)["rows"] == 120 - 25
    for flag in ("--max-train-rows", "--max-eval-rows"):
        assert train(["--data", str(table), flag, "0"]) == 2
        assert f"{flag} is 0: at least 1" in capsys.readouterr().err


def test_settings_in_python_take_the_runs_own_data_too(trained, table):
    out = trained("run")
    found = run(EvaluateSettings(model=str(out)))
    assert found.rows.texts == SplitSettings().draw(load_texts(str(table))).test.texts


class Killed(BaseException):
    """Ends a process while it writes."""


def test_no_model_is_there_without_the_file_after_a_kill(tiny, tmp_path, monkeypatch):
    replace, files = os.replace, {"config.yaml": b"data: a.csv\n", "seen_texts.tsv": b"hashes"}
    usable = 0
    for moves in range(12):
        folder, done = tmp_path / str(moves), []

        def one_more(*places, done=done, moves=moves):
            if len(done) == moves:
                raise Killed
            done.append(places)
            replace(*places)

        monkeypatch.setattr(os, "replace", one_more)
        with contextlib.suppress(Killed):
            mlx_finbert.save(*tiny, folder, files)
        monkeypatch.setattr(os, "replace", replace)
        try:
            mlx_finbert.load(folder)
        except InputError:
            continue
        usable += 1
        assert {name: (folder / name).read_bytes() for name in files} == files
    assert usable
