"""The progress bar: a widget in a notebook, text on a terminal, nothing elsewhere."""

import sys
from typing import Any


def progress_bar(**options: Any) -> Any:
    """Return a bar of `tqdm.auto` with these options.

    Without a terminal there is none. The output of a notebook is no terminal, but shows bars.
    """
    from tqdm.auto import tqdm

    return tqdm(**{"dynamic_ncols": True, "disable": False if in_notebook() else None} | options)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, as `tqdm.auto` decides it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config
