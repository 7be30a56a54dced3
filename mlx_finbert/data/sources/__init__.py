"""The sources of labelled texts that a command or `load_texts` can name."""

from pathlib import Path

from mlx_finbert.data.raw_rows import relabelled
from mlx_finbert.data.sources import files, fiqa, folders, hub, imdb, phrasebank
from mlx_finbert.data.sources.at_hand import refuse_recorded
from mlx_finbert.data.sources.columns import OF_FORMS, Columns
from mlx_finbert.data.tables import ENDINGS
from mlx_finbert.data.tables.compressed import ENDINGS as PACKED
from mlx_finbert.data.tables.compressed import SPREADSHEETS
from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.errors import InputError
from mlx_finbert.files.paths import is_plainly_local, local_path

SAMPLE = Path(__file__).parents[1] / "sample.csv"
SAMPLE_LICENCE = "CC0 1.0"


def load_texts(spec: str, columns: Columns | None = None, parameter: str = "data") -> LabelledTexts:
    """Load labelled texts by name or path.

    Args:
        spec: One of: `sample`; `financial_phrasebank[:LEVEL]`, `imdb` or `fiqa`, which come from
            the hub; the path of Financial PhraseBank's zip or folder (`PATH[:LEVEL]`), of an
            `aclImdb` folder, of a folder with FiQA's JSON files, of a CSV, TSV, JSON or Parquet
            file, compressed or not, or of a folder with one such file, or its shards, per split;
            or the id of a data set on the hub (`ID[:CONFIG]`).
        columns: The column settings for files and hub data sets.
        parameter: The caller's parameter for the data, for messages.

    Raises:
        InputError: If the data cannot be read; names the file, row and column, or the parameter.
    """
    columns = columns or Columns()
    refuse_recorded(spec, parameter)
    path, variant = split_variant(spec)
    if path in NAMED:
        own = ["label_map"] if path == "sample" else ["label_map", "revision"]
        columns.require_unused(path, own, parameter)
        if variant and path != "financial_phrasebank":
            raise only_phrasebank(spec, parameter)
        return _mapped(NAMED[path](variant, columns.revision, parameter), columns)
    if local_path(path).exists():
        if columns.revision is not None:
            raise InputError(f"`data_revision` has no effect on `{parameter}={spec}`: remove it")
        return _from_path(local_path(path), variant, columns, parameter)
    if looks_like_a_path(path):
        raise InputError(f"`{parameter}={path}`: there is no such file or folder")
    columns.require_unused(path, hub.HUB_COLUMNS, parameter)
    return hub.load_hub(path, variant, columns, parameter=parameter)


def only_phrasebank(spec: str, parameter: str) -> InputError:
    """The error for a variant of data that has none."""
    return InputError(f"`{parameter}={spec}`: only Financial PhraseBank has variants")


def looks_like_a_path(spec: str) -> bool:
    """Whether a word looks like a path, although no such file exists."""
    endings = (*ENDINGS, *PACKED, *SPREADSHEETS)
    return Path(spec).suffix.lower() in endings or is_plainly_local(spec)


def _mapped(data: LabelledTexts, columns: Columns) -> LabelledTexts:
    """Apply `label_map` to a source that has its own label names."""
    return relabelled(data, columns.label_map) if columns.label_map else data


def _sample() -> LabelledTexts:
    texts = files.load_file(SAMPLE, Columns(split="split"))
    texts.name, texts.licence = "sample", SAMPLE_LICENCE
    return texts


NAMED = {
    "sample": lambda _, *more: _sample(),
    "financial_phrasebank": lambda level, *more: phrasebank.load_phrasebank(
        phrasebank.download(*more), level
    ),
    "imdb": lambda _, *more: imdb.load_imdb_from_hub(*more),
    "fiqa": lambda _, *more: fiqa.load_fiqa_from_hub(*more),
}
"""Loads by a name, given the variant, the revision on the hub and the caller's parameter."""


def split_variant(spec: str) -> tuple[str, str | None]:
    """Split `NAME:VARIANT` into name and variant, unless the whole word is an existing path."""
    name, colon, variant = spec.rpartition(":")
    if not colon or local_path(spec).exists():
        return spec, None
    return name, variant


HUB_IDS = {
    "financial_phrasebank": phrasebank.HUB_REPOSITORY,
    "imdb": imdb.HUB_REPOSITORY,
    "fiqa": fiqa.HUB_REPOSITORY,
}


def hub_id(spec: str) -> str | None:
    """The id on the hub of the data set that a spec names; None if it is not a data set there."""
    name, _ = split_variant(spec)
    if name in NAMED:
        return HUB_IDS.get(name)
    # An id of one word may as well be the name of something else.
    return None if is_here(spec) or looks_like_a_path(name) or "/" not in name else name


def is_here(spec: str) -> bool:
    """Whether a spec names an existing path on this machine."""
    return local_path(split_variant(spec)[0]).exists()


def is_same_data(one: str, other: str) -> bool:
    """Whether two specs name the same data: the same word, or the same path and variant."""
    if one == other:
        return True
    (name, variant), (other_name, other_variant) = split_variant(one), split_variant(other)
    a, b = local_path(name), local_path(other_name)
    return variant == other_variant and a.exists() and b.exists() and a.samefile(b)


def _from_path(path: Path, variant: str | None, columns: Columns, parameter: str) -> LabelledTexts:
    if phrasebank.is_phrasebank(path):
        columns.require_unused(str(path), ["label_map"], parameter)
        return _mapped(phrasebank.load_phrasebank(path, variant), columns)
    if variant is not None:
        raise only_phrasebank(f"{path}:{variant}", parameter)
    if not path.is_dir():
        return files.load_file(path, columns)
    for belongs, load in ((imdb.is_acl_imdb, imdb.load_acl_imdb), (fiqa.is_fiqa, fiqa.load_fiqa)):
        if belongs(path):
            columns.require_unused(str(path), ["label_map"], parameter)
            return _mapped(load(path), columns)
    if "train" in folders.split_files(path, columns.options):
        columns.require_unused(str(path), (*hub.HUB_COLUMNS, *OF_FORMS), parameter)
        return files.load_folder(path, columns)
    raise InputError(
        f"`{parameter}={path}`: the folder is not one of Financial PhraseBank, aclImdb or FiQA, and"
        " has no train.csv (.tsv, .jsonl, .parquet, or shards such as"
        " train-00000-of-00002.parquet); to read a single table, give its file"
    )
