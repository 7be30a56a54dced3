"""Updates compared with transformers and torch.optim, and values that must not be frozen."""

import gc
import json
import weakref

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from small_models import NO_DROPOUT

import mlx_finbert
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.training.loss import Loss, loss_of_parameters
from mlx_finbert.training.optimizer import Adam, FreezeSchedule, make_groups
from mlx_finbert.training.step import INTACT, StepFailed, TrainStep, named

pytestmark = pytest.mark.usefixtures("backend")

STEPS = 20
# FinBERT's rate. The gradient of a key's bias is rounding noise, which Adam turns into steps of up
# to this size: at 1e-4 these alone would reach the tolerance below.
LEARNING_RATE = 2e-5
LOSS_TOLERANCE = 1e-4
WEIGHT_TOLERANCE = 1e-5
MAX_GRAD_NORM = 1.0
WEIGHT_DECAY = 0.01


def random_batch(seed, vocabulary, rows=8, length=16, pad=0, empty=0):
    """Rows of random lengths; the last `empty` rows are padding of weight zero."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, length + 1, rows)
    lengths[rows - empty :] = 0
    mask = (np.arange(length) < lengths[:, None]).astype(np.int32)
    ids = np.where(mask, rng.integers(5, vocabulary, (rows, length)), pad).astype(np.int32)
    weights = (lengths > 0).astype(np.float32)
    labels = (rng.integers(0, 3, rows) * weights).astype(np.int32)
    return Batch(ids, mask, labels, weights, np.arange(rows - empty))


def update_of(*batches):
    rows = [np.arange(len(b.rows)) for b in batches]
    labels = [b.label_ids[: len(b.rows)] for b in batches]
    rows = np.concatenate(rows)
    return Update(rows, rows + 1, np.concatenate(labels), list(batches))


def make_step(model, thawing=FreezeSchedule(), weight_decay=0.0, label_smoothing=0.0, **more):  # noqa: B008
    parameters = named_parameters(model)
    return TrainStep(
        model,
        make_groups(parameters, len(model.encoder.layer), thawing),
        Adam(weight_decay),
        Loss(np.ones(model.args.num_labels, np.float32), label_smoothing),
        **more,
    )


def reference_run(reference, batches, total_steps):
    """Losses of a plain PyTorch loop; changes the reference in place."""
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    transformers = pytest.importorskip("transformers")
    named = [(n, p) for n, p in reference.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for _, p in named if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 2, total_steps)
    losses = []
    for batch in batches:
        real = batch.weights > 0
        loss = reference(
            torch.tensor(batch.input_ids[real]).long(),
            torch.tensor(batch.attention_mask[real]).long(),
            labels=torch.tensor(batch.label_ids[real]).long(),
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def our_run(model, batches, rate=LEARNING_RATE, **more):
    """Mean losses of updates of one batch each."""
    total = len(batches)
    rates = [rate * min(i / 2, (total - i) / (total - 2)) for i in range(total)]
    step = make_step(model, weight_decay=WEIGHT_DECAY, max_grad_norm=MAX_GRAD_NORM, **more)
    figures = [step(update_of(b), i, rates[i]) for i, b in enumerate(batches)]
    return [f.loss / f.weight for f in figures]


def assert_follows(model, reference, batches):
    theirs = reference_run(reference.train(), batches, len(batches))
    np.testing.assert_allclose(our_run(model, batches), theirs, atol=LOSS_TOLERANCE)
    expected = {k: v.detach().numpy() for k, v in reference.state_dict().items()}
    for key, value in tree_flatten(model.parameters()):
        difference = np.abs(np.array(value) - expected[key]).max()
        # The gradient of a key's bias is rounding noise, which Adam scales up: check only a bound.
        is_noise = key.endswith(("key.bias", "k_lin.bias"))
        assert difference <= (STEPS * LEARNING_RATE if is_noise else WEIGHT_TOLERANCE), key


@pytest.mark.parametrize("family", NO_DROPOUT)
def test_twenty_steps_follow_transformers_and_torch(checkpoint, family):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    model, tokenizer = mlx_finbert.load(checkpoint(family, **NO_DROPOUT[family]))
    reference = getattr(transformers, type(model).__name__).from_pretrained(
        checkpoint(family, name="twin", **NO_DROPOUT[family])
    )
    batches = [
        random_batch(i, 60, length=8 * (1 + i % 3), pad=tokenizer.pad_token_id, empty=3 * (i == 9))
        for i in range(STEPS)
    ]
    assert_follows(model, reference, batches)


@pytest.mark.slow
def test_twenty_steps_on_the_real_encoder(minilm, tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    start = mlx_finbert.save(*mlx_finbert.load(minilm, num_labels=3), tmp_path / "start")
    config = json.loads((start / "config.json").read_text()) | NO_DROPOUT["bert"]
    (start / "config.json").write_text(json.dumps(config))
    model, _ = mlx_finbert.load(start)
    reference = transformers.BertForSequenceClassification.from_pretrained(start)
    assert_follows(model, reference, [random_batch(i, 30000) for i in range(STEPS)])


def test_dropout_varies_update_by_update_and_seeds_decide(checkpoint):
    folder = checkpoint(hidden_dropout_prob=0.5)
    update = update_of(random_batch(0, 60))

    def losses(seed):
        step = make_step(mlx_finbert.load(folder)[0], seed=seed)
        return [step(update, i, 0.0).loss for i in range(4)]

    assert len(set(losses(0))) == 4
    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_rows_of_weight_zero_change_nothing(checkpoint):
    folder = checkpoint(**NO_DROPOUT["bert"])
    padded = random_batch(0, 60, rows=8, empty=3)
    exact = Batch(
        padded.input_ids[:5], padded.attention_mask[:5], padded.label_ids[:5], padded.weights[:5],
        padded.rows,
    )  # fmt: skip
    ends = []
    for batch in (padded, exact):
        model, _ = mlx_finbert.load(folder)
        step = make_step(model)
        figures = step(update_of(batch), 0, 1e-3)
        assert figures.examples == 5
        ends.append((figures.loss, named_parameters(model), dict(step.state.adam.m)))
    (loss, weights, moments), (exact_loss, exact_weights, exact_moments) = ends
    assert loss == pytest.approx(exact_loss, abs=1e-5)
    for key, value in weights.items():
        if "key.bias" not in key:  # the gradient is only rounding noise, see above
            assert mx.abs(value - exact_weights[key]).max() < 1e-6, key
    for key, value in moments.items():  # a tenth of the gradients of all parameters
        assert mx.abs(value - exact_moments[key]).max() < 1e-7, key


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_small_batches_gathered_are_the_large_batch(checkpoint, label_smoothing):
    """Batches of unequal lengths, the last one smaller, with class weights."""
    folder = checkpoint(**NO_DROPOUT["bert"])
    large = random_batch(0, 60, rows=16, length=24, empty=2)
    parts = [
        Batch(*(a[i : i + 4] for a in (
            large.input_ids, large.attention_mask, large.label_ids, large.weights
        )), large.rows[i : i + 4])
        for i in range(0, 16, 4)
    ]  # fmt: skip
    ends, figures, traces = [], [], []
    for batches in ([large], parts):
        model, _ = mlx_finbert.load(folder)
        step = make_step(model, label_smoothing=label_smoothing)
        step.objective.class_weights[:] = [3.0, 1.0, 0.5]
        figures += [step(update_of(*batches), i, 1e-3) for i in range(3)]
        ends.append(named_parameters(model))
        traces.append(step.traces)
    assert traces == [1, 1]
    for one, other in zip(figures[:3], figures[3:], strict=True):
        assert one.loss / one.weight == pytest.approx(other.loss / other.weight, abs=1e-6)
        assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-5)
    for key, value in ends[0].items():
        if "key.bias" not in key:  # the gradient is only rounding noise, see above
            assert mx.abs(value - ends[1][key]).max() < 1e-6, key


def test_one_trace_a_shape(checkpoint, monkeypatch):
    model, _ = mlx_finbert.load(checkpoint())
    step, traced, call = make_step(model), [], type(model).__call__

    def noted(self, input_ids, *more, **options):
        traced.append(input_ids.shape)
        return call(self, input_ids, *more, **options)

    monkeypatch.setattr(type(model), "__call__", noted)
    for i in range(9):
        step(update_of(random_batch(i, 60, length=8 * (1 + i % 3))), i, 1e-3 / (i + 1))
    # On a Linux CPU, each of the two streams traces.
    assert step.traces == len(set(traced)) == 3 and len(traced) in (3, 6)


def test_clipping_and_the_reported_norm(checkpoint):
    folder = checkpoint(**NO_DROPOUT["bert"])
    norms, moments = [], []
    for most in (1e9, 1e-3):
        step = make_step(mlx_finbert.load(folder)[0], max_grad_norm=most)
        norms.append(step(update_of(random_batch(0, 60)), 0, 1e-3).grad_norm)
        moments.append(sum(mx.square(m).sum().item() for m in step.state.adam.m.values()) ** 0.5)
    assert norms[0] == norms[1] > 1e-3
    # After one step the first moment is a tenth of the clipped gradient.
    assert moments[0] == pytest.approx(0.1 * norms[0], rel=1e-4)
    assert moments[1] == pytest.approx(0.1 * 1e-3, rel=1e-2)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_follows_float32_over_thirty_steps(checkpoint, precision):
    folder = checkpoint(**NO_DROPOUT["bert"], hidden_size=24, intermediate_size=48)
    batches = [random_batch(0, 60, rows=16)] * 30
    ends = []
    for dtype in ("float32", precision):
        model, _ = mlx_finbert.load(folder)
        ends.append(our_run(model, batches, rate=1e-3, precision=dtype))
        assert all(p.dtype == mx.float32 for p in named_parameters(model).values())
    assert ends[0][-1] < 0.9 * ends[0][0]
    np.testing.assert_allclose(ends[1], ends[0], rtol=0.02)


def test_an_overflow_in_float16_is_left_out_and_halves_the_scale(checkpoint):
    model, _ = mlx_finbert.load(checkpoint(**NO_DROPOUT["bert"]))
    step = make_step(model, precision="float16")
    step.state.scale.value = mx.array(2.0**30)
    before = named_parameters(model)
    figures = step(update_of(random_batch(0, 60)), 0, 1e-3)
    assert not figures.moved and not figures.diverged
    assert step.state.scale.value.item() == 2.0**29
    assert all(mx.array_equal(before[k], v) for k, v in named_parameters(model).items())
    assert step.state.adam.step["head"].item() == 0
    step.state.scale.value = mx.array(2.0**8)
    assert step(update_of(random_batch(0, 60)), 1, 1e-3).moved


def test_weights_that_are_not_finite_move_nothing(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    step = make_step(model)
    model.classifier.weight = mx.full(model.classifier.weight.shape, float("nan"))
    before, sound = model.bert.pooler.dense.weight, mx.zeros(model.classifier.weight.shape)
    figures = step(update_of(random_batch(0, 60)), 0, 1e-3)
    assert figures.diverged and not figures.moved
    assert mx.array_equal(model.bert.pooler.dense.weight, before)
    # If the divergence is read too late to stop the next update, the weights still do not change.
    model.classifier.weight = sound
    assert not step(update_of(random_batch(0, 60)), 1, 1e-3).moved
    assert mx.array_equal(model.bert.pooler.dense.weight, before)


def test_frozen_groups_stay_and_the_others_start_when_they_are_unfrozen(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    thawing = FreezeSchedule(freeze_embeddings=True, unfreeze_every=2)
    step = make_step(model, thawing)
    start = named_parameters(model)
    for i in range(5):
        step(update_of(random_batch(i, 60)), i, 1e-3)
    counts = {name: count.item() for name, count in step.state.adam.step.items()}
    assert counts == {"layer.0": 1, "layer.1": 3, "head": 5}
    for name, value in named_parameters(model).items():
        assert mx.array_equal(value, start[name]) == (".embeddings." in name), name
    assert step.traces == 3


def test_unfreezing_lets_go_of_the_old_traces(checkpoint, monkeypatch):
    model, _ = mlx_finbert.load(checkpoint())
    traced = []

    def noted(*arguments):
        function = loss_of_parameters(*arguments)
        traced.append(weakref.ref(function))
        return function

    monkeypatch.setattr("mlx_finbert.training.step.loss_of_parameters", noted)
    step = make_step(model, FreezeSchedule(unfreeze_every=1))
    step(update_of(random_batch(0, 60)), 0, 1e-3)
    gc.disable()
    try:
        step(update_of(random_batch(0, 60)), 1, 1e-3)
        old, new = traced
        assert old() is None and new() is not None
    finally:
        gc.enable()


def test_a_group_that_starts_late_takes_steps_as_a_fresh_one(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    step = make_step(model, FreezeSchedule(unfreeze_every=10))
    weight = model.encoder.layer[1].output.dense.weight
    step._activate(0)
    for i in range(11):
        step(update_of(random_batch(i, 60)), i, 1e-3)
    moved = mx.abs(model.encoder.layer[1].output.dense.weight - weight)
    # Adam's first step is the learning rate for any gradient.
    assert moved.max().item() == pytest.approx(1e-3, rel=1e-2)


def test_layers_learn_at_decayed_rates(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    step = make_step(model, FreezeSchedule(layer_decay=0.5, head_rate=3.0))
    start = named_parameters(model)
    step(update_of(random_batch(0, 60)), 0, 1e-3)
    after = named_parameters(model)
    for part, rate in (
        ("classifier.weight", 3.0), ("bert.pooler.dense.weight", 3.0),
        ("layer.1.output.dense.weight", 0.5), ("layer.0.output.dense.weight", 0.25),
        ("word_embeddings.weight", 0.125),
    ):  # fmt: skip
        name = next(n for n in start if n.endswith(part))
        moved = mx.abs(after[name] - start[name]).max().item()
        assert moved == pytest.approx(1e-3 * rate, rel=1e-2), name


def test_a_failed_update_leaves_model_and_optimizer_usable(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    step = make_step(model)
    step(update_of(random_batch(0, 60)), 0, 1e-3)
    before, moments = named_parameters(model), dict(step.state.adam.m)
    bad = random_batch(1, 60)
    bad.attention_mask = bad.attention_mask[:, :7]
    with pytest.raises(StepFailed, match=r"update 2 failed \(training rows 1, 2, 3.*\(8, 16\)"):
        step(update_of(bad), 1, 1e-3)
    assert all(mx.array_equal(before[k], v) for k, v in named_parameters(model).items())
    assert all(mx.array_equal(moments[k], v) for k, v in step.state.adam.m.items())
    assert np.isfinite(step(update_of(random_batch(2, 60)), 1, 1e-3).loss)


def test_an_update_that_adam_cannot_make_leaves_all_as_it_was(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    step = make_step(model)
    before, moments = named_parameters(model), dict(step.state.adam.m)
    working = step.optimizer.update
    step.optimizer.update = lambda *arguments: mx.zeros(2) + mx.zeros(3)
    with pytest.raises(StepFailed, match=r"update 1 failed .*; model and optimizer are unchanged"):
        step(update_of(random_batch(0, 60)), 0, 1e-3)
    assert all(mx.array_equal(before[k], v) for k, v in named_parameters(model).items())
    assert all(mx.array_equal(moments[k], v) for k, v in step.state.adam.m.items())
    step.optimizer.update = working
    assert step(update_of(random_batch(0, 60)), 0, 1e-3).moved


def test_what_fails_while_it_is_computed_is_told_of_its_own_update(checkpoint, monkeypatch):
    model, _ = mlx_finbert.load(checkpoint())
    step = make_step(model)
    figures = step(update_of(random_batch(0, 60, rows=3)), 0, 1e-3).computed
    evaluate = mx.eval

    def without_memory(*arrays):
        if any(array is figures for array in arrays):
            raise RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory")
        evaluate(*arrays)

    monkeypatch.setattr(mx, "eval", without_memory)
    said = r"update 1 failed \(training rows 1, 2, 3, .*Insufficient Memory; the weights are lost"
    with pytest.raises(StepFailed, match=said) as failed:
        step(update_of(random_batch(1, 60)), 1, 1e-3)
    assert failed.value.weights_lost


def test_a_lost_process_is_no_failed_update():
    with (
        pytest.raises(RuntimeError, match="connection to a peer"),
        named(0, update_of(random_batch(0, 60)), INTACT),
    ):
        raise RuntimeError("[ring] connection to a peer was lost")


def test_gradient_checkpointing_trains_alike(checkpoint):
    folder = checkpoint()
    ends = []
    for checkpointing in (False, True):
        model, _ = mlx_finbert.load(folder)
        model.encoder.gradient_checkpointing = checkpointing
        ends.append(our_run(model, [random_batch(i, 60) for i in range(5)], rate=1e-3))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)
