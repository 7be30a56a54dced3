"""The settings of `python -m mlx_finbert.predict`."""

from dataclasses import dataclass, field
from typing import Any

from mlx_finbert.cli.model_flags import ModelSettings
from mlx_finbert.data.flags import ReadingSettings
from mlx_finbert.errors import InputError
from mlx_finbert.inference.predictor import LongTexts
from mlx_finbert.inference.standard_input import STANDARD_INPUT, is_piped
from mlx_finbert.settings import refuse_without, setting


@dataclass(kw_only=True)
class PredictSettings(ReadingSettings, ModelSettings):
    """Texts to score, and output."""

    texts: list[str] = field(
        default_factory=list,
        metadata={
            "help": "texts to score; - for lines of standard input",
            "positional": True,
            "metavar": "TEXT",
        },
    )
    input: str | None = setting(None, "CSV, TSV, JSON, Parquet or TXT file to score; - as above")
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
    raw_cells: bool = setting(
        False,
        "write texts of CSV and TSV unchanged; otherwise those that begin with = + - @ get an"
        " apostrophe before them, so that no spreadsheet runs them as formulas",
    )
    json: bool = setting(
        False, "print a JSON object per text: text, label, probabilities, score, sentences"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.texts) == bool(self.input):
            raise InputError("give either texts or `input=FILE`")
        if STANDARD_INPUT in self.texts and len(self.texts) > 1:
            raise InputError(
                f"the text {STANDARD_INPUT} stands for the lines of standard input: give it alone"
            )
        if self.reads_standard_input:
            self._check_lines()
        elif bool(self.input) != bool(self.output):
            raise InputError("`input` and `output` go together: give both")
        refuse_without(self, ["raw_cells"], "a file as `output`", bool(self.output))
        if self.sentences and not self.input:
            raise InputError("`sentences` is for files: add `input` and `output`")
        if self.json and self.output:
            raise InputError(
                "`json` is for what is printed: leave it out, and let the name of `output` end in"
                " .jsonl"
            )

    def _check_lines(self) -> None:
        """Refuse settings that a line of standard input has no use for."""
        if self.output or self.sentences:
            name = "output" if self.output else "sentences"
            raise InputError(
                f"`{name}` is for files: lines of standard input are scored as they arrive and"
                " printed, with `json=True` as JSON"
            )
        tables = ["text_column", "delimiter", "header"]
        refuse_without(
            self, tables, "a file as `input`: standard input holds a text per line", False
        )

    @property
    def reads_standard_input(self) -> bool:
        """Whether the texts are the lines of standard input."""
        return STANDARD_INPUT in (self.input, *self.texts)

    @property
    def prints_results_alone(self) -> bool:
        """Whether a program reads the output, so that notes must go elsewhere."""
        return self.json or self.reads_standard_input


def complete(given: dict[str, Any]) -> PredictSettings:
    """Make settings from the given values; without texts and files, what is piped in is scored."""
    if is_piped() and not any(given.get(name) for name in ("texts", "input", "output")):
        given = {**given, "texts": [STANDARD_INPUT]}
    return PredictSettings(**given)
