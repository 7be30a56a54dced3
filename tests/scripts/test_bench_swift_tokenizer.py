"""`scripts/bench/swift_tokenizer.py`: what it measures and prints."""

import json

import numpy as np
import pytest
import swift_tokenizer
from swift_tools import require_swift

from mlx_finbert.convert.coreml.golden_texts import GOLDEN_TEXTS
from mlx_finbert.data import LabelledTexts


@pytest.mark.slow
def test_a_case(monkeypatch, capsys):
    require_swift()
    texts = LabelledTexts(list(GOLDEN_TEXTS), np.zeros(len(GOLDEN_TEXTS), np.int32), ["one"], "x")
    monkeypatch.setattr(swift_tokenizer, "phrasebank", lambda path, level: texts)
    monkeypatch.setattr(
        swift_tokenizer, "FAMILIES", {"byte pairs": swift_tokenizer.FAMILIES["byte pairs"]}
    )
    swift_tokenizer.main(["--rounds", "2", "--json"])
    (case,) = json.loads(capsys.readouterr().out)["cases"]
    ours, rust = case["contenders"]
    assert (ours["contender"], ours["ratio"], rust["contender"]) == ("ours", 1, "rust")
    assert case["texts"] == 4 * len(GOLDEN_TEXTS) and case["ids"] > case["texts"]
    assert case["loading"] > 0 and rust["ratio"] > 0 and len(rust["seconds"]) == 2


def test_the_table():
    row = {"contender": "ours", "median": 0.1, "min": 0.1, "max": 0.1, "ratio": 1}
    rust = row | {"contender": "rust", "median": 1.0, "ratio": 10}
    case = {"case": "x", "texts": 20_000, "ids": 9, "contenders": [row, rust]}
    machine = {"cpu": "c", "cores": 2, "system": "s", "date": "d", "python": "3", "packages": {}}
    for loading, seconds, words in ((0.05, 0.1, "; within"), (0.2, 0.1, "NOT"), (0.05, 0.3, "NOT")):
        row["median"] = seconds
        cases = [case | {"loading": loading}]
        said = swift_tokenizer.printed({"machine": machine, "rounds": 1, "cases": cases})
        assert words in said and "10.00" in said
        assert f"loading takes {loading * 1000:.0f} ms" in said
