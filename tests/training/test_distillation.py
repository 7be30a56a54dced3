"""Runs with a teacher: what they cache, learn from, resume and report."""

import json
import os

import mlx.core as mx
import numpy as np
import pytest
import yaml
from loopback import launched
from small_adapters import adapter_folder

import mlx_finbert
from mlx_finbert.checkpoints.files import read_safetensors
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.data.text_hashes import SeenTexts, text_hash
from mlx_finbert.errors import InputError
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.publishing.config import PushSettings
from mlx_finbert.publishing.plan import plan_of
from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of

VERBS = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
FLAGS = [
    "--max-steps", "6", "--batch-size", "8", "--learning-rate", "1e-3", "--eval-steps", "3",
    "--save-steps", "3",
]  # fmt: skip


@pytest.fixture
def table(tmp_path):
    """90 rows whose label depends on one word."""
    rows = [f"sales {v} by {i} percent,{label}" for i in range(30) for label, v in VERBS.items()]
    path = tmp_path / "news.csv"
    path.write_text("\n".join(["text,label", *rows]))
    return path


@pytest.fixture
def student(checkpoint):
    return checkpoint(name="student")


@pytest.fixture
def teacher(checkpoint):
    return checkpoint(name="teacher", num_hidden_layers=4)


def run(student, teacher, table, out, *more):
    """Train by the command; return its exit status."""
    flags = ["--model", str(student), "--data", str(table), "--output-dir", str(out)]
    return main([*flags, "--teacher", str(teacher), *FLAGS, *more])


def cache_of(out):
    """The file of the teacher's logits, and its values."""
    (path,) = out.glob("teacher_logits-*.safetensors")
    return path, np.array(read_safetensors(path)["logits"])


