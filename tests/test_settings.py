import dataclasses
import re
import typing
from dataclasses import dataclass
from typing import Literal

import pytest

from mlx_finbert.cli.flags import parse
from mlx_finbert.cli.messages import flag_of
from mlx_finbert.convert.settings import (
    FuseSettings,
    ToCoremlSettings,
    ToMlxSettings,
    VerifySettings,
)
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.inference.config import PredictSettings
from mlx_finbert.settings import config_text, require_given, required, setting
from mlx_finbert.training.config import TrainSettings


@dataclass(kw_only=True)
class Example:
    epochs: int = setting(3, "passes")
    learning_rate: float = setting(5e-5, "peak")
    name: str | None = setting(None, "a name")
    labels: list[str] | None = setting(None, "names")
    sizes: list[int] | None = setting(None, "numbers")
    mode: Literal["fast", "slow"] | None = setting(None, "how")
    overwrite: bool = setting(False, "write over")
    scratch: str | None = setting(None, "not written down", recorded=False)


def example(*argv):
    return parse(Example, "example", "An example.", argv)


def config(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return "--config", str(path)


def test_defaults_file_and_flags_in_this_order(tmp_path):
    assert example() == Example()
    file = config(tmp_path, "epochs: 7\nlearning-rate: 1e-5\nlabels: [a, b]\noverwrite: true\n")
    assert example(*file) == Example(
        epochs=7, learning_rate=1e-5, labels=["a", "b"], overwrite=True
    )
    given = example(*file, "--epochs", "9", "--no-overwrite", "--labels", "x, y", "--mode", "slow")
    assert given == Example(
        epochs=9, learning_rate=1e-5, labels=["x", "y"], overwrite=False, mode="slow"
    )


def test_a_value_may_begin_with_a_dash(tmp_path):
    assert example("--labels", "-1,0,1", "--epochs", "-3").labels == ["-1", "0", "1"]
    given = example("--name", "-1=down,1=up", "--overwrite", "--labels=-1,1")
    assert (given.name, given.overwrite, given.labels) == ("-1=down,1=up", True, ["-1", "1"])
    for argv in (["--name", "--epochs", "3"], ["--name", "-h"], ["--overwrite", "-1=a"]):
        with pytest.raises(InputError, match=r"--name|no flag -1"):
            example(*argv)


def test_lists_of_numbers(tmp_path):
    for text in ("sizes: [3, 4]", "sizes: 3, 4", "sizes: ['3', 4]"):
        assert example(*config(tmp_path, text)).sizes == [3, 4]
    assert example("--sizes", "3,4").sizes == [3, 4]
    assert example(*config(tmp_path, "sizes: 3")).sizes == [3]


def test_a_written_file_reads_back(tmp_path):
    settings = Example(epochs=2, name="ä", labels=["a", "b"], mode="fast", scratch="x")
    (tmp_path / "c.yaml").write_text(config_text(settings), encoding="utf-8")
    again = example("--config", str(tmp_path / "c.yaml"))
    assert again == dataclasses.replace(settings, scratch=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch: 3", "no setting 'epoch'; did you mean 'epochs'"),
        ("epochs: many", "epochs is 'many', not a whole number"),
        ("epochs: 2.5", "epochs is 2.5, not a whole number"),
        ("epochs: true", "epochs is True"),
        ("overwrite: 1", "overwrite is 1, not true or false"),
        ("epochs: [1]", "not a whole number"),
        ("epochs: .inf", "not a whole number"),
        ("epochs:", "epochs is None, not a whole number"),
        ("sizes: [3, x]", "not a list A,B,... in which every item is a whole number"),
        ("sizes: [3.5]", "not a list A,B,... in which every item is a whole number"),
        ("mode: medium", "not one of fast, slow"),
        ("epochs: {", "not valid YAML"),
        ("- epochs", "key: value"),
    ],
)
def test_a_wrong_file_names_itself_and_the_key(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        example(*config(tmp_path, text))
    assert "run.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--epochs", "x"], "--epochs"),
        (["--sizes", "3,x"], "--sizes is '3,x', not a list"),
        (["--nothing"], "--nothing"),
        (["--epoch", "3"], "--epoch"),
        (["--config", "missing.yaml"], "missing.yaml"),
    ],
)
def test_a_wrong_flag_is_one_sentence(argv, words):
    with pytest.raises(InputError, match=words):
        example(*argv)


@dataclass(kw_only=True)
class Needing:
    steps: int = setting(3, "how many")
    place: str = required("where to", "name a folder", metavar="DIR")

    def __post_init__(self):
        require_given(type(self), vars(self))


