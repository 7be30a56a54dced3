"""The flags of `python -m mlx_finbert.predict`."""

from dataclasses import dataclass, field

from mlx_finbert.cli.model_flags import ModelSettings
from mlx_finbert.data.flags import ReadingSettings
from mlx_finbert.errors import InputError
from mlx_finbert.inference.predictor import LongTexts
from mlx_finbert.settings import setting


@dataclass(kw_only=True)
class PredictSettings(ReadingSettings, ModelSettings):
    """Which model scores which texts."""

    texts: list[str] = field(
        default_factory=list,
        metadata={"help": "texts to score", "positional": True, "metavar": "TEXT"},
    )
    input: str | None = setting(None, "CSV, TSV, JSON, Parquet or TXT file to score")
    output: str | None = setting(None, "CSV, TSV, JSONL or Parquet file to write")
    text_column: str = setting("text", "column of the texts in --input")
    by_sentence: bool = setting(False, "score each sentence, and texts by their sentences' mean")
    sentences: str | None = setting(
        None, "with --by-sentence, another file to write, with one row a sentence"
    )
    long_texts: LongTexts = setting(
        "cut", "cut what is over --max-length tokens, or read it all in windows that overlap"
    )
    window_overlap: int | None = setting(
        None, "tokens that windows share (default: a quarter of --max-length)"
    )
    overwrite_parts: bool = setting(
        False, "begin anew where an unfinished run of other settings or input has left parts"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.texts) == bool(self.input):
            raise InputError("give either texts or --input FILE")
        if bool(self.input) != bool(self.output):
            raise InputError("--input and --output go together")
        if self.sentences and not self.input:
            raise InputError("--sentences is for files: add --input and --output")
