"""Labels of typical tables, read by the commands: each row gets the right label."""

import json
import re

import numpy as np
import pytest

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.cli.flags import parse
from mlx_finbert.convert.packages import validation_rows
from mlx_finbert.convert.settings import ToCoremlSettings
from mlx_finbert.data import load_texts
from mlx_finbert.data.raw_rows import RawRows
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.labels import read_label_map
from mlx_finbert.train import main as train

SENTIMENTS = ["negative", "neutral", "positive"]


def write(path, labels):
    """Write a table with one text per label."""
    rows = [f"profit rose by {i} percent,{label}\n" for i, label in enumerate(labels)]
    path.write_text("text,label\n" + "".join(rows))
    return path


@pytest.fixture
def measured(checkpoint, tmp_path, capsys):
    """Return the rows of each label that `evaluate` counts, or its error message."""
    folder = str(checkpoint())

    def measure(labels, *flags):
        path = write(tmp_path / "news.csv", labels)
        argv = ["--model", folder, "--data", str(path), "--split", "all", "--json", *flags]
        status = evaluate(argv)
        out, err = capsys.readouterr()
        if status:
            assert status == 2 and not out and err.startswith("error: ")
            return err
        found = json.loads(out)
        assert found["rows"] == sum(map(sum, found["confusion"]))
        return dict(zip(SENTIMENTS, map(sum, found["confusion"]), strict=True))

    return measure


def about(row, message):
    """Return what a message says about a row's label, without the place."""
    found = re.search(rf"row {row}\)?, column 'label': (.*)", message)
    return found and found[1]


def counts(negative=0, neutral=0, positive=0):
    return {"negative": negative, "neutral": neutral, "positive": positive}


def test_data_with_some_of_the_labels_is_measured(measured):
    assert measured(["positive", "negative", "pos"]) == counts(negative=1, positive=2)
    assert measured(["neutral"] * 3) == counts(neutral=3)


@pytest.mark.parametrize(
    ("labels", "flags", "expected"),
    [
        (
            ["-1", "0", "1", "1.0"],
            ["--label-map", "-1=negative,0=neutral,1=positive"],
            counts(1, 1, 2),
        ),
        (
            ["1", "2", "3", "3"],
            ["--label-map", "1=positive, 2=neutral, 3=negative"],
            counts(2, 1, 1),
        ),
        (["1", "2"], ["--label-map", "1=neutral,2=positive"], counts(0, 1, 1)),
        (["0", "4", "4"], ["--label-map", "0=negative,4=positive"], counts(1, 0, 2)),
        (["2", "0", "0"], ["--labels", "positive,neutral,negative"], counts(1, 0, 2)),
        (["1.0", "0.0"], ["--labels", "negative,neutral,positive"], counts(1, 1, 0)),
        (
            ["Buy", "strong buy", "sell", "hold"],
            ["--label-map", "strong buy=positive,buy=positive,sell=negative,hold=neutral"],
            counts(1, 1, 2),
        ),
        (
            ['"up, a lot"', "a=b"],
            ["--label-map", '"up, a lot"=positive,"a=b"=negative'],
            counts(1, 0, 1),
        ),
        (["true", "False"], ["--label-map", "True=positive,false=negative"], counts(1, 0, 1)),
        (["0.5", "1.5"], ["--label-map", "0.50=negative,1.5=positive"], counts(1, 0, 1)),
        (["-1", "-1"], ["--label-map", "-1=negative"], counts(2)),
    ],
)
def test_values_are_named_as_the_flags_say(measured, labels, flags, expected):
    assert measured(labels, *flags) == expected


@pytest.mark.parametrize(
    ("labels", "example"),
    [
        (["1", "2", "3"], '--label-map "1=negative,2=neutral,3=positive"'),
        (["-1", "0", "1"], '--label-map "-1=negative,0=neutral,1=positive"'),
        (["1", "2"], '--label-map "1=NAME,2=NAME"'),
        (["0", "2", "4"], '--label-map "0=negative,2=neutral,4=positive"'),
    ],
)
def test_labels_name_integers_only_from_0(measured, labels, example):
    message = measured(labels, "--labels", "negative,neutral,positive")
    assert f"contains {', '.join(labels)}, but --labels" in message and example in message


@pytest.mark.parametrize(
    ("labels", "odd"),
    [(["0", "1", "2"], "7"), (["0", "1", "2"], "-1"), (["0", "1", "2"], "n/a"), (SENTIMENTS, "2")],
)
def test_a_value_without_a_name_is_a_bad_row(measured, labels, odd):
    flags = ["--labels", "negative,neutral,positive"]
    message = measured([*labels, odd], *flags)
    assert about(4, message).startswith(f"the label '{odd}' is not one of negative")
    assert measured([*labels, odd], *flags, "--drop-bad-rows") == counts(1, 1, 1)


