"""The rows that are measured, and the notes about them."""

from dataclasses import replace

import numpy as np
import pytest

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import LabelledTexts, make_splits
from mlx_finbert.data.flags import TrainedDataSettings
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.measured_rows import RowsWanted, load_rows, measured_rows

LABELS = ["negative", "positive"]


def make(n=200, start=0, **more):
    labels = np.arange(n, dtype=np.int32) % 2
    return LabelledTexts([f"Text {i + start}" for i in range(n)], labels, LABELS, "news", **more)


def run_on(texts, data="news", **settings):
    """The run of a model that was trained on these texts."""
    parts = make_splits(texts)
    seen = SeenTexts.of(parts.train, parts.validation)
    return TrainingRun("M", TrainedDataSettings(data=data, **settings), seen)


def choose(texts, run, data="news", **wanted):
    return measured_rows(texts, RowsWanted(data, **wanted), run)


def test_of_its_own_data_the_test_rows():
    found = choose(make(), run_on(make()))
    assert found.rows.texts == make_splits(make()).test.texts
    assert found.heading == f"news (test), split seed 0: {len(found.rows)} rows"
    assert (found.seen_left_out, found.seen_checked, found.rows.notes) == (0, True, [])


def test_other_data_is_measured_whole():
    found = choose(make(50, start=1000), run_on(make(), "old.csv"))
    assert len(found.rows) == 50
    assert found.heading == "news: all 50 rows; M was trained on old.csv"


def test_a_file_in_the_place_of_the_one_that_it_was_trained_on_is_other_data():
    found = choose(make(50, start=1000), run_on(make()))
    assert len(found.rows) == 50
    assert found.heading == ("news: all 50 rows; M was trained on news when it had other texts")
    drawn = choose(make(50, start=1000), run_on(make(), folds=2, fold=1), split="test")
    assert "M was not trained on news as it is now: its test rows were" in drawn.rows.notes[0]
    assert "fold" not in drawn.heading


def test_data_without_test_rows_names_the_parameters_that_the_caller_has():
    texts = make(60, splits=["train"] * 40 + ["validation"] * 20)
    with pytest.raises(InputError, match=r"^news has no .* `data`, or choose `split=validation`$"):
        choose(texts, run_on(texts))
    of_export = {"data_name": "validate", "split_name": None}
    with pytest.raises(InputError, match=r"give other data with `validate`$"):
        choose(texts, run_on(texts), **of_export)


def test_validation_rows_that_the_model_has_not_seen_are_a_test_of_it():
    texts = make(60, start=1000, splits=["train"] * 40 + ["validation"] * 20)
    found = choose(texts, run_on(make(), "old.csv"), split="validation")
    assert (len(found.rows), found.rows.notes) == (20, [])


def test_rows_that_the_model_has_seen_are_left_out_of_other_data():
    run = run_on(make(), "old.csv")
    seen = int(run.seen.holds(make().texts).sum())
    found = choose(make(250), run)
    assert len(found.rows) == 250 - seen == 250 - found.seen_left_out
    assert not run.seen.holds(found.rows.texts).any()
    assert found.heading == f"news: {250 - seen} of 250 rows; M was trained on old.csv"
    assert f"{seen} of 250 rows were left out" in found.rows.notes[0]
    counted = choose(make(250), run, include_seen=True)
    assert len(counted.rows) == 250 and counted.seen_left_out == 0
    assert f"{seen} of 250 rows have texts that M saw" in counted.rows.notes[0]


def test_all_of_its_own_data_is_what_it_has_not_seen():
    run = run_on(make())
    found = choose(make(), run, split="all")
    assert found.rows.texts == make_splits(make()).test.texts
    assert found.seen_left_out == 200 - len(found.rows)


def test_training_rows_that_are_asked_for_are_measured_and_said_to_be():
    for split in ("train", "validation"):
        found = choose(make(), run_on(make()), split=split)
        assert found.rows.texts == make_splits(make()).part(split).texts
        (note,) = found.rows.notes
        assert f"these are {split} rows: M was trained on or chosen by" in note
        assert f"{len(found.rows)} of {len(found.rows)} rows, so the figures do not test" in note


