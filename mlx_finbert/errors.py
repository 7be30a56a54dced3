"""The one exception for input that cannot be used, and what error messages are made of."""


class InputError(ValueError):
    """What the user gave cannot be used.

    The message is one sentence that names the file, row, key or flag, says what is wrong with it
    and what to do. The commands print it and exit with status 2.
    """


def first_line(error: BaseException) -> str:
    """What a library's exception says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)


def is_encodable(text: str) -> bool:
    """Whether a string holds characters alone, and no lone halves of a pair."""
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