def test_flags_that_do_not_fit_name_the_labels_that_are_there(measured):
    for flags in (["--labels", "negative,positive"], ["--label-map", "by=positive"]):
        message = measured(["buy", "sell", "hold"], *flags)
        assert "contains buy, sell, hold" in message and flags[0] in message
        assert '--label-map "buy=NAME,sell=NAME,hold=NAME"' in message
    message = measured(["buy", "sell"], "--label-map", "buy=up,sell=down", "--labels", "up,dwn")
    assert "--label-map gives the name 'down', which is not one of --labels up,dwn" in message
    message = measured(["great", "positive"])
    assert "not those of the model" in message
    assert '--label-map "great=NAME,positive=positive"' in message
    message = measured(["buy", "sell", "hold"], "--label-map", "buy=positive,sell=negative")
    assert about(3, message).startswith("the label 'hold' is not in --label-map")


@pytest.mark.parametrize(
    ("labels", "row", "what"),
    [
        (["0", "0.35", "1"], 2, "'0.35' is the target of a regression"),
        (["1e-05", "2"], 1, "'1e-05' is the target of a regression"),
        (["-0.5", ".25"], 1, "'-0.5' is the target of a regression"),
        (['"0,35"', '"-1,5"'], 1, "'0,35' is the target of a regression"),
        (["12%", "7.5 %"], 1, "'12%' is the target of a regression"),
        (["2", '"1,2"'], 2, "'1,2' is the target of a regression, or two labels"),
        (["2", "1;2"], 2, "'1;2' is a list of labels"),
        (["2", '"1,2,3"'], 2, "'1,2,3' is a list of labels"),
        (["[2]", '"[0, 3]"'], 1, r"'[2]' is a list of labels"),
        (["\"{'Apple': 'positive'}\"", "neutral"], 1, "is a list of labels"),
        (["positive", "neutral", '"neutral, positive"'], 3, "'neutral, positive' is a list"),
    ],
)
def test_numbers_and_lists_are_no_classes(measured, labels, row, what):
    for flags in ([], ["--labels", "negative,neutral"]):
        message = measured(labels, *flags)
        assert what in about(row, message)


def test_a_number_among_names_is_a_bad_row(measured):
    message = measured([*SENTIMENTS, "0.7"])
    assert about(4, message).startswith("the label '0.7' is a number among names")
    assert measured([*SENTIMENTS, "0.7"], "--drop-bad-rows") == counts(1, 1, 1)


def test_numbers_that_the_map_does_not_name_are_bad_rows(measured):
    flags = ["--label-map", "0.5=negative,1.5=positive"]
    message = measured(["0.5", "1.5", "2.5"], *flags)
    assert about(3, message).startswith("the label '2.5' is not in --label-map")
    assert measured(["0.5", "1.5", "2.5"], *flags, "--drop-bad-rows") == counts(1, 0, 1)


def test_rows_with_lists_can_be_left_out(measured):
    labels = [*SENTIMENTS, '"neutral, positive"', "[negative; 3]"]
    assert measured(labels, "--drop-bad-rows") == counts(1, 1, 1)
    # Next to `0,1,2`, `0,1` is also a list and not a number.
    flags = ["--labels", "negative,neutral,positive", "--drop-bad-rows"]
    assert measured(["0", "1", "2", '"0,1"', '"0,1,2"'], *flags) == counts(1, 1, 1)


def test_names_that_look_like_numbers_are_names():
    labels = ["007", "1E5", "2020-01-01", "3.5 stars", "[positive]", "nan", "None"]
    assert RawRows(labels, labels).labelled("x").label_names == labels


def test_the_same_flags_serve_validate_and_train(checkpoint, tmp_path, capsys):
    folder = str(checkpoint())
    path = str(write(tmp_path / "news.csv", ["-1", "0", "1"] * 20))
    flags = ["--label-map", "-1=negative,0=neutral,1=positive"]
    argv = ["--model", folder, "--output", "T.mlpackage", "--validate", path, *flags]
    settings = parse(ToCoremlSettings, "to_coreml", "", argv)
    rows = validation_rows(path, settings, TrainingRun.of(folder))
    assert rows.ids_in(SENTIMENTS).tolist() == [int(text.split()[3]) % 3 for text in rows.texts]
    output = tmp_path / "run"
    argv = ["--model", folder, "--data", path, "--max-steps", "1", "--output-dir", str(output)]
    assert train([*argv, *flags]) == 0
    assert "60 rows (negative 20, neutral 20, positive 20)" in capsys.readouterr().out
    # The settings that the run recorded read the labels in the same way.
    argv = ["--config", str(output / "config.yaml"), "--output-dir", str(tmp_path / "again")]
    assert train(argv) == 0
    assert "(negative 20, neutral 20, positive 20)" in capsys.readouterr().out


