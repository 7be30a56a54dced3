"""Texts from a stream such as standard input: one per line, read as they arrive."""

import codecs
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from mlx_finbert.data.tables.encodings import CHUNK, named_codec
from mlx_finbert.errors import InputError

STANDARD_INPUT = "-"
"""The text or file name that stands for the lines of standard input."""


def is_piped() -> bool:
    """Whether standard input is a file or a pipe. Python sets a closed one to None."""
    return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()


def standard_input() -> BufferedReader:
    """The bytes of standard input.

    Raises:
        InputError: if it is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("standard input is closed: pipe texts into the command, one per line")
    return sys.stdin.buffer  # type: ignore[return-value]


def arriving_lines(
    stream: BufferedReader, most: int, encoding: str = "utf-8"
) -> Iterator[list[str]]:
    """Yield the lines that have arrived, at most `most` at a time, without their ends.

    A slow writer gets an answer to each line; a fast one gets full batches.

    Args:
        stream: the stream.
        most: maximum number of lines in a list.
        encoding: encoding of the lines; the mark at the beginning of UTF-8 is skipped.

    Raises:
        InputError: if there is no such encoding, or bytes are not in it; names the line.
    """
    decoder = codecs.getincrementaldecoder(named_codec(encoding, b"", Path(STANDARD_INPUT)))()
    unfinished, count, data = "", 0, b"-"
    while data:
        data = stream.read1(CHUNK)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line = count + error.object[: error.start].count(b"\n") + 1
            raise InputError(
                f"standard input, line {line}: not {encoding}; name the encoding with `encoding`"
            ) from None
        *lines, unfinished = (unfinished + text).split("\n")
        count += len(lines)
        if not data and unfinished:
            lines.append(unfinished)
        for start in range(0, len(lines), most):
            yield [line.removesuffix("\r") for line in lines[start : start + most]]
