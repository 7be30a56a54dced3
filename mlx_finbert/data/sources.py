"""From the word after `--data` to labelled texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.data import files, fiqa, hub, imdb, phrasebank
from mlx_finbert.data.tables import READERS
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError

SAMPLE = Path(__file__).with_name("sample.csv")
SAMPLE_LICENCE = "CC0 1.0"


@dataclass
class Columns:
    """How to read a table that is not one of the named sources."""

    text: str = "text"
    label: str = "label"
    split: str | None = None
    label_names: Sequence[str] | None = None
    encoding: str = "utf-8"


def load_texts(spec: str, columns: Columns | None = None) -> LabelledTexts:
    """Labelled texts by name or path.

    Args:
        spec: `sample`; `financial_phrasebank[:LEVEL]`, `imdb` or `fiqa`, from the hub; the path of
            Financial PhraseBank's zip or folder (`PATH[:LEVEL]`), of an `aclImdb` folder, of a
            folder with FiQA's JSON files, of a CSV, TSV, JSON lines or Parquet file, or of a
            folder with one such file a split; or any data set id of the hub (`ID[:CONFIG]`).
        columns: for files and hub data sets.

    Raises:
        InputError: one sentence that names the file, row and column, or the flag.
    """
    columns = columns or Columns()
    path, variant = _split_variant(spec)
    if Path(path).expanduser().exists():
        return _from_path(Path(path).expanduser(), variant, columns)
    if path == "sample":
        texts = files.load_file(SAMPLE, split_column="split")
        texts.name, texts.licence = "sample", SAMPLE_LICENCE
        return texts
    if path == "financial_phrasebank":
        return phrasebank.load_phrasebank(phrasebank.download(), variant)
    if path == "imdb":
        return hub.load_imdb_from_hub()
    if path == "fiqa":
        return hub.load_fiqa_from_hub()
    if Path(path).suffix.lower() in (*READERS, ".zip") or path.startswith((".", "/", "~")):
        raise InputError(f"--data {path}: there is no such file or folder")
    return hub.load_hub(path, variant, columns.text, columns.label, columns.label_names)


def _split_variant(spec: str) -> tuple[str, str | None]:
    """`NAME:VARIANT` in two, unless the whole of it is a path."""
    if Path(spec).expanduser().exists() or ":" not in spec:
        return spec, None
    name, _, variant = spec.rpartition(":")
    return name, variant


def _from_path(path: Path, variant: str | None, columns: Columns) -> LabelledTexts:
    if phrasebank.is_phrasebank(path):
        return phrasebank.load_phrasebank(path, variant)
    if variant is not None:
        raise InputError(f"--data {path}:{variant}: only Financial PhraseBank has variants")
    if path.is_file():
        return files.load_file(
            path, columns.text, columns.label, columns.label_names, columns.split, columns.encoding
        )
    if imdb.is_acl_imdb(path):
        return imdb.load_acl_imdb(path)
    if fiqa.is_fiqa(path):
        return fiqa.load_fiqa(path)
    if "train" in files.split_files(path):
        return files.load_folder(
            path, columns.text, columns.label, columns.label_names, columns.encoding
        )
    raise InputError(
        f"--data {path}: not a folder that is known: Financial PhraseBank, aclImdb, FiQA, or one"
        " with train.csv (.tsv, .jsonl, .parquet)"
    )
