"""The reader of JSON, with bounds on its size, its depth and its numbers.

Everything that is read as JSON passes through here, so what comes out is safe to walk through, to
convert and to print: no nesting that ends Python's stack, no half of a surrogate pair.
"""

import json
import re
from math import isfinite
from pathlib import Path
from typing import Any

from mlx_finbert.errors import InputError, is_encodable

MOST_LEVELS = 100
"""The most levels of arrays and objects; files of models and rows of data have about ten."""

MOST_BYTES = 64 << 20
"""The size of the largest file; the largest `tokenizer.json` in use have about 35 MB."""

MOST_DIGITS = 4000
"""The most digits of a whole number; Python converts few more, as the time grows with the square.

Readers of fields check the range, and can name the field.
"""

SPACE = re.compile(r"[ \t\n\r]*")

DAMAGED = "restore the file, or make it again"
"""The remedy if no other is known."""


class JsonFault(ValueError):
    """Why a text cannot be read as JSON, as a clause: "JSON nested deeper than 100 levels"."""


def whole_number(digits: str) -> int:
    """Convert a number of JSON, which may be longer than Python converts."""
    if len(digits) > MOST_DIGITS:
        raise JsonFault(f"JSON in which a number of {len(digits):,} digits is too large")
    return int(digits)


def finite_number(digits: str) -> float:
    """Convert a number of JSON that is not too large for a float."""
    if not isfinite(value := float(digits)):
        raise JsonFault(f"JSON in which the number {digits:.40} is too large")
    return value


DECODER = json.JSONDecoder(parse_int=whole_number, parse_float=finite_number)
"""Takes NaN and Infinity too, which Python writes, and the last of two values of one key."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a text in JSON; bytes are UTF-8, with or without a byte order mark.

    Raises:
        JsonFault: If it is not JSON, or exceeds a bound.
    """
    if isinstance(text, bytes):
        text = _decoded(text)
    value = parse_whole(text)
    if ("\\ud" in text or "\\uD" in text) and not is_encodable(_dumped(value)):
        raise JsonFault("JSON with half of a surrogate pair, as in an emoji cut in two")
    return value


def parse_whole(text: str, decoder: json.JSONDecoder = DECODER) -> Any:
    """Return the value of a text; it may have halves of surrogate pairs.

    Raises:
        JsonFault: If it is not JSON, or exceeds a bound.
    """
    value, end = parse_json_at(text, SPACE.match(text).end(), decoder)  # type: ignore[union-attr]
    if (end := SPACE.match(text, end).end()) < len(text):  # type: ignore[union-attr]
        raise JsonFault(f"not valid JSON: more text after its end{_place(text, end)}")
    return value


def parse_json_at(text: str, at: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    """Return the value that begins at a position of a text, and where it ends.

    Raises:
        JsonFault: If there is no value in JSON, or it exceeds a bound.
    """
    try:
        value, end = decoder.raw_decode(text, at)
    except RecursionError:
        raise JsonFault(_too_deep()) from None
    except json.JSONDecodeError as error:
        raise JsonFault(f"not valid JSON: {error.msg}{_place(text, error.pos)}") from None
    except JsonFault:
        raise
    except ValueError as error:
        raise JsonFault(f"not valid JSON: {error}") from None
    if text.count("[", at, end) + text.count("{", at, end) > MOST_LEVELS and _is_deep(value):
        raise JsonFault(_too_deep())
    return value, end


def json_of(text: str | bytes, name: object, remedy: str = DAMAGED) -> Any:
    """Return the value of a text in JSON.

    Args:
        text: The text.
        name: What holds the text, for the message: a path, or an entry of a file.
        remedy: What to do about a text that cannot be read.

    Raises:
        InputError: If it is not JSON, or exceeds a bound.
    """
    try:
        return parse_json(text)
    except JsonFault as fault:
        raise InputError(f"{name} is {fault}; {remedy}") from None


def read_json(path: Path, remedy: str = DAMAGED) -> Any:
    """Return the value of a file in JSON.

    Raises:
        InputError: If it is not JSON, or exceeds a bound; names the file and the remedy.
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MiB of JSON; {remedy}")
    return json_of(data, path, remedy)


def read_json_object(path: Path, remedy: str = DAMAGED) -> dict[str, Any]:
    """Return the object of a file in JSON.

    Raises:
        InputError: If it is not JSON, exceeds a bound, or is not an object.
        OSError: If the file cannot be read.
    """
    found = read_json(path, remedy)
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, not a JSON object ({{...}})")
    return found


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsonFault(f"not valid JSON: byte {error.start:,} is not UTF-8") from None


def _place(text: str, at: int) -> str:
    """The place of a character, counted from 1, with its line if there are several."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f" at {f'line {line:,}, ' if line > 1 else ''}character {column:,}"


def _is_deep(value: Any) -> bool:
    """Whether a value has too many levels; walks level by level, as recursion has its limit."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_LEVELS):
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [item for part in inner for item in part if isinstance(item, dict | list)]
    return bool(level)


def _too_deep() -> str:
    return f"JSON nested deeper than {MOST_LEVELS} levels"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
