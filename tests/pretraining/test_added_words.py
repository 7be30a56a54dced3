"""`--add-tokens`: words that a pretraining run adds to the vocabulary."""

import json

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.add_tokens import add_tokens
from mlx_finbert.checkpoints.masked_lm import load_masked_lm
from mlx_finbert.convert.to_coreml import main as to_coreml
from mlx_finbert.pretrain import main
from mlx_finbert.training.checkpoints import FOLDER

WORDS = "ebitda\nprofit\n\nwrite-down\n"
TEXTS = ["net ebitda rose", "EBITDA and write-down of orders", "profit fell", "write-downs"] * 12


@pytest.fixture
def flags(checkpoint, tmp_path):
    """The flags of a run with added words."""
    (tmp_path / "words.txt").write_text(WORDS)
    (tmp_path / "news.txt").write_text("\n".join(TEXTS) + "\n")
    return [
        "--model", str(checkpoint()), "--data", str(tmp_path / "news.txt"), "--max-length", "10",
        "--add-tokens", str(tmp_path / "words.txt"), "--output-dir", str(tmp_path / "run"),
        "--batch-size", "4", "--save-steps", "2", "--max-steps", "4", "--learning-rate", "1e-2",
        "--validation-ratio", "0.3",
    ]  # fmt: skip


def test_a_run_trains_and_saves_them(flags, checkpoint, tmp_path, capsys):
    transformers = pytest.importorskip("transformers")
    assert main(flags) == 0
    said = capsys.readouterr().out
    assert "words added to the vocabulary: 2; already in it: 1" in said
    model, tokenizer, report = load_masked_lm(tmp_path / "run")
    ids = tokenizer.convert_tokens_to_ids(["ebitda", "write-down"])
    assert not report.new and len(tokenizer) == model.args.vocab_size
    start, own, _ = load_masked_lm(tmp_path / "tiny")
    add_tokens(start, own, ["ebitda", "write-down"])
    moved = np.abs(np.array(model.table - start.table))[ids].max(axis=1)
    assert (moved > 1e-4).all()
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "run")
    assert loaded(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]
    assert ids[0] in loaded(TEXTS[0])["input_ids"]


def test_a_resumed_run_has_them(flags, tmp_path, capsys):
    assert main(flags) == 0
    whole = mx.load(str(tmp_path / "run" / "model.safetensors"))
    for path in (tmp_path / "run" / FOLDER).glob("step-*4"):
        path.rename(tmp_path / "last")
    (tmp_path / "words.txt").rename(tmp_path / "moved.txt")
    assert main(["--resume-from-checkpoint", str(tmp_path / "run")]) == 2
    assert "words.txt cannot be read" in capsys.readouterr().err
    argv = [
        "--resume-from-checkpoint",
        str(tmp_path / "run"),
        "--add-tokens",
        str(tmp_path / "moved.txt"),
    ]
    assert main(argv) == 0
    for name, value in mx.load(str(tmp_path / "run" / "model.safetensors")).items():
        assert mx.array_equal(value, whole[name]), name


def test_other_words_are_not_the_runs(flags, tmp_path, capsys):
    assert main(flags) == 0
    (tmp_path / "words.txt").write_text("ebitda\n")
    assert main(["--resume-from-checkpoint", str(tmp_path / "run")]) == 2
    assert "the tokenizer differ" in capsys.readouterr().err


def test_a_classifier_goes_on_from_them(flags, tmp_path):
    assert main(flags) == 0
    model, tokenizer = mlx_finbert.load(tmp_path / "run", labels=["down", "up"])
    rows = tokenizer(["net ebitda rose"], return_tensors="np")["input_ids"]
    assert rows.max() >= len(tokenizer) - 2
    assert np.isfinite(np.array(model(mx.array(rows), mx.ones(rows.shape, mx.int32)))).all()


@pytest.mark.slow
def test_an_app_has_them(flags, tmp_path):
    """In the metadata of the packages, which the Swift tokenizer reads, and in its golden texts."""
    assert main(flags) == 0
    model, tokenizer = mlx_finbert.load(tmp_path / "run", labels=["down", "up"])
    mlx_finbert.save(model, tokenizer, tmp_path / "classifier")
    app = tmp_path / "app"
    argv = ["--model", str(tmp_path / "classifier"), "--output", str(app / "T.mlpackage")]
    assert to_coreml(argv) == 0
    golden = json.loads((app / "golden.json").read_text())["texts"]
    ids = tokenizer.convert_tokens_to_ids(["ebitda", "write-down"])
    assert set(ids) <= {token for text in golden for token in text["input_ids"]}
    models = list(app.glob("*.mlpackage/Data/com.apple.CoreML/model.mlmodel"))
    assert models and all(b"write-down" in path.read_bytes() for path in models)


def test_a_missing_file_is_named(flags, tmp_path, capsys):
    (tmp_path / "words.txt").unlink()
    assert main(flags) == 2
    assert f"--add-tokens: {tmp_path / 'words.txt'} cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "run" / "model.safetensors").exists()
