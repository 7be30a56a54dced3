"""Exports of models whose vocabulary has added words."""

import pytest
from small_packages import LENGTH, read_json

import mlx_finbert
from mlx_finbert.checkpoints.add_tokens import add_tokens
from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.inference import Inference
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.tokenizer.rebuilt import RebuiltTokenizer
from mlx_finbert.convert.verify import main

WORDS = ["ebitda", "capex", "write-down"]
TEXTS = ["net ebitda rose", "(EBITDA), capex", "ebitdas", "xcapex", "write-down's", "write-downs"]

pytestmark = pytest.mark.usefixtures("few_random_texts")


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_package_has_the_words(classifier, tmp_path, capsys, family):
    model, tokenizer = classifier(family)
    add_tokens(model, tokenizer, WORDS)
    folder = mlx_finbert.save(model, tokenizer, tmp_path / "model")
    model, tokenizer = mlx_finbert.load(folder)
    options = ExportOptions(lengths=[LENGTH])
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options, source="tiny")
    assert report.passed, report
    package = SavedPackage(report.paths[0])
    rebuilt = RebuiltTokenizer(package.metadata)
    assert [rebuilt(text) for text in TEXTS] == tokenizer(TEXTS)["input_ids"]

    told = read_json(tmp_path / "golden.json")
    added = set(tokenizer.convert_tokens_to_ids(WORDS))
    rows = [entry for entry in told["texts"] if added & set(entry["input_ids"])]
    assert {i for entry in rows for i in entry["input_ids"]} >= added
    infer = Inference(1, told["labels"], told["pad_token_id"])
    runner = Evaluator(package.functions["main"])
    for entry in rows:
        found = infer(runner, [tuple(entry["input_ids"])], LENGTH).probabilities[0]
        assert abs(found - entry["probabilities"]).max() <= told["tolerance"]

    assert main(["--model", str(folder), "--package", str(report.paths[0])]) == 0
