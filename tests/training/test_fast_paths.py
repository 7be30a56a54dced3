"""What is fast on the CPU against what is plain: logits, gradients, twenty steps of training."""

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.backend import PLAIN, VARIABLE
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens
from mlx_finbert.device import on_linux_cpu
from mlx_finbert.models import attention_in_blocks
from mlx_finbert.training.gradients import Gradients, added, global_norm, named_parameters
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.occurring import OccurringRows
from mlx_finbert.training.optimizer import Adam, make_groups
from mlx_finbert.training.step import TrainStep

NO_DROPOUT = {
    "bert": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "roberta": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
}


pytestmark = pytest.mark.skipif(
    not on_linux_cpu(), reason="compares the forms for MLX's CPU backend on Linux with plain MLX"
)


@pytest.fixture
def plain(monkeypatch):
    """A function that puts MLX's own functions, on one stream, in the place of the fast ones."""

    def switch():
        monkeypatch.setenv(VARIABLE, PLAIN)

    return switch


def a_loader(vocabulary=60, rows=40, batch_size=8, pad=0):
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 17, rows)
    ids = rng.integers(5, vocabulary // 2, lengths.sum()).astype(np.int32)
    tokens = Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]), np.zeros(rows, bool))
    labels = rng.integers(0, 3, rows).astype(np.int32)
    loader = Loader(tokens, labels, batch_size, pad, 16, seed=0, multiple=4)
    loader.choose_lengths()
    return loader


def loss_of(model):
    return Loss(np.ones(model.args.num_labels, np.float32))


