"""Rows that cannot be used: listed in one error, or dropped with `drop_bad_rows`."""

from collections.abc import Callable, Sequence

from mlx_finbert.errors import InputError

ROWS_SHOWN = 10
"""The most rows that a message lists; the others are counted."""


class BadRows:
    """The faults of one source's rows, collected while the rows are read and checked."""

    def __init__(
        self,
        name: str,
        where: Callable[[int], str],
        drop: bool | None,
        unread: Sequence[str] = (),
    ) -> None:
        """
        Args:
            name: The source, for messages.
            where: Returns the name of row i in messages, counted from 0.
            drop: The value of `drop_bad_rows`; None for a source that does not take it.
            unread: A clause with place and fault for each row that could not be read.
        """
        self.name = name
        self.where = where
        self.drop = drop
        self.unread = unread
        self.clauses: dict[int, str] = {}
        """The faults by row, counted from 0 among the rows that could be read."""

    @property
    def or_drop(self) -> str:
        """The end of an error message: how to drop such rows, if the source can."""
        return "" if self.drop is None else ", or skip such rows with `drop_bad_rows=True`"

    def add(self, row: int, clause: str) -> None:
        """Record the fault of a row, as a clause that begins with a comma or a colon."""
        self.clauses[row] = clause

    def without(self, rows: Sequence[int]) -> list[int]:
        """Return the rows that have no fault."""
        return [row for row in rows if row not in self.clauses]

    def settle(self, total: int) -> list[str]:
        """Refuse the bad rows, or report that they are skipped.

        Args:
            total: The number of rows that could be read.

        Returns:
            At most one sentence, for `LabelledTexts.notes`.

        Raises:
            InputError: If there are bad rows to refuse; lists the first ten and counts the others.
        """
        rows = sorted(self.clauses)
        found = [*self.unread, *(self.where(row) + self.clauses[row] for row in rows)]
        if not found:
            return []
        if self.drop:
            return [
                f"{self.name}: {len(found):,} of {total + len(self.unread):,} rows cannot be used"
                f" and are skipped (`drop_bad_rows=True`); the first: {found[0]}"
            ]
        if len(found) == 1:
            raise InputError(f"{found[0]}; correct it{self.or_drop}")
        more = [f"and {len(found) - ROWS_SHOWN:,} more"] if len(found) > ROWS_SHOWN else []
        raise InputError(
            f"{self.name}: {len(found):,} rows cannot be used; correct them{self.or_drop}:\n  "
            + "\n  ".join([*found[:ROWS_SHOWN], *more])
        )
