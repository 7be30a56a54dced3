"""Every source gives labelled texts, or an error of one sentence."""

import csv
import json
import zipfile

import numpy as np
import pytest

from mlx_finbert.data import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.hub import load_hub
from mlx_finbert.errors import InputError

SENTIMENTS = ["negative", "neutral", "positive"]
ROWS = [
    {"text": "Sales fell, again", "label": "negative"},
    {"text": "The board met.\nIt adjourned.", "label": "neutral"},
    {"text": "Gewinn für Ä stieg", "label": "positive"},
    {"text": "Profit \"rose\"", "label": "positive"},
]  # fmt: skip


def write_csv(path, rows, encoding="utf-8", delimiter=","):
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path, rows):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


WRITERS = {
    "a.csv": write_csv,
    "a.tsv": lambda path, rows: write_csv(path, rows, delimiter="\t"),
    "a.jsonl": write_jsonl,
    "a.parquet": write_parquet,
}


def rows_for(name):
    """A text in a TSV file cannot span several lines."""
    lines = (row["text"].replace("\n", " ") if name == "a.tsv" else row["text"] for row in ROWS)
    return [row | {"text": line} for row, line in zip(ROWS, lines, strict=True)]


@pytest.mark.parametrize("name", WRITERS)
def test_tables(tmp_path, name):
    rows = rows_for(name)
    data = load_texts(str(WRITERS[name](tmp_path / name, rows)))
    assert data.texts == [row["text"] for row in rows]
    assert data.label_names == SENTIMENTS
    assert data.label_ids.tolist() == [0, 1, 2, 2]
    assert data.label_ids.dtype == np.int32


@pytest.mark.parametrize("name", WRITERS)
def test_other_columns_and_integer_labels(tmp_path, name):
    rows = [{"headline": row["text"], "y": i % 2, "id": 7} for i, row in enumerate(rows_for(name))]
    path = str(WRITERS[name](tmp_path / name, rows))
    named = load_texts(path, Columns("headline", "y", label_names=["bad", "good"]))
    assert (named.label_names, named.label_ids.tolist()) == (["bad", "good"], [0, 1, 0, 1])
    bare = load_texts(path, Columns("headline", "y"))
    assert (bare.label_names, bare.label_ids.tolist()) == (["0", "1"], [0, 1, 0, 1])


def test_a_byte_order_mark_and_another_encoding(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS, "utf-8-sig")
    assert load_texts(str(path)).texts[2] == ROWS[2]["text"]
    path = write_csv(tmp_path / "b.csv", ROWS, "latin-1")
    assert load_texts(str(path), Columns(encoding="latin-1")).texts[2] == ROWS[2]["text"]


def test_spellings_of_one_label_are_one(tmp_path):
    rows = [{"text": f"row {i}", "label": v} for i, v in enumerate(["Bullish", "bearish", "pos"])]
    data = load_texts(str(write_csv(tmp_path / "a.csv", rows)))
    assert (data.label_names, data.label_ids.tolist()) == (["bearish", "Bullish"], [1, 0, 1])


def bad(tmp_path, rows=None, name="a.csv", columns=None, raw=None):
    path = tmp_path / name
    if raw is not None:
        path.write_bytes(raw)
    else:
        write_csv(path, rows)
    with pytest.raises(InputError) as caught:
        load_texts(str(path), columns)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def with_row(**changes):
    return [*ROWS[:2], ROWS[2] | changes]


def test_bad_rows_name_the_row_and_the_column(tmp_path):
    message = bad(tmp_path, with_row(text="  "))
    assert "line 5 (row 3), column 'text'" in message
    message = bad(tmp_path, with_row(label="great"), columns=Columns(label_names=SENTIMENTS))
    assert "row 3" in message and "'great'" in message and "negative, neutral, positive" in message
    message = bad(tmp_path, ROWS, columns=Columns(text_column := "headline"))
    assert text_column in message and "'text', 'label'" in message and "`text_column`" in message
    message = bad(tmp_path, ROWS, columns=Columns(label="sentiment"))
    assert "'sentiment'" in message and "`label_column`" in message
    many = [{"text": f"text {i}", "label": f"value {i}"} for i in range(500)]
    message = bad(tmp_path, many)
    assert "'label'" in message and "500 different values" in message


def test_a_wrong_encoding_names_the_line(tmp_path):
    raw = b"text,label\nplain,negative\n" + b"plain too,positive\n" * 900
    raw += "für Ä,negative\n".encode("latin-1")
    message = bad(tmp_path, raw=raw, columns=Columns(encoding="utf-8"))
    assert "line 903: not utf-8" in message and "`encoding`" in message
    message = bad(tmp_path, raw=raw, columns=Columns(encoding="utf-16"))
    assert "not utf-16" in message


