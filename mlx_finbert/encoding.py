"""Strings that can be written to a file."""


def is_encodable(text: str) -> bool:
    """Whether a string holds characters alone, and no lone halves of a pair."""
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
