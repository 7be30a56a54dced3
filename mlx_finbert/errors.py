"""The exception for unusable input, and helpers for error messages."""


class InputError(ValueError):
    """An error in the user's input.

    The message is one sentence: it names the file, row, key or parameter, says what is wrong and
    what to do. Parameters are in backticks; the commands print them as flags, and exit with
    status 2.
    """


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
