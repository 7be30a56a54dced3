"""The embedded sample: its columns, its parts, and that no sentence occurs twice or elsewhere."""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sample_set import near
from sample_set.agreement import SECOND_LABELS, agreement_lines
from sample_set.figures import length_lines, size_lines, subject_lines
from sample_set.rows import COLUMNS, HARD, KINDS, SUBJECTS, column, labels, read

from mlx_finbert.data import load_texts, make_splits
from mlx_finbert.data.sources import SAMPLE
from mlx_finbert.evaluate import main

PAGE = (Path(__file__).parents[3] / "docs" / "sample.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sample():
    return read(SAMPLE, "split")


def test_the_columns_and_what_they_hold(sample):
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    assert sample.label_names == ["negative", "neutral", "positive"]
    assert set(column(sample, "kind")) == set(KINDS)
    assert set(column(sample, "subject")) == set(SUBJECTS)
    assert len(sample) >= 5000
    assert "CC0" in load_texts("sample").licence


def test_the_rows_are_mixed(sample):
    """Neighbours in the file have nothing in common, so that its head is a fair picture."""
    head = np.bincount(sample.label_ids[:1000], minlength=3) / 1000
    assert head == pytest.approx(np.bincount(sample.label_ids) / len(sample), abs=0.05)


def test_neutral_is_the_largest_label_and_none_is_rare(sample):
    shares = np.bincount(sample.label_ids) / len(sample)
    assert shares.argmax() == sample.label_names.index("neutral")
    assert shares.min() > 0.2


def test_each_label_and_kind_has_its_share_of_test_rows(sample):
    splits = make_splits(sample)
    assert len(splits.test) == pytest.approx(0.135 * len(sample), rel=0.1)
    assert len(splits.validation) == pytest.approx(0.067 * len(sample), rel=0.1)
    rows, tested = (
        Counter(zip(labels(part), column(part, "kind"), strict=True))
        for part in (sample, splits.test)
    )
    assert all(tested[pair] > 0.08 * count for pair, count in rows.items() if count > 20)


def test_the_hard_part_is_that_of_earlier_versions(sample):
    hard = [subject == HARD for subject in column(sample, "subject")]
    parts = Counter(split for split, is_hard in zip(sample.splits, hard, strict=True) if is_hard)
    assert parts == {"train": 496, "validation": 70, "test": 142}


def test_no_sentence_is_a_near_duplicate_of_another(sample):
    assert [sample.texts[i] for i in near.repeated(sample.texts)] == []


def test_no_sentence_is_from_another_data_set(sample, real_data, monkeypatch):
    monkeypatch.setattr("protocols.data_sets.PLACES", (real_data,))
    others = near.other_data_sets()
    assert {name: len(texts) for name, texts in others.items()} == {
        "Financial PhraseBank": 4846,
        "FiQA": 1113,
    }
    for texts in others.values():
        assert near.shared(sample.texts, texts) == []


@pytest.mark.parametrize("lines", [size_lines, subject_lines, length_lines])
def test_the_figures_of_the_page(sample, lines):
    assert "\n".join(lines(sample)) in PAGE


def test_the_second_labelling_of_the_page(sample):
    said, *counts = agreement_lines(SECOND_LABELS)
    agree, kappa = re.search(r"([\d.]+%) agree, Cohen's kappa ([\d.]+)", said).groups()
    assert f"{agree} of the labels agree, and Cohen's kappa is {kappa}" in " ".join(PAGE.split())
    assert "\n".join(counts) in PAGE
    with SECOND_LABELS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labelled = dict(zip(sample.texts, labels(sample), strict=True))
    for row in rows:
        agreed = row["first"] == row["second"]
        assert labelled.get(row["text"], row["first"]) == row["first"]
        assert agreed or row["text"] not in labelled, row["text"]


def test_the_licence_counts(sample):
    text = SAMPLE.with_suffix(".LICENSE").read_text(encoding="utf-8")
    assert f"\n{len(sample):,} sentences" in text and f"holds {len(sample):,} sentences" in PAGE


def test_the_other_columns_are_in_scored_files(checkpoint, tmp_path):
    out = tmp_path / "out"
    assert main(["--model", str(checkpoint()), "--data", "sample", "--output", str(out)]) == 0
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    test = make_splits(load_texts("sample")).test
    assert [(row["kind"], row["subject"]) for row in rows] == list(
        zip(column(test, "kind"), column(test, "subject"), strict=True)
    )
