import sys
import warnings

import mlx.nn as nn
import pytest

from mlx_finbert.backend.interface import adapt
from mlx_finbert.backend.linux_cpu import blas

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the code runs on Linux alone")


@pytest.fixture
def fresh(monkeypatch):
    """Simulate a process that has loaded neither MLX nor a BLAS."""
    monkeypatch.setattr(blas, "_has_global_blas", lambda: False)
    monkeypatch.delitem(sys.modules, "mlx.core")
    return monkeypatch


@linux_only
def test_the_test_process_has_a_fast_blas():
    assert blas._has_global_blas()


@linux_only
def test_no_library_gives_one_warning_with_the_remedy(fresh, tmp_path):
    fresh.setattr(blas, "_candidates", lambda: iter([tmp_path / "missing.so"]))
    with pytest.warns(RuntimeWarning, match="pip install mkl") as seen:
        assert blas.use_fast_blas() is None
    assert len(seen) == 1


@linux_only
def test_mlx_imported_too_early_is_told(monkeypatch):
    monkeypatch.setattr(blas, "_has_global_blas", lambda: False)
    with pytest.warns(RuntimeWarning, match="from mlx_finbert import load"):
        assert blas.use_fast_blas() is None
    with pytest.warns(RuntimeWarning, match="from mlx_finbert import load"):
        adapt(nn.Linear(2, 2))


def test_nothing_happens_on_macos(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(blas, "_candidates", lambda: pytest.fail("looked for a BLAS"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert blas.use_fast_blas() is None
