"""Exports to Core AI, which Apple's runtime runs here."""

import hashlib
import json
import shutil

import numpy as np
import pytest

pytest.importorskip("coreai", reason='needs pip install "mlx-finbert[coreai]"')

import mlx_finbert
from mlx_finbert.convert.any_model import open_models
from mlx_finbert.convert.coreai import AssetOptions, export
from mlx_finbert.convert.coreml import golden_texts
from mlx_finbert.convert.to_coreai import main as to_coreai
from mlx_finbert.convert.verify import main as verify
from mlx_finbert.errors import InputError

pytestmark = pytest.mark.usefixtures("few_texts")

ALL_TEXTS = golden_texts.GOLDEN_TEXTS
LENGTHS = [7, 13]


def export_as(classifier, folder, family="bert", **options):
    model, tokenizer = classifier(family)
    options = AssetOptions(lengths=LENGTHS, **options)
    return model, tokenizer, export(model, tokenizer, folder / "T.aimodel", options, source="tiny")


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_each_family_is_the_model_over_the_golden_texts(classifier, tmp_path, family):
    _, _, report = export_as(classifier, tmp_path / "app", family, precision="fp32")
    assert report.passed, str(report)
    assert report.figures.exact_error < 1e-6 and report.figures.golden_texts > 10
    assert report.figures.run_rows == report.figures.golden_texts
    asset = tmp_path / "app" / "T.aimodel"
    # Words of the declarations of Apple's attention and layer norm.
    assert all(word in (asset / "main.mlirb").read_bytes() for word in (b"is_causal", b"axes"))
    told = json.loads((asset / "metadata.json").read_text())
    custom = told["creatorDefinedMetadata"]
    assert json.loads(custom["mlx_finbert.labels"]) == ["negative", "neutral", "positive"]
    assert json.loads(custom["mlx_finbert.lengths"]) == LENGTHS
    record = json.loads((tmp_path / "app" / "export.json").read_text())
    assert record["options"] == {"format": "aimodel", "precision": "fp32", "compress": None}
    golden = json.loads((tmp_path / "app" / "golden.json").read_text())
    assert golden["lengths"] == LENGTHS and golden["tolerance"] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("compress", [None, "int8"])
def test_two_exports_in_half_precision_are_the_same_bytes(classifier, tmp_path, compress):
    sums = []
    for name in ("a", "a_longer_path"):
        _, _, report = export_as(classifier, tmp_path / name, compress=compress)
        assert report.passed, str(report)
        assert report.figures.run_rows == 1
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        sums.append([(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files])
    assert sums[0] == sums[1]


def truncated(program):
    return program[: len(program) // 2]


def foreign(program):
    return b"hello"


def flipped(program):
    """A changed byte of the word embeddings, which the runtime loads."""
    at = len(program) // 3
    return program[:at] + bytes([program[at] ^ 255]) + program[at + 1 :]


@pytest.mark.slow
def test_what_verify_and_compare_say(checkpoint, tmp_path, capsys):
    folder, package = checkpoint(), tmp_path / "app" / "T.aimodel"
    argv = ["--model", str(folder), "--output", str(package), "--lengths", "7,13"]
    assert to_coreai([*argv, "--precision", "fp32"]) == 0
    assert capsys.readouterr().out.endswith("verified\n")
    told = ["--package", str(package), "--model", str(folder)]
    assert verify(told) == 0
    assert to_coreai(argv) == 2
    assert "add --overwrite" in capsys.readouterr().err

    model, tokenizer = mlx_finbert.load(folder)
    (asset,) = open_models([str(package)])
    texts = ["profit rose", "net sales fell by 3 percent in the quarter"]
    rows = [asset.tokenizer(text)[:13] for text in texts]
    expected = mlx_finbert.predict_proba(model, tokenizer, texts, max_length=13)
    logits = asset.logits([tuple(row) for row in rows]).astype(float)
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(found - expected).max() < 1e-5

    metadata = package / "metadata.json"
    true = metadata.read_text()
    permuted = json.loads(true)
    custom = permuted["creatorDefinedMetadata"]
    custom["mlx_finbert.labels"] = json.dumps(json.loads(custom["mlx_finbert.labels"])[::-1])
    metadata.write_text(json.dumps(permuted))
    assert verify(told) == 1
    assert "the metadata mlx_finbert.labels is not the model's" in capsys.readouterr().out
    metadata.write_text(true)

    program = (package / "main.mlirb").read_bytes()
    for change in (truncated, foreign, flipped):
        (package / "main.mlirb").write_bytes(change(program))
        assert verify(told) == 1
        assert "main.mlirb does not match the SHA-256 in main.hash" in capsys.readouterr().out
        with pytest.raises(InputError, match="is damaged or was changed; export it again"):
            open_models([str(package)])
    changed = flipped(program)
    (package / "main.mlirb").write_bytes(changed)
    (package / "main.hash").write_bytes(hashlib.sha256(changed).digest())
    assert verify(told) == 1
    assert "in the program is not the model's" in capsys.readouterr().out
    shutil.rmtree(package)
    assert verify(told) == 2
    assert "there is no such asset" in capsys.readouterr().err


@pytest.mark.slow
def test_three_lengths_of_a_real_encoder_share_their_weights(minilm, tmp_path, monkeypatch):
    """Over all golden texts."""
    monkeypatch.setattr(golden_texts, "GOLDEN_TEXTS", ALL_TEXTS)
    model, tokenizer = mlx_finbert.load(minilm, labels=["negative", "neutral", "positive"])
    sizes = []
    for lengths in ([32], [32, 64, 128]):
        options = AssetOptions(lengths=lengths, precision="fp32")
        folder = tmp_path / f"{len(lengths)}"
        report = export(model, tokenizer, folder / "T.aimodel", options)
        assert report.passed, str(report)
        assert report.figures.run_rows == report.figures.golden_texts > 70
        sizes.append(report.bytes)
    assert sizes[1] <= 1.02 * sizes[0]
