"""Rows that cannot be used: all of them are listed at once, or left out where that is asked for."""

from collections.abc import Callable, Sequence

from mlx_finbert.errors import InputError

ROWS_SHOWN = 10
"""Rows that a message lists; the others are counted."""


class BadRows:
    """What is wrong with the rows of one source, gathered while they are read and checked."""

    def __init__(
        self,
        name: str,
        where: Callable[[int], str],
        drop: bool | None,
        unread: Sequence[str] = (),
    ) -> None:
        """
        Args:
            name: the source, for messages.
            where: what to call row i, counted from 0.
            drop: what `--drop-bad-rows` says; None for a source that does not take the flag.
            unread: a clause, with its place, on each row that could not be read.
        """
        self.name = name
        self.where = where
        self.drop = drop
        self.unread = unread
        self.clauses: dict[int, str] = {}
        """By row, counted from 0 among those that could be read."""

    @property
    def or_drop(self) -> str:
        """The end of a sentence that tells what to do."""
        return "" if self.drop is None else ", or leave out such rows with --drop-bad-rows"

    def add(self, row: int, clause: str) -> None:
        """Note what is wrong with a row, from a comma or a colon on."""
        self.clauses[row] = clause

    def without(self, rows: Sequence[int]) -> list[int]:
        """Those of the rows with which nothing is wrong."""
        return [row for row in rows if row not in self.clauses]

    def settle(self, total: int) -> list[str]:
        """Refuse the bad rows, or say that they are left out.

        Args:
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
        if self.drop:
            return [
                f"{self.name}: {len(found):,} of {total + len(self.unread):,} rows cannot be used"
                f" and are left out (--drop-bad-rows); the first: {found[0]}"
            ]
        if len(found) == 1:
            raise InputError(f"{found[0]}; correct it{self.or_drop}")
        more = [f"and {len(found) - ROWS_SHOWN:,} more"] if len(found) > ROWS_SHOWN else []
        raise InputError(
            f"{self.name}: {len(found):,} rows cannot be used; correct them{self.or_drop}:\n  "
            + "\n  ".join([*found[:ROWS_SHOWN], *more])
        )
