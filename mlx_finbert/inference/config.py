"""The settings of `python -m mlx_finbert.predict`."""

from dataclasses import dataclass, field

from mlx_finbert.cli.model_flags import ModelSettings
from mlx_finbert.data.flags import ReadingSettings
from mlx_finbert.errors import InputError
from mlx_finbert.inference.predictor import LongTexts
from mlx_finbert.settings import setting


@dataclass(kw_only=True)
class PredictSettings(ReadingSettings, ModelSettings):
    """Texts to score, and output."""

    texts: list[str] = field(
        default_factory=list,
        metadata={"help": "texts to score", "positional": True, "metavar": "TEXT"},
    )
    input: str | None = setting(None, "CSV, TSV, JSON, Parquet or TXT file to score")
    output: str | None = setting(None, "CSV, TSV, JSONL or Parquet file to write")
    text_column: str = setting("text", "column of --input that holds the texts")
    by_sentence: bool = setting(
        False, "score each sentence; a text's probabilities are the mean over its sentences"
    )
    sentences: str | None = setting(
        None, "with --by-sentence, a second file to write, with one row per sentence"
    )
    long_texts: LongTexts = setting(
        "cut", "cut texts over --max-length tokens, or read all of them in overlapping windows"
    )
    window_overlap: int | None = setting(
        None, "tokens that neighbouring windows share (default: a quarter of --max-length)"
    )
    overwrite_parts: bool = setting(
        False, "discard the parts of an unfinished run that had other settings or input"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.texts) == bool(self.input):
            raise InputError("give either texts or `input=FILE`")
        if bool(self.input) != bool(self.output):
            raise InputError("`input` and `output` go together: give both")
        if self.sentences and not self.input:
            raise InputError("`sentences` is for files: add `input` and `output`")
