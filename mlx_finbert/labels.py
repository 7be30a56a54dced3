"""Label names: one spelling for the same label, and matching those of a model and of data."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from mlx_finbert.errors import InputError, is_encodable

SYNONYMS = {
    "positive": {"positive", "pos", "bullish"},
    "negative": {"negative", "neg", "bearish"},
    "neutral": {"neutral", "neu"},
}


NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[+-]\d+)?", flags=re.ASCII | re.IGNORECASE)
"""Not `007` or `1E5`, which are codes."""

PART = r'\s*("(?:[^"]|"")*"|[^,="]*)\s*'
LABELS_SHOWN = 10
"""Labels that a message lists."""

MAP_ENTRY = re.compile(rf"{PART}={PART}(?:,|$)")


def canonical(label: str) -> str:
    """The name by which labels are compared: case aside, one for all spellings of a sentiment."""
    name = plain_number(label.strip()).casefold()
    return next((one for one, names in SYNONYMS.items() if name in names), name)


def plain_number(label: str) -> str:
    """`1` for `1.0`, `+1` and `1.000e+00`; any other text as it is."""
    if NUMBER.fullmatch(label) and (number := float(label)).is_integer() and abs(number) < 2**53:
        return str(int(number))
    return label


def read_label_map(text: str) -> dict[str, str]:
    """The mapping that `--label-map` writes as `-1=negative,0=neutral,buy=positive`.

    A value or a name that holds a comma, `=` or a quotation mark stands in double quotes, a
    quotation mark in it doubled as in CSV.

    Returns:
        Names by `map_key` of the values, in the order in which they are written.

    Raises:
        InputError: for anything else, and for a value with two names.
    """
    mapping: dict[str, str] = {}
    at = 0
    while at < len(text):
        entry = MAP_ENTRY.match(text, at)
        value, name = (_unquoted(part) for part in entry.groups()) if entry else ("", "")
        if not entry or not value or not name:
            raise InputError(
                f"--label-map is {text!r}, not understood from {text[at:]!r} on: write"
                ' "-1=negative,0=neutral,1=positive", and names that hold , or = in double quotes'
            )
        if mapping.setdefault(map_key(value), name) != name:
            raise InputError(f"--label-map gives {value!r} two names: leave one")
        at = entry.end()
    if not mapping:
        raise InputError('--label-map is empty: write "-1=negative,0=neutral,1=positive"')
    return mapping


def map_key(label: str) -> str:
    """How `--label-map` compares values: case and the spelling of a number aside."""
    label = label.strip()
    return repr(float(label) + 0.0) if NUMBER.fullmatch(label) else label.casefold()


def label_map_of(labels: Sequence[str], names: Sequence[str] = ()) -> str:
    """`--label-map "1=NAME,2=NAME"`, to show how to name these labels.

    Args:
        labels: the values; the first ten are shown.
        names: of all of them, or of none.
    """
    pairs = zip(labels, names or ["NAME"] * len(labels), strict=True)
    entries = [f"{_quoted(label)}={_quoted(name)}" for label, name in pairs]
    told = entries[:LABELS_SHOWN] + ["..."] * (len(entries) > LABELS_SHOWN)
    return f'--label-map "{",".join(told)}"'


def shown(labels: Iterable[str]) -> str:
    """`buy, hold, sell`: the first ten, and the number of the others."""
    labels = list(labels)
    more = f" and {len(labels) - LABELS_SHOWN} more" if labels[LABELS_SHOWN:] else ""
    return ", ".join(labels[:LABELS_SHOWN]) + more


def _unquoted(part: str) -> str:
    return (part[1:-1].replace('""', '"') if part.startswith('"') else part).strip()


def _quoted(part: str) -> str:
    if re.search('[,="]', part):
        part = '"' + part.replace('"', '""') + '"'
    # In the double quotes of a shell.
    return re.sub(r'([\\"$`])', r"\\\1", part)


def generic_labels(num_labels: int) -> dict[int, str]:
    """Hugging Face's names for labels that have none."""
    return {i: f"LABEL_{i}" for i in range(num_labels)}


def are_generic(labels: Sequence[str]) -> bool:
    """Whether these are `LABEL_0`, `LABEL_1`, ..., which mean nothing."""
    return all(re.fullmatch(r"LABEL_\d+", label) for label in labels)


def check_names(labels: Sequence[str]) -> None:
    """Refuse names that are empty or stand twice, also under another spelling."""
    for label in labels:
        if not is_encodable(label):
            raise InputError(f"the label {label!r} holds half a character: write it anew")
    names = [canonical(label) for label in labels]
    if "" in names:
        raise InputError(f"a label name is empty: {list(labels)}")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the label {name!r} stands twice in {', '.join(labels)}")


def match_labels(data_labels: Sequence[str], model_labels: Sequence[str]) -> np.ndarray:
    """The model's id for each of the data's labels, matched by name.

    ProsusAI/finbert, finbert-tone and Financial PhraseBank order the same three labels in three
    ways, so equal counts prove nothing. The data may lack labels of the model.

    Returns:
        int32 (number of data labels,).

    Raises:
        InputError: lists both where the data has a label that the model lacks.
    """
    ids = {canonical(label): i for i, label in enumerate(model_labels)}
    lacking = [label for label in data_labels if canonical(label) not in ids]
    if lacking:
        if are_generic(model_labels):
            advice = "name the head's outputs in their order with --model-labels"
        else:
            own = ["NAME" if label in lacking else label for label in data_labels]
            advice = (
                "say which of the model's labels each is with"
                f" {label_map_of(data_labels, own)}, or train a fresh head with --new-head"
            )
        raise InputError(
            f"the labels of the data ({shown(data_labels)}) are not those of the model"
            f" ({shown(model_labels)}): {advice}"
        )
    return np.array([ids[canonical(label)] for label in data_labels], dtype=np.int32)


def require_all_labels(data_labels: Sequence[str], model_labels: Sequence[str]) -> None:
    """Refuse to train a head where some of its outputs have no label in the data.

    Training would lower the probability of these outputs for every text.

    Raises:
        InputError: names them.
    """
    known = {canonical(label) for label in data_labels}
    if lacking := [label for label in model_labels if canonical(label) not in known]:
        raise InputError(
            f"the data has no rows labelled {shown(lacking)}, a label of the model: train a fresh"
            " head for the data's labels alone with --new-head, or keep the model's with --labels"
            f" {','.join(model_labels)}"
        )
