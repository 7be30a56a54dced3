"""The settings of `python -m mlx_finbert.evaluate`."""

from dataclasses import dataclass
from typing import Any

from mlx_finbert.checkpoints.training_run import with_own_data
from mlx_finbert.cli.model_flags import ModelSettings
from mlx_finbert.data.flags import INCLUDE_SEEN, ColumnSettings, require_rows, require_split
from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.measured_rows import RowsWanted, Split
from mlx_finbert.settings import setting

AS_TRAINED = "(default: as in the model's training run, otherwise train's default)"


@dataclass(kw_only=True)
class EvaluateSettings(ColumnSettings, ModelSettings):
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
    json: bool = setting(False, "print the result as JSON")

    def __post_init__(self) -> None:
        super().__post_init__()
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


def complete(given: dict[str, Any]) -> EvaluateSettings:
    """Make settings from the given values; the model's run says how to read its own data.

    Raises:
        InputError: for values out of range, or if neither the values nor the run name any data.
    """
    return EvaluateSettings(**with_own_data(given, EvaluateSettings, "data"))