def test_a_required_setting_is_refused_where_it_is_missing(tmp_path, capsys):
    def needing(*argv):
        return parse(Needing, "needing", "Needs a place.", argv)

    sentence = "^`place` is missing: name a folder$"
    for argv in ([], ["--place", ""], config(tmp_path, "steps: 4")):
        with pytest.raises(InputError, match=sentence):
            needing(*argv)
    for text in ("place:", "place: ''", "place: null\nsteps: 4"):
        with pytest.raises(InputError, match=sentence):
            needing(*config(tmp_path, text))
    with pytest.raises(InputError, match=sentence):
        Needing(place="")
    assert needing("--place", "x") == Needing(place="x")
    assert needing(*config(tmp_path, "place: x")) == Needing(place="x")
    assert needing(*config(tmp_path, "place:"), "--place", "y") == Needing(place="y")
    with pytest.raises(SystemExit):
        needing("--help")
    assert re.search(r"--place DIR +where to \(required\)\n", capsys.readouterr().out)


VALUES = {int: "7", float: "0.25", str: "word", bool: None}


NEEDED_BY = {
    "num_cycles": ["--lr-scheduler-type", "cosine_with_restarts"],
    "fold": ["--folds", "9"],
    "power": ["--lr-scheduler-type", "polynomial"],
    "plateau_": ["--plateau-monitor", "accuracy"],
    "early_": ["--early-stopping-patience", "3", "--metric-for-best-model", "val_loss"],
    "lora_": ["--lora-rank", "4"],
    "dora": ["--lora-rank", "4"],
    "distill_": ["--teacher", "t"],
    "unlabelled_column": ["--teacher", "t", "--unlabelled", "u.txt"],
    "unlabelled": ["--teacher", "t"],
    "group_size": ["--quantize", "8"],
    "group_parts": ["--group-by-length", "parts"],
    "group_window": ["--group-by-length", "windows"],
}
"""Flags that others need, by the prefix of the others' fields."""

INSTEAD = {(PredictSettings, "json"): {"model": "m", "input": "-"}}
"""What a flag needs that goes with nothing that the command's others need."""


def value_for(hint):
    """Return a command-line word for a type and the value that it must give."""
    for kind, word in VALUES.items():
        if kind in (hint, *typing.get_args(hint)):
            return word, True if kind is bool else kind(word)
    choices = next(
        (h for h in (hint, *typing.get_args(hint)) if typing.get_origin(h) is Literal), None
    )
    if choices:
        return typing.get_args(choices)[-1], typing.get_args(choices)[-1]
    if list[int] in (hint, *typing.get_args(hint)):
        return "7, 9", [7, 9]
    return "a,b", ["a", "b"]


@pytest.mark.parametrize(
    ("settings_class", "needed"),
    [
        (TrainSettings, {}),
        (EvaluateSettings, {"model": "m", "output": "o"}),
        (PredictSettings, {"model": "m", "input": "i", "output": "o"}),
        (ToMlxSettings, {"model": "m", "output": "o"}),
        (FuseSettings, {"model": "m", "output": "o"}),
        (
            ToCoremlSettings,
            {"model": "m", "output": "o", "outputs": "arrays", "target": "iOS18"},
        ),
        (VerifySettings, {"model": "m", "package": "p"}),
    ],
)
def test_every_flag_of_every_command_reaches_its_field(settings_class, needed):
    hints = typing.get_type_hints(settings_class)
    for field in dataclasses.fields(settings_class):
        if field.metadata.get("positional"):
            continue
        word, value = value_for(hints[field.name])
        given = INSTEAD.get((settings_class, field.name), needed)
        argv = [part for k, v in given.items() if k != field.name for part in (f"--{k}", v)]
        argv += next((v for k, v in NEEDED_BY.items() if field.name.startswith(k)), [])
        argv += [flag_of(field.name)] if word is None else [flag_of(field.name), word]
        settings = parse(settings_class, "module", "", argv)
        assert getattr(settings, field.name) == value, field.name


@pytest.mark.parametrize(
    "argv",
    [
        ["--num-train-epochs", "0"], ["--batch-size", "0"], ["--learning-rate", "0"],
        ["--warmup-ratio", "2"],
        ["--weight-decay", "-1"], ["--max-grad-norm", "0"], ["--eval-steps", "-1"],
        ["--seed", "-1"], ["--seed", str(2**63)], ["--split-seed", "-1"],
        ["--test-fraction", "1"], ["--validation-fraction", "0"],
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(argv):
    name = argv[0].removeprefix("--").replace("-", "_")
    with pytest.raises(InputError, match=f"^`{name}` is"):
        parse(TrainSettings, "module", "", argv)


def test_early_stopping_needs_a_figure():
    words = "`early_stopping_patience` has no effect without `metric_for_best_model`, such as"
    with pytest.raises(InputError, match=words):
        parse(TrainSettings, "module", "", ["--early-stopping-patience", "3"])


def test_predict_needs_one_kind_of_input():
    for argv in ([], ["--model", "m"], ["--model", "m", "text", "--input", "f"]):
        with pytest.raises(InputError):
            parse(PredictSettings, "module", "", argv)
    assert parse(PredictSettings, "module", "", ["--model", "m", "a b", "c"]).texts == ["a b", "c"]
