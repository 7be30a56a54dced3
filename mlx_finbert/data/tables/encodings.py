"""Detection of a text file's encoding, from the whole file and before any row is used.

A byte order mark decides first. Without one, the file is UTF-8 if all of it is valid UTF-8, and
otherwise Windows-1252, which Excel writes if it does not write UTF-8. Latin-1 is never tried: it
decodes every file, but turns the quotation marks, dashes and the euro sign of Windows-1252 into
control characters.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.data.tables.compressed import open_bytes
from mlx_finbert.errors import InputError

CHUNK = 1 << 16
"""The number of bytes of a file in memory at a time."""

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Codecs by byte order mark, longest first: the mark of UTF-32 begins with that of UTF-16.

These codecs skip the mark.
"""

ENOUGH = 10
"""The number of high bytes from which their distribution indicates the language."""

NOT_IN_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
"""Half of an emoji, encoded like a UTF-8 character; no text in Windows-1252 has these bytes."""

HIGH = re.compile(rb"[\x80-\xff]+")
C1 = re.compile("[\x80-\x9f]")
ESCAPED = re.compile("[\udc80-\udcff]")
BEYOND_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")

NAME_IT = "give its encoding with `encoding`"


@dataclass(frozen=True)
class TextFormat:
    """The encoding and line end of a text file."""

    encoding: str
    newline: str
    """The character that ends a line; a lone carriage return in files from old Macs."""
    note: str = ""
    """A sentence for the user, if the encoding is a guess."""


class UndecodableError(Exception):
    """Bytes at an offset of the file that are not valid in the encoding."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


def find_format(path: Path, encoding: str | None = None) -> TextFormat:
    """Detect the encoding and line end of a text file, in one or two passes in constant memory.

    Args:
        path: The file, compressed or not.
        encoding: The encoding that the user gives; None to detect it.

    Raises:
        InputError: If bytes are not valid in the encoding, or no encoding can be detected.
    """
    with open_bytes(path) as file:
        head = file.read(4096)
    if encoding is not None:
        wanted = named_codec(encoding, head, path)
        try:
            return TextFormat(wanted, line_end(path, wanted))
        except UndecodableError as error:
            line = line_at(path, wanted, error.offset)
            raise InputError(
                f"{path}, line {line}: not {encoding}; remove `encoding` to detect the encoding, or"
                " give another one"
            ) from None
    wanted = encoding_by_mark(head) or encoding_by_zeros(head) or "utf-8-sig"
    try:
        return TextFormat(wanted, line_end(path, wanted))
    except UndecodableError as error:
        line = line_at(path, wanted, error.offset)
    if wanted != "utf-8-sig" or head.startswith(codecs.BOM_UTF8):
        name = wanted.removesuffix("-sig")
        raise InputError(
            f"{path}, line {line}: not {name}, although the file begins as {name}: it is damaged,"
            " save it again"
        )
    require_windows_1252(path, line)
    note = (
        f"{path} is not UTF-8 (line {line}) and was read as Windows-1252; if letters look wrong,"
        f" {NAME_IT}"
    )
    return TextFormat("cp1252", line_end(path, "cp1252"), note)


def named_codec(encoding: str, head: bytes, path: Path) -> str:
    """Return the codec of a name, in the variant that skips the mark at the beginning of the file.

    Raises:
        InputError: If the name is unknown, or differs from the encoding of the file's mark.
    """
    try:
        "a".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(
            f"`encoding={encoding}`: Python has no such encoding; use a name such as utf-8 or"
            " windows-1252"
        ) from None
    name, marked = codecs.lookup(encoding).name, encoding_by_mark(head)
    if marked and not name.startswith(marked.removesuffix("-sig")):
        raise InputError(
            f"`encoding={encoding}`: {path} begins with the byte order mark of"
            f" {marked.removesuffix('-sig')}: remove `encoding`"
        )
    return marked or ("utf-8-sig" if name == "utf-8" else encoding)


def encoding_by_mark(head: bytes) -> str | None:
    """Return the encoding of a byte order mark; None if there is none."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None)


