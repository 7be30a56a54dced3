"""The flags of `python -m mlx_finbert.predict`."""

from dataclasses import dataclass, field

from mlx_finbert.data.settings import require
from mlx_finbert.errors import InputError
from mlx_finbert.predict.predictor import BATCH_SIZE
from mlx_finbert.settings import setting


@dataclass(kw_only=True)
class PredictSettings:
    """Which model scores which texts."""

    texts: list[str] = field(
        default_factory=list,
        metadata={"help": "texts to score", "positional": True, "metavar": "TEXT"},
    )
    model: str | None = setting(None, "a fine-tuned folder or hub id (required)")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    model_labels: list[str] | None = setting(
        None, "names of the head's outputs in their order, where the checkpoint has none"
    )
    input: str | None = setting(None, "CSV, TSV, JSONL, Parquet or TXT file to score")
    output: str | None = setting(None, "CSV, TSV, JSONL or Parquet file to write")
    text_column: str = setting("text", "column of the texts in --input")
    encoding: str = setting("utf-8", "encoding of --input")
    batch_size: int = setting(BATCH_SIZE, "rows computed together")
    max_length: int | None = setting(None, "cut rows to so many tokens (default: the model's most)")

    def __post_init__(self) -> None:
        if not self.model:
            raise InputError("--model is missing: name a fine-tuned folder or a hub id")
        if bool(self.texts) == bool(self.input):
            raise InputError("give either texts or --input FILE")
        if bool(self.input) != bool(self.output):
            raise InputError("--input and --output go together")
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "at least 1")
