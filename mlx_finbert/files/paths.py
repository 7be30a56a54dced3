"""Paths that users give, and names that can only be meant as paths."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from mlx_finbert.errors import InputError, is_encodable

NAME_BYTES = 255
"""The longest name of a file on the usual file systems."""


def local_path(name: str | Path) -> Path:
    """Return the path for a user's name of it; `~` and `~user` at its beginning are expanded.

    As in a shell, a name such as `~$news.csv` stays as it is if there is no such user.

    Raises:
        InputError: For a name that no file can have, or that MLX and tokenizers cannot open.
    """
    if "\0" in str(name):
        raise InputError(f"{str(name)!r} is not a path: it holds a null character")
    require_locale([str(name)])
    if not is_encodable(str(name)):
        raise InputError(f"{str(name)!r} is not a path in UTF-8: rename the file or folder")
    path = Path(os.path.expanduser(name))
    if any(len(os.fsencode(part)) > NAME_BYTES for part in path.parts):
        raise InputError(
            f"{str(name)!r} is not a path: a name in it is longer than {NAME_BYTES} bytes"
        )
    return path


def require_locale(words: Iterable[str]) -> None:
    """Refuse words with characters that a locale without UTF-8 lacks.

    Its Python passes on the bytes of an argument as halves of surrogate pairs, and opens no file
    whose name has other characters.

    Raises:
        InputError: Names the word and the remedy.
    """
    encoding = sys.getfilesystemencoding()
    for word in words if encoding != "utf-8" else ():
        try:
            word.encode(encoding)
        except UnicodeEncodeError:
            raise InputError(
                f"{word!r} has characters that the encoding of this locale ({encoding}) lacks:"
                " set PYTHONUTF8=1"
            ) from None


def is_plainly_local(name: str) -> bool:
    """Whether a name that does not exist here can only be meant as a path, not as an id on the hub.

    An id is NAME or OWNER/NAME, and `runs` is the folder of our own output.
    """
    begins = name.startswith((".", "/", "~", "runs/"))
    return begins or name.endswith("/") or name.count("/") > 1 or any(c in name for c in "\\ \0")


def require_room(path: Path, parameter: str, more: int = 0) -> None:
    """Refuse a name that is too long for a file, before the work whose results it would hold.

    Args:
        path: A file to write.
        parameter: The parameter that names it.
        more: The bytes that are added to its name.
    """
    over = len(os.fsencode(path.name)) + more - NAME_BYTES
    if over > 0:
        raise InputError(
            f"`{parameter}`: the file name {path.name[:40]}... is {over}"
            f" byte{'s' * (over > 1)} too long: shorten it"
        )
