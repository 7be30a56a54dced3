"""The training loop: records, stopping and resuming."""

import os
import signal
import threading
import time
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.evaluation.metrics import measure
from mlx_finbert.inference.logits import Forward
from mlx_finbert.interrupt import ended_as_by_ctrl_c
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.training.callbacks import Callback
from mlx_finbert.training.early_stopping import Best, EarlyStopping, ReduceLROnPlateau
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Adam, make_groups
from mlx_finbert.training.state import Record
from mlx_finbert.training.step import StepFailed, StepState, TrainStep
from mlx_finbert.training.trainer import Trainer, TrainingArgs
from mlx_finbert.training.validation import ClassifierValidation

TEXTS = ["profit rose", "sales fell", "orders unchanged"] * 11
LABELS = np.array([2, 0, 1] * 11, np.int32)


class Watch(Callback):
    """A callback that calls plain functions and records its calls."""

    def __init__(self, on_step=None, on_evaluation=None, on_save=None):
        self.steps, self.saves = [], []
        self._step, self._evaluation, self._save = on_step, on_evaluation, on_save

    def on_step(self, figures):
        self.steps.append(figures)
        return self._step and self._step(figures)

    def on_evaluation(self, record, is_best):
        return self._evaluation and self._evaluation(record, is_best)

    def on_save(self, state, arrays):
        self.saves.append(state["run_state"]["step"])
        return self._save and self._save(state, arrays)


def loader(tokenizer, seed=None, **more):
    tokens = tokenize(tokenizer, TEXTS, 40)
    return Loader(tokens, LABELS, 8, tokenizer.pad_token_id, 40, seed, **more)


def make_trainer(
    model, tokenizer, steps=10, rate=3e-3, watch=(), schedule=lambda step: 1.0, **plan
):
    groups = make_groups(named_parameters(model), len(model.encoder.layer))
    step = TrainStep(model, groups, Adam(), Loss(np.ones(3, np.float32)))
    return Trainer(
        step,
        loader(tokenizer, seed=0),
        ClassifierValidation(model, loader(tokenizer), step.processes),
        TrainingArgs(steps, rate, schedule, **plan),
        (watch,) if watch else (),
    )


def run(model, tokenizer, *args, **more):
    trainer = make_trainer(model, tokenizer, *args, **more)
    return trainer.train(), trainer.run_state


def test_it_learns_and_records_every_epoch(tiny):
    watch = Watch()
    end, state = run(*tiny, 60, watch=watch)
    assert end == "finished"
    assert state.step == len(watch.steps) == 60
    assert [r.epoch for r in state.history] == list(range(1, 13))
    assert [r.step for r in state.history] == list(range(5, 61, 5))
    assert state.history[-1].val_accuracy == 1.0
    assert state.history[-1].loss < 0.5 < state.history[0].loss
    assert all(figures.grad_norm > 0 for figures in watch.steps)


def test_evaluation_between_the_ends_of_epochs_and_at_the_last_step(tiny):
    _, state = run(*tiny, 8, eval_steps=3)
    assert [r.step for r in state.history] == [3, 5, 6, 8]
    assert [r.epoch for r in state.history] == [0.6, 1.0, 1.2, 1.6]


def test_the_training_loss_is_the_mean_over_all_examples(checkpoint):
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model, tokenizer = mlx_finbert.load(checkpoint(**none))
    # The weights do not change, so training and validation rows have the same loss.
    (record,) = run(model, tokenizer, 5, rate=0.0)[1].history
    assert record.loss == pytest.approx(record.val_loss, abs=1e-6)
    assert record.accuracy == pytest.approx(record.val_accuracy, abs=1e-6)


def test_the_model_has_the_evaluated_weights_in_the_callback(tiny):
    model, tokenizer = tiny
    validation = loader(tokenizer)
    losses = []

    def evaluate_again(record, is_best):
        logits = Forward(model).all_logits(validation)
        losses.append((record.val_loss, measure(logits, validation.label_ids).loss))

    run(model, tokenizer, 15, watch=Watch(on_evaluation=evaluate_again))
    assert len(losses) == 3
    assert all(ours == again for ours, again in losses)


