"""What a user may say about the form of a table: encoding, separator, header."""

from dataclasses import dataclass

from mlx_finbert.errors import InputError

SPELLED = {"\\t": "\t", "tab": "\t"}
"""Separators that a shell makes hard to type."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read a text file with a table; None is found from the file itself."""

    encoding: str | None = None
    delimiter: str | None = None
    """One character, `\\t` or `tab`."""
    header: bool | None = None
    """Whether the first line names the columns; without names they are called 1, 2, ..."""

    @property
    def separator(self) -> str | None:
        """The delimiter as one character.

        Raises:
            InputError: where it is none.
        """
        if self.delimiter is None:
            return None
        character = SPELLED.get(self.delimiter, self.delimiter)
        if len(character) != 1 or character in '"\r\n':
            raise InputError(
                f"--delimiter {self.delimiter!r} is not one character such as , ; | or \\t"
            )
        return character