def test_damaged_tables(tmp_path):
    assert "line 3 (row 2): 3 fields" in bad(tmp_path, raw=b"text,label\na,b\na,b,c\n")
    assert "line 2 (row 2): not valid JSON" in bad(
        tmp_path, name="a.jsonl", raw=b'{"text": "a", "label": "b"}\n{"te\n'
    )
    assert "line 1 (row 1): not a JSON object" in bad(tmp_path, name="a.jsonl", raw=b"1\n")
    assert "not a readable Parquet" in bad(tmp_path, name="a.parquet", raw=b"PAR1 not")
    assert "empty" in bad(tmp_path, raw=b"")
    assert "no rows" in bad(tmp_path, raw=b"text,label\n")
    assert "one name" in bad(tmp_path, raw=b"text,text\na,b\n")


@pytest.mark.parametrize(
    "spec", ["missing.csv", "missing.csv.gz", "a.xlsx", "./missing", "/no/such.zip:allagree"]
)
def test_what_is_not_there(spec):
    with pytest.raises(InputError, match="no such file"):
        load_texts(spec)


def test_a_hub_name_offline_is_one_sentence():
    with pytest.raises(InputError, match="`data=nobody/nothing` is not a file"):
        load_texts("nobody/nothing")


def test_a_folder_with_a_file_a_split(tmp_path):
    write_csv(tmp_path / "my-train.csv", ROWS)
    write_csv(tmp_path / "my-test.csv", ROWS[:2])
    data = load_texts(str(tmp_path))
    assert data.splits == ["train"] * 4 + ["test"] * 2
    write_csv(tmp_path / "test.csv", ROWS)
    with pytest.raises(InputError, match=r"both my-test.csv and test.csv"):
        load_texts(str(tmp_path))


def test_a_row_of_a_folder_is_named_by_its_file(tmp_path):
    write_csv(tmp_path / "train.csv", ROWS)
    write_csv(tmp_path / "test.csv", with_row(text=""))
    with pytest.raises(InputError, match=r"test\.csv, line 5 \(row 3\), column 'text'"):
        load_texts(str(tmp_path))


def test_a_json_row_without_a_label_is_named(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [ROWS[0], {"text": "a"}])
    with pytest.raises(InputError, match=r"line 2 \(row 2\) has no column 'label'"):
        load_texts(str(path))


@pytest.mark.parametrize("value", [["up"], {"a": 1}])
def test_several_labels_are_no_label(tmp_path, value):
    path = write_jsonl(tmp_path / "a.jsonl", [ROWS[0], {"text": "a", "label": value}])
    with pytest.raises(
        InputError, match=r"line 2 \(row 2\), column 'label': .* is a list of labels"
    ):
        load_texts(str(path))


def test_names_keep_their_spelling_and_floats_are_integers(tmp_path):
    rows = [{"text": f"row {i}", "label": v} for i, v in enumerate(["Energy", "Banks", "energy"])]
    assert load_texts(str(write_csv(tmp_path / "a.csv", rows))).label_names == ["Banks", "Energy"]
    rows = [{"text": f"row {i}", "label": v} for i, v in enumerate(["1.0", "0.0", "1.0"])]
    data = load_texts(str(write_csv(tmp_path / "b.csv", rows)), Columns(label_names=["no", "yes"]))
    assert (data.label_names, data.label_ids.tolist()) == (["no", "yes"], [1, 0, 1])


@pytest.mark.parametrize(
    ("spec", "columns", "words"),
    [
        ("sample", Columns("headline"), "`text_column` has no effect on `data=sample`"),
        ("imdb", Columns(label_names=["a", "b"]), "`labels` has no effect on `data=imdb`"),
        ("sample", Columns(encoding="latin-1"), "`encoding` has no effect on `data=sample`"),
        ("sample", Columns(drop_bad_rows=True), "`drop_bad_rows` has no effect on `data=sample`"),
        ("someone/news", Columns(split="part"), "`split_column` has no effect"),
        ("imdb:big", None, "only Financial PhraseBank has variants"),
    ],
)
def test_flags_without_a_meaning_are_refused(spec, columns, words):
    with pytest.raises(InputError, match=words):
        load_texts(spec, columns)


def test_a_split_column(tmp_path):
    rows = [
        row | {"part": part}
        for row, part in zip(ROWS, ["train", "dev", "test", "train"], strict=True)
    ]
    path = str(write_csv(tmp_path / "a.csv", rows))
    data = load_texts(path, Columns(split="part"))
    assert data.splits == ["train", "validation", "test", "train"]
    rows[1]["part"] = None
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(InputError, match=r"row 2\)?: the split None is not one of train"):
        load_texts(str(path), Columns(split="part"))


