"""Documents: what their sentences say together, on screen and in files."""

import csv
import json

import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.inference import Document, Predictor, parts, read_documents
from mlx_finbert.inference import score_file as scoring
from mlx_finbert.predict import main

LABELS = ["negative", "neutral", "positive"]
TEXT = "Profit rose . Sales fell by a million euro .\nOutlook\nOrders at IBM Corp. are weak ."
SENTENCES = [
    "Profit rose .", "Sales fell by a million euro .", "Outlook", "Orders at IBM Corp. are weak .",
]  # fmt: skip


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_document_is_the_mean_of_its_sentences():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]], np.float32)
    assert Document(["a", "b", "c"], probabilities, LABELS).columns() == {
        "predicted_label": "neutral",
        "probability_negative": 0.3, "probability_neutral": 0.4, "probability_positive": 0.3,
        "score": 0.0,
        "sentences": 3, "count_negative": 1, "count_neutral": 1, "count_positive": 1,
        "score_min": -0.5, "score_max": 0.6,
        "strongest_positive": "a", "strongest_negative": "b",
    }  # fmt: skip


def test_the_score_is_the_mean_of_the_scores_in_any_order_of_labels():
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 9)
    document = Document(["x"] * 9, probabilities, ["Bullish", "neutral", "Bearish"])
    scores = probabilities[:, 0] - probabilities[:, 2]
    assert document.columns()["score"] == pytest.approx(scores.mean(), abs=1e-6)
    np.testing.assert_allclose(document.scores, scores)


def test_no_negative_sentence_is_called_the_strongest_positive():
    document = Document(["a", "b"], np.array([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2]]), LABELS)
    assert document.strongest == (None, "a")


def test_sentences_are_scored_alone(tiny):
    documents = read_documents(Predictor(*tiny), [TEXT, "", "Profit rose ."])
    assert [document.sentences for document in documents] == [SENTENCES, [], ["Profit rose ."]]
    found = np.concatenate([document.probabilities for document in documents])
    expected = mlx_finbert.predict_proba(*tiny, [*SENTENCES, "Profit rose ."])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_columns_of_a_file_and_the_file_of_sentences(tiny, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in (None, TEXT, " ")))
    predictor = Predictor(*tiny)
    for name in ("out.csv", "out.jsonl", "out.tsv", "out.parquet"):
        sentences = tmp_path / f"sentences-{name}"
        report = scoring.score_file(
            predictor, source, tmp_path / name, by_sentence=True, sentences=sentences
        )
        assert (report.rows, report.empty) == (3, 2) and sentences.exists()
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    (document,) = read_documents(predictor, [TEXT])
    assert rows[1] == {"text": TEXT, **document.columns()}
    assert list(rows[0]) == list(rows[1]) == list(rows[2])
    assert rows[0]["sentences"] == rows[0]["count_neutral"] == 0 and rows[0]["score"] is None
    found = read_csv(tmp_path / "sentences-out.csv")
    assert [(row["row"], row["sentence"], row["text"]) for row in found] == [
        ("2", str(number), sentence) for number, sentence in enumerate(SENTENCES, 1)
    ]
    scores = [float(row["score"]) for row in found]
    assert np.mean(scores) == pytest.approx(rows[1]["score"], abs=1e-5)
    assert (min(scores), max(scores)) == (rows[1]["score_min"], rows[1]["score_max"])


def test_models_without_sentiments_count_their_labels(checkpoint, tmp_path, capsys):
    folder = checkpoint(labels=["spam", "ham"])
    source = tmp_path / "in.txt"
    source.write_text("Profit rose. Sales fell.\n")
    predictor = Predictor(*mlx_finbert.load(folder))
    scoring.score_file(predictor, source, tmp_path / "out.csv", by_sentence=True)
    (row,) = read_csv(tmp_path / "out.csv")
    assert list(row) == [
        "text", "predicted_label", "probability_spam", "probability_ham",
        "sentences", "count_spam", "count_ham",
    ]  # fmt: skip
    assert int(row["count_spam"]) + int(row["count_ham"]) == int(row["sentences"]) == 2
    assert main(["--model", str(folder), "--by-sentence", "Profit rose."]) == 0
    assert "score" not in capsys.readouterr().out


def test_the_block_of_a_text(checkpoint, capsys):
    assert main(["--model", str(checkpoint()), "--by-sentence", TEXT, ""]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("text 1, sentences: 4 (negative ")
    assert [line.endswith(s) for line, s in zip(lines[1:5], SENTENCES, strict=True)] == [True] * 4
    assert lines[5].startswith("  score ") and " from " in lines[5]
    assert any(line.startswith("  strongest ") for line in lines[6:])
    assert lines[-1] == "text 2, sentences: 0 (negative 0, neutral 0, positive 0)"


def test_files_of_sentences_that_cannot_be(tiny, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text('text,sentences\n"",1\n')
    plain = tmp_path / "plain.csv"
    plain.write_text('text\n""\n')
    target, predictor = tmp_path / "out.csv", Predictor(*tiny)
    for path, sentences, by_sentence, words in (
        (plain, "s.csv", False, "`sentences` needs `by_sentence=True`"),
        (plain, "s.txt", True, "`sentences=.*s.txt`: the file name must end"),
        (plain, "out.csv", True, "is the `output` file"),
        (plain, "plain.csv", True, "is the `input` file"),
        (plain, "s.parquet", True, "no row has a text"),
        (source, "s.csv", True, "already has a column 'sentences'"),
    ):
        with pytest.raises(InputError, match=words):
            options = {"by_sentence": by_sentence, "sentences": tmp_path / sentences}
            scoring.score_file(predictor, path, target, **options)
        assert not target.exists()


def test_parquet_columns_without_a_value_at_first(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    source, target = tmp_path / "in.csv", tmp_path / "out.parquet"
    source.write_text('text\n""\n""\nProfit rose.\n')
    scoring.score_file(Predictor(*tiny), source, target, by_sentence=True)
    parquet = pytest.importorskip("pyarrow.parquet")
    schema = parquet.read_schema(target)
    types = {str(schema.field(f"score{end}").type) for end in ("", "_min", "_max")}
    assert types == {"double"}
