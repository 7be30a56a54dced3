"""Masked-language training: twenty steps of transformers and torch, and the held-out figures."""

import json
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from small_models import NO_DROPOUT

from mlx_finbert.checkpoints.masked_lm import load_masked_lm, write_masked_lm
from mlx_finbert.checkpoints.tokenizer import save_tokenizer
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.data.masked_loader import MaskedBatch, MaskedLoader
from mlx_finbert.data.masking import Masking
from mlx_finbert.errors import InputError
from mlx_finbert.models import masked_lm
from mlx_finbert.models.masked_lm import MASKED_LMS
from mlx_finbert.models.parameters import named_parameters, trainable_parameters
from mlx_finbert.training.masked_lm import MaskedLMLoss, MaskedLMValidation
from mlx_finbert.training.optimizer import Adam, make_groups
from mlx_finbert.training.state import RunState
from mlx_finbert.training.step import TrainStep
from mlx_finbert.training.trainer import Trainer, TrainingArgs

pytestmark = pytest.mark.usefixtures("backend")

STEPS = 20
LEARNING_RATE = 2e-5
LOSS_TOLERANCE = 1e-4
WEIGHT_TOLERANCE = 1e-5
MAX_GRAD_NORM = 1.0
WEIGHT_DECAY = 0.01


@dataclass
class RandomRows:
    """Rows of tokens whose next one depends on the one before, so that there is something to learn.

    The first and the last token are special.
    """

    row_lengths: list[int]
    first: int
    last: int
    size: int = 60

    @property
    def lengths(self):
        return np.array(self.row_lengths)

    def __len__(self):
        return len(self.row_lengths)

    def __getitem__(self, row):
        length = self.row_lengths[row]
        start = np.random.default_rng(row).integers(0, self.size)
        ids = 5 + (start + 7 * np.arange(length)) % (self.size - 5)
        ids[0], ids[-1] = self.first, self.last
        return ids.astype(np.int32)


def loader_of(tokenizer, lengths, batch_size=8, seed=0, **more):
    rows = RandomRows(lengths, tokenizer.cls_token_id, tokenizer.sep_token_id)
    return MaskedLoader(rows, batch_size, seed, Masking.of(tokenizer, 0.3), **more)


def make_step(model, **more):
    groups = make_groups(trainable_parameters(model), len(model.encoder.layer))
    return TrainStep(
        model, groups, Adam(WEIGHT_DECAY), MaskedLMLoss(), max_grad_norm=MAX_GRAD_NORM, **more
    )


def updates_of(loader, number):
    found, epoch = [], 0
    while len(found) < number:
        found += loader.updates(epoch)
        epoch += 1
    return found[:number]


def our_run(model, updates, rate=LEARNING_RATE, **more):
    """Mean losses of updates."""
    total, step = len(updates), make_step(model, **more)
    rates = [rate * min(i / 2, (total - i) / (total - 2)) for i in range(total)]
    figures = [step(update, i, rates[i]) for i, update in enumerate(updates)]
    return [f.loss / f.weight for f in figures], figures