def test_other_data_with_test_rows_of_its_own():
    texts = make(60, start=1000, splits=["train"] * 40 + ["test"] * 20)
    found = choose(texts, run_on(make(), "old.csv"))
    assert found.rows.texts == texts.texts[40:]
    assert found.heading == "news (test): 20 rows; M was trained on old.csv"


def test_test_rows_drawn_from_other_data_are_said_to_be():
    found = choose(make(100, start=1000), run_on(make(), "old.csv"), split="test")
    assert 0 < len(found.rows) < 50
    assert "M was not trained on news: its test rows were drawn now" in found.rows.notes[0]
    assert ", split seed 0: " in found.heading


def test_another_split_than_the_runs_is_told_and_safe():
    run = run_on(make())
    found = choose(make(), run, split_seed=5)
    assert "`split_seed` is 5, but was 0 in the training run" in found.rows.notes[0]
    assert found.seen_left_out > 0 and not run.seen.holds(found.rows.texts).any()


def test_a_model_of_others_could_not_be_checked():
    found = choose(make(), TrainingRun("M", None, None))
    assert found.heading == "news: all 200 rows" and not found.seen_checked
    assert found.rows.notes == [
        "it could not be checked whether M was trained on these rows: it has no seen_texts.tsv"
    ]


def test_a_model_fine_tuned_from_one_that_recorded_nothing():
    run = run_on(make())
    run = replace(run, seen=run.seen.after(SeenTexts.not_recorded()))
    found = choose(make(), run)
    assert not found.seen_checked and "that M was fine-tuned from" in found.rows.notes[0]


@pytest.mark.parametrize("split", [None, "test", "all"])
def test_a_run_of_an_earlier_version_has_no_test_rows_of_its_own(split):
    old = replace(run_on(make()), seen=None)
    with pytest.raises(InputError, match=r"earlier version.*`split_column`.*`include_seen=True`"):
        choose(make(), old, split=split)
    assert len(choose(make(), old, split=split, include_seen=True).rows) > 0
    assert not choose(make(), old, data="other.csv").seen_checked
    marked = make(splits=["train"] * 150 + ["test"] * 50)
    assert len(choose(marked, old).rows) == 50


def test_where_nothing_is_left():
    with pytest.raises(InputError, match=r"rows were left out.*no other rows"):
        texts = make()
        parts = make_splits(texts)
        choose(parts.train, run_on(texts, "old.csv"))


def test_a_sample_is_of_what_is_left():
    run = run_on(make(), "old.csv")
    found = choose(make(250), run, most=20)
    assert len(found.rows) == 20 and not run.seen.holds(found.rows.texts).any()
    left = 250 - found.seen_left_out
    assert f"20 of {left} rows are used, by `max_eval_rows`" in found.rows.notes[1]
    assert found.heading.startswith("news: 20 of 250 rows")
    more = choose(make(250), run, most=40)
    assert set(found.rows.texts) < set(more.rows.texts)


def test_what_reading_left_out_is_carried():
    found = choose(make(notes=["3 rows had no label"]), run_on(make()))
    assert found.rows.notes == ["3 rows had no label"]
    assert found.rows.numbers.tolist() == [make().texts.index(t) + 1 for t in found.rows.texts]


def test_data_that_is_not_there_any_more():
    def load():
        raise InputError("`data=news`: there is no such file or folder")

    for data, words in (
        ("news", "trained on news; if that has moved"),
        ("b", "no such file"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            load_rows(load, RowsWanted(data), run_on(make()))
        assert ("trained on" in str(caught.value)) == (data == "news")


def test_data_that_is_there_and_cannot_be_read_is_not_said_to_be_elsewhere(tmp_path):
    path = tmp_path / "news.csv"
    path.touch()

    def load():
        raise InputError("news.csv, row 1: the text is empty")

    with pytest.raises(InputError, match=r"the text is empty$"):
        load_rows(load, RowsWanted(str(path)), run_on(make(), str(path)))
