"""The flags by which every command names its data."""

from dataclasses import dataclass

from mlx_finbert.data.folds import make_folds
from mlx_finbert.data.seen_texts import SeenTexts
from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.split import TEST_FRACTION, VALIDATION_FRACTION, Splits, make_splits
from mlx_finbert.data.subset import usable
from mlx_finbert.data.tables.read_options import ReadOptions
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.labels import read_label_map
from mlx_finbert.settings import refuse_without, require, setting


@dataclass(kw_only=True)
class ReadingSettings:
    """How a table is written in its file."""

    encoding: str | None = setting(
        None, "encoding of a text file (default: found, from UTF-8, UTF-16 and Windows-1252)"
    )
    delimiter: str | None = setting(
        None, "what separates the columns of a text file (default: found, from , ; | and \\t)"
    )
    header: bool | None = setting(
        None, "whether the first line names the columns; without, they are called 1, 2, ..."
    )

    def read_options(self) -> ReadOptions:
        """As the readers of tables want it."""
        return ReadOptions(self.encoding, self.delimiter, self.header)


@dataclass(kw_only=True)
class ColumnSettings(ReadingSettings):
    """How to read labelled texts."""

    text_column: str = setting("text", "column of the texts")
    label_column: str = setting("label", "column of the labels")
    split_column: str | None = setting(None, "column that says train, validation or test")
    labels: list[str] | None = setting(
        None, "names of the data's labels, in their order; for integers that begin at 0, theirs"
    )
    label_map: str | None = setting(
        None,
        'names by value: "-1=negative,0=neutral,1=positive", or "buy=positive,sell=negative"',
        metavar="A=B,...",
    )
    drop_bad_rows: bool = setting(
        False, "leave out the rows that cannot be used, and say how many, instead of stopping"
    )

    def columns(self) -> Columns:
        """As the readers of data want it."""
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
        )


@dataclass(kw_only=True)
class DataSettings(ColumnSettings):
    """Which labelled texts, and how to read them."""

    data: str = setting(
        "sample",
        "sample, financial_phrasebank[:allagree|75agree|66agree|50agree|araci], imdb, fiqa, a hub"
        " data set, or a path: CSV, TSV, JSONL, Parquet, a PhraseBank zip, an aclImdb or FiQA"
        " folder",
    )

    def load_texts(self) -> LabelledTexts:
        """The texts that the flags name."""
        return load_texts(self.data, self.columns())


INCLUDE_SEEN = "count test rows whose texts the model was trained on or chosen by"


@dataclass(kw_only=True)
class SplitSettings:
    """Which rows are training, validation and test rows."""

    split_seed: int = setting(0, "of the split into training, validation and test rows")
    test_fraction: float = setting(TEST_FRACTION, "share of the rows that become test rows")
    validation_fraction: float = setting(
        VALIDATION_FRACTION, "share of the other rows that become validation rows"
    )
    folds: int | None = setting(
        None, "cross-validate: so many runs, each with other test rows, near duplicates together"
    )
    fold: int | None = setting(None, "run this one of the --folds alone, from 1 on")
    max_train_rows: int | None = setting(
        None, "use at most N of the training rows, a sample drawn by --split-seed"
    )
    max_eval_rows: int | None = setting(
        None, "use at most N of the validation rows and of the test rows"
    )
    include_seen: bool = setting(False, INCLUDE_SEEN)

    def check_split(self) -> None:
        """Refuse values out of range and flags that would have no effect."""
        require_split(self.split_seed, self.test_fraction, self.validation_fraction)
        folds, fold = self.folds, self.fold
        require(folds is None or folds >= 2, "--folds", folds, "at least 2")
        refuse_without(self, ["fold"], "--folds", folds is not None)
        if folds is not None and fold is not None:
            require(1 <= fold <= folds, "--fold", fold, f"from 1 to {folds}")
        require_rows(self.max_train_rows, "--max-train-rows")
        require_rows(self.max_eval_rows, "--max-eval-rows")

    def draw(self, texts: LabelledTexts) -> Splits:
        """The parts; those of one fold where it is named."""
        if self.folds and self.fold:
            folds = make_folds(texts, self.folds, self.split_seed, self.validation_fraction)
            return folds[self.fold - 1]
        return make_splits(texts, self.split_seed, self.test_fraction, self.validation_fraction)

    def use(self, splits: Splits, base: SeenTexts | None = None) -> Splits:
        """The parts as a run uses them, after a base model that has seen some texts."""
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
    """What `config.yaml` says about the data of a training run."""


def require_split(
    split_seed: int | None, test_fraction: float | None, validation_fraction: float | None
) -> None:
    """Refuse a seed or a fraction out of range; None is a choice that was left open."""
    require(split_seed is None or split_seed >= 0, "--split-seed", split_seed, "at least 0")
    for flag, fraction in (
        ("--test-fraction", test_fraction),
        ("--validation-fraction", validation_fraction),
    ):
        require(fraction is None or 0 < fraction < 1, flag, fraction, "between 0 and 1")


def require_rows(most: int | None, flag: str) -> None:
    """Refuse a largest number of rows below 1; None is no limit."""
    require(most is None or most >= 1, flag, most, "at least 1")
