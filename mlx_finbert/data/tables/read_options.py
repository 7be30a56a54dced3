"""The user's settings for the format of a table: encoding, separator and header."""

from dataclasses import dataclass

from mlx_finbert.errors import InputError

SPELLED = {"\\t": "\t", "tab": "\t"}
"""Spellings of separators that are hard to type in a shell."""


@dataclass(frozen=True)
class ReadOptions:
    """The format of a text file with a table; None means that it is detected."""

    encoding: str | None = None
    delimiter: str | None = None
    """One character, `\\t` or `tab`."""
    header: bool | None = None
    """Whether the first line names the columns; otherwise they are called 1, 2, ..."""

    @property
    def separator(self) -> str | None:
        """The delimiter as one character.

        Raises:
            InputError: If the delimiter is not one character.
        """
        if self.delimiter is None:
            return None
        character = SPELLED.get(self.delimiter, self.delimiter)
        if len(character) != 1 or character in '"\r\n':
            raise InputError(
                f"--delimiter {self.delimiter!r} is not one character such as , ; | or \\t"
            )
        return character
