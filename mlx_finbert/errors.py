"""The exception for unusable input, and helpers for error messages."""

import re

QUOTE_LENGTH = 200
"""The most characters that a message quotes of a value."""

LONG_QUOTE = re.compile(
    r"""(?<!\w)(?:'(?:[^'\\]|\\.){N,}'|"(?:[^"\\]|\\.){N,}")(?!\w)""".replace(
        "N", str(QUOTE_LENGTH + 1)
    )
)
"""A long text as `repr` shows it."""


class InputError(ValueError):
    """An error in the user's input.

    The message is one sentence: it names the file, row, key or parameter, says what is wrong and
    what to do. Parameters are in backticks; the commands print them as flags, and exit with
    status 2. Of a long value in quotes the message keeps the beginning.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(short_quotes(arg) if isinstance(arg, str) else arg for arg in args))


def short_quotes(message: str) -> str:
    """Cut each text in quotes to its first characters."""
    return LONG_QUOTE.sub(lambda found: f"{found[0][: QUOTE_LENGTH + 1]}...{found[0][0]}", message)


def shown(value: object, length: int = QUOTE_LENGTH) -> str:
    """Return a value for a message, cut to its first characters."""
    text = str(value)
    return text if len(text) <= length else f"{text[:length]}..."


def quoted(value: object) -> str:
    """Return the repr of a value for a message, cut to its first characters."""
    return shown(repr(value))


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its repr if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)


def is_encodable(text: str) -> bool:
    """Whether a string can be written as UTF-8, that is, has no lone half of a surrogate pair."""
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
