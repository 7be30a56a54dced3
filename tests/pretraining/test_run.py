"""Complete pretraining runs with small checkpoints, and the files that they write."""

import csv
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from math import exp
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import mlx_finbert
from mlx_finbert.checkpoints.masked_lm import load_masked_lm
from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.errors import InputError
from mlx_finbert.pretrain import main
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.pretraining.folder import PretrainFolder
from mlx_finbert.pretraining.run import run
from mlx_finbert.training import batch_memory
from mlx_finbert.training.batch_memory import least_masked_memory
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.checkpoints import checkpoints_of
from mlx_finbert.training.masked_lm import MaskedLMValidation

FILES = {
    "README.md", "best.json", "checkpoints", "checksums.json", "config.json", "config.yaml",
    "curves.png", "history.csv", "history.json", "log.jsonl", "metrics.json", "model.safetensors",
    "report.html", "tokenizer.json", "tokenizer_config.json", "tokens",
}  # fmt: skip


def settings(model, data, output, **more):
    values = {"max_steps": 4, "batch_size": 8, "max_length": 16, "learning_rate": 3e-3} | more
    return PretrainSettings(model=str(model), data=str(data), output_dir=str(output), **values)


@pytest.mark.usefixtures("charts")
def test_a_run_learns_and_leaves_its_folder(checkpoint, news, tmp_path, caplog):
    caplog.set_level(logging.INFO, "mlx_finbert")
    learning = settings(
        checkpoint(hidden_dropout_prob=0.0), news, tmp_path / "out", max_steps=300, eval_steps=150
    )
    result = run(learning)
    assert result.end == "finished"
    assert {p.name for p in result.folder.iterdir()} == FILES
    assert len((result.folder / "curves.png").read_bytes()) > 5000
    history = json.loads((result.folder / "history.json").read_text())
    assert history[-1]["val_loss"] < history[0]["val_loss"] - 0.8
    assert history[-1]["val_accuracy"] > 0.15
    rows = list(csv.DictReader((result.folder / "history.csv").read_text().splitlines()))
    assert [float(row["val_loss"]) for row in rows] == [row["val_loss"] for row in history]
    figures = json.loads((result.folder / "metrics.json").read_text())
    best = result.run_state.best
    assert figures["perplexity"] == exp(figures["loss"]) == exp(best.val_loss)
    assert figures["accuracy"] == best.val_accuracy
    assert figures["tokens_read"] == 300 * 8 * 16 - dropped_of_last_batches(figures, 300)
    assert "newly initialised: cls.predictions" in caplog.text
    assert re.search(r"\d+ texts to read: [\d,]+ tokens in [\d,]+ rows of 16", caplog.text)
    assert f"perplexity {exp(best.val_loss):.2f}" in str(result)


def dropped_of_last_batches(figures, steps):
    """The tokens by which the last batches of epochs are smaller than others."""
    rows = figures["train"]["rows"]
    short = -rows % 8
    return steps // -(-rows // 8) * short * 16


@pytest.mark.usefixtures("charts")
def test_the_report_has_what_a_reader_looks_for(checkpoint, news, tmp_path):
    folder = run(settings(checkpoint(), news, tmp_path / "out", whole_words=True)).folder
    page = (folder / "report.html").read_text()
    for words in (
        "Perplexity over the steps", "Masked accuracy over the steps", "Loss over the steps",
        "Learning rate over the steps", "tokens read", "whole_words", "held-out rows",
        "peak memory", "tokens per second",
    ):  # fmt: skip
        assert words in page, words
    assert "Macro-F1" not in page and "label smoothing" not in page


