"""The settings of `python -m mlx_finbert.evaluate` and `python -m mlx_finbert.compare`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.checkpoints.training_run import recorded_data, with_own_data
from mlx_finbert.cli.model_flags import ModelSettings
from mlx_finbert.data.flags import INCLUDE_SEEN, ColumnSettings, require_rows, require_split
from mlx_finbert.data.sources import is_same_data, load_texts
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.measured_rows import RowsWanted, Split
from mlx_finbert.settings import refuse_without, require, required, setting

AS_TRAINED = "(default: as in the model's training run, otherwise train's default)"


@dataclass(kw_only=True)
class RowSettings(ColumnSettings):
    """Data and rows to measure."""

    data: str | None = setting(
        None, "as for train's --data (default: the model's training data, read in the same way)"
    )
    split: Split | None = setting(
        None,
        "rows to measure (default: the test rows of the model's training data, or of data that"
        " marks its test rows; all rows of other data)",
    )
    split_seed: int | None = setting(None, f"seed of the split {AS_TRAINED}")
    test_fraction: float | None = setting(None, f"share of test rows {AS_TRAINED}")
    validation_fraction: float | None = setting(
        None, f"share of validation rows among the other rows {AS_TRAINED}"
    )
    max_eval_rows: int | None = setting(None, "measure at most N rows, a sample by hash")
    include_seen: bool = setting(False, INCLUDE_SEEN)

    def check_rows(self) -> None:
        """Refuse values out of range."""
        require_split(self.split_seed, self.test_fraction, self.validation_fraction)
        require_rows(self.max_eval_rows, "max_eval_rows")

    @property
    def named_data(self) -> str:
        """The data to measure; `complete` fills it in if the settings do not name it."""
        if self.data is None:
            raise InputError("`data` is missing: give the data to measure")
        return self.data

    def load_texts(self) -> LabelledTexts:
        """Load the texts named by the settings."""
        return load_texts(self.named_data, self.columns())

    def rows_wanted(self) -> RowsWanted:
        """The rows that the settings ask for."""
        return RowsWanted(
            self.named_data,
            self.split,
            self.split_seed,
            self.test_fraction,
            self.validation_fraction,
            self.include_seen,
            self.max_eval_rows,
        )


@dataclass(kw_only=True)
class EvaluateSettings(RowSettings, ModelSettings):
    """Output."""

    model: str = required(
        "folder or hub id of a fine-tuned model, folder of adapters, Core ML package, or Core AI"
        " asset",
        "name a folder or a hub id of a fine-tuned model, a Core ML package or a Core AI asset",
    )
    output: str | None = setting(
        None,
        "folder to write: predictions, mistakes, figures and the page that shows them",
        metavar="DIR",
    )
    overwrite: bool = setting(
        False, "write into a folder with other files and replace those that have our names"
    )
    json: bool = setting(False, "print the result as JSON")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_rows()
        of_checkpoints = ["revision", "model_labels", "batch_size"]
        refuse_without(self, of_checkpoints, "a checkpoint as `model`", not is_package(self.model))
        refuse_without(self, ["overwrite"], "`output`", self.output is not None)


def complete(given: dict[str, Any]) -> EvaluateSettings:
    """Make settings from the given values; the model's run says how to read its own data.

    A package records no run.

    Raises:
        InputError: for values out of range, or if neither the values nor the run name any data.
    """
    if is_package(given.get("model") or ""):
        settings = EvaluateSettings(**given)
        if not settings.data:
            raise InputError(
                f"{settings.model} does not record what data its model was trained on; give the"
                " data to measure with `data`"
            )
        return settings
    return EvaluateSettings(**with_own_data(given, EvaluateSettings, "data"))


DIFFERENCE_ENDINGS = (".csv", ".tsv", ".jsonl")


@dataclass(kw_only=True)
class CompareSettings(RowSettings):
    """Models and output."""

    models: list[str] = field(
        default_factory=list,
        metadata={
            "help": "folder or hub id of a fine-tuned model, folder of adapters, Core ML"
            " package, or Core AI asset; the others are compared with the first",
            "positional": True,
            "metavar": "MODEL",
        },
    )
    model_labels: list[str] | None = setting(
        None, "label names of the heads' outputs, in order, for checkpoints that have none"
    )
    batch_size: int = setting(32, "rows per batch; a package has its own")
    max_length: int | None = setting(
        None, "truncate rows to N tokens (default: each model's maximum)"
    )
    output: str | None = setting(
        None,
        "CSV, TSV or JSONL file to write: the rows with different labels, each model's label and"
        " its probability",
        metavar="FILE",
    )
    json: bool = setting(False, "print the result as JSON")

    def __post_init__(self) -> None:
        self.check_rows()
        if len(self.models) < 2:
            raise InputError(
                "`models`: give at least two to compare, the first of which the others are compared"
                " with"
            )
        for model in self.models:
            if self.models.count(model) > 1:
                raise InputError(f"`models` has {model} twice: give it once")
        require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        ending = Path(self.output or ".csv").suffix.lower() or self.output
        require(
            self.output in (None, "") or ending in DIFFERENCE_ENDINGS,
            "output",
            self.output,
            f"its name must end in one of {', '.join(DIFFERENCE_ENDINGS)}",
        )


def complete_comparison(given: dict[str, Any]) -> CompareSettings:
    """Make settings from the given values; the run of a model says how to read its own data.

    Without `data`, the first model that records its training data gives it.

    Raises:
        InputError: for values out of range, or if neither the values nor a run name any data.
    """
    settings = CompareSettings(**given)
    for model in settings.models:
        own = None if is_package(model) else recorded_data(resolve(model))
        if own and (settings.data is None or is_same_data(own["data"], settings.data)):
            completed = with_own_data({**given, "model": model}, CompareSettings, "data")
            return CompareSettings(**{k: v for k, v in completed.items() if k != "model"})
    if settings.data is None:
        raise InputError(
            f"none of {', '.join(settings.models)} records what data it was trained on; give the"
            " data to measure with `data`"
        )
    return settings


def is_package(model: str) -> bool:
    """Whether a name is that of a Core ML package, of an export's packages, or of an asset."""
    return Path(model).suffix in (".mlpackage", ".aimodel")
