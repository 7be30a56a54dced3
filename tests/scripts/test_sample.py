"""`scripts/sample.py` on small files."""

import csv
from collections import Counter
from itertools import islice, product

import numpy as np
import pytest
from sample import main
from sample_set.agreement import agreement_lines, kappa
from sample_set.rows import COLUMNS

from mlx_finbert.data.sources.phrasebank import load_phrasebank

LABELS = ["negative", "neutral", "neutral", "positive"]


def write(path, rows, columns=("text", "label", "kind", "subject")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def letters(count):
    """Rows of which no two share a word."""
    words = map("".join, product("abcdefghij", "klmnopqrst", "uvwxyz"))
    return [
        (f"{w}x {w}y {w}z", LABELS[i % 4], ("wire", "call")[i // 4 % 2], "orders")
        for i, w in enumerate(islice(words, count))
    ]


@pytest.fixture(autouse=True)
def no_other_data(monkeypatch, tmp_path):
    monkeypatch.setattr("protocols.data_sets.PLACES", (tmp_path,))


@pytest.fixture
def target(tmp_path):
    """A sample with one row."""
    return write(tmp_path / "s.csv", [("One old row.", "neutral", "test", "wire", "hard")], COLUMNS)


def add(target, *words):
    return main(["add", *map(str, words), "--to", str(target)])


def test_new_rows_get_a_part_evenly_and_old_ones_keep_theirs(target, tmp_path, capsys):
    assert add(target, write(tmp_path / "new.csv", letters(320))) == 0
    assert capsys.readouterr().out == f"{target}: 1 rows before, 321 now\n"
    rows = rows_of(target)
    assert list(rows[0]) == list(COLUMNS)
    old = [row for row in rows if row["subject"] == "hard"]
    assert [row["split"] for row in old] == ["test"]
    new = [row for row in rows if row["subject"] != "hard"]
    assert Counter(row["split"] for row in new) == {"train": 260, "test": 40, "validation": 20}
    tested = Counter((row["label"], row["kind"]) for row in new if row["split"] == "test")
    assert all(tested[label, kind] == (10 if label == "neutral" else 5) for label, kind in tested)


def test_the_order_does_not_depend_on_the_files(target, tmp_path):
    other = write(
        tmp_path / "o.csv", [("One old row.", "neutral", "test", "wire", "hard")], COLUMNS
    )
    rows = letters(64)
    add(target, write(tmp_path / "new.csv", rows))
    add(other, write(tmp_path / "a.csv", rows[::-1][:30]), write(tmp_path / "b.csv", rows[:34]))
    assert target.read_bytes() == other.read_bytes()


def test_near_duplicates_are_named_and_may_be_left_out(target, tmp_path, capsys):
    before = target.read_bytes()
    rows = [
        ("Sales rose 5 % to EUR 12 mn.", "positive", "wire", "results"),
        ("one OLD row", "neutral", "wire", "plans"),
        ("Sales rose 7 % to EUR 19 mn.", "positive", "wire", "results"),
    ]
    new = write(tmp_path / "new.csv", rows)
    assert add(target, new) == 2
    said = capsys.readouterr().err
    assert "2 new sentences are near duplicates" in said and "--skip-near-duplicates" in said
    assert f"{new}, row 2: 'one OLD row' repeats a sentence of the sample" in said
    assert f"{new}, row 3: 'Sales rose 7 % to EUR 19 mn.' repeats a new sentence before it" in said
    assert target.read_bytes() == before
    assert add(target, new, "--skip-near-duplicates") == 0
    assert "2 now; 2 near duplicates were left out" in capsys.readouterr().out
    assert {row["text"] for row in rows_of(target)} == {"One old row.", rows[0][0]}


def test_a_sentence_of_phrasebank_is_refused(target, tmp_path, real_data, monkeypatch, capsys):
    monkeypatch.setattr("protocols.data_sets.PLACES", (real_data,))
    text = load_phrasebank(real_data / "FinancialPhraseBank-v1.0.zip").texts[100]
    row = (" ".join(text.split()), "neutral", "wire", "plans")
    assert add(target, write(tmp_path / "new.csv", [row])) == 2
    assert "repeats a sentence of Financial PhraseBank" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("A row.", "up", "wire", "plans"), "'up'"),
        (("A row.", "neutral", "blog", "plans"), "column 'kind': 'blog' is not one of headline"),
        (("A row.", "neutral", "wire", "sport"), "column 'subject': 'sport' is not one of results"),
        (("A  row.", "neutral", "wire", "plans"), "white space"),
        (("A row. ", "neutral", "wire", "plans"), "white space"),
    ],
)
def test_bad_values(target, tmp_path, capsys, row, said):
    new = write(tmp_path / "new.csv", [row, ("Fine.", "neutral", "wire", "plans")])
    assert add(target, new) == 2
    err = capsys.readouterr().err
    assert str(new) in err and "row 1" in err and said in err


def test_nothing_to_do(target, capsys):
    assert add(target) == 2
    assert "name a file" in capsys.readouterr().err
    assert main(["sort"]) == 2
    assert "choose one of figures, add" in capsys.readouterr().err


def test_figures(target, tmp_path, capsys):
    add(target, write(tmp_path / "new.csv", letters(320)))
    again = write(tmp_path / "2.csv", [("a", "neutral", "neutral")], ("text", "first", "second"))
    capsys.readouterr()
    assert main(["figures", "--data", str(target), "--second-labels", str(again)]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert lines["orders"] == ["320", "80", "160", "80"]
    assert lines["ordinary"] == ["320", "25.0%", "50.0%", "25.0%"]
    assert "963 words, 963 of them distinct" in out
    assert "near duplicates within the set: 0" in out
    assert "FiQA is not here: not searched" in out


def test_cohens_kappa(tmp_path):
    # 20 + 15 of 50 agree, 0.5 by chance.
    assert kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)
    pairs = [("negative", "negative"), ("neutral", "positive"), ("positive", "positive")]
    rows = [("a", *pair) for pair in pairs]
    assert np.isnan(kappa(np.array([[0, 0], [0, 3]])))
    lines = list(agreement_lines(write(tmp_path / "2.csv", rows, ("text", "first", "second"))))
    assert lines[0] == "second labelling of 3 sentences: 66.7% agree, Cohen's kappa 0.500"
    assert lines[3].split() == ["neutral", "0", "0", "1"]