def test_the_card_is_that_of_a_masked_language_model(checkpoint, news, tmp_path):
    folder = run(settings(checkpoint(), news, tmp_path / "out")).folder
    _, header, text = (folder / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(header)["pipeline_tag"] == "fill-mask"
    assert "news.txt" in text and 'mlx_finbert.fine_tune("out", data)' in text
    assert str(tmp_path) not in text
    best = json.loads((folder / "best.json").read_text())
    assert f"{best['val_loss']:.4f} | {exp(best['val_loss']):.2f}" in text


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("line_by_line", [False, True])
def test_families_and_both_forms_of_rows(checkpoint, news, tmp_path, family, line_by_line):
    # A word has as many tokens as letters in the small vocabulary of RoBERTa.
    more = {"line_by_line": line_by_line, "whole_words": family != "roberta"}
    assert run(settings(checkpoint(family), news, tmp_path / "out", **more)).end == "finished"


def test_joined_rows_have_one_shape_and_lines_few(checkpoint, news, tmp_path):
    shapes = {}

    class Shapes(Callback):
        def on_step(self, figures):
            self.tokens.append(figures.num_tokens)

    for line_by_line in (False, True):
        noted = Shapes()
        noted.tokens = shapes[line_by_line] = []
        out = tmp_path / f"{line_by_line}"
        run(
            settings(checkpoint(name=f"m{out.name}"), news, out, line_by_line=line_by_line), [noted]
        )
    assert set(shapes[False]) == {8 * 16}
    assert all(tokens < 8 * 16 for tokens in shapes[True])


def test_the_written_config_repeats_the_run(checkpoint, news, tmp_path):
    model = checkpoint()
    first = run(settings(model, news, tmp_path / "a", seed=3, mask_probability=0.3)).folder
    argv = ["--config", str(first / "config.yaml"), "--output-dir", str(tmp_path / "b")]
    assert main(argv) == 0
    for name in ("model.safetensors", "history.json"):
        assert (first / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_best_by_held_out_loss_is_kept(checkpoint, news, tmp_path, monkeypatch):
    losses = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(
        MaskedLMValidation, "__call__", lambda _: {"val_loss": next(losses), "val_accuracy": 0.5}
    )
    wished = settings(
        checkpoint(), news, tmp_path / "out", max_steps=6, eval_steps=2, save_steps=2,
        save_total_limit=3,
    )  # fmt: skip
    result = run(wished)
    assert result.run_state.best.val_loss == 1.0
    assert json.loads((result.folder / "best.json").read_text())["step"] == 4
    kept = (result.folder / "model.safetensors").read_bytes()
    same = [(p / "model.safetensors").read_bytes() == kept for p in checkpoints_of(result.folder)]
    assert same == [False, True, False]


def test_held_out_texts_of_their_own(checkpoint, news, tmp_path, caplog):
    caplog.set_level(logging.INFO, "mlx_finbert")
    held = tmp_path / "held.txt"
    held.write_text("the company said sales rose by 3 percent\n\n" * 20)
    run(settings(checkpoint(), news, tmp_path / "out", validation_data=str(held)))
    assert f"{held}: 20 empty texts are skipped" in caplog.text
    assert "240 texts to read" in caplog.text and "20 texts held out" in caplog.text


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_options_reach_the_step(checkpoint, news, tmp_path, dtype):
    wished = settings(
        checkpoint(), news, tmp_path / "out", dtype=dtype, gradient_checkpointing=True,
        gradient_accumulation_steps=2, freeze_embeddings=True, freeze_layers=1, dropout=0.0,
        optimizer="adam", layer_decay=0.9, head_learning_rate=1e-2,
    )  # fmt: skip
    folder = run(wished).folder
    before, _, _ = load_masked_lm(wished.model)
    after, _, _ = load_masked_lm(folder)
    changed = {
        name: bool(np.abs(np.array(a) - np.array(b)).max() > 0)
        for (name, a), (_, b) in zip(flat(before), flat(after), strict=True)
    }
    assert not any(v for n, v in changed.items() if ".embeddings." in n or ".layer.0." in n)
    assert changed["bert.encoder.layer.1.output.dense.weight"]
    assert changed["cls.predictions.transform.dense.weight"]
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"


def flat(model):
    from mlx.utils import tree_flatten

    return sorted(tree_flatten(model.parameters()))


def test_input_that_cannot_be_used_writes_nothing(checkpoint, news, tmp_path):
    good, out, short = checkpoint(), tmp_path / "out", tmp_path / "short.txt"
    short.write_text("sales rose\n")
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    for bad, words in (
        (settings(good, news, out, max_length=41), "`max_length` is 41: from 3 to 40"),
        (settings(good, tmp_path / "none.txt", out), "there is no such file"),
        (settings(tmp_path / "none", news, out), "no such folder"),
        (settings(good, short, out), "have 2 tokens, fewer than one row"),
        (settings(good, news, out, validation_ratio=1e-9), "no text was held out: raise"),
        (
            settings(good, news, out, validation_data=str(empty)),
            "`validation_data=.*` has no text",
        ),
        (settings(good, news, out, validation_data=str(short)), "held-out texts have 2 tokens"),
        (settings(good, news, out, freeze_layers=3), "the model has only 2 layers"),
    ):
        with pytest.raises(InputError, match=words):
            run(bad)
        assert not out.exists()


def test_a_folder_that_holds_a_run_needs_overwrite(checkpoint, news, tmp_path):
    model = checkpoint()
    out = run(settings(model, news, tmp_path / "out")).folder
    with pytest.raises(InputError, match="`overwrite=True`"):
        run(settings(model, news, out))
    assert run(settings(model, news, out, overwrite=True, seed=1)).end == "finished"


def test_an_overwritten_run_leaves_the_tokens_that_still_fit_alone(checkpoint, news, tmp_path):
    model = checkpoint()
    out = run(settings(model, news, tmp_path / "out")).folder
    ids = out / "tokens" / "train" / "ids.bin"
    tokens, stamp = ids.read_bytes(), ids.stat().st_ino
    (out / "teacher_logits-0.safetensors").write_bytes(b"of a fine-tuning")
    run(settings(model, news, out, overwrite=True, seed=0, learning_rate=1e-3))
    assert ids.stat().st_ino == stamp
    assert not list(out.glob("teacher_logits*"))
    news.write_text(news.read_text().replace("rose", "fell"))
    run(settings(model, news, out, overwrite=True))
    assert ids.read_bytes() != tokens


def test_a_folder_of_the_users_named_tokens_stays(checkpoint, news, tmp_path):
    own = tmp_path / "out" / "tokens" / "mine.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(InputError, match="holds tokens, which is not of a pretraining"):
        run(settings(checkpoint(), news, tmp_path / "out", overwrite=True))
    assert own.read_text() == "mine"


@pytest.mark.parametrize("form", [[], ["--line-by-line"]])
def test_a_batch_that_no_machine_can_hold_is_refused_before_the_texts_are_read(
    checkpoint, news, tmp_path, form, capsys
):
    out = tmp_path / "out"
    argv = ["--model", str(checkpoint()), "--data", str(news), "--output-dir", str(out), *form]
    assert main([*argv, "--max-length", "16", "--batch-size", "1000000000"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: --batch-size is 1,000,000,000: a batch would take more than")
    assert said.err.count("\n") == 1 and "--gradient-accumulation-steps" in said.err
    assert "tokenizing" not in said.out and not out.exists()


def test_a_batch_of_lines_is_measured_by_their_tokens(checkpoint, news, tmp_path, monkeypatch):
    model = checkpoint()
    rows = settings(model, news, tmp_path / "out", line_by_line=True, batch_size=64)
    # Enough for 64 lines of one word.
    memory = least_masked_memory(64 * 3, 64, load_masked_lm(model)[0], 0)
    sizes = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": memory}
    monkeypatch.setattr(batch_memory, "os", SimpleNamespace(sysconf=sizes.get))
    with pytest.raises(InputError, match="`batch_size` is 64: a batch would take more than"):
        run(rows)


def test_a_run_that_diverges_keeps_the_best(checkpoint, news, tmp_path, monkeypatch):
    on_evaluation = PretrainFolder.on_evaluation

    def spoil(self, *arguments):
        on_evaluation(self, *arguments)
        self.model.cls.predictions.bias = self.model.cls.predictions.bias * float("nan")

    monkeypatch.setattr(PretrainFolder, "on_evaluation", spoil)
    result = run(settings(checkpoint(), news, tmp_path / "out", eval_steps=2))
    assert result.end == "diverged" and result.run_state.best.step == 2
    assert {p.name for p in result.folder.iterdir()} == FILES - {"checkpoints"}
    load_masked_lm(result.folder)


def test_ctrl_c_saves_and_says_so(checkpoint, news, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            sys.executable, "-u", "-m", "mlx_finbert.pretrain", "--model", str(checkpoint()),
            "--data", str(news), "--output-dir", str(out), "--num-train-epochs", "100000",
            "--max-length", "16",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "history.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert re.search(
        r"stopped after step [\d,]+; the model of epoch .*continue with --resume-from-checkpoint",
        output,
    )
    assert "Traceback" not in output and "held out: loss" in output
    load_masked_lm(checkpoints_of(out)[-1])
    load_masked_lm(out)


def test_unsuitable_flags_do_not_exist(capsys):
    for flag in (
        "--label-smoothing-factor", "--class-weights", "--lora-rank", "--calibration", "--folds",
        "--group-by-length", "--label-column", "--head-dropout", "--new-head",
        "--gradual-unfreezing",
    ):  # fmt: skip
        assert main([flag, "1"]) == 2
        assert f"there is no flag {flag}" in capsys.readouterr().err
    assert main(["--metric-for-best-model", "val_macro_f1"]) == 2
    assert "not one of last, loss, accuracy, val_loss, val_accuracy" in capsys.readouterr().err


def test_what_read_no_labels_has_trained_no_classifier(checkpoint, news, tmp_path):
    folder = run(settings(checkpoint(), news, tmp_path / "out")).folder
    found = TrainingRun.of(str(folder))
    assert found.settings is None and found.seen is None and not found.is_trained


def test_a_classifier_goes_on_from_the_folder(checkpoint, news, tmp_path, caplog):
    caplog.set_level(logging.INFO, "mlx_finbert")
    folder = run(settings(checkpoint(), news, tmp_path / "out")).folder
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    rows = [f"sales {v} by {i} percent,{label}" for i in range(20) for label, v in verbs.items()]
    table = tmp_path / "labelled.csv"
    table.write_text("\n".join(["text,label", *rows]))
    caplog.clear()
    result = mlx_finbert.fine_tune(
        folder,
        str(table),
        output_dir=str(tmp_path / "classifier"),
        num_train_epochs=1,
        batch_size=8,
    )
    assert "newly initialised: classifier.weight, classifier.bias (" in caplog.text
    assert "pooler" not in caplog.text
    assert "cannot be checked" not in caplog.text
    assert result.end == "finished"


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_transformers_opens_the_folder(checkpoint, news, tmp_path, family):
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

    folder = run(settings(checkpoint(family), news, tmp_path / "out")).folder
    twin, loading = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["mismatched_keys"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours, _, _ = load_masked_lm(folder)
    rows = tokenizer(["the company said [MASK] rose"], return_tensors="pt")
    with torch.no_grad():
        theirs = twin.eval()(**rows).logits.numpy()
    import mlx.core as mx

    ids = mx.array(rows["input_ids"].numpy()).astype(mx.int32)
    positions = mx.arange(ids.shape[1], dtype=mx.int32)[None]
    logits = np.array(ours(ids, mx.ones_like(ids), positions))
    np.testing.assert_allclose(logits, theirs, atol=1e-4)
    _, loading = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=3, output_loading_info=True
    )
    own = ("classifier.", "pre_classifier.")
    assert loading["missing_keys"]
    assert all(key.startswith(own) for key in loading["missing_keys"])
