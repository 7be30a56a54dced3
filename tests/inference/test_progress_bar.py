"""The progress bar of a terminal, of a notebook, and of neither."""

import sys
from types import SimpleNamespace

import pytest
import tqdm.auto

from mlx_finbert.inference.progress_bar import in_notebook, progress_bar


def shell(**config):
    return SimpleNamespace(get_ipython=lambda: SimpleNamespace(config=config))


@pytest.mark.parametrize(
    ("ipython", "expected"),
    [
        (None, False),
        (SimpleNamespace(), False),
        (SimpleNamespace(get_ipython=lambda: None), False),
        (shell(TerminalIPythonApp={}), False),
        (shell(IPKernelApp={}), True),
    ],
)
def test_a_notebook_shows_the_bar_although_it_is_no_terminal(monkeypatch, ipython, expected):
    made = []
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(tqdm.auto, "tqdm", lambda **options: made.append(options))
    assert in_notebook() == expected
    progress_bar(total=3)
    assert made == [{"dynamic_ncols": True, "disable": False if expected else None, "total": 3}]
