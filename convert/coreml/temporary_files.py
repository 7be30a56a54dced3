"""Temporary files of an export: where they are, and what is told of them on a full disk."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlx_finbert.errors import first_line
from mlx_finbert.files.space import size_of, size_text, tell_space

TEMPORARY = ".temporary"
"""The folder of the files, while an export is written."""
FAILED_WRITES = "filesystem error", "MIL StorageWriter", "MIL FileWriter"
"""Words of coremltools' errors where a file cannot be written, as on a full disk."""


@contextmanager
def temporary_files_in(folder: Path, needed: int) -> Iterator[None]:
    """Let Apple's libraries write their temporary files next to the export instead of to TMPDIR.

    They are as large as the model, so they belong on the disk whose space is checked, and what a
    killed export leaves of them is removed by the next one.

    Args:
        folder: The folder of the export.
        needed: The bytes of the weights, for the error of a full disk.

    Raises:
        OSError: Also if coremltools cannot write, for which it raises RuntimeErrors.
    """
    before, own = tempfile.tempdir, folder / TEMPORARY
    own.mkdir()
    tempfile.tempdir = str(own)
    try:
        yield
    except OSError as error:
        # Of a small model, the program is larger than the weights.
        tell_space(error, folder, f"more than {size_text(max(needed, size_of(folder)))}")
        cut_to_own_frames(error)
        raise
    except RuntimeError as error:
        if not any(words in str(error) for words in FAILED_WRITES):
            raise
        cut_to_own_frames(error)
        # What follows are the names of temporary files.
        reason = first_line(error).partition(" [/")[0]
        told = f"its {size_text(needed)} cannot be written: {reason}"
        raise OSError(None, told, str(folder)) from None
    finally:
        tempfile.tempdir = before
        shutil.rmtree(own, ignore_errors=True)


def cut_to_own_frames(error: BaseException) -> None:
    """Drop coremltools' frames from a traceback.

    They hold temporary files, which remove themselves and fail at it once their folder is gone.
    """
    place = last = error.__traceback__
    while place:
        if place.tb_frame.f_globals["__name__"].startswith("mlx_finbert."):
            last = place
        place = place.tb_next
    if last:
        last.tb_next = None