def record(f1, loss, accuracy=0.0):
    return Record(1, 1.0, 0.0, 0.0, 0.0, 0.0, loss, accuracy, f1, 0.0, 0.0)


def test_the_best_is_by_any_metric_then_by_loss():
    assert record(0.5, 1.0).is_better_than(None, "val_macro_f1")
    assert record(0.6, 9.0).is_better_than(record(0.5, 1.0), "val_macro_f1")
    assert record(0.5, 0.9).is_better_than(record(0.5, 1.0), "val_macro_f1")
    assert not record(0.5, 1.0).is_better_than(record(0.5, 1.0), "val_macro_f1")
    assert not record(0.6, 9.0).is_better_than(record(0.5, 1.0), "val_loss")
    assert record(0.5, 1.0, 0.9).is_better_than(record(0.6, 0.5, 0.8), "val_accuracy")
    later = replace(record(0.5, 1.0), step=2)
    assert later.is_better_than(record(0.6, 0.9), "last")
    assert not record(0.6, 0.9).is_better_than(later, "last")


def test_the_last_evaluation_is_kept_where_no_figure_is_named(tiny):
    _, state = run(*tiny, 15)
    assert len(state.history) == 3 and state.best is state.history[-1]


def test_the_rate_follows_the_schedule_step_by_step(tiny):
    watch = Watch()
    _, state = run(*tiny, 10, watch=watch, schedule=lambda step: 1 / (step + 1))
    expected = [3e-3 * (1 / (i + 1)) for i in range(10)]
    assert [figures.learning_rate for figures in watch.steps] == expected
    assert state.history[0].learning_rate == expected[4]


def test_a_plateau_halves_the_rate_down_to_its_floor(tiny):
    plateau = ReduceLROnPlateau("accuracy", factor=0.5, patience=2, min_lr=1e-3, min_delta=1.0)
    watch = Watch()
    run(*tiny, 40, watch=watch, plateau=plateau)
    rates = [figures.learning_rate for figures in watch.steps][::5]
    assert rates == [3e-3] * 3 + [1.5e-3] * 2 + [1e-3] * 3


def test_early_stopping(tiny):
    stopping = EarlyStopping(2, Best(higher_is_better=True, min_delta=1.0))
    end, state = run(*tiny, 100, stopping=stopping, best_metric="val_macro_f1")
    assert (end, state.step, len(state.history)) == ("stopped early", 15, 3)


def test_saving_is_told_when_it_is_due(tiny):
    watch = Watch()
    run(*tiny, 10, watch=watch, save_steps=4)
    assert watch.saves == [4, 8]


def test_a_restored_run_goes_on_bit_for_bit(checkpoint):
    folder = checkpoint()
    plan = {
        "eval_steps": 4,
        "schedule": lambda step: 1 / (1 + step),
        "best_metric": "val_macro_f1",
    }

    def parts():
        return {
            "plateau": ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.5),
            "stopping": EarlyStopping(50, Best(higher_is_better=True)),
        }

    kept = {}

    def keep(state, arrays):
        if state["run_state"]["step"] == 7:
            weights = named_parameters(whole.step.model).items()
            kept["weights"] = {name: mx.array(weight) for name, weight in weights}
            kept["state"], kept["arrays"] = state, {p: dict(a) for p, a in arrays.items()}
            mx.eval(kept["weights"])

    whole = make_trainer(
        *mlx_finbert.load(folder), 17, watch=Watch(on_save=keep), save_steps=7, **plan, **parts()
    )
    whole.train()
    again = make_trainer(*mlx_finbert.load(folder), 17, **plan, **parts())
    again.step.model.load_weights(list(kept["weights"].items()))
    again.step.state = StepState.from_arrays(kept["arrays"])
    again.restore(kept["state"])
    again.train()
    assert again.run_state == whole.run_state
    ours, theirs = named_parameters(again.step.model), named_parameters(whole.step.model)
    assert all(mx.array_equal(ours[name], theirs[name]) for name in ours)


