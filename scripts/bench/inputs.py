"""The data and the checkpoint of a benchmark."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import prepared  # noqa: F401

import mlx_finbert
from mlx_finbert.checkpoints.load import load_with_report
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.errors import InputError
from mlx_finbert.models import build
from mlx_finbert.models.config import HeadOptions

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ARCHIVE = "FinancialPhraseBank-v1.0.zip"


def phrasebank(given: str | None, level: str) -> LabelledTexts:
    """Load Financial PhraseBank at an agreement level, from the given or the shared archive."""
    return load_texts(f"{data_file(given, ARCHIVE, '--phrasebank')}:{level}")


def imdb(given: str | None, split: str) -> LabelledTexts:
    """Load IMDB's `train` or `test` reviews, from the given or the shared Parquet file."""
    path = data_file(given, f"imdb-{split}.parquet", "--imdb")
    return load_texts(str(path), Columns(label_names=["negative", "positive"]))


def data_file(given: str | None, name: str, flag: str) -> Path:
    """The given file, or the one in the folder of shared data.

    Raises:
        InputError: if it is missing.
    """
    path = Path(given).expanduser() if given else DATA / name
    if not path.exists():
        raise InputError(f"{path}: there is no such file; give the path of {name} with {flag}")
    return path


def require_packages(*names: str) -> None:
    """Check that packages for a comparison are installed.

    Raises:
        InputError: if any is missing; says how to install it.
    """
    if missing := [name for name in names if find_spec(name) is None]:
        raise InputError(
            f"packages for the comparison are missing: pip install {' '.join(missing)} in this"
            " environment"
        )


def write_checkpoint(model: str, label_names: Sequence[str], folder: Path, seed: int = 0) -> None:
    """Write the packaged encoder with a fresh head, or a larger model with random weights.

    Args:
        model: `minilm`, or `distilbert` or `bert` for a model of their default size, with the
            packaged encoder's vocabulary, which is BERT's.
        label_names: label names of the head.
        folder: folder for the checkpoint, which transformers can also open.
        seed: seed of the random weights.
    """
    import mlx.core as mx

    mx.random.seed(seed)
    head = HeadOptions(labels=label_names)
    classifier, tokenizer, _ = load_with_report("minilm", head, "float32")
    if model != "minilm":
        id2label = dict(enumerate(label_names))
        config = {"model_type": model, "vocab_size": len(tokenizer), "id2label": id2label}
        classifier = build(config)
    mlx_finbert.save(classifier, tokenizer, folder)
