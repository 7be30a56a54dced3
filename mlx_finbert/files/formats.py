"""Detection of file formats by the first bytes, because names can be wrong."""

import codecs
import string
from pathlib import Path

from mlx_finbert.errors import InputError
from mlx_finbert.files.archives import open_zip

SAFETENSORS = "safetensors"
TORCH = "torch.save's"
TEXT = "text"

BYTES_READ = 512
"""The number of bytes that are examined."""

PICKLE_OF_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The magic number of `torch.save` files from before it wrote zip archives."""

ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""The formats of archives by first bytes."""

FOREIGN = {
    b"\x89HDF": "is an HDF5 file of Keras or TensorFlow: use the model's safetensors file",
    b"L119547037146038801333356L": (
        "was saved by torch.save with pickle_protocol=0: load it in PyTorch and save it again"
    ),
    b"GGUF": "is a GGUF file for llama.cpp: use the model's safetensors file",
}
"""The fault and the remedy of unsupported files by first bytes."""


def require_format(path: Path, wanted: str) -> None:
    """Refuse a file that is recognised as another format; accept one that is not recognised.

    Args:
        path: A file.
        wanted: SAFETENSORS, TORCH or TEXT.

    Raises:
        InputError: If the file has another format; names it and the remedy.
    """
    start = start_of(path)
    found = format_of(start, path)
    said = foreign(start, found)
    if said is None and found != wanted:
        said = misnamed(start, found, path)
    if said:
        raise InputError(f"{path} {said}")


def start_of(path: Path) -> bytes:
    """Read the first bytes of a file, from which its format is detected."""
    with path.open("rb") as file:
        return file.read(BYTES_READ)


def format_of(start: bytes, path: Path) -> str | None:
    """Detect the format of a file: SAFETENSORS, TORCH, TEXT, or None for any other.

    Args:
        start: The file's first bytes.
        path: The file.
    """
    if start.startswith(PICKLE_OF_LEGACY) or is_torch_archive(start, path):
        return TORCH
    # A safetensors file begins with the length of its header in 8 bytes and the header as JSON.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return SAFETENSORS
    return TEXT if is_text(start) else None


def is_torch_archive(start: bytes, path: Path) -> bool:
    """Whether a file is a zip archive with a pickle, as `torch.save` writes it."""
    if not start.startswith(b"PK\x03\x04"):
        return False
    try:
        with open_zip(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except InputError:
        # The file is truncated; `torch.save` stores the pickle first.
        return b"data.pkl" in start


def is_text(start: bytes) -> bool:
    """Whether the bytes contain no control characters except white space."""
    return not any(byte < 32 and chr(byte) not in string.whitespace for byte in start)


def foreign(start: bytes, found: str | None) -> str | None:
    """Describe an unsupported file and the remedy; None if the file is supported."""
    if not start:
        return "is empty: download it again"
    known = (said for magic, said in FOREIGN.items() if start.startswith(magic))
    return not_fetched(start) or next(known, None) or archive(start, found)


def not_fetched(start: bytes) -> str | None:
    """Describe what a failed download left instead of the file, and the remedy; None otherwise."""
    if start.startswith(b"version https://git-lfs.github.com"):
        return "is a git-LFS pointer and not the file itself: run `git lfs pull` in its repository"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return (
            "is a web page (HTML) and not the file itself: download it again from its Raw link or"
            " with `hf download`"
        )
    return None


def archive(start: bytes, found: str | None) -> str | None:
    """Describe an archive and the remedy; None if the file has a known format."""
    if found is not None:
        return None
    name = next((name for magic, name in ARCHIVES.items() if start.startswith(magic)), None)
    if start[257:262] == b"ustar":
        name = "tar"
    return name and f"is an archive ({name}): unpack it and give the folder with the checkpoint"


def misnamed(start: bytes, found: str | None, path: Path) -> str | None:
    """Describe a file of the wrong one of our formats and the remedy; None for other files."""
    if found == SAFETENSORS:
        name = path.with_suffix(".safetensors").name.replace("pytorch_model", "model")
        return f"is a safetensors file by its content: rename it to {name}"
    if found == TORCH:
        name = path.with_suffix(".bin").name
        name = name if "pytorch_model" in name else name.replace("model", "pytorch_model")
        return f"is a torch.save file by its content: rename it to {name}"
    if found == TEXT:
        line = start.decode("utf-8", "replace").strip().split("\n")[0][:60]
        return f"is text that begins with {line!r}, and not weights: download it again"
    return None


def require_text_files(folder: Path, names: set[str]) -> None:
    """Check the format of a folder's text files, and refuse a byte order mark in them.

    Readers of these files take the mark as part of the first token or of the JSON.
    """
    for path in (folder / name for name in sorted(names)):
        if not path.is_file():
            continue
        require_format(path, TEXT)
        if start_of(path).startswith(codecs.BOM_UTF8):
            raise InputError(
                f"{path} begins with a byte order mark, which would be read as content:"
                " save it as UTF-8 without the mark"
            )
