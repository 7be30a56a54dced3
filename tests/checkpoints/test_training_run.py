"""What a model's folder says of its training."""

import json

import pytest

from mlx_finbert.checkpoints.training_run import TrainingRun, run_files, with_own_data
from mlx_finbert.convert.settings import ToCoremlSettings
from mlx_finbert.data.flags import SplitSettings
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.config import EvaluateSettings

RUN = (
    "data: news.csv\ntext_column: headline\nlabels: [down, up]\nsplit_seed: 7\ntest_fraction: 0.5\n"
)


@pytest.fixture
def folder(tmp_path):
    """Only what is read here of a model's folder."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.yaml").write_text(RUN + "learning_rate: 0.1\nof_a_later_version: 3\n")
    return tmp_path / "m"


def test_its_own_data_is_split_as_it_was(folder):
    run = TrainingRun.of(str(folder))
    # A config without the key is of a version that drew near duplicates one by one.
    apart = {"split_near_duplicates": "apart"}
    trained = SplitSettings(split_seed=7, test_fraction=0.5, **apart)
    assert run.split_settings(True, {}) == trained
    assert run.split_settings(False, {}) == trained
    given = run.split_settings(True, {"split_seed": 0, "test_fraction": 0.3})
    assert given == SplitSettings(split_seed=0, test_fraction=0.3, **apart)
    (folder / "config.yaml").write_text(RUN + "split_near_duplicates: together\n")
    now = TrainingRun.of(str(folder)).split_settings(True, {})
    assert now == SplitSettings(split_seed=7, test_fraction=0.5)


def test_folds_are_of_its_own_data_alone(folder):
    (folder / "config.yaml").write_text("data: news.csv\nfolds: 5\nfold: 2\n")
    run = TrainingRun.of(str(folder))
    assert run.split_settings(True, {}) == SplitSettings(folds=5, fold=2)
    assert run.split_settings(False, {}) == SplitSettings()


def test_a_column_that_splits_is_that_of_its_own_data_alone(folder):
    (folder / "config.yaml").write_text(RUN + "split_by_column: date\n")
    run = TrainingRun.of(str(folder))
    assert run.split_settings(True, {}).split_by_column == "date"
    assert run.split_settings(True, {"test_fraction": 0.3}).split_by_column == "date"
    assert run.split_settings(False, {}).split_by_column is None


def test_its_own_data_is_known_by_its_place(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news.csv").touch()
    (tmp_path / "other.csv").touch()
    run = TrainingRun.of(str(folder))
    assert run.was_on("news.csv") and run.was_on("./news.csv")
    assert run.was_on(str(tmp_path / "news.csv"))
    assert not run.was_on("other.csv") and not run.was_on("news.csv:allagree")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"data": "news.csv", "text_column": "headline", "labels": ["down", "up"]}),
        ({"data": "news.csv", "text_column": "text"}, {"text_column": "text"}),
        ({"data": "other.csv"}, {"data": "other.csv", "text_column": "text", "labels": None}),
    ],
)
def test_settings_are_completed_by_the_run(folder, given, expected):
    settings = EvaluateSettings(
        **with_own_data({"model": str(folder)} | given, EvaluateSettings, "data")
    )
    for name, value in expected.items():
        assert getattr(settings, name) == value
    # How rows are split is the run's own affair, and is looked up later.
    assert settings.split_seed is None


def test_an_export_takes_the_columns_alone(folder):
    given = {"model": str(folder), "output": "T.mlpackage", "validate": ""}
    settings = ToCoremlSettings(**with_own_data(given, ToCoremlSettings, "validate"))
    assert (settings.validate, settings.text_column) == ("news.csv", "headline")


def test_a_model_of_others(folder, tmp_path):
    for content in (None, "model: {type: a}\nsteps: 3\n"):
        if content is None:
            (folder / "config.yaml").unlink()
        else:
            (folder / "config.yaml").write_text(content)
        run = TrainingRun.of(str(folder))
        assert run.settings is None and run.seen is None and run.seen_as_base is None
        with pytest.raises(InputError, match="give the data to measure with `data`"):
            with_own_data({"model": str(folder)}, EvaluateSettings, "data")


def test_what_a_classifier_of_others_has_seen_is_not_known(tmp_path):
    def base(architecture):
        (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
        return TrainingRun.of(str(tmp_path)).seen_as_base

    assert base("BertModel") is None and base("DistilBertForMaskedLM") is None
    assert not base("BertForSequenceClassification").is_complete


def test_a_run_of_an_earlier_version_recorded_no_texts(folder):
    run = TrainingRun.of(str(folder))
    assert run.seen is None and not run.seen_as_base.is_complete


def test_damaged_files(folder):
    (folder / "seen_texts.tsv").write_text("nothing")
    for read in (lambda: TrainingRun.of(str(folder)), lambda: run_files(folder)):
        with pytest.raises(InputError, match=r"seen_texts\.tsv is damaged"):
            read()
    (folder / "config.yaml").write_text("- broken")
    with pytest.raises(InputError, match=r"config\.yaml"):
        TrainingRun.of(str(folder))
