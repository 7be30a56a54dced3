"""A wrong constant in a layer, in training or in a file turns a check red, by its name."""

import sys
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import pytest

from mlx_finbert.backend.linux_cpu import arithmetic, parallel
from mlx_finbert.backend.linux_cpu.layers import Attention as LinuxAttention
from mlx_finbert.backend.ways import own_way, reference_way
from mlx_finbert.models import bert, config, distilbert
from mlx_finbert.models.attention import Attention, Packing
from mlx_finbert.models.bert import BertPooler
from mlx_finbert.models.dropout import LEVELS, Dropout
from mlx_finbert.models.roberta import RobertaEmbeddings
from mlx_finbert.self_check import layers, resume
from mlx_finbert.self_check.checks import (
    checks_against_numpy,
    checks_of_two_ways,
)
from mlx_finbert.self_check.outcome import Check, carried_out
from mlx_finbert.training import step
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Adam
from mlx_finbert.training.state import RunState

QUICK = {
    "attention", "layer norm", "activations", "loss", "dropout", "Adam", "BERT, logits",
    "DistilBERT, logits", "RoBERTa, logits",
}  # fmt: skip
"""Checks of a fraction of a second."""
HALF = {"bfloat16", "float16"}


@pytest.fixture(autouse=True)
def short_rows(monkeypatch):
    monkeypatch.setattr(layers, "LENGTHS", (19,))


def red(checks, names):
    """Return the names of the checks that fail, of these; all of them are carried out."""
    chosen = [check for check in checks if check.name in names]
    assert {check.name for check in chosen} == {*names}
    return {check.name for check in chosen if not carried_out(check).passed}


def wrong_scale(monkeypatch):
    for kind in (Attention, LinuxAttention):
        own = kind.__call__
        changed = partial(lambda own, layer, q, *more: own(layer, 1.01 * q, *more), own)
        monkeypatch.setattr(kind, "__call__", lambda *a, changed=changed: changed(*a))


def wrong_epsilon(monkeypatch):
    own = nn.LayerNorm.__init__
    monkeypatch.setattr(
        nn.LayerNorm, "__init__", lambda self, dims, eps: own(self, dims, eps=max(eps, 1e-7))
    )


def wrong_epsilon_of_distilbert(monkeypatch):
    monkeypatch.setattr(distilbert, "LAYER_NORM_EPS", 1e-5)


def wrong_gelu(monkeypatch):
    monkeypatch.setitem(config.ACTIVATIONS, "gelu", config.ACTIVATIONS["gelu_new"])


def wrong_gelu_new(monkeypatch):
    fast = partial(nn.GELU, approx="fast")
    monkeypatch.setitem(config.ACTIVATIONS, "gelu_new", fast)


def wrong_dropout_scale(monkeypatch):
    monkeypatch.setattr(Dropout, "scale", property(lambda self: 1.0))


def wrong_dropout_rate(monkeypatch):
    monkeypatch.setattr(Dropout, "dropped", property(lambda self: round(0.99 * self.rate * LEVELS)))


def dropout_without_a_key(monkeypatch):
    monkeypatch.setattr(
        Dropout, "draw", lambda self, shape: mx.random.bernoulli(1 - self.rate, shape)
    )


def wrong_beta(monkeypatch):
    monkeypatch.setattr(Adam.__init__, "__defaults__", (0.0, True, (0.9, 0.99), 1e-8))


def wrong_adam_epsilon(monkeypatch):
    monkeypatch.setattr(Adam.__init__, "__defaults__", (0.0, True, (0.9, 0.999), 1e-7))


def no_bias_correction(monkeypatch):
    monkeypatch.setattr(mx, "expm1", lambda x: mx.full(x.shape, -1.0))


def wrong_smoothing(monkeypatch):
    own = Loss.sum
    monkeypatch.setattr(
        Loss, "sum", lambda self, *a: own(Loss(self.class_weights, 1.1 * self.label_smoothing), *a)
    )


def padding_is_seen(monkeypatch):
    own = Packing.__init__

    def init(self, *arguments, **more):
        own(self, *arguments, **more)
        self.mask = mx.ones_like(self.mask)

    monkeypatch.setattr(Packing, "__init__", init)


def positions_from_zero(monkeypatch):
    monkeypatch.setattr(RobertaEmbeddings, "position_ids", bert.BertEmbeddings.position_ids)


def relu_for_tanh(monkeypatch):
    monkeypatch.setattr(BertPooler, "__call__", lambda self, x: nn.relu(self.dense(x)))


def less_than_half_precision(monkeypatch):
    own = nn.Linear.__call__

    def linear(self, x):
        found = own(self, x)
        if found.dtype == mx.float32:
            return found
        return found * mx.array(1 + 2**-5, found.dtype)

    monkeypatch.setattr(nn.Linear, "__call__", linear)


def half_precision_ignored(monkeypatch):
    monkeypatch.setattr(nn.Module, "set_dtype", lambda self, dtype: None)


LOGITS = {"BERT, logits", "DistilBERT, logits", "RoBERTa, logits"}
FAULTS = {
    wrong_scale: {"attention", *LOGITS},
    # RoBERTa's own epsilon is larger.
    wrong_epsilon: {"layer norm", "BERT, logits", "DistilBERT, logits"},
    wrong_epsilon_of_distilbert: {"layer norm", "DistilBERT, logits"},
    wrong_gelu: {"activations", *LOGITS},
    wrong_gelu_new: {"activations"},
    wrong_dropout_scale: {"dropout"},
    wrong_dropout_rate: {"dropout"},
    dropout_without_a_key: {"dropout"},
    wrong_beta: {"Adam"},
    wrong_adam_epsilon: {"Adam"},
    no_bias_correction: {"Adam"},
    wrong_smoothing: {"loss"},
    padding_is_seen: {"attention", *LOGITS},
    positions_from_zero: {"RoBERTa, logits"},
    relu_for_tanh: {"BERT, logits"},
}


