"""The Python of README and docs/python.md runs, with a small model and small tables."""

import logging
import re
from pathlib import Path

import pandas as pd
import pytest

import mlx_finbert
from mlx_finbert.convert.coreml.tokenizer import random_texts

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "docs/python.md"]
VERBS = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}


def snippets(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(checkpoint, tmp_path, monkeypatch):
    """A folder with a model and the tables that the pages name."""
    labels = [[*VERBS][i % 3] for i in range(60)]
    texts = [f"Sales {VERBS[label]} by {i} percent." for i, label in enumerate(labels)]
    table = pd.DataFrame({"text": texts, "label": labels})
    table.to_csv(tmp_path / "news.csv", index=False)
    table.assign(text=table["text"] + " Guidance was raised.").to_csv(tmp_path / "june.csv")
    monkeypatch.chdir(tmp_path)
    # A twentieth of the texts on which an export compares the tokenizers.
    monkeypatch.setattr(random_texts, "COUNT", 100)
    checkpoint(name="tiny")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("place")
def test_the_snippets_of_a_page_run_one_after_the_other(page):
    names = {}
    found = snippets(page)
    assert found
    level = logging.getLogger("mlx_finbert").level
    try:
        for snippet in found:
            code = re.sub(r'"(ProsusAI/finbert|minilm)"', '"tiny"', snippet).replace("300", "50")
            exec(compile(code, page, "exec"), names)
    finally:
        logging.getLogger("mlx_finbert").setLevel(level)
    assert names["probabilities"].shape[1] == 3
    assert isinstance(names["result"], mlx_finbert.Result)


def test_the_functions_are_shown():
    shown = "".join(part for page in PAGES for part in snippets(page))
    functions = {"fine_tune", "evaluate_classifier", "predict_proba", "export_coreml", "load"}
    assert {name for name in functions if f"mlx_finbert.{name}(" in shown} == functions
