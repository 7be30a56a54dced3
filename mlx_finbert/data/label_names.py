"""Names for the values of a label column: those that the user gives, or the values themselves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlx_finbert.data.bad_rows import BadRows
from mlx_finbert.data.label_values import (
    is_integer,
    is_quantity,
    lists_of_labels,
    refuse_quantities,
)
from mlx_finbert.errors import InputError, quoted
from mlx_finbert.errors import shown as shortened
from mlx_finbert.labels import canonical, check_names, label_map_of, map_key, shown

SENTIMENT_ORDER = ["negative", "neutral", "positive"]

MAX_LABELS = 200
"""A column with more values than this is not taken as a label column, unless --labels is given."""


@dataclass(frozen=True)
class Naming:
    """The label names that the user gives."""

    names: Sequence[str] | None = None
    """`labels`: the names that may occur, in order, or the names of 0, 1, 2, ..."""
    mapping: Mapping[str, str] | None = None
    """`label_map`: the names by `map_key` of the values."""

    def __post_init__(self) -> None:
        names = self.names or ()
        check_names(names)
        known = {canonical(name) for name in names}
        for name in (self.mapping or {}).values():
            if known and canonical(name) not in known:
                raise InputError(
                    f"`label_map` gives the name {quoted(name)}, which is not one of"
                    f" `labels={shortened(','.join(names))}`"
                )

    def knows(self, label: str) -> bool:
        """Whether the user names this value itself."""
        if self.mapping:
            return map_key(label) in self.mapping
        return canonical(label) in {canonical(name) for name in self.names or ()}


def name_rows(
    values: Mapping[int, str],
    naming: Naming,
    column: str,
    bad: BadRows,
) -> dict[str, str]:
    """Name each value of a label column; rows whose value has no name become bad rows.

    Args:
        values: The values to name, by row.
        naming: The user's names.
        column: The name of the column in messages.
        bad: Takes the rows with a value that has no name.

    Returns:
        The name of each value.

    Raises:
        InputError: If the column does not hold classes, or the user's names do not fit it.
    """
    first_row: dict[str, str] = {}
    for i, value in values.items():
        if value not in first_row:
            first_row[value] = f"{bad.where(i)}, {column}"
    unnamed = [value for value in first_row if not naming.knows(value)]
    lists = lists_of_labels(unnamed, [*first_row, *(naming.names or ())])
    if lists and not bad.drop:
        value = next(value for value in first_row if value in lists)
        raise InputError(
            f"{first_row[value]}: {quoted(value)} is a list of labels, but a classifier needs one"
            f" class per row: keep one label in each, choose another `label_column`{bad.or_drop}"
        )
    first_row = {value: row for value, row in first_row.items() if value not in lists}
    named = name_values(first_row, naming, f"{bad.name}, {column}") if first_row else {}
    for i, value in values.items():
        if value in lists:
            bad.add(i, f", {column}: {quoted(value)} is a list of labels")
        elif value not in named:
            bad.add(i, f", {column}: {unnamed_clause(value, naming)}")
    return named


def name_values(first_row: Mapping[str, str], naming: Naming, where: str) -> dict[str, str]:
    """Name each value, and leave out those without a name.

    Args:
        first_row: The place where each value occurs first, by value.
        naming: The user's names.
        where: The name of the column in messages.
    """
    unnamed = {value: row for value, row in first_row.items() if not naming.knows(value)}
    if not naming.mapping or len(unnamed) == len(first_row):
        refuse_quantities(unnamed, first_row)
    if naming.mapping:
        return by_map(first_row, unnamed, naming.mapping, where)
    if naming.names:
        return by_names(first_row, unnamed, naming.names, where)
    if (count := len({canonical(value) for value in first_row})) > MAX_LABELS:
        raise InputError(
            f"{where} has {count} different values, too many for labels:"
            " choose another `label_column`, or list the labels with `labels`"
        )
    return {value: value for value in first_row if not is_quantity(value)}


def by_map(
    values: Mapping[str, str], unnamed: Mapping[str, str], mapping: Mapping[str, str], where: str
) -> dict[str, str]:
    """Name values by `label_map`, which must name at least one of them."""
    if len(unnamed) == len(values):
        raise InputError(
            f"{where} contains {shown(values)}, and `label_map` names none of these: name them, for"
            f" example with {example_map(values)}"
        )
    return {value: mapping[map_key(value)] for value in values if value not in unnamed}


def by_names(
    values: Mapping[str, str], unnamed: Mapping[str, str], names: Sequence[str], where: str
) -> dict[str, str]:
    """Name values by `labels`: the values are the names themselves, or integers from 0."""
    if len(unnamed) < len(values):
        of_canonical = {canonical(name): name for name in names}
        return {v: of_canonical[canonical(v)] for v in values if v not in unnamed}
    integers = sorted(int(value) for value in values if is_integer(value))
    within = range(len(names))
    given = f"`labels={shortened(','.join(names))}`"
    if not integers:
        first = next(iter(values))
        known = shown(names)
        why = f"no value is one of {known} (the first is {quoted(first)}): correct `labels`, or"
    elif 0 not in integers:
        why = f"{given} names integers from 0 up, and no row has 0:"
    elif not set(integers) <= set(within) and not set(within) <= set(integers):
        why = f"{given} names only the integers from 0 to {len(names) - 1}:"
    else:
        return {str(i): names[i] for i in integers if i in within}
    raise InputError(
        f"{where} contains {shown(values)}, but {why} give the name of each value, for example with"
        f" {example_map(values, names)}"
    )


def example_map(values: Iterable[str], names: Sequence[str] = ()) -> str:
    """Return an example `label_map`, with the given names if there is one for each integer."""
    values = list(values)
    if len(values) == len(names) and all(map(is_integer, values)):
        return label_map_of(sorted(values, key=int), names)
    return label_map_of(values)


def unnamed_clause(value: str, naming: Naming) -> str:
    """Describe the fault of a label that has no name while others have one."""
    if naming.mapping:
        return f"the label {quoted(value)} is not in `label_map`"
    if naming.names:
        return (
            f"the label {quoted(value)} is not one of {shown(naming.names)} (`labels`, `label_map`)"
        )
    return f"the label {quoted(value)} is a number among names (name it with `label_map`)"


def ordered(values: Iterable[str], named: Mapping[str, str], naming: Naming) -> list[str]:
    """Return the names that occur, in the order of their ids.

    With `labels`, the order is that of the list, and all names are kept. Otherwise sentiments are
    negative, neutral, positive; names of `label_map` are in its order; integers are ascending;
    other names are alphabetical.

    Args:
        values: The values that occur, in order of first occurrence.
        named: The name of each value.
        naming: The user's names.
    """
    if naming.names:
        return list(naming.names)
    spelled: dict[str, str] = {}
    for value in values:
        spelled.setdefault(canonical(named[value]), named[value])
    if spelled.keys() <= set(SENTIMENT_ORDER):
        return [spelled[key] for key in SENTIMENT_ORDER if key in spelled]
    if naming.mapping:
        listed = dict.fromkeys(map(canonical, naming.mapping.values()))
        return [spelled[key] for key in listed if key in spelled]
    in_order = sorted(spelled, key=lambda key: (int(key) if is_integer(key) else -1, key))
    return [spelled[key] for key in in_order]


def naming_notes(
    where: str,
    values: Iterable[str],
    named: Mapping[str, str],
    naming: Naming,
    names: Sequence[str],
) -> list[str]:
    """Return sentences about spellings that count as one label, and about names without rows."""
    spellings: dict[str, list[str]] = {canonical(name): [] for name in names}
    for value in values:
        spellings[canonical(named[value])].append(value)
    notes = []
    for name, found in zip(names, spellings.values(), strict=True):
        if not found:
            notes.append(f"{where}: no row is labelled {quoted(name)}")
        elif len(found) > 1 and not naming.mapping:
            said = " and ".join(quoted(value) for value in found)
            notes.append(
                f"{where}: {said} count as one label, {quoted(name)}; use `label_map` to"
                " separate them"
            )
    return notes
