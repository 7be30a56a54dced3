"""The loop: what it records, and how it ends."""

import os
import signal
import threading

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.forward import Forward
from mlx_finbert.metrics import measure
from mlx_finbert.training.fit import Record, fit
from mlx_finbert.training.optimizer import AdamW

TEXTS = ["profit rose", "sales fell", "orders unchanged"] * 11
LABELS = np.array([2, 0, 1] * 11, np.int32)


def loaders(tokenizer, batch_size=8):
    tokens = tokenize(tokenizer, TEXTS, 40)
    train = Loader(tokens, LABELS, batch_size, tokenizer.pad_token_id, 40, seed=0)
    return train, Loader(tokens, LABELS, batch_size, tokenizer.pad_token_id, 40)


def run(model, tokenizer, epochs=2, rate=3e-3, **more):
    mx.random.seed(0)
    return fit(model, AdamW(rate), *loaders(tokenizer), epochs, **more)


def test_it_learns_and_records_every_epoch(tiny):
    model, tokenizer = tiny
    seen = []
    outcome = run(model, tokenizer, 12, on_step=seen.append)
    assert outcome.end == "finished"
    assert outcome.steps == len(seen) == 60
    assert [r.epoch for r in outcome.history] == list(range(1, 13))
    assert [r.step for r in outcome.history] == list(range(5, 61, 5))
    assert outcome.history[-1].val_accuracy == 1.0
    assert outcome.history[-1].loss < 0.5 < outcome.history[0].loss
    assert not model.training


def test_evaluation_between_the_ends_of_epochs(tiny):
    outcome = run(*tiny, eval_every=3)
    assert [r.step for r in outcome.history] == [3, 5, 6, 9, 10]
    assert [r.epoch for r in outcome.history] == [0.6, 1.0, 1.2, 1.8, 2.0]


def test_the_training_loss_is_the_mean_over_all_examples(checkpoint):
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model, tokenizer = mlx_finbert.load(checkpoint(**none))
    # Nothing moves, so the training rows have the validation rows' loss, the short batch included.
    (record,) = run(model, tokenizer, 1, rate=0.0).history
    assert record.loss == pytest.approx(record.val_loss, abs=1e-6)
    assert record.accuracy == pytest.approx(record.val_accuracy, abs=1e-6)


def test_the_model_has_the_evaluated_weights_in_the_callback(tiny):
    model, tokenizer = tiny
    _, validation = loaders(tokenizer)
    losses = []

    def evaluate_again(record, is_best):
        logits = Forward(model).all_logits(validation)
        losses.append((record.val_loss, measure(logits, validation.labels).loss))

    run(model, tokenizer, 3, on_evaluation=evaluate_again)
    assert len(losses) == 3
    assert all(ours == again for ours, again in losses)


def record(f1, loss):
    return Record(1, 1.0, 0.0, 0.0, 0.0, 0.0, loss, 0.0, f1)


def test_the_best_is_by_macro_f1_then_by_loss():
    assert record(0.5, 1.0).is_better_than(None)
    assert record(0.6, 9.0).is_better_than(record(0.5, 1.0))
    assert record(0.5, 0.9).is_better_than(record(0.5, 1.0))
    assert not record(0.5, 1.0).is_better_than(record(0.5, 1.0))


def test_ctrl_c_ends_after_the_step_and_a_second_one_interrupts(tiny):
    model, tokenizer = tiny
    before = signal.getsignal(signal.SIGINT)

    def press(times):
        def on_step(figures):
            if figures.step == 4:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)

        return on_step

    outcome = run(model, tokenizer, on_step=press(1))
    assert (outcome.end, outcome.steps, outcome.history) == ("interrupted", 4, [])
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        run(model, tokenizer, on_step=press(2))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_not_finite_ends_the_run(tiny):
    model, tokenizer = tiny

    def spoil(record, is_best):
        model.classifier.weight = mx.full(model.classifier.weight.shape, float("nan"))

    outcome = run(model, tokenizer, on_evaluation=spoil)
    assert (outcome.end, outcome.steps) == ("diverged", 6)
    assert len(outcome.history) == 1
    assert outcome.best is outcome.history[0]


def test_weights_that_break_in_the_last_step_are_no_record(tiny):
    model, tokenizer = tiny

    def spoil(figures):
        if figures.step == 10:
            model.classifier.weight = mx.full(model.classifier.weight.shape, float("nan"))

    outcome = run(model, tokenizer, on_step=spoil)
    assert (outcome.end, outcome.steps, len(outcome.history)) == ("diverged", 10, 1)


def test_an_ignored_interrupt_stays_ignored(tiny):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        press = lambda figures: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
        assert run(*tiny, epochs=1, on_step=press).end == "finished"
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_runs_off_the_main_thread(tiny):
    ends = []
    thread = threading.Thread(target=lambda: ends.append(run(*tiny, epochs=1).end))
    thread.start()
    thread.join()
    assert ends == ["finished"]
