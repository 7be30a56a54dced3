"""The flags that choose a command's data."""

from dataclasses import dataclass
from typing import Any

from mlx_finbert.data.folds import make_folds
from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.split import (
    TEST_FRACTION,
    VALIDATION_FRACTION,
    NearDuplicates,
    Splits,
    make_splits,
)
from mlx_finbert.data.subset import usable
from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.data.time_split import split_by_column
from mlx_finbert.errors import InputError
from mlx_finbert.labels import read_label_map
from mlx_finbert.settings import refuse_without, require, setting


@dataclass(kw_only=True)
class ReadingSettings:
    """Table format."""

    encoding: str | None = setting(
        None, "encoding of a text file (default: detect UTF-8, UTF-16 or Windows-1252)"
    )
    delimiter: str | None = setting(
        None, "column separator of a text file (default: detect one of , ; | and \\t)"
    )
    header: bool | None = setting(
        None, "whether the first line names the columns; with --no-header they are 1, 2, ..."
    )

    def read_options(self) -> ReadOptions:
        """Return these settings for the table readers."""
        return ReadOptions(self.encoding, self.delimiter, self.header)


@dataclass(kw_only=True)
class ColumnSettings(ReadingSettings):
    """Columns and labels."""

    text_column: str = setting("text", "column with the texts")
    label_column: str = setting("label", "column with the labels")
    split_column: str | None = setting(
        None, "column with the part of each row: train, validation or test"
    )
    labels: list[str] | None = setting(
        None, "label names, in order; integer labels from 0 up get these names"
    )
    label_map: str | None = setting(
        None,
        'label name of each value: "-1=negative,0=neutral,1=positive" or'
        ' "buy=positive,sell=negative"',
        metavar="A=B,...",
    )
    drop_bad_rows: bool = setting(
        False, "skip rows that cannot be used and report how many, instead of stopping"
    )
    data_revision: str | None = setting(
        None, "branch, tag or commit of a data set on the hub (default: its main branch)"
    )

    def columns(self) -> Columns:
        """Return these settings for the data readers."""
        return Columns(
            text=self.text_column,
            label=self.label_column,
            split=self.split_column,
            label_names=self.labels,
            label_map=None if self.label_map is None else read_label_map(self.label_map),
            drop_bad_rows=self.drop_bad_rows,
            encoding=self.encoding,
            delimiter=self.delimiter,
            header=self.header,
            revision=self.data_revision,
        )


@dataclass(kw_only=True)
class DataSettings(ColumnSettings):
    """Data."""

    data: str = setting(
        "sample",
        "sample, financial_phrasebank[:allagree|75agree|66agree|50agree|araci], imdb, fiqa, a data"
        " set on the hub, or the path of a CSV, TSV, JSONL or Parquet file, a PhraseBank zip, or an"
        " aclImdb or FiQA folder",
    )

    def load_texts(self) -> LabelledTexts:
        """Load the texts that the settings choose."""
        return load_texts(self.data, self.columns())


INCLUDE_SEEN = "include test rows whose texts the model saw in training or validation"


@dataclass(kw_only=True)
class SplitSettings:
    """Training, validation and test rows."""

    split_seed: int = setting(0, "seed of the split into training, validation and test rows")
    test_fraction: float = setting(TEST_FRACTION, "share of all rows to use for testing")
    validation_fraction: float = setting(
        VALIDATION_FRACTION, "share of the remaining rows to use for validation"
    )
    split_near_duplicates: NearDuplicates = setting(
        "together",
        "in a random split, keep near duplicates in one part (together), or draw each text by"
        " itself (apart)",
    )
    split_by_column: str | None = setting(
        None,
        "sort the rows by this column of dates, times or numbers: the last are test rows, those"
        " before them validation rows",
        metavar="COLUMN",
    )
    folds: int | None = setting(
        None,
        "cross-validate in N runs, each with different test rows; near duplicates stay together",
    )
    fold: int | None = setting(None, "run only fold N of --folds, counted from 1")
    max_train_rows: int | None = setting(
        None, "use at most N training rows, a sample drawn with --split-seed"
    )
    max_eval_rows: int | None = setting(
        None, "use at most N validation rows and at most N test rows"
    )
    include_seen: bool = setting(False, INCLUDE_SEEN)

    def check_split(self) -> None:
        """Refuse values out of range and settings without effect."""
        require_split(self.split_seed, self.test_fraction, self.validation_fraction)
        folds, fold = self.folds, self.fold
        require(folds is None or folds >= 2, "folds", folds, "at least 2")
        refuse_without(self, ["fold"], "`folds`", folds is not None)
        if folds is not None and fold is not None:
            require(1 <= fold <= folds, "fold", fold, f"from 1 to {folds}")
        for other in ("folds", "split_by_column"):
            if self.split_near_duplicates == "apart" and getattr(self, other) is not None:
                raise InputError(f"`split_near_duplicates=apart` has no effect with `{other}`")
        # Settings without data have no `split_column`.
        for other in ("split_column", "folds"):
            if self.split_by_column is not None and getattr(self, other, None) is not None:
                raise InputError(
                    f"`split_by_column` and `{other}` both choose the test rows: leave out one of"
                    " them"
                )
        require_rows(self.max_train_rows, "max_train_rows")
        require_rows(self.max_eval_rows, "max_eval_rows")

    def draw(self, texts: LabelledTexts) -> Splits:
        """Split the texts into parts; with `fold`, return the parts of that fold."""
        if self.folds and self.fold:
            folds = make_folds(texts, self.folds, self.split_seed, self.validation_fraction)
            return folds[self.fold - 1]
        if by := self.split_by_column:
            return split_by_column(texts, by, self.test_fraction, self.validation_fraction)
        return make_splits(
            texts,
            self.split_seed,
            self.test_fraction,
            self.validation_fraction,
            self.split_near_duplicates,
        )

    @property
    def drawn_by(self) -> str:
        """What decides which rows are test rows, in words."""
        if self.split_by_column:
            return f"by column {self.split_by_column}"
        return f"split seed {self.split_seed}"

    def use(self, splits: Splits, base: SeenTexts | None = None) -> Splits:
        """Select the rows that a run uses, given the texts that its base model has seen."""
        return usable(
            splits,
            base,
            self.include_seen,
            self.max_train_rows,
            self.max_eval_rows,
            self.split_seed,
        )


@dataclass(kw_only=True)
class TrainedDataSettings(SplitSettings, DataSettings):
    """The data settings that a training run records in `config.yaml`."""


def with_earlier_split(recorded: dict[str, Any]) -> dict[str, Any]:
    """Complete the settings recorded by a run of an earlier version, which drew texts one by one.

    Args:
        recorded: The values in its `config.yaml`.
    """
    if recorded.get("folds") or recorded.get("split_by_column"):
        return recorded
    return {"split_near_duplicates": "apart"} | recorded


def require_split(
    split_seed: int | None, test_fraction: float | None, validation_fraction: float | None
) -> None:
    """Refuse a seed or a fraction out of range; None means that it was not given."""
    require(split_seed is None or split_seed >= 0, "split_seed", split_seed, "at least 0")
    for name, fraction in (
        ("test_fraction", test_fraction),
        ("validation_fraction", validation_fraction),
    ):
        require(fraction is None or 0 < fraction < 1, name, fraction, "between 0 and 1")


def require_rows(most: int | None, name: str) -> None:
    """Refuse a limit of rows below 1; None means no limit."""
    require(most is None or most >= 1, name, most, "at least 1")