def reference_run(reference, updates):
    """Losses of a plain PyTorch loop; changes the reference in place."""
    import torch
    import transformers

    named = [(n, p) for n, p in reference.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for _, p in named if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 2, len(updates))
    losses = []
    for update in updates:
        (batch,) = update.batches
        real = batch.attention_mask.any(axis=1)
        labels = np.full(batch.input_ids.shape, -100)
        rows, places = np.nonzero(batch.weights.reshape(batch.positions.shape))
        columns = batch.positions[rows, places]
        labels[rows, columns] = batch.label_ids.reshape(batch.positions.shape)[rows, places]
        loss = reference(
            torch.tensor(batch.input_ids[real]).long(),
            torch.tensor(batch.attention_mask[real]).long(),
            labels=torch.tensor(labels[real]),
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.fixture
def pretrained(checkpoint):
    """Factory of checkpoints that transformers has written, with their models."""
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference: pip install torch")
    transformers = pytest.importorskip("transformers")

    def make(family):
        folder = checkpoint(family, **NO_DROPOUT[family])
        torch.manual_seed(0)
        config = transformers.AutoConfig.from_pretrained(folder)
        reference = transformers.AutoModelForMaskedLM.from_config(config)
        reference.save_pretrained(folder)
        return folder, reference.train()

    return make


def assert_follows(model, reference, updates):
    expected = reference_run(reference, updates)
    losses, figures = our_run(model, updates)
    np.testing.assert_allclose(losses, expected, atol=LOSS_TOLERANCE)
    assert [f.examples for f in figures] == [len(u.label_ids) for u in updates]
    weights = {k: v.detach().numpy() for k, v in reference.state_dict().items()}
    for key, value in trainable_parameters(model).items():
        difference = np.abs(np.array(value) - weights[key]).max()
        # The gradient of a key's bias is rounding noise, which Adam scales up: check only a bound.
        is_noise = key.endswith(("key.bias", "k_lin.bias"))
        assert difference <= (STEPS * LEARNING_RATE if is_noise else WEIGHT_TOLERANCE), key


@pytest.mark.parametrize("family", MASKED_LMS)
def test_twenty_steps_follow_transformers_and_torch(pretrained, family):
    folder, reference = pretrained(family)
    model, tokenizer, _ = load_masked_lm(folder)
    before = named_parameters(model)
    lengths = np.random.default_rng(0).integers(5, 33, 60).tolist()
    updates = updates_of(loader_of(tokenizer, lengths), STEPS)
    # The last batch of an epoch has empty rows, and short rows have empty places.
    assert {len(u.rows) for u in updates} == {4, 8}
    assert any(
        (b.weights.reshape(8, -1)[: len(b.rows)] == 0).any() for u in updates for b in u.batches
    )
    assert_follows(model, reference, updates)
    for key, value in named_parameters(model).items():
        if not key.endswith(("key.bias", "k_lin.bias")):
            assert mx.abs(value - before[key]).max() > 10 * WEIGHT_TOLERANCE, key


@pytest.mark.slow
def test_twenty_steps_on_the_real_encoder(minilm, tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch, the reference: pip install torch")
    from transformers import AutoModelForMaskedLM

    mx.random.seed(0)
    model, tokenizer, _ = load_masked_lm(minilm)
    write_masked_lm(model, tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | NO_DROPOUT["bert"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    model, tokenizer, _ = load_masked_lm(tmp_path)
    pooler = model.bert.pooler.dense.weight
    reference = AutoModelForMaskedLM.from_pretrained(tmp_path).train()
    assert_follows(model, reference, updates_of(loader_of(tokenizer, [32] * 80, 4), STEPS))
    assert mx.array_equal(model.bert.pooler.dense.weight, pooler)


def test_empty_places_and_rows_change_nothing(checkpoint):
    folder = checkpoint(**NO_DROPOUT["bert"])
    _, tokenizer, _ = load_masked_lm(folder)
    (update,) = updates_of(loader_of(tokenizer, [12, 12, 12]), 1)
    (batch,) = update.batches
    wider = MaskedBatch(
        batch.input_ids[:3], batch.attention_mask[:3],
        np.pad(batch.label_ids.reshape(8, -1)[:3], ((0, 0), (0, 2))).ravel(),
        np.pad(batch.weights.reshape(8, -1)[:3], ((0, 0), (0, 2))).ravel(),
        batch.rows, np.pad(batch.positions[:3], ((0, 0), (0, 2))),
    )  # fmt: skip
    found = []
    for used in (batch, wider):
        mx.random.seed(1)
        model, _, _ = load_masked_lm(folder)
        step = make_step(model)
        output = step(Update(update.rows, update.numbers, update.label_ids, [used]), 0, 1e-3)
        assert output.weight == output.examples == 9
        found.append((output.loss, output.correct, dict(step.state.adam.m)))
    assert found[0][:2] == pytest.approx(found[1][:2], abs=1e-5)
    for name, moment in found[0][2].items():
        assert mx.abs(moment - found[1][2][name]).max() < 1e-7, name


def test_small_batches_gathered_are_the_large_batch(checkpoint):
    folder = checkpoint(**NO_DROPOUT["bert"])
    lengths = np.random.default_rng(0).integers(5, 33, 40).tolist()
    ends = []
    for options in ({"batch_size": 16}, {"batch_size": 4, "accumulation": 4}):
        mx.random.seed(1)
        model, tokenizer, _ = load_masked_lm(folder)
        losses, figures = our_run(
            model, updates_of(loader_of(tokenizer, lengths, **options), 4), 1e-3
        )
        ends.append((losses, [f.grad_norm for f in figures], named_parameters(model)))
    np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-5)
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-4)
    for key, value in ends[0][2].items():
        if "key.bias" not in key:  # the gradient is only rounding noise
            assert mx.abs(value - ends[1][2][key]).max() < 1e-5, key


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_as_float32(checkpoint, precision):
    folder = checkpoint(**NO_DROPOUT["bert"], hidden_size=24, intermediate_size=48)
    ends = []
    for dtype in ("float32", precision):
        mx.random.seed(1)
        model, tokenizer, _ = load_masked_lm(folder)
        losses, _ = our_run(
            model, updates_of(loader_of(tokenizer, [24] * 32), 60), 3e-3, precision=dtype
        )
        ends.append(losses)
        assert all(p.dtype == mx.float32 for p in named_parameters(model).values())
    assert np.mean(ends[0][-4:]) < 0.8 * ends[0][0]
    np.testing.assert_allclose(ends[1][:20], ends[0][:20], rtol=0.02)
    assert np.mean(ends[1][-4:]) < 0.8 * ends[1][0]


@pytest.mark.parametrize("family", MASKED_LMS)
def test_gradient_checkpointing_trains_alike(checkpoint, family):
    folder, ends = checkpoint(family), []
    for checkpointing in (False, True):
        mx.random.seed(1)
        model, tokenizer, _ = load_masked_lm(folder)
        model.encoder.gradient_checkpointing = checkpointing
        losses, _ = our_run(model, updates_of(loader_of(tokenizer, [24] * 32), 6), 1e-3)
        ends.append(losses)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)


def products(model, arrays, monkeypatch):
    """Multiplications of all linear layers and of the decoder in a forward pass."""
    counts = {"linear": 0, "decoder": 0}

    def counted(kind, call, matrix):
        def count(layer, x, *more):
            counts[kind] += (x.size // x.shape[-1]) * matrix(layer, *more).size
            return call(layer, x, *more)

        return count

    decoder = type(next(m for m in model.modules() if isinstance(m, masked_lm.Decoder)))
    linear = type(next(m for m in model.modules() if isinstance(m, nn.Linear)))
    with monkeypatch.context() as patch:
        patch.setattr(
            decoder, "__call__", counted("decoder", decoder.__call__, lambda _, table, bias: table)
        )
        patch.setattr(
            linear, "__call__", counted("linear", linear.__call__, lambda layer: layer.weight)
        )
        mx.eval(model(*arrays))
    return counts


def test_the_decoder_reads_the_masked_positions_alone(minilm, monkeypatch):
    """A seventh of the rows: of MiniLM's products more than half are saved."""
    model, tokenizer, _ = load_masked_lm(minilm)
    rows = RandomRows([128, 128], tokenizer.cls_token_id, tokenizer.sep_token_id, 30000)
    loader = MaskedLoader(rows, 2, 0, Masking.of(tokenizer))
    batch = next(loader.epoch())
    ids, mask, positions, *_ = map(mx.array, MaskedLMLoss().arrays(batch))
    assert positions.shape == (2, 19)
    everywhere = mx.broadcast_to(mx.arange(128), (2, 128))
    masked = products(model, (ids, mask, positions), monkeypatch)
    whole = products(model, (ids, mask, everywhere), monkeypatch)
    size = model.args.vocab_size * model.args.hidden_size
    assert whole["decoder"] == 2 * 128 * size and masked["decoder"] == 2 * 19 * size
    assert masked["decoder"] < whole["decoder"] / 6.7
    # The last layer computes 10 of its 12 hidden_size^2 products per token there alone.
    last = (128 - 19) * 2 * (10 + 1) * model.args.hidden_size**2
    assert whole["linear"] - masked["linear"] == last
    assert sum(masked.values()) < 0.5 * sum(whole.values())


def held_out(model, tokenizer, lengths, **more):
    return MaskedLMValidation(
        model, loader_of(tokenizer, lengths, seed=None, **more), mx.distributed.init()
    )


@pytest.mark.parametrize("family", MASKED_LMS)
def test_held_out_figures_are_means_over_the_masked_tokens(pretrained, family):
    import torch

    folder, reference = pretrained(family)
    model, tokenizer, _ = load_masked_lm(folder)
    lengths = [9, 30, 14, 22, 30, 5, 17, 11, 26, 8, 19]
    losses, found = [], []
    for batch in loader_of(tokenizer, lengths, seed=None).epoch():
        with torch.no_grad():
            logits = reference(
                torch.tensor(batch.input_ids).long(), torch.tensor(batch.attention_mask).long()
            ).logits.numpy()
        rows, places = np.nonzero(batch.weights.reshape(batch.positions.shape))
        labels = batch.label_ids[batch.weights > 0]
        logits = logits[rows, batch.positions[rows, places]].astype(np.float64)
        total = np.log(np.exp(logits).sum(axis=1))
        losses += (total - logits[np.arange(len(labels)), labels]).tolist()
        found += (logits.argmax(axis=1) == labels).tolist()
    measured = held_out(model, tokenizer, lengths)()
    assert measured == {
        "val_loss": pytest.approx(np.mean(losses), abs=1e-4),
        "val_accuracy": pytest.approx(np.mean(found)),
    }
    assert held_out(model, tokenizer, lengths, batch_size=3)() == pytest.approx(measured, abs=1e-5)


def test_held_out_figures_follow_the_weights(checkpoint):
    mx.random.seed(1)
    model, tokenizer, _ = load_masked_lm(checkpoint(**NO_DROPOUT["bert"], hidden_size=24))
    validation = held_out(model, tokenizer, [24] * 16)
    before = validation()
    assert validation() == before
    our_run(model, updates_of(loader_of(tokenizer, [24] * 64), 60), 1e-2)
    after = validation()
    assert after["val_loss"] < 0.8 * before["val_loss"]
    assert after["val_accuracy"] > before["val_accuracy"]


def trainer_of(model, tokenizer, step, total_steps, **more):
    lengths = np.random.default_rng(0).integers(5, 33, 30).tolist()
    args = TrainingArgs(total_steps, 1e-3, lambda number: 1.0)
    validation = held_out(model, tokenizer, [24] * 8)
    return Trainer(step, loader_of(tokenizer, lengths), validation, args, **more)


def test_a_resumed_run_masks_the_same(checkpoint):
    folder, ends = checkpoint(), []
    for stops in ([8], [3, 8]):
        mx.random.seed(1)
        model, tokenizer, _ = load_masked_lm(folder)
        step, state = make_step(model, seed=5), RunState()
        for stop in stops:
            trainer = trainer_of(model, tokenizer, step, stop, run_state=state)
            assert trainer.train() == "finished"
        ends.append((named_parameters(model), trainer.run_state.history[-1]))
    (weights, record), (again, record_again) = ends
    assert record.epoch == 2 and record.val_loss > 0 and 0 <= record.accuracy <= 1
    assert record.val_macro_f1 is None
    assert (record.val_loss, record.val_accuracy) == (
        record_again.val_loss, record_again.val_accuracy,
    )  # fmt: skip
    assert all(mx.array_equal(again[name], value) for name, value in weights.items())


def test_held_out_rows_without_a_masked_token_are_refused(checkpoint):
    model, tokenizer, _ = load_masked_lm(checkpoint())
    with pytest.raises(InputError, match="no token of the held-out rows is masked"):
        held_out(model, tokenizer, [2, 2])()


def test_a_batch_without_positions_is_refused():
    batch = Batch(*[np.zeros((1, 2), np.int32)] * 2, *[np.zeros(1)] * 3)
    with pytest.raises(TypeError, match="a MaskedBatch is needed, not a Batch"):
        MaskedLMLoss().arrays(batch)