@pytest.fixture(params=[attention_in_blocks.BLOCK, 1], ids=["whole", "blocks"])
def block(request, monkeypatch):
    """Attention is computed at once, or head by head."""
    monkeypatch.setattr(attention_in_blocks, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("family", NO_DROPOUT)
def test_logits_and_gradients(checkpoint, plain, family):
    model, _ = mlx_finbert.load(checkpoint(family, **NO_DROPOUT[family]))
    batch = next(a_loader(pad=model.args.pad_token_id).epoch())

    def found():
        ids, mask = mx.array(batch.input_ids), mx.array(batch.attention_mask)
        function = Gradients(model, loss_of(model), {}, "float32")
        parts, _ = function(named_parameters(model), batch, mx.random.key(0), mx.array(0.1))
        return model(ids, mask), added(parts), len(parts)

    logits, gradients, _ = found()
    plain()
    expected_logits, expected, parts = found()
    assert parts == 1
    assert mx.abs(logits - expected_logits).max() < 1e-5
    for name, gradient in expected.items():
        assert mx.abs(gradients[name] - gradient).max() < 1e-5, name
    assert global_norm(gradients).item() == pytest.approx(global_norm(expected).item(), rel=1e-5)


@pytest.mark.parametrize("family", NO_DROPOUT)
def test_blocks_drop_the_same_probabilities_on_both_streams(checkpoint, monkeypatch, family):
    model, _ = mlx_finbert.load(checkpoint(family))
    batch = next(a_loader(pad=model.args.pad_token_id).epoch())
    found = []
    for block in (attention_in_blocks.BLOCK, 1):
        monkeypatch.setattr(attention_in_blocks, "BLOCK", block)
        function = Gradients(model, loss_of(model), {}, "float32")
        parts, _ = function(named_parameters(model), batch, mx.random.key(0), mx.array(0.1))
        assert len(parts) == 2
        found.append(added(parts))
    whole, blocks = found
    for name, gradient in whole.items():
        assert mx.abs(blocks[name] - gradient).max() < 1e-5, name


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("family", NO_DROPOUT)
@pytest.mark.parametrize("adam", [Adam(), Adam(weight_decay=0.1)])
def test_twenty_steps(checkpoint, plain, family, adam):
    folder = checkpoint(family, **NO_DROPOUT[family])

    def ends(fast):
        model, _ = mlx_finbert.load(folder)
        loader = a_loader(pad=model.args.pad_token_id)
        step = step_of(model, loader, adam, fast)
        losses = []
        for epoch in range(4):
            for number, update in enumerate(loader.updates(epoch), 5 * epoch):
                figures = step(update, number, 1e-3)
                losses.append(figures.loss / figures.weight)
        step.put_back()
        return losses, named_parameters(model)

    fast_losses, fast = ends(fast=True)
    plain()
    losses, weights = ends(fast=False)
    assert len(losses) == 20 and losses[-1] < losses[0]
    np.testing.assert_allclose(fast_losses, losses, atol=1e-4)
    for name, weight in weights.items():
        if "key.bias" not in name and "k_lin.bias" not in name:  # no gradient but rounding noise
            assert mx.abs(weight - fast[name]).max() < 1e-4, name


def step_of(model, loader, adam, fast):
    groups = make_groups(named_parameters(model), len(model.encoder.layer))
    name = next(n for n in named_parameters(model) if n.endswith("word_embeddings.weight"))
    table = named_parameters(model)[name]
    rows = OccurringRows.of(name, table, loader.tokens.ids, model.args.pad_token_id)
    return TrainStep(model, groups, adam, loss_of(model), occurring=rows if fast else None)


def test_rows_that_never_occur_are_put_back_as_adam_would_have_left_them(checkpoint):
    folder = checkpoint(**NO_DROPOUT["bert"])
    tables, moments = [], []
    for fast in (True, False):
        model, _ = mlx_finbert.load(folder)
        loader = a_loader()
        step = step_of(model, loader, Adam(weight_decay=0.1), fast)
        for number, update in enumerate(loader.updates()):
            step(update, number, 1e-2)
        step.put_back()
        tables.append(model.bert.embeddings.word_embeddings.weight)
        moments.append(step.saved_state()["v"]["bert.embeddings.word_embeddings.weight"])
    unseen = mx.array(sorted(set(range(60)) - {0, *loader.tokens.ids.tolist()}))
    assert len(unseen) > 20
    # The same products of the same factors, in another order.
    assert mx.abs(tables[0][unseen] / tables[1][unseen] - 1).max() < 1e-6
    assert mx.abs(tables[0] - tables[1]).max() < 1e-4
    assert moments[0].shape == moments[1].shape == tables[1].shape
    assert not moments[0][unseen].any()


def trained(folder, stop_at=None, other_table=1):
    """Parameters after an epoch; where stopped, it goes on beside a model of another table."""
    model, _ = mlx_finbert.load(folder)
    loader = a_loader()
    step = step_of(model, loader, Adam(weight_decay=0.1), fast=True)
    for number, update in enumerate(loader.updates()):
        if number == stop_at:
            step.put_back()
            kept = dict(named_parameters(model)), step.saved_state()
            model, _ = mlx_finbert.load(folder)
            model.bert.embeddings.word_embeddings.weight *= other_table
            step = step_of(model, loader, Adam(weight_decay=0.1), fast=True)
            model.load_weights(list(kept[0].items()))
            step.restore(kept[1])
        step(update, number, 1e-3)
    step.put_back()
    return named_parameters(model)


def test_a_saved_state_goes_on_exactly(checkpoint):
    folder = checkpoint()
    ends = [trained(folder), trained(folder, stop_at=3)]
    assert all(mx.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_run_that_goes_on_beside_another_model_keeps_its_own_table(checkpoint):
    folder = checkpoint()
    ends = trained(folder), trained(folder, stop_at=3, other_table=3)
    tables = [end["bert.embeddings.word_embeddings.weight"] for end in ends]
    # All rows have decayed in both runs, in one go and in two.
    assert mx.abs(tables[0] - tables[1]).max() < 1e-6


def test_a_padding_id_beyond_the_table_names_no_row_beyond_it():
    rows = OccurringRows.of("table", mx.zeros((5, 2)), np.array([1]), pad_token_id=9)
    assert rows.ids.tolist() == [0, 1, 2, 3, 4]
