"""Which encoding a text file has: decided once, over the whole of it, before a row is used.

A mark at the beginning decides; then whether all of it is UTF-8; then Windows-1252, which Excel
writes where it does not write UTF-8. Latin-1 decodes every file, so it is never tried: it turns the
quotation marks, dashes and the euro sign of Windows-1252 into control characters.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlx_finbert.data.tables.compressed import open_bytes
from mlx_finbert.errors import InputError

CHUNK = 1 << 16
"""Bytes of a file in memory at a time."""

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, longest first: UTF-16's begins UTF-32's. These codecs skip them."""

ENOUGH = 10
"""High bytes from which on their distribution says something about the language."""

NOT_IN_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
"""Half an emoji as if it were a character of UTF-8; in Windows-1252 no text reads so."""

HIGH = re.compile(rb"[\x80-\xff]+")
C1 = re.compile("[\x80-\x9f]")
ESCAPED = re.compile("[\udc80-\udcff]")
BEYOND_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")

NAME_IT = "name its encoding with --encoding"


@dataclass(frozen=True)
class TextFormat:
    """How to turn the bytes of a file into lines."""

    encoding: str
    newline: str
    """Which character ends a line; a lone carriage return in files of old Macs."""
    note: str = ""
    """A sentence, where the encoding is a guess."""


class UndecodableError(Exception):
    """Bytes that the encoding does not know, at an offset of the file."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


def find_format(path: Path, encoding: str | None = None) -> TextFormat:
    """Encoding and line ends of a text file, in one or two passes of constant memory.

    Args:
        path: the file, compressed or not.
        encoding: as the user named it; found where None.

    Raises:
        InputError: where bytes do not belong to the encoding, or none can be found.
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
                f"{path}, line {line}: not {encoding}; leave --encoding out to have it found, or"
                " name another"
            ) from None
    wanted = encoding_by_mark(head) or encoding_by_zeros(head) or "utf-8-sig"
    try:
        return TextFormat(wanted, line_end(path, wanted))
    except UndecodableError as error:
        line = line_at(path, wanted, error.offset)
    if wanted != "utf-8-sig" or head.startswith(codecs.BOM_UTF8):
        name = wanted.removesuffix("-sig")
        raise InputError(
            f"{path}, line {line}: not {name}, though the file begins as {name}: it is damaged,"
            " save it again"
        )
    require_windows_1252(path, line)
    note = (
        f"{path} is not UTF-8 (line {line}) and was read as Windows-1252; where letters came out"
        f" wrong, {NAME_IT}"
    )
    return TextFormat("cp1252", line_end(path, "cp1252"), note)


def named_codec(encoding: str, head: bytes, path: Path) -> str:
    """The codec of a name, in the variant that skips the mark at the beginning of the file.

    Raises:
        InputError: for an unknown name, and for another one than the file's mark says.
    """
    try:
        "a".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(f"--encoding {encoding}: Python knows no such encoding") from None
    name, marked = codecs.lookup(encoding).name, encoding_by_mark(head)
    if marked and not name.startswith(marked.removesuffix("-sig")):
        raise InputError(
            f"--encoding {encoding}: {path} begins with the mark of {marked.removesuffix('-sig')}:"
            " leave it out"
        )
    return marked or ("utf-8-sig" if name == "utf-8" else encoding)


def encoding_by_mark(head: bytes) -> str | None:
    """What a byte order mark says."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None)


def encoding_by_zeros(head: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of a header in Latin letters is zero."""
    line = head.partition(b"\n")[0]
    even, odd = line[::2].count(0), line[1::2].count(0)
    if 2 * odd >= len(line) // 2 > 0 and not even:
        return "utf-16-le"
    if 2 * even >= len(line) // 2 > 0 and not odd:
        return "utf-16-be"
    return None


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file; the last chunk is empty, so that a decoder can be closed with it."""
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk
    yield b""


def line_end(path: Path, encoding: str) -> str:
    """Decode a whole file and return the character that ends its lines.

    Raises:
        UndecodableError: at the first byte that does not belong there.
        InputError: for a zero byte, and for control characters that come of a wrong encoding.
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
            # Of a stream that must begin with a mark and does not.
            raise UndecodableError(0) from None
        if "\0" in text:
            line = 1 + feeds + text.count("\n", 0, text.index("\0"))
            raise InputError(
                f"{path}, line {line}: a zero byte: damaged, no text, or UTF-16, which"
                " --encoding utf-16-le names"
            )
        if not unicode and not text.isascii() and (found := C1.search(text)):
            line = 1 + feeds + text.count("\n", 0, found.start())
            raise wrong_single_bytes(path, line, encoding, found[0])
        feeds += text.count("\n")
        returns += text.count("\r")
    return "\r" if returns and not feeds else "\n"


def wrong_single_bytes(path: Path, line: int, encoding: str, character: str) -> InputError:
    """The error for control characters, which no text holds."""
    remedy = "name another with --encoding"
    if codecs.lookup(encoding).name == "iso8859-1":
        remedy = "add --encoding windows-1252, in which it is a quotation mark, a dash or the like"
    return InputError(
        f"{path}, line {line}: in {encoding} the byte 0x{ord(character):02x} is a control"
        f" character: {remedy}"
    )


def require_windows_1252(path: Path, line: int) -> None:
    """Refuse a file that is no more Windows-1252 than it is UTF-8.

    UTF-8 with a damaged line has many characters that are whole. Greek, Cyrillic or Chinese text
    in an encoding of its own has its high bytes in runs, where Western text has them one by one.

    Raises:
        InputError: advises to name the encoding.
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
                f"{path}, line {line}: not UTF-8 but CESU-8, with emojis in two halves, as of older"
                " databases and Java programs: export it as UTF-8 (utf8mb4 in MySQL)"
            )
        if NOT_IN_1252.search(chunk) and whole <= broken:
            raise InputError(f"{path}, line {line}: neither UTF-8 nor Windows-1252: {NAME_IT}")
    if 4 * whole > broken:
        raise InputError(
            f"{path}, line {line}: not UTF-8, but {whole:,} other characters of the file are:"
            " mend the line, or name the encoding of the whole file with --encoding"
        )
    if high >= ENOUGH and 2 * in_runs > high:
        raise InputError(
            f"{path}, line {line}: not UTF-8, and not the Western text of Windows-1252 either:"
            f" {NAME_IT} (for instance cp1251, gb18030, shift_jis or windows-1252)"
        )


def line_at(path: Path, encoding: str, offset: int) -> int:
    """The number of the line, from 1, in which a byte lies."""
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
