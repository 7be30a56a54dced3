"""The rows that several models are compared on, and the notes about them."""

from dataclasses import replace

import numpy as np
import pytest

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.data import LabelledTexts, make_splits
from mlx_finbert.data.flags import TrainedDataSettings
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.measured_rows import RowsWanted, measured_rows
from mlx_finbert.evaluation.shared_rows import load_shared_rows, shared_rows


def make(n=300, start=0, **more):
    labels = np.arange(n, dtype=np.int32) % 2
    texts = [f"Text {i + start}" for i in range(n)]
    return LabelledTexts(texts, labels, ["negative", "positive"], "news", **more)


def run_on(texts, model, data="news", split_seed=0):
    """The run of a model that was trained on these texts."""
    parts = make_splits(texts, split_seed)
    settings = TrainedDataSettings(data=data, split_seed=split_seed)
    return TrainingRun(model, settings, SeenTexts.of(parts.train, parts.validation))


def choose(texts, *runs, data="news", **wanted):
    return shared_rows(texts, RowsWanted(data, **wanted), runs)


def test_two_runs_on_the_data_share_their_test_rows():
    runs = run_on(make(), "A"), run_on(make(), "B")
    found = choose(make(), *runs)
    alone = measured_rows(make(), RowsWanted("news"), runs[1]).rows
    assert found.rows.texts == alone.texts and found.rows.notes == []
    assert np.array_equal(found.rows.numbers, alone.numbers)
    assert np.array_equal(found.rows.label_ids, alone.label_ids)
    assert found.heading == f"news (test), split seed 0: {len(alone)} rows"
    assert (found.seen_left_out, found.seen_checked) == ([0, 0], [True, True])


def test_no_row_of_runs_with_other_splits_was_seen_by_either():
    runs = run_on(make(900), "A"), run_on(make(900), "B", split_seed=1)
    found = choose(make(900), *runs)
    assert 0 < len(found.rows) < 100
    for run in runs:
        assert not run.seen.holds(found.rows.texts).any()
        own = measured_rows(make(900), RowsWanted("news"), run).rows
        assert set(found.rows.texts) < set(own.texts)
    assert found.heading.startswith(f"news: {len(found.rows)} of ")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_rows_that_another_model_has_seen_are_left_out_and_said(order):
    """Of the test rows of the run on this data, wherever that stands in the list."""
    test_rows = make_splits(make()).test
    other = run_on(test_rows.take(np.arange(10, 50), "old"), "B", "old.csv")
    seen = int(other.seen.holds(test_rows.texts).sum())
    both = [run_on(make(), "A"), other]
    found = choose(make(), *(both[i] for i in order))
    assert seen and len(found.rows) == len(test_rows) - seen
    assert not other.seen.holds(found.rows.texts).any()
    assert found.seen_left_out == [(0, seen)[i] for i in order]
    assert found.heading.endswith(f": {len(found.rows)} of {len(test_rows)} rows")
    (note,) = found.rows.notes
    assert f"{seen} of {len(test_rows)} rows were left out, because B saw their texts" in note
    kept = choose(make(), *(both[i] for i in order), include_seen=True)
    assert len(kept.rows) == len(test_rows) and kept.seen_left_out == [0, 0]
    assert f"{seen} of {len(test_rows)} rows have texts that B saw" in kept.rows.notes[0]


def test_of_data_that_no_model_was_trained_on_all_rows_that_none_has_seen():
    runs = [run_on(make(60, start), name, f"{name}.csv") for start, name in ((0, "A"), (30, "B"))]
    found = choose(make(), *runs)
    seen = runs[0].seen.holds(make().texts) | runs[1].seen.holds(make().texts)
    assert found.rows.texts == [t for t, known in zip(make().texts, seen, strict=True) if not known]
    assert sum(found.seen_left_out) == seen.sum() and len(found.rows.notes) == 2
    assert found.heading == f"news: {len(found.rows)} of 300 rows"


def test_a_model_whose_texts_are_not_known():
    found = choose(make(), run_on(make(), "A"), TrainingRun("P.mlpackage", None, None))
    assert found.seen_checked == [True, False]
    assert found.rows.notes == [
        "it could not be checked whether P.mlpackage was trained on these rows: it has no"
        " seen_texts.tsv"
    ]
    assert found.rows.texts == make_splits(make()).test.texts


def test_a_sample_is_that_of_the_first_run_on_the_data():
    runs = run_on(make(), "A", split_seed=3), run_on(make(), "B", "old.csv")
    runs = runs[0], replace(runs[1], seen=None)
    found = choose(make(), *runs, most=9)
    alone = measured_rows(make(), RowsWanted("news", most=9), runs[0]).rows
    assert len(found.rows) == 9 and found.rows.texts == alone.texts
    assert "9 of" in found.rows.notes[-1] and "`max_eval_rows`" in found.rows.notes[-1]


def test_what_the_source_says_is_said_once():
    texts = make(notes=["2 rows have no label"])
    found = choose(texts, run_on(make(), "A"), run_on(make(), "B"))
    assert found.rows.notes == ["2 rows have no label"]


def test_no_row_that_all_can_be_tested_on():
    test_rows = make_splits(make()).test
    seen = SeenTexts.of(test_rows, test_rows)
    other = replace(run_on(make(), "B", "old.csv"), seen=seen)
    with pytest.raises(InputError, match=r"^news .* has no row that all of A, B can be tested on"):
        choose(make(), run_on(make(), "A"), other)


def test_data_that_has_moved_is_told_by_the_run_that_was_on_it():
    def fail():
        raise InputError("there is no such file")

    runs = run_on(make(), "A", "old.csv"), run_on(make(), "B", "moved.csv")
    with pytest.raises(InputError, match=r"\(B was trained on moved.csv; if that has moved"):
        load_shared_rows(fail, RowsWanted("moved.csv"), runs)