@pytest.mark.usefixtures("backend")
def test_all_are_green_without_a_fault():
    assert red(checks_against_numpy(quick=True), QUICK | HALF) == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found_by_name(monkeypatch, fault):
    fault(monkeypatch)
    assert red(checks_against_numpy(quick=True), QUICK) == FAULTS[fault]


@pytest.mark.parametrize("fault", [less_than_half_precision, half_precision_ignored])
def test_wrong_half_precision_is_found(monkeypatch, fault):
    fault(monkeypatch)
    assert red(checks_against_numpy(quick=True), {*HALF, "BERT, logits"}) == HALF


def cut_gradient(monkeypatch):
    monkeypatch.setattr(
        BertPooler, "__call__", lambda self, x: mx.tanh(mx.stop_gradient(self.dense(x)))
    )


def wrong_size_of_a_gradient(monkeypatch):
    def call(self, x):
        y = mx.tanh(self.dense(x))
        return 1.001 * y - mx.stop_gradient(0.001 * y)

    monkeypatch.setattr(BertPooler, "__call__", call)


@pytest.mark.parametrize("fault", [cut_gradient, wrong_size_of_a_gradient])
def test_a_wrong_gradient_of_right_logits_is_found(monkeypatch, fault):
    fault(monkeypatch)
    names = {"BERT, logits", "BERT, gradients"}
    assert red(checks_against_numpy(quick=True), names) == {"BERT, gradients"}


@pytest.mark.parametrize("fault", [wrong_beta, None])
def test_a_wrong_step_is_found(monkeypatch, fault):
    if fault:
        fault(monkeypatch)
    else:  # Clipped at another norm.
        own = step.TrainStep.__init__
        monkeypatch.setattr(
            step.TrainStep,
            "__init__",
            lambda self, *a, max_grad_norm, **more: own(
                self, *a, max_grad_norm=1.1 * max_grad_norm, **more
            ),
        )
    assert red(checks_against_numpy(quick=True), {"training steps"}) == {"training steps"}


def test_layers_computed_again_with_other_masks_are_found(monkeypatch):
    dropout_without_a_key(monkeypatch)
    names = {"gradient checkpointing"}
    assert red(checks_against_numpy(quick=True), names) == names


def wrong_gelu_on_linux(monkeypatch):
    monkeypatch.setattr(arithmetic, "UPPER_TAIL", (0.1, *arithmetic.UPPER_TAIL[1:]))


def wrong_norm_on_linux(monkeypatch):
    own = parallel.squared_norm_by_blas
    monkeypatch.setattr(parallel, "squared_norm_by_blas", lambda arrays: 1.1 * own(arrays))


TWO_WAYS = [f"small models, {what} both ways" for what in ("logits", "gradients", "ten steps")]


@pytest.mark.skipif(not reference_way(), reason="this machine has only one way to compute")
@pytest.mark.usefixtures("backend")
def test_two_ways_agree():
    assert red(checks_of_two_ways(own_way(), reference_way(), quick=True), TWO_WAYS) == set()


def test_one_way_to_compute_is_no_fault():
    for check in checks_of_two_ways(own_way(), None, quick=False):
        finding = carried_out(check)
        assert finding.passed is None and "only one way" in str(finding)


@pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device() != mx.cpu, reason="needs the Linux path"
)
@pytest.mark.parametrize(
    ("fault", "names"),
    [(wrong_gelu_on_linux, TWO_WAYS[:2]), (wrong_norm_on_linux, TWO_WAYS[2:])],
)
def test_a_fault_of_one_way_is_found(monkeypatch, fault, names):
    fault(monkeypatch)
    assert red(checks_of_two_ways(own_way(), reference_way(), quick=True), names) == {*names}


def zeros_like(arrays):
    return {name: mx.zeros_like(array) for name, array in arrays.items()}


def test_a_resume_without_the_moments_is_found(monkeypatch):
    check = Check("resume", resume.resume)
    assert carried_out(check).passed
    own = step.StepState.from_arrays.__func__

    def forgetful(cls, arrays):
        return own(cls, arrays | {"m": zeros_like(arrays["m"])})

    monkeypatch.setattr(step.StepState, "from_arrays", classmethod(forgetful))
    finding = carried_out(check)
    assert finding.passed is False and "but for" in str(finding)


@pytest.mark.slow
@pytest.mark.parametrize("forgetful", [False, True])
def test_a_device_that_never_repeats_a_run_is_told_from_a_wrong_resume(monkeypatch, forgetful):
    own, eps = step.TrainStep.__post_init__, iter([1e-8, 1.1e-8, 1.2e-8])

    def init(self):
        self.optimizer.eps = next(eps)
        own(self)

    monkeypatch.setattr(step.TrainStep, "__post_init__", init)
    if forgetful:
        from_arrays = step.StepState.from_arrays.__func__
        monkeypatch.setattr(
            step.StepState,
            "from_arrays",
            classmethod(lambda cls, a: from_arrays(cls, a | {"m": zeros_like(a["m"])})),
        )
    finding = carried_out(Check("resume", resume.resume))
    assert finding.passed is not forgetful
    assert "never has the same bits" in str(finding)


@pytest.mark.slow
def test_a_resume_at_another_step_is_found(monkeypatch):
    own = RunState.from_dict.__func__
    monkeypatch.setattr(
        RunState, "from_dict", classmethod(lambda cls, v: own(cls, v | {"step": v["step"] - 1}))
    )
    assert carried_out(Check("resume", resume.resume)).passed is False
