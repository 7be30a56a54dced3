"""Functions that depend on the device, and the choice between them by the environment."""

import os
import subprocess
import sys

import mlx.core as mx
import mlx.nn as nn
import pytest

from mlx_finbert.backend import PLAIN, VARIABLE, check_backend, interface
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


def test_plain_turns_every_form_of_the_linux_cpu_off(monkeypatch):
    monkeypatch.setenv(VARIABLE, PLAIN)
    x = mx.ones(3)
    assert not interface.on_linux_cpu()
    assert interface.scalar(x) is x
    assert len(interface.compile_forward(mx.exp, [])) == 1 and interface.pad_multiple() == 8
    layer = interface.adapt(nn.Linear(2, 2))
    assert type(layer) is nn.Linear


@pytest.mark.skipif(sys.platform != "linux", reason="the forms are for Linux")
@pytest.mark.parametrize("value", [None, ""])
def test_unset_leaves_them_on(monkeypatch, value):
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    check_backend()
    assert interface.on_linux_cpu() == (mx.default_device() == mx.cpu)


def test_a_misspelt_switch_is_one_sentence(monkeypatch):
    monkeypatch.setenv(VARIABLE, "Plain")
    with pytest.raises(InputError, match=f"{VARIABLE} is 'Plain' in the environment: set it to"):
        check_backend()
    for module in ("train", "evaluate", "predict", "convert.to_mlx", "convert.verify"):
        argv = [sys.executable, "-m", f"mlx_finbert.{module}", "--model", "m"]
        done = subprocess.run(argv, capture_output=True, text=True, env=os.environ | {})
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {VARIABLE} is 'Plain'") and done.stdout == ""
        assert done.stderr.count("\n") == 1
