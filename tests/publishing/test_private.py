"""No path of this machine gets into what is published."""

import pytest

from mlx_finbert.publishing.private import (
    is_local_model,
    local_path_in,
    public_data,
    public_model,
    scrub,
    scrubbed,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/me/bert", "bert"),
        ("/home/me/my models/bert base/", "bert base"),
        ("~/models/bert", "bert"),
        ("C:\\Users\\me\\bert", "bert"),
        ("loaded from file:///home/me/bert", "loaded from bert"),
        ("/home/me/a.csv: 3 rows are skipped", "a.csv: 3 rows are skipped"),
        ("read (/srv/x/a.csv), '/srv/x/b.csv'", "read (a.csv), 'b.csv'"),
        ("data:/srv/x/a.csv", "data:a.csv"),
        ("known path with/a space: 3 rows", "NAME: 3 rows"),
        ("..", "UP"),
        ("wait..", "wait.."),
    ],
)
def test_paths_become_names(text, expected):
    known = {"known path with/a space": "NAME", "..": "UP"}
    assert scrubbed(text, known) == expected


@pytest.mark.parametrize(
    "text",
    ["org/bert-base", "https://huggingface.co/org/bert", "and/or", "1/2/3", "</s>", "<s></s>", "/"],
)
def test_other_texts_stay(text):
    assert scrubbed(text, {}) == text


def test_names_of_labels_stay():
    config = {"id2label": {"0": "/a/b"}, "x": [{"_name_or_path": "/home/me/bert"}], "n": 3}
    clean = {"id2label": {"0": "/a/b"}, "x": [{"_name_or_path": "bert"}], "n": 3}
    assert scrub(config, {}) == clean


def test_names_of_models_and_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    (tmp_path / "news.csv").write_text("text,label\n")
    for name in ("base", "./base", str(tmp_path / "base"), str(tmp_path / "gone" / "base")):
        assert is_local_model(name) and public_model(name) == "base"
    for name in ("minilm", "org/base", "bert-base-uncased"):
        assert not is_local_model(name) and public_model(name) == name
    for spec in ("news.csv", str(tmp_path / "news.csv"), "../gone/news.csv"):
        assert public_data(spec) == "news.csv"
    assert public_data(f"{tmp_path}/gone/bank.zip:allagree") == "bank.zip:allagree"
    for spec in ("sample", "financial_phrasebank:allagree", "org/news", "org/news:config"):
        assert public_data(spec) == spec


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('load("/Users/me/run")', "/Users/me/run"),
        ("see `~/run`", "~/run"),
        ("<file:///home/me/x>", "file:///home/me/x>"),
        ("about ~5 percent, ~~not~~ https://host.org/home/x", None),
    ],
)
def test_local_paths_are_found(text, found):
    assert local_path_in(text) == found
