"""The five commands of docs/finbert.md, one after the other, with a small model in BERT's place."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mlx_finbert.checkpoints.masked_lm import load_masked_lm
from mlx_finbert.cli.main import COMMANDS, main
from mlx_finbert.convert.coreml.tokenizer import random_texts

PAGE = Path(__file__).resolve().parents[1] / "docs" / "finbert.md"
WORDS = {module: word for word, (module, _) in COMMANDS.items()}
SMALL = {
    "mlx_finbert.pretrain": "--max-length 16 --max-steps 3",
    "mlx_finbert.train": "--max-steps 3 --batch-size 4",
    "mlx_finbert.convert.to_coreml": "--lengths 16",
}
"""Flags that make the commands short."""

TEXTS = {
    "negative": "the company said net ebitda fell by {} percent in the quarter",
    "positive": "operating profit rose by {} percent and the outlook is strong",
    "neutral": "the company appointed {} to the year",
}


def five_commands():
    """The module and the flags of each command of the page's first block."""
    (block, *_) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    words = [shlex.split(line) for line in block.splitlines()]
    return [(module, flags) for _, _, module, *flags in words]


@pytest.fixture
def in_folder(checkpoint, tmp_path, monkeypatch):
    """A folder with the model and the files that the commands name."""
    checkpoint(name="bert-base-uncased", num_hidden_layers=4)
    rows = [(text.format(i), label) for i in range(20) for label, text in TEXTS.items()]
    lines = [f"{text},{label}" for text, label in rows]
    (tmp_path / "labelled.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    news = [text.replace("the", "a") for text, _ in rows]
    (tmp_path / "news.txt").write_text("\n".join(news) + "\n")
    (tmp_path / "words.txt").write_text("ebitda\nprofit\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(random_texts, "COUNT", 100)
    return tmp_path


@pytest.mark.slow
def test_the_five_commands(in_folder, capsys):
    commands = five_commands()
    assert len(commands) == 5
    for module, flags in commands:
        assert main([WORDS[module], *flags, *SMALL.get(module, "").split()]) == 0, module
    said = capsys.readouterr().out
    assert "words added to the vocabulary: 1; already in it: 1" in said
    assert "layers: 2 of 4 (0, 3)" in said
    assert "verified" in said
    _, tokenizer, _ = load_masked_lm(in_folder / "runs" / "finance")
    golden = json.loads((in_folder / "app" / "golden.json").read_text())
    word = tokenizer.convert_tokens_to_ids("ebitda")
    assert any(word in row["input_ids"] for row in golden["texts"])
    assert (in_folder / "app" / "DistilFinBERT" / "Package.swift").is_file()
    metrics = json.loads((in_folder / "runs" / "distilfinbert" / "metrics.json").read_text())
    assert "teacher" in json.dumps(metrics)
