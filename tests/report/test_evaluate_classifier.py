"""`mlx_finbert.evaluate_classifier`: data at hand, and what a notebook shows."""

import json
from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd
import pytest

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main

VERBS = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}


@pytest.fixture(scope="module")
def table():
    labels = [[*VERBS][i % 3] for i in range(60)]
    texts = [f"sales {VERBS[label]} by {i} percent" for i, label in enumerate(labels)]
    return pd.DataFrame({"headline": texts, "mood": labels})


@pytest.fixture(scope="module")
def trained(checkpoint_in, table, tmp_path_factory):
    """A run on the table, whose column of labels has numbers."""
    place = tmp_path_factory.mktemp("classifier")
    ids = {"negative": -1, "neutral": 0, "positive": 1}
    return mlx_finbert.fine_tune(
        checkpoint_in(place / "tiny"), table.assign(mood=table["mood"].map(ids)),
        output_dir=place / "run", text_column="headline", label_column="mood", max_steps=2,
        label_map={value: name for name, value in ids.items()}, split_seed=3,
    )  # fmt: skip


def numbered(table):
    return table.assign(mood=table["mood"].map({"negative": -1, "neutral": 0, "positive": 1}))


def test_the_test_rows_of_the_runs_own_data_read_as_in_the_run(trained, table):
    found = mlx_finbert.evaluate_classifier(trained, numbered(table))
    assert found.rows.texts == trained.predictions.texts
    assert found.metrics.accuracy == trained.test.accuracy
    assert found.measured.seen_left_out == 0
    assert str(found).startswith("texts in memory (test), split seed 3")


def test_all_rows_of_other_data(trained):
    texts = [f"profit {verb}" for verb in VERBS.values()]
    found = mlx_finbert.evaluate_classifier(trained.folder, (texts, np.array([*VERBS])))
    assert found.rows.texts == texts
    assert found.measured.seen_left_out == 0


def test_rows_that_the_model_saw_are_left_out(trained, table):
    new = pd.DataFrame({"headline": ["profit rose", "profit fell"], "mood": [*VERBS][::-2]})
    more = pd.concat([table, new])
    found = mlx_finbert.evaluate_classifier(
        trained, more, text_column="headline", label_column="mood"
    )
    assert {*found.rows.texts} == {*trained.predictions.texts, "profit rose", "profit fell"}
    assert found.measured.seen_left_out == 60 - len(trained.predictions.texts)


def test_a_path_and_a_part_of_it(trained, table, tmp_path):
    path = tmp_path / "new.csv"
    table.assign(headline=table["headline"] + " again").to_csv(path, index=False)
    found = mlx_finbert.evaluate_classifier(
        trained, path, text_column="headline", label_column="mood", max_eval_rows=7
    )
    assert len(found.rows) == 7


def test_splits_of_a_dictionary(trained, table):
    new = table.assign(headline="now " + table["headline"])
    data = {"train": new[:50], "test": new[50:]}
    options = {"text_column": "headline", "label_column": "mood"}
    assert len(mlx_finbert.evaluate_classifier(trained, data, **options).rows) == 10
    whole = mlx_finbert.evaluate_classifier(trained, data, split="all", **options)
    assert len(whole.rows) == 60


@pytest.mark.parametrize(
    ("data", "more", "words"),
    [
        (None, {}, "a Python program gave these texts .*with `data`"),
        ((["a"], ["great"]), {}, "labels of the data .* are not those of the model"),
        ((["a"], ["neutral"]), {"json": True}, "there is no parameter `json`"),
        ((["a"], ["neutral"]), {"batch": 2}, "`batch`; did you mean `batch_size`"),
        ((["a"], ["neutral"]), {"batch_size": 0}, "`batch_size` is 0: at least 1"),
        ((["a"], ["neutral"]), {"max_length": 500}, "`max_length` is 500"),
    ],
)
def test_errors_name_parameters(trained, data, more, words):
    with pytest.raises(InputError, match=words) as caught:
        mlx_finbert.evaluate_classifier(trained, data, **more)
    assert "--" not in str(caught.value)


def test_output_leaves_the_folder_that_the_command_leaves(trained, tmp_path, capsys):
    texts = [f"profit {verb} {i}" for i in range(5) for verb in VERBS.values()]
    new = pd.DataFrame({"text": texts, "label": [*VERBS] * 5})
    new.to_csv(tmp_path / "new.csv", index=False)
    argv = ["--model", str(trained.folder), "--data", str(tmp_path / "new.csv")]
    assert main([*argv, "--output", str(tmp_path / "theirs" / "out")]) == 0
    found = mlx_finbert.evaluate_classifier(
        trained, tmp_path / "new.csv", output=tmp_path / "ours" / "out"
    )
    theirs, ours = tmp_path / "theirs" / "out", tmp_path / "ours" / "out"
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    for name in ("metrics.json", "predictions.csv", "mistakes.csv", "reliability.csv"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    assert json.loads((ours / "metrics.json").read_text()) == found.to_dict()

    # Data at hand has no place, and its folder is replaced by the next evaluation.
    mlx_finbert.evaluate_classifier(trained, new[:9], output=ours)
    assert json.loads((ours / "metrics.json").read_text())["rows"] == 9
    assert "texts in memory: all 9 rows" in (ours / "report.html").read_text()


def test_an_output_with_other_files_is_refused_by_parameter(trained, tmp_path):
    (tmp_path / "thesis.txt").touch()
    data = (["profit rose"], ["positive"])
    with pytest.raises(InputError, match=r"`output` .* holds thesis.txt.*`overwrite=True`"):
        mlx_finbert.evaluate_classifier(trained, data, output=tmp_path)
    mlx_finbert.evaluate_classifier(trained, data, output=tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").exists() and (tmp_path / "metrics.json").exists()


def test_it_prints_short_and_is_a_table_in_a_notebook(trained):
    texts = [f"profit {verb}" for verb in VERBS.values()]
    found = mlx_finbert.evaluate_classifier(trained, (texts, [*VERBS]))
    short = repr(found)
    assert len(short) < 300 and "\n" not in short
    assert short.startswith(f"Evaluation({trained.folder} on texts in memory: all 3 rows")
    assert f"loss {found.metrics.loss:.4f}, accuracy {found.metrics.accuracy:.4f}" in short
    odd = replace(found, model="<script>", labels=["<b>", "a&b", "positive"])
    page = odd._repr_html_()
    assert "<script>" not in page and "<b>" not in page
    assert f"<th>{escape('a&b')}</th>" in page
    low, high = found.intervals["accuracy"]
    cells = f"<td>{found.metrics.accuracy:.4f}</td><td>{low:.4f} to {high:.4f}</td>"
    assert f"<th>accuracy</th>{cells}" in page
