"""The compiled step against transformers and torch.optim, and what must vary inside it."""

import json

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.data.loader import Batch
from mlx_finbert.training.optimizer import AdamW, linear_schedule
from mlx_finbert.training.step import make_train_step

NO_DROPOUT = {
    "bert": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "roberta": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
}
STEPS = 20
# FinBERT's rate. A key's bias has no gradient but rounding noise, of which Adam makes steps of up
# to this size: at 1e-4 they alone reach the tolerance below.
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
            labels=torch.tensor(batch.labels[real]).long(),
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def our_run(model, batches, total_steps):
    optimizer = AdamW(linear_schedule(LEARNING_RATE, total_steps, 2 / total_steps), WEIGHT_DECAY)
    model.train()
    step = make_train_step(model, optimizer, MAX_GRAD_NORM)
    figures = [step(batch) for batch in batches]
    return [(f["loss"] / f["examples"]).item() for f in figures]


def assert_follows(model, reference, batches):
    theirs = reference_run(reference.train(), batches, len(batches))
    ours = our_run(model, batches, len(batches))
    np.testing.assert_allclose(ours, theirs, atol=LOSS_TOLERANCE)
    expected = {k: v.detach().numpy() for k, v in reference.state_dict().items()}
    for key, value in tree_flatten(model.parameters()):
        difference = np.abs(np.array(value) - expected[key]).max()
        assert difference <= WEIGHT_TOLERANCE, key


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


def test_dropout_varies_step_by_step_and_seeds_decide(checkpoint):
    folder = checkpoint(hidden_dropout_prob=0.5)
    batch = random_batch(0, 60)

    def losses(seed):
        model, _ = mlx_finbert.load(folder)
        model.train()
        mx.random.seed(seed)
        step = make_train_step(model, AdamW(0.0), 1.0)
        return [step(batch)["loss"].item() for _ in range(4)]

    assert len(set(losses(0))) == 4
    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_rows_of_weight_zero_change_nothing(checkpoint):
    folder = checkpoint(**NO_DROPOUT["bert"])
    padded = random_batch(0, 60, rows=8, empty=3)
    exact = Batch(
        padded.input_ids[:5], padded.attention_mask[:5], padded.labels[:5], padded.weights[:5],
        padded.rows,
    )  # fmt: skip
    ends = []
    for batch in (padded, exact):
        model, _ = mlx_finbert.load(folder)
        model.train()
        figures = make_train_step(model, AdamW(1e-3), 1.0)(batch)
        assert figures["examples"].item() == 5
        ends.append((figures["loss"].item(), dict(tree_flatten(model.parameters()))))
    assert ends[0][0] == pytest.approx(ends[1][0], abs=1e-5)
    for key, value in ends[0][1].items():
        assert mx.abs(value - ends[1][1][key]).max() < 1e-6, key


def test_one_trace_a_shape(checkpoint, monkeypatch):
    model, _ = mlx_finbert.load(checkpoint())
    model.train()
    step = make_train_step(model, AdamW(linear_schedule(1e-3, 100, 0.1)), 1.0)
    traces = []
    forward = type(model).__call__
    monkeypatch.setattr(
        type(model), "__call__", lambda self, *a: traces.append(a[0].shape) or forward(self, *a)
    )
    for i in range(9):
        step(random_batch(i, 60, length=8 * (1 + i % 3)))
    assert sorted(traces) == [(8, 8), (8, 16), (8, 24)]


def test_clipping_and_the_reported_norm(checkpoint):
    folder = checkpoint(**NO_DROPOUT["bert"])
    norms = []
    for most in (1e9, 1e-3):
        model, _ = mlx_finbert.load(folder)
        model.train()
        norms.append(make_train_step(model, AdamW(1e-3), most)(random_batch(0, 60))["grad_norm"])
    assert norms[0].item() == norms[1].item() > 1e-3


@pytest.mark.parametrize(("total", "ratio"), [(100, 0.1), (7, 0.0), (10, 1.0), (33, 0.5)])
def test_schedule_is_that_of_transformers(total, ratio):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    transformers = pytest.importorskip("transformers")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=3e-4)
    reference = transformers.get_linear_schedule_with_warmup(optimizer, round(ratio * total), total)
    ours = linear_schedule(3e-4, total, ratio)
    for step in range(total):
        assert ours(mx.array(step)).item() == pytest.approx(reference.get_last_lr()[0], abs=1e-10)
        optimizer.step()
        reference.step()


def test_vectors_do_not_decay():
    optimizer = AdamW(0.1, weight_decay=0.5)
    parameters = {"weight": mx.ones((2, 2)), "bias": mx.ones(2)}
    zero = {"weight": mx.zeros((2, 2)), "bias": mx.zeros(2)}
    after = optimizer.apply_gradients(zero, parameters)
    assert after["bias"].tolist() == [1, 1]
    assert after["weight"][0, 0].item() == pytest.approx(1 - 0.1 * 0.5)