def encoding_by_zeros(head: bytes) -> str | None:
    """Detect UTF-16 without a mark: every second byte of a header in Latin letters is zero."""
    line = head.partition(b"\n")[0]
    even, odd = line[::2].count(0), line[1::2].count(0)
    if 2 * odd >= len(line) // 2 > 0 and not even:
        return "utf-16-le"
    if 2 * even >= len(line) // 2 > 0 and not odd:
        return "utf-16-be"
    return None


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file and a final empty chunk, which tells a decoder to finish."""
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk
    yield b""


def line_end(path: Path, encoding: str) -> str:
    """Decode a whole file and return the character that ends its lines.

    Raises:
        UndecodableError: At the first byte that is not valid.
        InputError: For a zero byte, and for control characters that show a wrong encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    unicode = codecs.lookup(encoding).name.startswith("utf")
    read = feeds = returns = 0
    for chunk in chunks_of(path):
        read += len(chunk)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise UndecodableError(read - len(error.object) + error.start) from None
        except UnicodeError:
            # The codec requires a byte order mark, and the file has none.
            raise UndecodableError(0) from None
        if "\0" in text:
            line = 1 + feeds + text.count("\n", 0, text.index("\0"))
            raise InputError(
                f"{path}, line {line}: a zero byte: the file is damaged, is not text, or is UTF-16;"
                " for UTF-16 add `encoding=utf-16-le`"
            )
        if not unicode and not text.isascii() and (found := C1.search(text)):
            line = 1 + feeds + text.count("\n", 0, found.start())
            raise wrong_single_bytes(path, line, encoding, found[0])
        feeds += text.count("\n")
        returns += text.count("\r")
    return "\r" if returns and not feeds else "\n"


def wrong_single_bytes(path: Path, line: int, encoding: str, character: str) -> InputError:
    """Make the error for control characters, which no text contains."""
    remedy = "give another encoding with `encoding`"
    if codecs.lookup(encoding).name == "iso8859-1":
        remedy = "add `encoding=windows-1252`, where it is a quotation mark, a dash or similar"
    return InputError(
        f"{path}, line {line}: in {encoding} the byte 0x{ord(character):02x} is a control"
        f" character: {remedy}"
    )


def require_windows_1252(path: Path, line: int) -> None:
    """Refuse a file that is neither UTF-8 nor Windows-1252.

    UTF-8 with a damaged line still has many valid characters. Greek, Cyrillic or Chinese text in
    another encoding has its high bytes in runs, while Western text has single high bytes.

    Raises:
        InputError: If the file is neither; advises to give the encoding.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    whole = broken = high = in_runs = 0
    for chunk in chunks_of(path):
        text = decoder.decode(chunk, final=not chunk)
        if chunk.isascii() and text.isascii():
            continue
        whole += len(BEYOND_ASCII.findall(text))
        broken += len(ESCAPED.findall(text))
        runs = [len(run) for run in HIGH.findall(chunk)]
        high += sum(runs)
        in_runs += sum(length for length in runs if length > 1)
        if SURROGATE.search(chunk):
            raise InputError(
                f"{path}, line {line}: not UTF-8 but CESU-8, which older databases and Java"
                " programs write and which splits emojis in two: export it as UTF-8 (utf8mb4 in"
                " MySQL)"
            )
        if NOT_IN_1252.search(chunk) and whole <= broken:
            raise InputError(f"{path}, line {line}: neither UTF-8 nor Windows-1252: {NAME_IT}")
    if 4 * whole > broken:
        raise InputError(
            f"{path}, line {line}: not UTF-8, but {whole:,} other characters of the file are:"
            " correct the line, or give the encoding of the whole file with `encoding`"
        )
    if high >= ENOUGH and 2 * in_runs > high:
        raise InputError(
            f"{path}, line {line}: not UTF-8, and not the Western text of Windows-1252 either:"
            f" {NAME_IT} (for example cp1251, gb18030, shift_jis or windows-1252)"
        )


def line_at(path: Path, encoding: str, offset: int) -> int:
    """Return the number of the line, from 1, that contains a byte."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    feeds = returns = 0
    for chunk in chunks_of(path):
        text = decoder.decode(chunk[:offset])
        feeds += text.count("\n")
        returns += text.count("\r")
        offset -= len(chunk)
        if offset <= 0:
            break
    return 1 + (feeds or returns)
