"""`scripts/reproduce.py` on the real data, with a small model."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from protocols.data_sets import ARCHIVE, FIQA, find_archive, find_fiqa
from protocols.sample_with_fpb import joined
from reproduce import main

from mlx_finbert.data import LabelledTexts, load_texts, make_splits
from mlx_finbert.errors import InputError


@pytest.mark.slow
def test_seeds_and_bands_beside_the_published_rows(real_data, checkpoint, tmp_path, capsys):
    flags = ["--data", str(real_data / ARCHIVE), "--output-dir", str(tmp_path), "--max-steps", "2"]
    assert main(["fpb", "--model", str(checkpoint()), "--seeds", "3,4", *flags]) == 0
    printed = capsys.readouterr().out
    assert "3,488 train, 388 validation, 970 test" in printed
    table = printed[printed.index("Financial PhraseBank, Araci's split") :]
    assert table.count("these 970 rows") == 3 and "seed 3" in table and "seed 4" in table
    assert "tiny, mean " in table and "tiny, std " in table
    rows = [line.split() for line in table.splitlines()[-4:]]
    assert [(row[0], row[1]) for row in rows] == [
        ("100%", "433"), ("75-99%", "271"), ("66-74%", "151"), ("50-65%", "115"),
    ]  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} >= {"seed-3", "seed-4"}


def test_the_archive_is_found_where_it_lies(tmp_path, monkeypatch):
    (tmp_path / ARCHIVE).touch()
    monkeypatch.setattr("protocols.data_sets.PLACES", (tmp_path,))
    assert find_archive(ARCHIVE) == tmp_path / ARCHIVE
    assert find_archive("elsewhere.zip") == Path("elsewhere.zip")


@pytest.mark.parametrize("argv", [[], ["fiqa"]])
def test_another_protocol_is_refused(argv, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reproduce.py"])
    assert main(argv) == 2
    assert "choose one of fpb" in capsys.readouterr().err


@pytest.fixture
def quick(real_data, checkpoint, tmp_path, monkeypatch):
    """Factory: run a protocol of the sample for a few steps with a small model."""
    monkeypatch.setattr("protocols.data_sets.PLACES", (real_data,))
    folders = ["--model", str(checkpoint()), "--output-dir", str(tmp_path / "out")]
    flags = ["--max-steps", "2", "--max-train-rows", "64", "--max-eval-rows", "150"]

    def run(name, *words):
        return main([name, *folders, *flags, *words])

    return run


def cells_of(printed, start):
    """The words after the start of the line that begins with it."""
    (line,) = (line for line in printed.splitlines() if line.startswith(start))
    return line[len(start) :].split()


@pytest.mark.slow
def test_the_sample_alone_on_the_data_sets_of_others(quick, capsys):
    assert quick("sample", "--seeds", "3,4") == 0
    printed = capsys.readouterr().out
    assert "trained on 64 rows of the sample alone" in printed
    test = make_splits(load_texts("sample")).test
    hard = sum(other["subject"] == "hard" for other in test.others)
    rows = {
        "sample, test rows": len(test), "  ordinary": len(test) - hard, "  hard": hard,
        "PhraseBank, allagree": 2264, "PhraseBank, 75agree": 3453, "PhraseBank, 66agree": 4217,
        "PhraseBank, 50agree": 4846, "FiQA, headlines": 438, "FiQA, posts": 675,
    }  # fmt: skip
    for name, count in rows.items():
        found, *figures = cells_of(printed, f"{name:<24}")
        assert found == f"{count:,}"
        accuracy, macro_f1, *each = map(float, figures)
        assert accuracy == pytest.approx((each[0] + each[2]) / 2, abs=1e-4)
        assert macro_f1 == pytest.approx((each[1] + each[3]) / 2, abs=1e-4)


@pytest.mark.slow
def test_phrasebank_alone_and_with_the_sample(quick, capsys):
    assert quick("sample-with-fpb", "--seeds", "3,4") == 0
    printed = capsys.readouterr().out
    more = len(make_splits(load_texts("sample")).train)
    assert f"3,488 training rows of PhraseBank, {more:,} of the sample; 970 test rows" in printed
    alone, both = (
        [float(cell) for cell in cells_of(printed, f"{name}, mean")]
        for name in ("PhraseBank alone", "PhraseBank and sample")
    )
    found = re.findall(r"([-+]?[.\d]+) \(([-+]?[.\d]+) to ([-+]?[.\d]+)\)", printed)
    for (*cells,), first, other in zip(found, alone, both, strict=True):
        value, low, high = map(float, cells)
        assert value == pytest.approx(other - first, abs=2e-4)
        assert low <= value <= high


def test_training_rows_are_added_and_the_others_stay(real_data):
    phrasebank = load_texts(f"{real_data / ARCHIVE}:araci")
    more = LabelledTexts(["A.", "B."], np.array([0, 1]), ["positive", "negative"], "more")
    parts, own = make_splits(joined(phrasebank, more)), make_splits(phrasebank)
    assert parts.train.texts == [*own.train.texts, "A.", "B."]
    assert parts.train.label_ids.tolist() == [*own.train.label_ids.tolist(), 2, 0]
    assert parts.test.texts == own.test.texts and parts.validation.texts == own.validation.texts


@pytest.mark.slow
def test_errors_are_shown_without_test_rows(quick, real_data, capsys, tmp_path):
    assert quick("sample-gaps", "--shown", "3") == 0
    printed = capsys.readouterr().out
    printed = printed[printed.index("Financial PhraseBank, all agree, no test rows:") :]
    assert "no test rows: 1,828 rows" in printed
    araci = make_splits(load_texts(f"{real_data / ARCHIVE}:araci")).test.texts
    fiqa = make_splits(load_texts(str(real_data / "fiqa"))).test.texts
    shown = re.findall(r"^  \d\.\d\d  (.*)$", printed, re.MULTILINE)
    assert len(shown) > 6 and not {*shown} & {*araci, *fiqa}
    counts = [int(n.replace(",", "")) for n in re.findall(r"read as \w+: ([\d,]+)", printed)]
    assert len(shown) == sum(min(3, count) for count in counts)
    assert quick("sample-gaps", "--shown", "3", "--trained", str(tmp_path / "out" / "seed-0")) == 0
    assert capsys.readouterr().out.endswith(printed)


def test_without_fiqa_its_folder_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("protocols.data_sets.PLACES", (tmp_path,))
    with pytest.raises(InputError, match="with --fiqa"):
        find_fiqa(FIQA)
    (tmp_path / FIQA).mkdir()
    assert find_fiqa(FIQA) == tmp_path / FIQA