def test_ctrl_c_ends_after_the_step_and_a_second_one_interrupts(tiny):
    before = signal.getsignal(signal.SIGINT)

    def press(times):
        def on_step(figures):
            if figures.step == 2:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)

        return Watch(on_step)

    watch = press(1)
    end, state = run(*tiny, watch=watch)
    # When step 2 is reported, step 3 is already running.
    assert (end, state.step, state.history, watch.saves) == ("interrupted", 3, [], [3])
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        run(*tiny, watch=press(2))
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_in_a_command_other_signals_end_as_ctrl_c_does(tiny, number):
    def press(figures):
        if figures.step == 2:
            # As GNU timeout does, to the process and to its group.
            for _ in range(2):
                os.kill(os.getpid(), number)

    watch = Watch(press)
    with ended_as_by_ctrl_c():
        end, state = run(*tiny, watch=watch)
        assert (end, state.step, watch.saves) == ("interrupted", 3, [3])
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            time.sleep(1)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_signals_that_a_program_handles_stay_its_own(tiny):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        watch = Watch(lambda figures: os.kill(os.getpid(), signal.SIGTERM))
        with ended_as_by_ctrl_c():
            assert run(*tiny, 5, watch=watch)[0] == "finished"
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM] * 5


def test_ctrl_c_in_the_last_evaluation_is_not_lost(tiny):
    watch = Watch(on_evaluation=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    end, state = run(*tiny, 3, watch=watch)
    assert (end, state.step, len(state.history), watch.saves) == ("interrupted", 3, 1, [3])


def test_a_loss_that_is_not_finite_ends_the_run(tiny):
    model, _ = tiny

    def spoil(record, is_best):
        model.classifier.weight = mx.full(model.classifier.weight.shape, float("nan"))

    end, state = run(*tiny, watch=Watch(on_evaluation=spoil))
    assert (end, state.step, len(state.history)) == ("diverged", 5, 1)
    assert state.best is state.history[0]


def test_weights_that_break_in_the_last_step_are_no_record(tiny):
    model, _ = tiny

    def spoil(figures):
        if figures.step == 10:
            model.classifier.weight = mx.full(model.classifier.weight.shape, float("nan"))

    end, state = run(*tiny, watch=Watch(spoil))
    assert (end, state.step, len(state.history)) == ("diverged", 10, 1)


@pytest.mark.parametrize(("lost", "counted"), [(False, 3), (True, 2)])
def test_a_step_that_fails_is_the_first_that_is_not_counted(tiny, monkeypatch, lost, counted):
    take_step = TrainStep.__call__

    def failing(self, update, number, *more):
        if number == 3:
            raise StepFailed("no memory", weights_lost=lost)
        return take_step(self, update, number, *more)

    monkeypatch.setattr(TrainStep, "__call__", failing)
    watch = Watch()
    trainer = make_trainer(*tiny, watch=watch)
    with pytest.raises(StepFailed, match="no memory"):
        trainer.train()
    assert trainer.run_state.step == len(watch.steps) == counted


def test_what_fails_in_the_last_step_is_no_bare_error(tiny, monkeypatch):
    trainer = make_trainer(*tiny, steps=1)
    evaluate = mx.eval

    def without_memory(*arrays):
        running = trainer.step._pending
        if len(arrays) == 1 and (running is None and isinstance(arrays[0], mx.array)):
            raise RuntimeError("Insufficient Memory")
        evaluate(*arrays)

    monkeypatch.setattr(mx, "eval", without_memory)
    with pytest.raises(StepFailed, match=r"update 1 .*Insufficient Memory; the weights are lost"):
        trainer.train()


def test_an_ignored_interrupt_stays_ignored(tiny):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        press = Watch(lambda figures: os.kill(os.getpid(), signal.SIGINT))
        assert run(*tiny, 5, watch=press)[0] == "finished"
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_runs_off_the_main_thread(tiny):
    ends = []
    thread = threading.Thread(target=lambda: ends.append(run(*tiny, 5)[0]))
    thread.start()
    thread.join()
    assert ends == ["finished"]
