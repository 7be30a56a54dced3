import os
import subprocess
import sys

import pytest

from mlx_finbert.backend import interface
from mlx_finbert.backend.choice import VARIABLE
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