PHRASES = (
    "Sales fell , a @ b .@negative\r\nThe board met .@neutral\r\nF\xf6rvaltning rose .@positive\r\n"
)


def write_phrasebank(folder):
    folder.mkdir()
    for level in ("AllAgree", "75Agree", "66Agree", "50Agree"):
        (folder / f"Sentences_{level}.txt").write_bytes(PHRASES.encode("latin-1"))
    archive = folder.parent / "FinancialPhraseBank.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.iterdir():
            file.write(path, f"FinancialPhraseBank-v1.0/{path.name}")
        file.writestr("__MACOSX/FinancialPhraseBank-v1.0/Sentences_AllAgree.txt", b"\0junk")
    return archive


def test_phrasebank_as_zip_folder_and_file(tmp_path):
    archive = write_phrasebank(tmp_path / "fpb")
    for spec in (archive, f"{archive}:50agree", tmp_path / "fpb", f"{tmp_path / 'fpb'}:75agree",
                 tmp_path / "fpb" / "Sentences_66Agree.txt"):  # fmt: skip
        data = load_texts(str(spec))
        assert data.texts == ["Sales fell , a @ b .", "The board met .", "Förvaltning rose ."]
        assert (data.label_names, data.label_ids.tolist()) == (SENTIMENTS, [0, 1, 2])
        assert "NC" in data.licence
    with pytest.raises(InputError, match="not the file of level '50agree'"):
        load_texts(f"{tmp_path / 'fpb' / 'Sentences_66Agree.txt'}:50agree")
    with pytest.raises(InputError, match="no level 'all': choose one of allagree"):
        load_texts(f"{archive}:all")
    (tmp_path / "fpb" / "Sentences_AllAgree.txt").write_bytes(b"a@positive\nno label\n")
    with pytest.raises(InputError, match=r"line 2: the line does not end in @negative"):
        load_texts(str(tmp_path / "fpb"))


def test_phrasebank_by_name_comes_from_the_hub(tmp_path, monkeypatch):
    archive = write_phrasebank(tmp_path / "fpb")
    asked = []

    def hf_hub_download(repo_id, filename, repo_type, revision):
        asked.append((repo_id, filename, repo_type, revision))
        return str(archive)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hf_hub_download)
    assert len(load_texts("financial_phrasebank:66agree")) == 3
    assert asked == [
        ("takala/financial_phrasebank", "data/FinancialPhraseBank-v1.0.zip", "dataset", None)
    ]


def test_acl_imdb(tmp_path):
    for split in ("train", "test"):
        for label in ("neg", "pos"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for i in range(3):
                (folder / f"{i}_7.txt").write_text(f"{split} {label} {i}")
    data = load_texts(str(tmp_path))
    assert len(data) == 12
    assert data.label_names == ["negative", "positive"]
    assert data.label_ids.tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert data.splits == ["train"] * 6 + ["test"] * 6


def test_fiqa_has_one_row_a_sentence(tmp_path):
    def record(sentence, *scores):
        return {"sentence": sentence, "info": [{"sentiment_score": str(s)} for s in scores]}

    headlines = {"1": record("up", 0.5), "2": record("mixed", 0.6, -0.5), "3": record("down", -0.2)}
    (tmp_path / "task1_headline_ABSA_train.json").write_text(json.dumps(headlines))
    (tmp_path / "task1_post_ABSA_train.json").write_text(json.dumps({"4": record("flat", 0.1)}))
    data = load_texts(str(tmp_path))
    assert dict(zip(data.texts, data.label_ids.tolist(), strict=True)) == {
        "up": 2, "mixed": 1, "down": 0, "flat": 1,
    }  # fmt: skip


def test_a_hub_data_set_through_datasets(tmp_path):
    """`datasets.load_dataset` reads a local folder like a repository."""
    for split, rows in (("train", ROWS), ("test", ROWS[:3])):
        write_parquet(tmp_path / f"{split}.parquet", rows)
    data = load_hub(str(tmp_path), None, Columns())
    assert data.splits == ["train"] * 4 + ["test"] * 3
    assert data.label_ids.tolist() == [0, 1, 2, 2, 0, 1, 2]
    with pytest.raises(
        InputError,
        match=r"no split with the columns 'review' and 'label' \(it has train: text, label",
    ):
        load_hub(str(tmp_path), None, Columns("review"))


def test_class_labels_of_the_hub_keep_their_names(monkeypatch):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["neg", "pos"])
    )
    rows = {"text": ["a", "b", "c"], "label": [1, 0, 1]}
    part = datasets.Dataset.from_dict(rows, features=features)
    unlabelled = datasets.Dataset.from_dict(rows | {"label": [-1, -1, -1]})
    monkeypatch.setattr(
        "datasets.load_dataset", lambda *_, **__: {"train": part, "unsupervised": unlabelled}
    )
    data = load_texts("someone/reviews")
    assert (data.label_names, data.label_ids.tolist(), data.splits) == (
        ["neg", "pos"],
        [1, 0, 1],
        None,
    )
    assert data.notes == ["someone/reviews: the 3 rows of its split unsupervised are left out"]
    assert load_texts("imdb").label_names == ["negative", "positive"]


