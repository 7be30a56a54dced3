"""The settings of `python -m mlx_finbert.pretrain`."""

from dataclasses import dataclass, replace
from typing import Literal

from mlx_finbert.data.corpus import Corpus
from mlx_finbert.data.flags import ReadingSettings
from mlx_finbert.data.sources import split_variant
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.sources.plain_texts import plain_texts
from mlx_finbert.data.tokens import checked_max_length
from mlx_finbert.settings import require, setting
from mlx_finbert.training.config import BaseModelSettings, FittingSettings, FolderSettings
from mlx_finbert.training.course_settings import CourseSettings
from mlx_finbert.training.dropout_settings import EncoderDropoutSettings

MAX_LENGTH = 128
"""Tokens of a row by default, as in most steps of BERT (Devlin et al. 2019, appendix A.2)."""

LEARNING_RATE = 5e-5
"""The default of transformers' run_mlm.py, which continues from a checkpoint as this does. BERT
itself began from random weights at 1e-4 with batches of 131,072 tokens."""

VALIDATION_RATIO = 0.05
"""The default share of held-out texts in transformers' run_mlm.py."""

Figure = Literal["loss", "accuracy", "val_loss", "val_accuracy"]
"""The figures of a record that a masked-language model has."""


@dataclass(kw_only=True)
class CorpusSettings(ReadingSettings):
    """Texts."""

    data: str = setting(
        "sample",
        "a text file with one text per line, a CSV, TSV, JSONL or Parquet file, a folder of such"
        " files, a data set on the hub, or one that `train` names; labels are not read",
    )
    text_column: str = setting("text", "column with the texts")
    drop_bad_rows: bool = setting(
        False, "skip rows that cannot be read and report how many, instead of stopping"
    )
    data_revision: str | None = setting(
        None,
        "branch, tag or commit of --data on the hub, and of --validation-data if it is of the same"
        " data set (default: its main branch)",
    )
    validation_data: str | None = setting(
        None, "texts to measure the model on, as for --data; overrides --validation-ratio"
    )
    validation_ratio: float = setting(
        VALIDATION_RATIO, "share of the texts to hold out, drawn with --seed, to measure the model"
    )

    def check_corpus(self) -> None:
        """Refuse values out of range."""
        ratio = self.validation_ratio
        require(0 < ratio < 1, "validation_ratio", ratio, "must be between 0 and 1")

    def corpus_of(self, seed: int) -> Corpus:
        """The texts that the settings choose; `seed` draws those that are held out."""
        columns = Columns(
            text=self.text_column,
            drop_bad_rows=self.drop_bad_rows,
            encoding=self.encoding,
            delimiter=self.delimiter,
            header=self.header,
            revision=self.data_revision,
        )
        texts = plain_texts(self.data, columns)
        if self.validation_data is None:
            return Corpus(texts, ratio=self.validation_ratio, seed=seed)
        if split_variant(self.validation_data)[0] != split_variant(self.data)[0]:
            columns = replace(columns, revision=None)
        return Corpus(texts, plain_texts(self.validation_data, columns, "validation_data"))


@dataclass(kw_only=True)
class MaskingSettings:
    """Rows and masks."""

    max_length: int | None = setting(
        None,
        f"tokens of a row, special tokens included (default: {MAX_LENGTH}, or the model's maximum"
        " if that is less)",
    )
    line_by_line: bool = setting(
        False, "make one row of each text, cut at --max-length, instead of joining the texts"
    )
    mask_probability: float = setting(
        0.15, "share of the tokens to predict; 80% of them are masked, 10% replaced, 10% kept"
    )
    whole_words: bool = setting(False, "mask all pieces of a word, or none")

    def check_masking(self) -> None:
        """Refuse values out of range."""
        share = self.mask_probability
        require(0 < share < 1, "mask_probability", share, "must be between 0 and 1")

    def length(self, most: int) -> int:
        """Tokens of a row, for a model with this maximum.

        Raises:
            InputError: for a length out of range.
        """
        return checked_max_length(self.max_length, min(MAX_LENGTH, most), most)


@dataclass(kw_only=True)
class PretrainCourseSettings(CourseSettings):
    """Passes, learning rate and metrics."""

    num_train_epochs: int = setting(1, "number of passes over the texts")
    learning_rate: float | None = setting(
        LEARNING_RATE, "peak learning rate, reached after the warm-up"
    )
    metric_for_best_model: Literal["last", Figure] = setting(
        "val_loss", "keep the model of the last evaluation, or of the best one by this metric"
    )
    plateau_monitor: Figure | None = setting(
        None, "lower the rate when this metric stops improving (Keras' ReduceLROnPlateau)"
    )


@dataclass(kw_only=True)
class PretrainSettings(
    FolderSettings,
    EncoderDropoutSettings,
    PretrainCourseSettings,
    FittingSettings,
    MaskingSettings,
    CorpusSettings,
    BaseModelSettings,
):
    """All settings of a pretraining run."""

    add_tokens: str | None = setting(
        None,
        "text file of words, one a line, to add to the vocabulary; each begins as the mean of its"
        " pieces",
        metavar="FILE",
    )
    head_learning_rate: float | None = setting(
        None, "peak learning rate of the masked-language head (default: --learning-rate)"
    )
    seed: int = setting(
        0, "random seed of a fresh head, the held-out texts, the row order, masks and dropout"
    )

    def __post_init__(self) -> None:
        self.check_start()
        self.check_corpus()
        self.check_masking()
        self.check_fitting()
        self.check_dropout()
        self.check_output()

    def corpus(self) -> Corpus:
        """The texts that the settings choose."""
        return self.corpus_of(self.seed)
