"""What a file is by its first bytes, which its name may not say."""

import codecs
import string
import zipfile
from pathlib import Path

from mlx_finbert.errors import InputError

SAFETENSORS = "safetensors"
TORCH = "torch.save's"
TEXT = "text"

BYTES_READ = 512
"""Bytes that are looked at."""

PICKLE_OF_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The magic number that `torch.save` began a file with before it wrote zip archives."""

ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""First bytes of archives."""

FOREIGN = {
    b"\x89HDF": "is an HDF5 file of Keras or TensorFlow: take the model's safetensors",
    b"L119547037146038801333356L": (
        "was saved by torch.save with pickle_protocol=0: load it in PyTorch and save it again"
    ),
    b"GGUF": "is a GGUF file for llama.cpp: take the model's safetensors",
}
"""First bytes, and what a file with them is and calls for."""


def require_format(path: Path, wanted: str) -> None:
    """Refuse a file that is recognised as something else; what is not recognised passes.

    Args:
        path: a file.
        wanted: SAFETENSORS, TORCH or TEXT.

    Raises:
        InputError: says what the file is and what to do.
    """
    start = start_of(path)
    found = format_of(start, path)
    said = foreign(start, found)
    if said is None and found != wanted:
        said = misnamed(start, found, path)
    if said:
        raise InputError(f"{path} {said}")


def start_of(path: Path) -> bytes:
    """The first bytes of a file, as many as tell its format."""
    with path.open("rb") as file:
        return file.read(BYTES_READ)


def format_of(start: bytes, path: Path) -> str | None:
    """SAFETENSORS, TORCH, TEXT or None for another, of a file that begins so."""
    if start.startswith(PICKLE_OF_LEGACY) or is_torch_archive(start, path):
        return TORCH
    # The length of the header in 8 bytes, then the header, which is JSON.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return SAFETENSORS
    return TEXT if is_text(start) else None


def is_torch_archive(start: bytes, path: Path) -> bool:
    """Whether a file is a zip archive with a pickle, as `torch.save` writes."""
    if not start.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        # Cut short; `torch.save` stores the pickle first.
        return b"data.pkl" in start


def is_text(start: bytes) -> bool:
    """Whether there are no control characters but those of lines."""
    return not any(byte < 32 and chr(byte) not in string.whitespace for byte in start)


def foreign(start: bytes, found: str | None) -> str | None:
    """What a file is that nothing here reads, and what to do, or None."""
    if not start:
        return "is empty: fetch it again"
    told = (said for magic, said in FOREIGN.items() if start.startswith(magic))
    return not_fetched(start) or next(told, None) or archive(start, found)


def not_fetched(start: bytes) -> str | None:
    """What stands in place of a file that was to be fetched, and what to do, or None."""
    if start.startswith(b"version https://git-lfs.github.com"):
        return "is a git-LFS pointer and not the file itself: run `git lfs pull` in its repository"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return (
            "is a web page (HTML) and not the file itself: fetch it again, by its Raw link or with"
            " `hf download`"
        )
    return None


def archive(start: bytes, found: str | None) -> str | None:
    """What archive a file of none of our formats is, and what to do, or None."""
    if found is not None:
        return None
    name = next((name for magic, name in ARCHIVES.items() if start.startswith(magic)), None)
    if start[257:262] == b"ustar":
        name = "tar"
    return name and f"is an archive ({name}): unpack it and name the folder with the checkpoint"


def misnamed(start: bytes, found: str | None, path: Path) -> str | None:
    """What a file of one of our formats is where another is wanted, and what to do, or None."""
    if found == SAFETENSORS:
        name = path.with_suffix(".safetensors").name.replace("pytorch_model", "model")
        return f"is a safetensors file by its content: rename it to {name}"
    if found == TORCH:
        name = path.with_suffix(".bin").name
        name = name if "pytorch_model" in name else name.replace("model", "pytorch_model")
        return f"is a file of torch.save by its content: rename it to {name}"
    if found == TEXT:
        line = start.decode("utf-8", "replace").strip().split("\n")[0][:60]
        return f"is text that begins with {line!r}, and not weights: fetch it again"
    return None


def require_text_files(folder: Path, names: set[str]) -> None:
    """`require_format` of those text files that a folder has; a byte order mark is refused too.

    Its readers take the mark for a part of the first token, or of the JSON.
    """
    for path in (folder / name for name in sorted(names)):
        if not path.is_file():
            continue
        require_format(path, TEXT)
        if start_of(path).startswith(codecs.BOM_UTF8):
            raise InputError(
                f"{path} begins with a byte order mark, which its readers take for content:"
                " save it as UTF-8 without one"
            )