def test_the_logits_are_computed_once_and_kept(student, teacher, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(student, teacher, table, out) == 0
    assert "teacher: the logits of 6" in capsys.readouterr().out
    path, logits = cache_of(out)
    rows = [r.split("\t") for r in (out / "seen_texts.tsv").read_text().splitlines()[1:]]
    assert len(logits) == sum(part == "train" for _, part, _ in rows)
    stamp = path.stat().st_mtime_ns
    assert run(student, teacher, table, out, "--overwrite", "--distill-weight", "0.9") == 0
    assert f"are those in {path}" in capsys.readouterr().out
    assert path.stat().st_mtime_ns == stamp
    flags = ["--model", str(student), "--data", str(table), "--output-dir", str(out), "--overwrite"]
    assert main([*flags, *FLAGS]) == 0
    assert not list(out.glob("teacher_logits*"))


def test_the_logits_are_those_of_the_teacher_in_the_students_order(
    student, checkpoint, table, tmp_path
):
    """The teacher has another tokenizer, another length and another order of the labels."""
    labels = ("Bullish", "Negative", "NEUTRAL")
    teacher = checkpoint("roberta", labels, name="other", max_position_embeddings=60)
    out = tmp_path / "out"
    assert run(student, teacher, table, out) == 0
    _, logits = cache_of(out)
    model, tokenizer = mlx_finbert.load(teacher)
    rows = [line.split("\t") for line in (out / "seen_texts.tsv").read_text().splitlines()[1:]]
    trained = {key for key, part, _ in rows if part == "train"}
    texts = [line.rpartition(",")[0] for line in table.read_text().splitlines()[1:]]
    texts = [text for text in texts if text_hash(text) in trained]
    expected = mlx_finbert.predict_proba(model, tokenizer, texts)[:, [1, 2, 0]]
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_another_teacher_or_other_texts_make_new_logits(student, teacher, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(student, teacher, table, out) == 0
    first, logits = cache_of(out)
    weights = mx.load(str(teacher / "model.safetensors"))
    weights["classifier.bias"] = weights["classifier.bias"] + mx.array([1.0, 0.0, 0.0])
    mx.save_safetensors(str(teacher / "model.safetensors"), weights)
    assert run(student, teacher, table, out, "--overwrite") == 0
    second, moved = cache_of(out)
    assert second != first
    np.testing.assert_allclose(moved - logits, [[1.0, 0.0, 0.0]] * len(logits), atol=1e-5)
    assert run(student, teacher, table, out, "--overwrite", "--split-seed", "1") == 0
    third, _ = cache_of(out)
    assert third not in (first, second)


def test_a_damaged_cache_is_made_again(student, teacher, table, tmp_path):
    out = tmp_path / "out"
    assert run(student, teacher, table, out) == 0
    path, logits = cache_of(out)
    path.write_bytes(path.read_bytes()[:-4])
    assert run(student, teacher, table, out, "--overwrite") == 0
    assert np.array_equal(cache_of(out)[1], logits)


@pytest.mark.parametrize("kind", ["adapters", "quantized"])
def test_adapters_and_quantized_models_teach(checkpoint, table, tmp_path, kind):
    """Their hidden states too, in half precision."""
    shape = {"hidden_size": 96, "intermediate_size": 64, "num_attention_heads": 3}
    student, base = (checkpoint(name=name, **shape) for name in ("student", "base"))
    teacher = tmp_path / kind
    if kind == "adapters":
        adapter_folder(base, teacher)
    else:
        flags = ["--model", str(base), "--output", str(teacher), "--quantize", "8"]
        assert to_mlx([*flags, "--group-size", "32"]) == 0
    out = tmp_path / "out"
    flags = ["--distill-hidden", "mse", "--dtype", "bfloat16"]
    assert run(student, teacher, table, out, *flags) == 0
    found = json.loads((out / "metrics.json").read_text())["distillation"]
    plain = mlx_finbert.load(base)[0]
    parameters = sum(value.size for value in named_parameters(plain).values())
    taught = found["teacher"]["parameters"]
    assert taught == parameters if kind == "quantized" else taught > parameters
    whole = (base / "model.safetensors").stat().st_size
    size = found["teacher"]["bytes_on_disk"]
    assert size < whole if kind == "quantized" else size > whole


def test_the_report_shows_both(student, teacher, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(student, teacher, table, out) == 0
    said = capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    found = metrics["distillation"]
    own, taught = found["student"], found["teacher"]
    assert own["accuracy"] == metrics["accuracy"] and own["macro_f1"] == metrics["macro_f1"]
    assert own["ece"] == pytest.approx(metrics["ece"])
    seen = SeenTexts.read(out / "seen_texts.tsv")
    head, *rows = table.read_text().splitlines()
    held_out = [row for row in rows if not seen.holds([row.rpartition(",")[0]])[0]]
    test = tmp_path / "test.csv"
    test.write_text("\n".join([head, *held_out]))
    evaluation = mlx_finbert.evaluate_classifier(teacher, test)
    assert len(evaluation.rows) == metrics["rows"]
    assert evaluation.metrics.accuracy == taught["accuracy"]
    assert evaluation.metrics.macro_f1 == pytest.approx(taught["macro_f1"])
    assert evaluation.ece == pytest.approx(taught["ece"], abs=1e-5)
    assert own["bytes_on_disk"] == (out / "model.safetensors").stat().st_size
    assert own["parameters"] < taught["parameters"]
    assert min(own["texts_per_second"], taught["texts_per_second"]) > 0
    assert found["rows"] == metrics["rows"] and 0 <= found["agreement"] <= 1
    low, high = found["intervals"]["accuracy"]
    assert low <= own["accuracy"] - taught["accuracy"] <= high
    page = (out / "report.html").read_text()
    assert "<h2>Student and teacher</h2>" in page and "calibration error" in page
    assert "does not record the texts that it was trained on" in page
    assert "difference (95% interval)" in said and "texts a second were measured in this" in said
    assert "and distilled from `teacher`." in (out / "README.md").read_text()


def test_unlabelled_texts_are_learned_from_and_recorded(student, teacher, table, tmp_path, capsys):
    texts = [line.rpartition(",")[0] for line in table.read_text().splitlines()[1:]]
    more = [f"orders {verb} in quarter {i}" for i in range(10) for verb in ("rose", "fell")]
    lines, frame = tmp_path / "wire.txt", tmp_path / "wire.jsonl"
    lines.write_text("\n".join([*texts, "", *more[:12], more[0].upper()]))
    frame.write_text("\n".join(json.dumps({"body": text}) for text in more[10:]))
    out = tmp_path / "out"
    files = f"{lines},{frame}"
    flags = ["--unlabelled", files]
    assert run(student, teacher, table, out, *flags, "--unlabelled-column", "body") == 2
    assert "has no column 'body'" in capsys.readouterr().err
    frame.write_text("\n".join(json.dumps({"text": text}) for text in more[10:]))
    assert run(student, teacher, table, out, *flags) == 0
    said = capsys.readouterr().out
    seen = [r.split("\t")[1] for r in (out / "seen_texts.tsv").read_text().splitlines()[1:]]
    train = seen.count("train")
    assert seen.count("unlabelled") == len(more)
    assert (
        f"unlabelled: 20 of {len(texts) + 24} texts are used; left out: 1 without a text,"
        f" {90 - train} of validation or test rows, {train} of training rows, 3 repeated"
    ) in said
    assert len(cache_of(out)[1]) == train + len(more)
    assert (
        f"({train} training rows) and 20 unlabelled texts, and distilled"
        in (out / "README.md").read_text()
    )
    # What it has learned from is no test row.
    rows = tmp_path / "later.csv"
    rows.write_text("text,label\n" + "".join(f"{t},positive\n" for t in [*more, "it all rose"]))
    found = mlx_finbert.evaluate_classifier(out, rows)
    assert found.rows.texts == ["it all rose"]


def test_training_accuracy_counts_labelled_rows_alone(student, teacher, table, tmp_path):
    """With a rate of almost nothing, it is that of the starting model on the labelled rows."""
    wire = tmp_path / "wire.txt"
    wire.write_text("\n".join(f"orders rose in quarter {i}" for i in range(100)))
    plain, more = tmp_path / "plain", tmp_path / "more"
    flags = ["--max-steps", "1", "--batch-size", "1000", "--learning-rate", "1e-9"]
    flags += ["--eval-steps", "0", "--dropout", "0", "--attention-dropout", "0"]
    assert run(student, teacher, table, plain, *flags, "--head-dropout", "0") == 0
    flags += ["--unlabelled", str(wire), "--head-dropout", "0"]
    assert run(student, teacher, table, more, *flags) == 0
    one, two = (json.loads((out / "history.json").read_text())[0] for out in (plain, more))
    assert one["accuracy"] == two["accuracy"]
    assert one["val_loss"] == pytest.approx(two["val_loss"], abs=1e-6)
    assert one["loss"] != two["loss"]


@pytest.mark.slow
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("hidden", ["none", "cosine", "mse"])
def test_a_run_goes_on_bit_for_bit(student, teacher, table, tmp_path, hidden, capsys):
    wire = tmp_path / "wire.txt"
    wire.write_text("\n".join(f"orders rose in quarter {i}" for i in range(20)))
    more = ["--unlabelled", str(wire), "--distill-hidden", hidden, "--dtype", "bfloat16"]
    whole, half = tmp_path / "whole", tmp_path / "half"
    for out in (whole, half):
        assert run(student, teacher, table, out, *more) == 0
    capsys.readouterr()
    assert main(["--resume-from-checkpoint", str(checkpoints_of(half)[0])]) == 0
    assert "are those in" in capsys.readouterr().out
    for name in ("model.safetensors", "history.json"):
        assert (whole / name).read_bytes() == (half / name).read_bytes(), name
    last = "checkpoints/step-00000006"
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        assert (whole / last / name).read_bytes() == (half / last / name).read_bytes(), name


def test_another_teacher_does_not_go_on(student, teacher, checkpoint, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(student, teacher, table, out) == 0
    moved = teacher.rename(tmp_path / "moved")
    first = str(checkpoints_of(out)[0])
    assert main(["--resume-from-checkpoint", first, "--teacher", str(moved)]) == 0
    capsys.readouterr()
    other = checkpoint(name="other", num_hidden_layers=3)
    (logits,) = out.glob("teacher_logits*")
    assert main(["--resume-from-checkpoint", str(out), "--teacher", str(other)]) == 2
    assert f"{other} is not the teacher of this run" in capsys.readouterr().err
    assert [*out.glob("teacher_logits*")] == [logits]
    table.write_text(table.read_text().replace("rose", "fell"))
    assert main(["--resume-from-checkpoint", str(out), "--teacher", str(moved)]) == 2
    assert "is not what this run was trained on" in capsys.readouterr().err
    assert [*out.glob("teacher_logits*")] == [logits]


def test_a_trimmed_vocabulary_changes_nothing(student, teacher, table, tmp_path, monkeypatch):
    """The batches have other numbers for the tokens then, but the teacher reads the same texts."""
    whole, trimmed = tmp_path / "whole", tmp_path / "trimmed"
    assert run(student, teacher, table, trimmed, "--distill-hidden", "mse") == 0
    monkeypatch.setattr("mlx_finbert.training.prepare.trim", lambda *_: None)
    assert run(student, teacher, table, whole, "--distill-hidden", "mse") == 0
    histories = [json.loads((out / "history.json").read_text()) for out in (whole, trimmed)]
    for one, other in zip(*histories, strict=True):
        np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-4)


def test_paths_of_teacher_and_texts_stay_here(student, teacher, table, tmp_path, capsys):
    wire = tmp_path / "wire.txt"
    wire.write_text("orders rose")
    out = tmp_path / "out"
    assert run(student, teacher, table, out, "--unlabelled", str(wire)) == 0
    files = plan_of(PushSettings(folder=str(out), repo_id="me/student")).files
    settings = yaml.safe_load(files["config.yaml"])
    assert (settings["teacher"], settings["unlabelled"]) == ("teacher", ["wire.txt"])
    assert json.loads(files["metrics.json"])["distillation"]["name"] == "teacher"
    assert not any(name.startswith("teacher_logits") for name in files)
    assert all(
        str(tmp_path).encode() not in (of if isinstance(of, bytes) else of.read_bytes())
        for of in files.values()
    )


@pytest.mark.slow
def test_adapters_learn_from_a_teacher(student, teacher, table, tmp_path):
    out = tmp_path / "out"
    flags = ["--lora-rank", "2", "--distill-hidden", "cosine", "--gradient-checkpointing"]
    assert run(student, teacher, table, out, *flags) == 0
    found = json.loads((out / "metrics.json").read_text())["distillation"]
    adapters = (out / "adapters.safetensors").stat().st_size
    base = (student / "model.safetensors").stat().st_size
    assert found["student"]["bytes_on_disk"] == adapters + base


@pytest.mark.slow
def test_two_processes_are_one(student, teacher, table, tmp_path):
    wire = tmp_path / "wire.txt"
    wire.write_text("\n".join(f"orders rose in quarter {i}" for i in range(21)))
    more = ["--unlabelled", str(wire), "--dropout", "0", "--attention-dropout", "0"]
    more += ["--head-dropout", "0", "--distill-hidden", "mse"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert run(student, teacher, table, one, *more) == 0
    flags = ["--model", str(student), "--data", str(table), "--output-dir", str(two)]
    for _ in range(2):
        argv = [*flags, "--teacher", str(teacher), *FLAGS, *more, "--overwrite"]
        said = launched(2, "-m", "mlx_finbert.train", *argv)
        assert "both give the same label" in said
    assert "are those in" in said
    np.testing.assert_allclose(cache_of(one)[1], cache_of(two)[1], atol=1e-6)
    histories = [json.loads((out / "history.json").read_text()) for out in (one, two)]
    for ours, theirs in zip(*histories, strict=True):
        np.testing.assert_allclose(list(ours.values()), list(theirs.values()), atol=1e-5)


def test_python_gives_texts_at_hand(student, teacher, table, tmp_path):
    more = [f"orders rose in quarter {i}" for i in range(10)]
    wire = tmp_path / "wire.txt"
    wire.write_text("\n".join(more))
    settings = {"max_steps": 4, "batch_size": 8, "save_steps": 2}
    results = [
        mlx_finbert.fine_tune(
            student, table, teacher=teacher, unlabelled=of, output_dir=tmp_path / name, **settings
        )
        for name, of in (("file", wire), ("hand", more))
    ]
    one, two = (result.folder / "model.safetensors" for result in results)
    assert one.read_bytes() == two.read_bytes()
    assert results[1].distillation.agreement == results[0].distillation.agreement
    config = (results[1].folder / "config.yaml").read_text()
    assert "- texts in memory (sha256 " in config and "quarter" not in config
    with pytest.raises(InputError, match="a Python program gave these texts"):
        mlx_finbert.fine_tune(resume_from_checkpoint=results[1].folder)
    again = mlx_finbert.fine_tune(resume_from_checkpoint=results[1].folder, unlabelled=more)
    assert again.figures == results[1].figures
    with pytest.raises(InputError, match="1 unlabelled text is gone"):
        mlx_finbert.fine_tune(resume_from_checkpoint=results[1].folder, unlabelled=more[1:])
    with pytest.raises(InputError, match=r"unlabelled\[1\] is 3, not a string"):
        mlx_finbert.fine_tune(student, table, teacher=teacher, unlabelled=["it rose", 3])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--distill-weight", "0.3"], "--distill-weight has no effect without --teacher"),
        (["--unlabelled", "x.txt"], "--unlabelled has no effect without --teacher"),
        (["--teacher", "t", "--unlabelled-column", "x"], "has no effect without --unlabelled"),
        (["--teacher", "t", "--distill-temperature", "0"], "must be above 0"),
        (["--teacher", "t", "--distill-weight", "1.5"], "must be from 0 to 1"),
        (["--teacher", "t", "--distill-weight", "0"], "or --teacher has no effect"),
        (["--teacher", "t", "--distill-hidden", "l2"], "not one of none, cosine, mse"),
    ],
)
def test_settings_without_effect_are_refused(flags, message, capsys):
    assert main(flags) == 2
    assert message in capsys.readouterr().err


def test_a_teacher_that_does_not_fit_is_refused(student, checkpoint, table, tmp_path, capsys):
    def refused(teacher, *more, out="out"):
        assert run(student, teacher, table, tmp_path / out, *more) == 2
        error = capsys.readouterr().err
        assert not list((tmp_path / out).glob("[!.]*")) or out != "out"
        return error

    other = checkpoint(labels=("good", "bad", "neutral"), name="others")
    error = refused(other)
    assert f"--teacher {other} has the labels good, bad, neutral, and the student" in error
    wide = checkpoint(name="wide", hidden_size=18)
    error = refused(wide, "--distill-hidden", "cosine")
    assert "the student's hidden states have 15 numbers and those of" in error and "18" in error
    letters = checkpoint("roberta", name="letters", max_position_embeddings=60)
    error = refused(letters, "--distill-hidden", "mse")
    assert "has another tokenizer than the student" in error
    short = checkpoint(name="short", max_position_embeddings=20)
    error = refused(short, "--distill-hidden", "mse")
    assert "reads at most 20 tokens" in error and "set --max-length 20" in error
    error = refused(short, "--overwrite", out="short")
    assert "holds the teacher, which the student would replace" in error
    assert os.listdir(short)
    error = refused(checkpoint(name="good"), "--unlabelled", "nowhere.txt")
    assert "--unlabelled nowhere.txt: there is no such file" in error


def test_a_teacher_that_is_gone_at_the_end_is_mentioned(student, teacher, table, tmp_path, caplog):
    class Removing(mlx_finbert.Callback):
        def on_end(self, end):
            (teacher / "config.json").unlink()

    result = mlx_finbert.fine_tune(
        student, table, teacher=teacher, max_steps=2, callbacks=[Removing()],
        output_dir=tmp_path / "out",
    )  # fmt: skip
    assert result.test is not None and result.distillation is None
    assert "the teacher was not measured: " in caplog.text and "config.json" in caplog.text
    assert "Student and teacher" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_folds_learn_from_the_teacher(student, teacher, tmp_path):
    """A text that is a test row of one fold is left out of the unlabelled ones of that fold."""
    rng = np.random.default_rng(0)
    texts = [" ".join("".join(rng.choice([*"abcdefgh"], 4)) for _ in range(5)) for _ in range(60)]
    table, wire, out = tmp_path / "news.csv", tmp_path / "wire.txt", tmp_path / "out"
    labelled = [f"{text},{[*VERBS][i % 3]}" for i, text in enumerate(texts)]
    table.write_text("\n".join(["text,label", *labelled]))
    wire.write_text("\n".join(texts))
    flags = ["--folds", "2", "--max-train-rows", "12", "--unlabelled", str(wire)]
    assert run(student, teacher, table, out, *flags) == 0
    for fold in ("fold-01", "fold-02"):
        lines = (out / fold / "seen_texts.tsv").read_text().splitlines()[1:]
        parts = [line.split("\t")[1] for line in lines]
        tested = json.loads((out / fold / "metrics.json").read_text())["rows"]
        held_out = tested + parts.count("validation")
        assert tested == 30 and parts.count("train") == 12
        assert parts.count("unlabelled") == 60 - 12 - held_out
        assert len(cache_of(out / fold)[1]) == 60 - held_out


def test_nothing_left_to_learn_from_is_refused(student, teacher, table, tmp_path, capsys):
    assert run(student, teacher, table, tmp_path / "out", "--unlabelled", str(table)) == 2
    assert "--unlabelled has no text that is left to learn from" in capsys.readouterr().err
