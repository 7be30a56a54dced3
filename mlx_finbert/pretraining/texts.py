"""The tokens of a run: made once in its folder, and cut to rows."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.data.corpus import Corpus
from mlx_finbert.data.token_rows import JoinedRows, LineRows
from mlx_finbert.data.token_store import (
    ABOUT,
    FOLDER,
    Stores,
    digest_of,
    make_stores,
    read_stores,
)
from mlx_finbert.distributed import barrier
from mlx_finbert.errors import InputError
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.pretraining.folder import other_texts
from mlx_finbert.training.checkpoints import Checkpoint
from mlx_finbert.training.frame import Frame
from mlx_finbert.training.integrations import LOG

log = logging.getLogger(__name__)

StoredRows = JoinedRows | LineRows


@dataclass(frozen=True)
class Rows:
    """The rows to read, and those that are held out."""

    train: StoredRows
    validation: StoredRows
    stores: Stores


@contextmanager
def rows_for(
    settings: PretrainSettings,
    corpus: Corpus,
    tokenizer: Tokenizer,
    length: int,
    frame: Frame,
) -> Iterator[Rows]:
    """Make or reuse the tokens of a run, and cut them to rows.

    Args:
        settings: those of the run.
        corpus: the texts.
        tokenizer: the tokenizer.
        length: the tokens of a row, or the most of them.
        frame: the run; its first process makes the tokens, which the others wait for and read.

    Raises:
        InputError: if there is no row, or the texts are not those of the run to resume. After this
            and any later InputError, a folder in which no training has begun is left as it was.
    """
    stores, folder = None, frame.folder
    if frame.is_first:
        stores = own_stores(settings, corpus, tokenizer, folder, frame.checkpoint)
    if frame.processes.size() > 1:
        barrier(frame.processes)
    stores = stores or shared_stores(corpus, tokenizer, folder)
    try:
        yield rows_of(stores, tokenizer, settings, length)
    except InputError:
        # Nothing has been trained: the command is given again, perhaps with another folder.
        if frame.is_first and not (folder / LOG).exists():
            shutil.rmtree(folder / FOLDER, ignore_errors=True)
        raise


def own_stores(
    settings: PretrainSettings,
    corpus: Corpus,
    tokenizer: Tokenizer,
    folder: Path,
    checkpoint: Checkpoint | None,
) -> Stores:
    """The stores in a run's folder, made if they are missing or of other texts.

    Raises:
        InputError: if the texts are not those of the run to resume, whose stores then stay, or the
            folder has something else of their name.
    """
    found = read_stores(folder)
    if (folder / FOLDER).exists() and not (folder / FOLDER / ABOUT).is_file():
        raise InputError(
            f"`output_dir={folder}` holds {FOLDER}, which is not of a pretraining, and whose name"
            " the tokens need: name another folder, or move it"
        )
    if found or checkpoint:
        digest = digest_of(corpus, tokenizer)
        if checkpoint and checkpoint.state["fingerprint"] != digest:
            raise InputError(other_texts(checkpoint.path, settings))
        if found and found.digest == digest:
            log.info(f"{folder / FOLDER} has the tokens of these texts")
            return found
    log.info(f"tokenizing {corpus.texts.name} into {folder / FOLDER}")
    return make_stores(corpus, tokenizer, folder)


def shared_stores(corpus: Corpus, tokenizer: Tokenizer, folder: Path) -> Stores:
    """The stores for a process that is not the first, and writes nothing into the run's folder.

    They are those of the first process. On another computer, which cannot read its folder, they
    are made in a temporary one.
    """
    found = read_stores(folder)
    if found and found.digest == digest_of(corpus, tokenizer):
        return found
    with TemporaryDirectory(prefix="mlx-finbert-") as temporary:
        # Files that are mapped stay readable after their folder is gone.
        return make_stores(corpus, tokenizer, Path(temporary))


def rows_of(stores: Stores, tokenizer: Tokenizer, settings: PretrainSettings, length: int) -> Rows:
    """Cut the tokens to rows, and say what is in them.

    Raises:
        InputError: if there is no row to read, or none to measure the model on.
    """
    ends = tokenizer.cls_token_id, tokenizer.sep_token_id
    form = partial(LineRows if settings.line_by_line else JoinedRows, length=length, ends=ends)
    rows = Rows(form(stores.train), form(stores.validation), stores)
    require_rows(rows.train, "texts", settings)
    require_rows(rows.validation, "held-out texts", settings)
    return rows


def require_rows(rows: StoredRows, what: str, settings: PretrainSettings) -> None:
    """Refuse texts that do not fill a row; say what to change."""
    if len(rows):
        return
    if tokens := rows.store.counts.tokens:
        more = " or raise `validation_ratio`" if what != "texts" else ""
        raise InputError(
            f"the {what} have {tokens:,} tokens, fewer than one row: lower `max_length`, add"
            f" texts{more}, or make a row of each text with `line_by_line=True`"
        )
    if what == "texts":
        raise InputError(f"`data={settings.data}` has no text to read")
    if settings.validation_data:
        raise InputError(f"`validation_data={settings.validation_data}` has no text")
    raise InputError(
        f"no text was held out: raise `validation_ratio` from {settings.validation_ratio:g}, or"
        " give `validation_data`"
    )


def notes_on(rows: Rows) -> list[str]:
    """Sentences about the texts, for the log and the report."""
    notes = list(rows.stores.notes)
    for what, part in (("to read", rows.train), ("held out", rows.validation)):
        counts = part.store.counts
        notes.append(
            f"{counts.texts:,} texts {what}: {counts.tokens:,} tokens in {len(part):,}"
            f" rows{left_out(part)}"
        )
    return notes


def left_out(rows: StoredRows) -> str:
    """What is not in the rows, as the end of a sentence."""
    if isinstance(rows, LineRows):
        return (
            f"; {rows.cut:,} texts are too long and lose {rows.dropped:,} tokens"
            if rows.cut
            else ""
        )
    length = rows.lengths[0]
    dropped = f"; the last {rows.dropped:,} do not fill a row and are left out"
    return f" of {length}{dropped if rows.dropped else ''}"