@pytest.mark.parametrize("name", ["someone/reviews", "imdb"])
def test_a_revision_goes_to_the_hub_and_not_to_files(monkeypatch, tmp_path, name):
    datasets = pytest.importorskip("datasets")
    part, asked = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}), []

    def load_dataset(*_, revision):
        asked.append(revision)
        return {"train": part}

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    load_texts(name)
    load_texts(name, Columns(revision="v1"))
    assert asked == [None, "v1"]
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    for data in (str(tmp_path / "a.csv"), "sample"):
        with pytest.raises(InputError, match="`data_revision` has no effect on `data="):
            load_texts(data, Columns(revision="v1"))


def hub_data(monkeypatch, **parts):
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: parts)


@pytest.mark.parametrize("names", [["-1", "0", "1"], ["1", "0", "2"], ["1", "2", "3"]])
def test_ids_of_a_class_label_are_positions_whatever_its_names(monkeypatch, names):
    datasets = pytest.importorskip("datasets")
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    rows = {"text": ["a", "b", "c"], "label": [0, 2, 1]}
    hub_data(monkeypatch, train=datasets.Dataset.from_dict(rows, datasets.Features(features)))
    data = load_texts("someone/rated")
    assert (data.label_names, data.label_ids.tolist()) == (names, [0, 2, 1])


def test_rows_of_the_hub_keep_their_numbers_and_other_columns(monkeypatch):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["neg", "pos"]),
        day=datasets.Value("string"),
        tokens=datasets.Sequence(datasets.Value("string")),
    )
    rows = {"text": list("abc"), "label": [1, -1, 0], "day": list("xyz"), "tokens": [[], [], []]}
    part = datasets.Dataset.from_dict(rows, features)
    hidden = datasets.Dataset.from_dict(rows | {"label": [-1, -1, -1]}, features)
    hub_data(monkeypatch, train=part, validation=part, test=hidden)
    data = load_texts("someone/news")
    assert data.splits == ["train", "train", "validation", "validation"]
    assert data.numbers.tolist() == [1, 3, 1, 3]
    assert data.others == [{"day": "x"}, {"day": "z"}] * 2
    assert data.notes == [
        "someone/news: 1 of 3 train rows have no label and are skipped",
        "someone/news: 1 of 3 validation rows have no label and are skipped",
        "someone/news: none of its 3 test rows has a label; they are skipped",
    ]


def test_hub_splits_that_cannot_be_used(monkeypatch):
    datasets = pytest.importorskip("datasets")
    part = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]})
    texts = datasets.Dataset.from_dict({"text": ["c"]})
    hub_data(monkeypatch, train=part, unsupervised=texts, test=texts)
    assert len(load_texts("someone/news")) == 2
    hub_data(monkeypatch, train=part, dev=part, val=part)
    with pytest.raises(InputError, match="two validation splits"):
        load_texts("someone/news")
    lists = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [[1], [0, 2]]})
    hub_data(monkeypatch, train=lists)
    with pytest.raises(
        InputError, match=r"train row 1, column 'label': '\[1\]' is a list of labels"
    ):
        load_texts("someone/news")


def test_real_phrasebank(real_data):
    sizes = {}
    for level in ("allagree", "75agree", "66agree", "50agree"):
        data = load_texts(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:{level}")
        sizes[level] = np.bincount(data.label_ids).tolist()
    assert sizes == {
        "allagree": [303, 1391, 570],
        "75agree": [420, 2146, 887],
        "66agree": [514, 2535, 1168],
        "50agree": [604, 2879, 1363],
    }


def test_real_fiqa_and_imdb(real_data):
    assert len(load_texts(str(real_data / "fiqa"))) == 1113
    path = str(real_data / "imdb-test.parquet")
    data = load_texts(path, Columns(label_names=["negative", "positive"]))
    assert np.bincount(data.label_ids).tolist() == [12500, 12500]


def test_the_default_encoding_of_earlier_versions_means_nothing():
    assert len(load_texts("sample", Columns(encoding="utf-8"))) > 600
