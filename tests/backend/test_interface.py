"""Functions that depend on the device."""

import mlx.core as mx
import pytest

from mlx_finbert.backend.interface import refuse_wrong_gradients
from mlx_finbert.backend.process import hold_memory
from mlx_finbert.errors import InputError


def test_memory_is_held_where_there_is_metal(monkeypatch):
    limits = []
    monkeypatch.setattr(mx, "set_wired_limit", limits.append)
    monkeypatch.setattr(mx, "set_cache_limit", limits.append)
    monkeypatch.setattr(mx.metal, "is_available", lambda: False)
    hold_memory()
    assert limits == []
    # Simulates a Mac whose default device is the CPU: the limit is that of the GPU.
    infos = {mx.gpu: {"max_recommended_working_set_size": 8000}, mx.cpu: {}}
    monkeypatch.setattr(mx.metal, "is_available", lambda: True)
    monkeypatch.setattr(mx, "device_info", lambda of=mx.cpu: infos[of])
    hold_memory()
    assert limits == [8000, 2000]


def test_widths_whose_gradients_are_wrong_on_cuda_are_refused(monkeypatch):
    refuse_wrong_gradients(15)
    monkeypatch.setattr(mx.cuda, "is_available", lambda: True)
    refuse_wrong_gradients(15)
    monkeypatch.setattr(mx, "default_device", lambda: mx.gpu)
    refuse_wrong_gradients(16)
    with pytest.raises(InputError, match="hidden size of 15: on CUDA"):
        refuse_wrong_gradients(15)
