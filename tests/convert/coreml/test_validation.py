"""Accuracy of a model and of its packages on labelled texts."""

import numpy as np
import pytest
from small_packages import LENGTH, read_json

from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.data import load_texts
from mlx_finbert.errors import InputError
from mlx_finbert.inference import predict_proba

pytestmark = pytest.mark.usefixtures("few_texts")


@pytest.mark.slow
def test_validation_measures_both_on_the_same_rows(classifier, tmp_path):
    model, tokenizer = classifier("bert")
    rows = load_texts("sample").take(np.arange(40), "forty rows")
    options = ExportOptions(lengths=[LENGTH, 16, 32], compress="int8")
    report = export(model, tokenizer, tmp_path / "T.mlpackage", options, rows=rows)
    found = report.validation
    labels = [model.args.labels.index(rows.label_names[label]) for label in rows.label_ids]
    expected = predict_proba(model, tokenizer, rows.texts).argmax(1)
    assert found.model_accuracy == pytest.approx(np.mean(expected == labels))
    assert found.agreement > 0.8 and found.rows == 40
    assert found.cut == sum(len(tokenizer(text)["input_ids"]) > 32 for text in rows.texts)
    assert "forty rows, 40 rows: accuracy" in str(report)
    assert read_json(tmp_path / "export.json")["validation"]["rows"] == 40


def test_labels_that_do_not_match_are_refused_before_the_work(classifier, tmp_path, monkeypatch):
    model, tokenizer = classifier("bert", labels=("up", "down", "flat"))
    rows = load_texts("sample").take(np.arange(4), "four rows")
    monkeypatch.setattr("mlx_finbert.convert.coreml.exporter.convert", None)
    with pytest.raises(InputError, match="are not those of the model"):
        export(model, tokenizer, tmp_path / "T.mlpackage", ExportOptions(), rows=rows)
    assert not list(tmp_path.glob("*.json"))
