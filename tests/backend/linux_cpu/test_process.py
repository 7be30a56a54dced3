import os
import subprocess
import sys
import warnings

import mlx.nn as nn
import pytest

from mlx_finbert.backend import VARIABLE, interface
from mlx_finbert.backend.interface import adapt
from mlx_finbert.backend.linux_cpu import process
from mlx_finbert.backend.linux_cpu.process import BFS_MAX_WIDTH, keep_freed_memory, prefer_memory
from mlx_finbert.backend.process import prepare_process

NAME = "MLX_BFS_MAX_WIDTH"
PREPARE = "from mlx_finbert.backend.process import prepare_process; prepare_process()"


def test_prefer_memory_takes_back_what_was_set_here_alone(monkeypatch):
    monkeypatch.setenv(NAME, BFS_MAX_WIDTH)
    prefer_memory()
    assert NAME not in os.environ
    monkeypatch.setenv(NAME, "77")
    prefer_memory()
    assert os.environ[NAME] == "77"


def test_a_gpu_keeps_the_order_of_mlx(monkeypatch):
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.setattr(interface, "on_linux_cpu", lambda: False)
    prepare_process()
    assert NAME not in os.environ


@pytest.mark.skipif(sys.platform != "linux", reason="the settings are those of Linux")
def test_a_width_that_the_user_chose_is_kept():
    for given in ({}, {NAME: "33"}):
        argv = [sys.executable, "-c", f"{PREPARE}; import os; print(os.environ['{NAME}'])"]
        environment = {k: v for k, v in os.environ.items() if k not in (NAME, VARIABLE)} | given
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.strip() == given.get(NAME, BFS_MAX_WIDTH)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_freed_memory_is_kept():
    assert keep_freed_memory()


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the code runs on Linux alone")


@pytest.fixture
def fresh(monkeypatch):
    """Simulate a process that has loaded neither MLX nor a BLAS."""
    monkeypatch.setattr(process, "_has_global_blas", lambda: False)
    monkeypatch.delitem(sys.modules, "mlx.core")
    return monkeypatch


@linux_only
def test_the_test_process_has_a_fast_blas():
    assert process._has_global_blas()


@linux_only
def test_no_library_gives_one_warning_with_the_remedy(fresh, tmp_path):
    fresh.setattr(process, "_candidates", lambda: iter([tmp_path / "missing.so"]))
    with pytest.warns(RuntimeWarning, match="pip install mkl") as seen:
        assert process.use_fast_blas() is None
    assert len(seen) == 1


@linux_only
def test_mlx_imported_too_early_is_told(monkeypatch):
    monkeypatch.setattr(process, "_has_global_blas", lambda: False)
    with pytest.warns(RuntimeWarning, match="from mlx_finbert import load"):
        assert process.use_fast_blas() is None
    with pytest.warns(RuntimeWarning, match="from mlx_finbert import load"):
        adapt(nn.Linear(2, 2))


def test_nothing_happens_on_macos(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(process, "_candidates", lambda: pytest.fail("looked for a BLAS"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert process.use_fast_blas() is None
