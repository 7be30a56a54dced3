"""The ways to compute that `check` compares."""

import os
import sys

import mlx.core as mx
import pytest

from mlx_finbert.backend import PLAIN, VARIABLE
from mlx_finbert.backend.interface import on_linux_cpu
from mlx_finbert.backend.ways import Way, own_way, reference_way


@pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device() != mx.cpu, reason="the paths of Linux's CPU"
)
@pytest.mark.parametrize("value", ["", PLAIN])
def test_the_two_paths_of_the_linux_cpu(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    own, other = own_way(), reference_way()
    assert {own.backend, other.backend} == {"", PLAIN} and own.backend == value
    for way in (own, other):
        with way.taken():
            assert on_linux_cpu() == (way.backend != PLAIN)
        assert os.environ[VARIABLE] == value


def test_a_variable_that_was_not_set_is_removed_again(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with Way("x", mx.default_device(), PLAIN, True).taken():
        assert os.environ[VARIABLE] == PLAIN
    assert VARIABLE not in os.environ


def traces_of(calls):
    traced = []

    def function(x):
        traced.append(1)
        return x + 1

    compiled = mx.compile(function)
    for _ in range(calls):
        mx.eval(compiled(mx.ones(2)))
    return len(traced)


def test_a_way_without_compilation(monkeypatch):
    monkeypatch.delenv("MLX_DISABLE_COMPILE", raising=False)
    assert traces_of(3) == 1
    with Way("x", mx.default_device(), PLAIN, False).taken():
        assert traces_of(3) == 3
    assert traces_of(3) == 1


def test_a_gpu_is_compared_with_the_cpu_stream(monkeypatch):
    monkeypatch.setattr(mx, "default_device", lambda: mx.Device(mx.gpu, 0))
    other = reference_way()
    assert other.device == mx.cpu and other.backend == PLAIN and not other.compiled
    assert own_way().device == mx.gpu and own_way().compiled