def test_a_source_with_names_of_its_own_takes_a_label_map():
    names = {"positive": "up", "neutral": "flat", "negative": "down"}
    data = load_texts("sample", Columns(label_map=names))
    plain = load_texts("sample")
    assert data.label_names == ["up", "flat", "down"]
    assert [data.label_names[i] for i in data.label_ids] == [
        names[plain.label_names[i]] for i in plain.label_ids
    ]
    assert (data.splits, data.others) == (plain.splits, plain.others)
    with pytest.raises(InputError, match="'neutral' is not in `label_map`"):
        load_texts("sample", Columns(label_map={"positive": "up", "negative": "down"}))


def test_a_kept_head_is_trained_on_all_its_labels(checkpoint, tmp_path, capsys):
    path = str(write(tmp_path / "news.csv", ["negative", "positive"] * 20))
    argv = ["--model", str(checkpoint()), "--data", path, "--max-steps", "1"]
    assert train([*argv, "--output-dir", str(tmp_path / "no")]) == 2
    message = capsys.readouterr().err
    assert "no rows with the model's label neutral" in message and not (tmp_path / "no").exists()
    for flags in (["--new-head"], ["--labels", "negative,neutral,positive"]):
        assert flags[0] in message
        assert train([*argv, "--output-dir", str(tmp_path / flags[0]), *flags]) == 0


def test_only_labels_of_the_rows_that_are_measured_count():
    data = RawRows(list("abcd"), ["up", "mixed", "down", "up"]).labelled("news.csv")
    rows = data.take(np.array([0, 2, 3]), "news.csv (test)")
    assert rows.ids_in(["up", "flat", "down"]).tolist() == [0, 2, 0]
    with pytest.raises(InputError, match="not those of the model"):
        data.ids_in(["up", "flat", "down"])
    # The remedy covers the whole file, although only some rows are measured.
    with pytest.raises(InputError, match=r"`label_map=.down=NAME,mixed=NAME,up=NAME.`"):
        data.take(np.array([0]), "some").ids_in(["a", "b"])


def test_the_order_of_names(tmp_path):
    def names(labels, **columns):
        return load_texts(str(write(tmp_path / "a.csv", labels)), Columns(**columns)).label_names

    given = read_label_map("a=low,b=mid,c=high,d=low,e=top")
    assert names(["c", "b", "a", "d"], label_map=given) == ["low", "mid", "high"]
    order = ["high", "mid", "low", "top"]
    assert names(["c", "b", "a"], label_map=given, label_names=order) == order
    assert names(["10", "9", "-2"]) == ["-2", "9", "10"]
    assert names(["up", "down"], label_names=["up", "down"]) == ["up", "down"]


def test_what_was_taken_for_one_label_is_said(tmp_path):
    path = write(tmp_path / "a.csv", ["Bullish", "bearish", "pos", "positive", "BEARISH"])
    assert load_texts(str(path)).notes == [
        f"{path}, column 'label': 'bearish' and 'BEARISH' count as one label, 'bearish';"
        " use `label_map` to separate them",
        f"{path}, column 'label': 'Bullish' and 'pos' and 'positive' count as one label,"
        " 'Bullish'; use `label_map` to separate them",
    ]
    given = read_label_map("bullish=up,pos=up,positive=up,bearish=down")
    assert load_texts(str(path), Columns(label_map=given)).notes == []
    path = write(tmp_path / "b.csv", ["a", "b"])
    data = load_texts(str(path), Columns(label_names=["a", "b", "c"]))
    assert data.notes == [f"{path}, column 'label': no row is labelled 'c'"]
    assert load_texts("sample").notes == []


def test_the_flags_reach_evaluate_as_they_are_typed():
    argv = ["--model", "m", "--label-map", "-1=down,1=up", "--labels", "-1,0,1", "--drop-bad-rows"]
    settings = parse(EvaluateSettings, "evaluate", "", argv)
    assert settings.columns().label_map == read_label_map("-1=down,1=up")
    assert settings.labels == ["-1", "0", "1"] and settings.columns().drop_bad_rows
