"""Rows that cannot be used: all of them are listed at once, or left out where that is asked for."""

from collections.abc import Callable, Sequence

from mlx_finbert.errors import InputError

SHOWN = 10
"""Rows that a message lists; the others are counted."""


class BadRows:
    """What is wrong with the rows of one source, gathered while they are read and checked."""

    def __init__(self, where: Callable[[int], str], unread: Sequence[str] = ()) -> None:
        """
        Args:
            where: what to call row i, counted from 0.
            unread: a clause, with its place, on each row that could not be read.
        """
        self.where = where
        self.unread = unread
        self.clauses: dict[int, str] = {}
        """By row, counted from 0 among those that could be read."""

    def add(self, row: int, clause: str) -> None:
        """Note what is wrong with a row, from a comma or a colon on."""
        self.clauses[row] = clause

    def without(self, rows: Sequence[int]) -> list[int]:
        """Those of the rows with which nothing is wrong."""
        return [row for row in rows if row not in self.clauses]

    def settle(self, name: str, drop: bool | None, total: int) -> list[str]:
        """Refuse the bad rows, or say that they are left out.

        Args:
            name: the source, for messages.
            drop: what `--drop-bad-rows` says; None for a source that does not take the flag.
            total: rows that could be read.

        Returns:
            At most one sentence, for `LabelledTexts.notes`.

        Raises:
            InputError: lists the first ten rows and counts the others.
        """
        rows = sorted(self.clauses)
        found = [*self.unread, *(self.where(row) + self.clauses[row] for row in rows)]
        if not found:
            return []
        if drop:
            all_rows = total + len(self.unread)
            return [
                f"{name}: {len(found):,} of {all_rows:,} rows cannot be used and are left out"
                f" (--drop-bad-rows); the first: {found[0]}"
            ]
        if len(found) == 1:
            flag = "" if drop is None else ", or leave it out with --drop-bad-rows"
            raise InputError(f"{found[0]}; correct the row{flag}")
        flag = "" if drop is None else ", or leave them out with --drop-bad-rows"
        more = [f"and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
        listed = "\n  ".join([*found[:SHOWN], *more])
        raise InputError(
            f"{name}: {len(found):,} rows cannot be used; correct them{flag}:\n  {listed}"
        )
