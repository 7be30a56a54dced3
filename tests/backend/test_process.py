"""Process settings: unchanged by an import, and made by commands."""

import os
import subprocess
import sys

import pytest

from mlx_finbert.backend import VARIABLE
from mlx_finbert.backend.process import kernel_problem, prepare_process
from mlx_finbert.cli.command import command
from mlx_finbert.errors import InputError

REPORT = """
import ctypes, os
before = dict(os.environ)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 2**20
{what}
import numpy as np
arrays = [np.ones(2**18) for _ in range(160)]  # of 2 MB
used = resident()
del arrays
is_same, has_blas = dict(os.environ) == before, hasattr(ctypes.CDLL(None), "cblas_sgemm")
print(is_same, has_blas, used - resident() > 200)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is changed")


def leaves(what):
    """Whether the environment is as before, there is a global BLAS, and freed memory goes back."""
    environment = {k: v for k, v in os.environ.items() if k not in (VARIABLE, "MLX_BFS_MAX_WIDTH")}
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(what=what)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_an_import_leaves_the_process_as_it_is():
    assert leaves("import mlx_finbert; mlx_finbert.__version__") == ["True", "False", "True"]
    assert leaves("import mlx_finbert.train, mlx_finbert.evaluate") == ["True", "False", "True"]


def test_the_first_function_brings_the_fast_blas_alone():
    assert leaves("from mlx_finbert import load") == ["True", "True", "True"]


def test_a_command_prepares_its_process():
    prepare = "from mlx_finbert.backend.process import prepare_process; prepare_process()"
    assert leaves(prepare) == ["False", "True", "False"]


@pytest.mark.skipif(sys.platform != "linux", reason="Metal's kernels are in MLX")
@pytest.mark.parametrize("folder", ["/proc", "gone"])
def test_a_temporary_folder_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path, monkeypatch, folder
):
    monkeypatch.setenv("TMPDIR", str(tmp_path / folder))
    words = rf"{folder}/mlx \(No such file .*: set TMPDIR .*MLX_DISABLE_COMPILE=1"
    with pytest.raises(InputError, match=words):
        prepare_process()
    monkeypatch.setenv("MLX_DISABLE_COMPILE", "1")
    prepare_process()
    monkeypatch.delenv("MLX_DISABLE_COMPILE")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    prepare_process()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"mlx \(Permission denied\)"):
        prepare_process()


FAILED_BUILD = (
    "[Compile::eval_cpu] Failed to compile function Df4: Failed to execute command with return"
    ' code 1: "g++ -O3 "/t/mlx/a.cpp" 2>&1", the output is: '
)


@pytest.mark.parametrize(
    "output, problem",
    [
        (
            "/t/a.cpp:1: fatal error: error closing /t/a.s: No space left on device\ncompilation",
            "error closing /t/a.s: No space left on device",
        ),
        ("sh: 1: g++: not found\n", "sh: 1: g++: not found"),
    ],
)
def test_a_kernel_that_cannot_be_built_is_one_sentence(output, problem, monkeypatch, capsys):
    @command
    def fail(argv):
        raise RuntimeError(FAILED_BUILD + output)

    monkeypatch.setenv("TMPDIR", "/t")
    monkeypatch.setattr("mlx_finbert.cli.command.prepare_process", lambda: None)
    assert fail() == 2
    (line,) = capsys.readouterr().err.splitlines()
    start = "error: MLX cannot write the kernels that it builds to /t/mlx"
    assert line.startswith(f"{start} ({problem}): set TMPDIR to a folder")


def test_other_errors_are_no_failed_builds():
    assert kernel_problem(RuntimeError("[matmul] shapes do not fit")) is None
