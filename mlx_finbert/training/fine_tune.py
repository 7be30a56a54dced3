"""`mlx_finbert.fine_tune`: the command `train` as a function."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlx_finbert.data.sources.at_hand import (
    IN_MEMORY,
    is_at_hand,
    load_at_hand,
    name_at_hand,
    name_of_texts,
)
from mlx_finbert.data.texts import LabelledTexts, require_trainable
from mlx_finbert.data.values import values_of
from mlx_finbert.errors import InputError, is_encodable, quoted
from mlx_finbert.keywords import from_keywords, takes_settings
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.result import Result
from mlx_finbert.training.run import complete, run


@takes_settings(TrainSettings)
def fine_tune(
    model: str | os.PathLike[str] | None = None,
    data: Any = None,
    *,
    callbacks: Sequence[Callback] = (),
    unlabelled: Any = None,
    **settings: Any,
) -> Result:
    """Fine-tune a classifier, and leave its folder as `python -m mlx_finbert.train` does.

    Args:
        model: folder or hub id of a checkpoint, or the result of another run; None for `minilm`,
            the packaged encoder, or for the model of the run to resume.
        data: a path or a name, as for the command's `--data`, or texts and labels at hand:
            `(texts, labels)` as lists, NumPy arrays or series of pandas or polars; a data frame of
            either, a `datasets.Dataset` or a dictionary of columns, whose columns `text_column`,
            `label_column` and `split_column` name; a `datasets.DatasetDict` or a dictionary of such
            tables, whose splits are kept. None for the packaged sample, or for the data of the run
            to resume, if that was a path or a name.
        callbacks: called at each event of the training; see `Callback`.
        unlabelled: with `teacher`, a path (or several, with commas) as for the command's
            `--unlabelled`, or texts at hand: a list of strings, a NumPy array, a column of a data
            frame.
        settings: the flags of the command as parameters: `learning_rate=1e-5`. With
            `resume_from_checkpoint=FOLDER`, the others come from the run to resume.

    Returns:
        The folder, how the run ended, and the figures of the test rows.

    Raises:
        InputError: if the model, the data or a setting cannot be used; names the parameter, before
            anything is written.
    """
    at_hand = data is not None and is_at_hand(data)
    named: dict[str, Any] = {"model": model, "data": IN_MEMORY if at_hand else data}
    more = None
    if unlabelled is not None:
        more = None if is_path(unlabelled) else unlabelled_texts(unlabelled)
        named["unlabelled"] = unlabelled if more is None else [name_of_texts(more)]
    given = settings | {name: value for name, value in named.items() if value is not None}
    check_callbacks(callbacks)
    whole = complete(from_keywords(TrainSettings, given))
    if whole.folds and not whole.fold:
        raise InputError(
            f"`folds` is {whole.folds}: one call trains one fold; add `fold=1` for the first"
        )
    texts = None
    if at_hand:
        whole, texts = load(data, whole)
    return run(whole, texts=texts, unlabelled=more, callbacks=callbacks)


def is_path(value: Any) -> bool:
    """Whether a value is a path rather than texts at hand."""
    return isinstance(value, str | os.PathLike)


def unlabelled_texts(texts: Any) -> list[str]:
    """Return texts at hand as a list; a missing one is empty.

    Raises:
        InputError: if one of them is not a text.
    """
    found = ["" if text is None else text for text in values_of(texts, "unlabelled")]
    for number, text in enumerate(found):
        if not isinstance(text, str) or not is_encodable(text):
            raise InputError(
                f"unlabelled[{number}] is {quoted(text)}, not a string of valid characters"
            )
    return found


def load(data: Any, settings: TrainSettings) -> tuple[TrainSettings, LabelledTexts]:
    """Read texts and labels at hand; return the settings with their name, and the texts."""
    texts = load_at_hand(data, settings.columns())
    require_trainable(texts)
    return replace(settings, data=name_at_hand(texts)), texts


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Refuse what is not a list of callbacks."""
    if isinstance(callbacks, Callback):
        raise InputError("`callbacks` is a single callback: give a list of them")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            name = getattr(callback, "__name__", type(callback).__name__)
            raise InputError(
                f"`callbacks` has {name}, which is not an instance of a subclass of"
                " mlx_finbert.Callback"
            )
