"""The data and the checkpoint that a benchmark starts from."""

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

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ARCHIVE = "FinancialPhraseBank-v1.0.zip"


def phrasebank(given: str | None, level: str) -> LabelledTexts:
    """Financial PhraseBank of a level, from the archive that was named or is at hand."""
    return load_texts(f"{data_file(given, ARCHIVE, '--phrasebank')}:{level}")


def imdb(given: str | None, split: str) -> LabelledTexts:
    """IMDB's reviews of `train` or `test`, from the Parquet file that was named or is at hand."""
    path = data_file(given, f"imdb-{split}.parquet", "--imdb")
    return load_texts(str(path), Columns(label_names=["negative", "positive"]))


def data_file(given: str | None, name: str, flag: str) -> Path:
    """The file that was named, or the one in the folder of the shared data.

    Raises:
        InputError: where it is missing.
    """
    path = Path(given).expanduser() if given else DATA / name
    if not path.exists():
        raise InputError(f"{path}: there is no such file; give the path of {name} as {flag}")
    return path


def require_packages(*names: str) -> None:
    """Refuse a comparison without the packages of the others.

    Raises:
        InputError: says what to install.
    """
    if missing := [name for name in names if find_spec(name) is None]:
        raise InputError(
            f"nothing to compare with: pip install {' '.join(missing)} in this environment"
        )


def write_checkpoint(model: str, label_names: Sequence[str], folder: Path, seed: int = 0) -> None:
    """The packaged encoder with a fresh head, or random weights of another size.

    Args:
        model: `minilm`; or `distilbert` or `bert` for the size that these configs have by default,
            with the packaged encoder's vocabulary, which is BERT's.
        label_names: of the head.
        folder: takes a checkpoint that transformers opens too.
        seed: of what is drawn.
    """
    import mlx.core as mx

    mx.random.seed(seed)
    classifier, tokenizer, _ = load_with_report("minilm", labels=label_names, dtype="float32")
    if model != "minilm":
        id2label = dict(enumerate(label_names))
        config = {"model_type": model, "vocab_size": len(tokenizer), "id2label": id2label}
        classifier = build(config)
    mlx_finbert.save(classifier, tokenizer, folder)
