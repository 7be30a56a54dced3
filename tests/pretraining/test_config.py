"""The settings of a pretraining run that choose its texts."""

import datasets
import pytest

from mlx_finbert.pretraining.config import PretrainSettings


@pytest.mark.parametrize(
    ("held_out", "asked"),
    [
        (None, [("a/news", "v2")]),
        ("a/news:small", [("a/news", "v2"), ("a/news", "v2")]),
        ("b/news", [("a/news", "v2"), ("b/news", None)]),
        ("sample", [("a/news", "v2")]),
    ],
)
def test_a_revision_is_that_of_one_data_set(monkeypatch, held_out, asked):
    found = []

    def load_dataset(name, config, revision):
        found.append((name, revision))
        return {"train": datasets.Dataset.from_dict({"text": ["a", "b"]})}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    settings = PretrainSettings(data="a/news", data_revision="v2", validation_data=held_out)
    assert len([text for _, texts in settings.corpus().chunks() for text in texts]) >= 2
    assert found == asked
