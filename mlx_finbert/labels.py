"""Label names: one spelling for each label, and the match between a model's and the data's."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from mlx_finbert.errors import InputError, is_encodable, quoted
from mlx_finbert.errors import shown as shortened

SYNONYMS = {
    "positive": {"positive", "pos", "bullish"},
    "negative": {"negative", "neg", "bearish"},
    "neutral": {"neutral", "neu"},
}


NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[+-]\d+)?", flags=re.ASCII | re.IGNORECASE)
"""A number; codes such as `007` and `1E5` do not match."""

PART = r'\s*("(?:[^"]|"")*"|[^,="]*)\s*'
LABELS_SHOWN = 10
"""The most labels that a message lists."""
LABEL_LENGTH = 50
"""The most characters of each label in a list."""

MAP_ENTRY = re.compile(rf"{PART}={PART}(?:,|$)")


def canonical(label: str) -> str:
    """Return the name by which labels are compared, the same for all spellings of a sentiment."""
    name = plain_number(label.strip()).casefold()
    return next((one for one, names in SYNONYMS.items() if name in names), name)


def plain_number(label: str) -> str:
    """Return `1` for `1.0`, `+1` and `1.000e+00`, and any other text unchanged."""
    if NUMBER.fullmatch(label) and (number := float(label)).is_integer() and abs(number) < 2**53:
        return str(int(number))
    return label


def read_label_map(text: str) -> dict[str, str]:
    """Parse the value of `label_map`, such as `-1=negative,0=neutral,buy=positive`.

    A value or name that contains a comma, `=` or a quotation mark must be in double quotes, with
    the quotation mark doubled as in CSV.

    Returns:
        The names by `map_key` of the values, in the order of the text.

    Raises:
        InputError: If the text has another form, or a value has two names.
    """
    mapping: dict[str, str] = {}
    at = 0
    while at < len(text):
        entry = MAP_ENTRY.match(text, at)
        value, name = (_unquoted(part) for part in entry.groups()) if entry else ("", "")
        if not entry or not value or not name:
            raise InputError(
                f"`label_map` is {quoted(text)}, which cannot be parsed at {text[at:]!r}: write"
                ' "-1=negative,0=neutral,1=positive", and put names with , or = in double quotes'
            )
        if mapping.setdefault(map_key(value), name) != name:
            raise InputError(f"`label_map` gives {quoted(value)} two names: keep one")
        at = entry.end()
    if not mapping:
        raise InputError('`label_map` is empty: write "-1=negative,0=neutral,1=positive"')
    return mapping


def map_key(label: str) -> str:
    """Return the form in which `label_map` compares values: without case or number format."""
    label = label.strip()
    return repr(float(label) + 0.0) if NUMBER.fullmatch(label) else label.casefold()


def label_map_of(labels: Sequence[str], names: Sequence[str] = ()) -> str:
    """Return an example value for these labels: `label_map="1=NAME,2=NAME"`.

    Args:
        labels: The values; of the first ten, those that are not very long are shown.
        names: A name for each label, or none at all.
    """
    pairs = zip(labels, names or ["NAME"] * len(labels), strict=True)
    entries = [f"{_quoted(label)}={_quoted(name)}" for label, name in pairs]
    # A label that is cut would name another value.
    listed = [entry for entry in entries[:LABELS_SHOWN] if len(entry) <= 2 * LABEL_LENGTH]
    listed += ["..."] * (len(entries) > len(listed))
    return f'`label_map="{",".join(listed)}"`'


def shown(labels: Iterable[str]) -> str:
    """List the first ten labels and the number of the others: `buy, hold and 3 more`."""
    labels = list(labels)
    more = f" and {len(labels) - LABELS_SHOWN} more" if labels[LABELS_SHOWN:] else ""
    return ", ".join(shortened(label, LABEL_LENGTH) for label in labels[:LABELS_SHOWN]) + more


def _unquoted(part: str) -> str:
    return (part[1:-1].replace('""', '"') if part.startswith('"') else part).strip()


def _quoted(part: str) -> str:
    if re.search('[,="]', part):
        part = '"' + part.replace('"', '""') + '"'
    # Escape for the double quotes of a shell.
    return re.sub(r'([\\"$`])', r"\\\1", part)


def generic_labels(num_labels: int) -> dict[int, str]:
    """Return Hugging Face's default names: `LABEL_0`, `LABEL_1`, ..."""
    return {i: f"LABEL_{i}" for i in range(num_labels)}


def are_generic(labels: Sequence[str]) -> bool:
    """Whether the labels have default names: `LABEL_0`, `LABEL_1`, ..."""
    return all(re.fullmatch(r"LABEL_\d+", label) for label in labels)


def check_names(labels: Sequence[str]) -> None:
    """Refuse names that are empty, not valid Unicode, or repeated, also in another spelling."""
    for label in labels:
        if not is_encodable(label):
            raise InputError(
                f"the label {quoted(label)} contains half of a surrogate pair: write it again"
            )
    names = [canonical(label) for label in labels]
    if "" in names:
        raise InputError(f"a label name is empty: {shown(labels)}")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the label {quoted(name)} occurs twice in {shown(labels)}")


def match_labels(data_labels: Sequence[str], model_labels: Sequence[str]) -> np.ndarray:
    """Find the model's id of each of the data's labels, by name.

    Labels are matched by name because ProsusAI/finbert, finbert-tone and Financial PhraseBank order
    the same three labels in three ways. The data may lack labels of the model.

    Returns:
        int32 (number of data labels,).

    Raises:
        InputError: If the data has a label that the model lacks; lists the labels of both.
    """
    ids = {canonical(label): i for i, label in enumerate(model_labels)}
    lacking = [label for label in data_labels if canonical(label) not in ids]
    if lacking:
        if are_generic(model_labels):
            advice = "name the head's outputs in order with `model_labels`"
        else:
            own = ["NAME" if label in lacking else label for label in data_labels]
            advice = (
                "map each to one of the model's labels with"
                f" {label_map_of(data_labels, own)}, or train a new head with `new_head=True`"
            )
        raise InputError(
            f"the labels of the data ({shown(data_labels)}) are not those of the model"
            f" ({shown(model_labels)}): {advice}"
        )
    return np.array([ids[canonical(label)] for label in data_labels], dtype=np.int32)


def require_all_labels(data_labels: Sequence[str], model_labels: Sequence[str]) -> None:
    """Refuse to train a head if some of its labels do not occur in the data.

    Training would lower the probability of those labels for every text.

    Raises:
        InputError: If the data lacks a label; names all that it lacks.
    """
    known = {canonical(label) for label in data_labels}
    if lacking := [label for label in model_labels if canonical(label) not in known]:
        raise InputError(
            f"the data has no rows with the model's label {shown(lacking)}: train a new head for"
            " the data's labels with `new_head=True`, or keep the model's labels with"
            f" `labels={shortened(','.join(model_labels))}`"
        )
