"""Training with a trimmed vocabulary: the same weights and moments as with the full table."""

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Adam, make_groups
from mlx_finbert.training.step import StepState, TrainStep
from mlx_finbert.training.trimmed_vocabulary import trim

pytestmark = pytest.mark.usefixtures("backend")

TABLE = "bert.embeddings.word_embeddings.weight"
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def a_loader(rows=40, seed=0, pad=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 17, rows)
    ids = rng.integers(5, 30, lengths.sum()).astype(np.int32)
    tokens = Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]), np.zeros(rows, bool))
    labels = rng.integers(0, 3, rows).astype(np.int32)
    return Loader(tokens, labels, 8, pad, 16, seed=0, multiple=4)


def a_step(model, adam):
    groups = make_groups(named_parameters(model), len(model.encoder.layer))
    loss = Loss(np.ones(model.args.num_labels, np.float32))
    return TrainStep(model, groups, adam, loss)


def trimmed(model, loader, adam):
    return trim(model, [loader], make_groups(named_parameters(model), 2), adam)


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_whole_table_ends_as_adam_would_have_left_it(checkpoint, family, weight_decay):
    folder, adam = checkpoint(family, **NO_DROPOUT), Adam(weight_decay)
    name = TABLE.replace("bert", family, 1)
    tables, moments, losses = [], [], []
    for is_small in (True, False):
        model, _ = mlx_finbert.load(folder)
        loader = a_loader(pad=model.args.pad_token_id)
        vocabulary = trimmed(model, loader, adam) if is_small else None
        step = a_step(model, adam)
        losses.append([step(u, i, 1e-2).loss for i, u in enumerate(loader.updates())])
        state = step.state.arrays()
        if vocabulary:
            assert len(named_parameters(model)[name]) < 30
            state = vocabulary.whole_state(state)
            vocabulary.restore()
        tables.append(named_parameters(model)[name])
        moments.append(state["v"][name])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    unseen = mx.array(sorted(set(range(60)) - {0, 1, *loader.tokens.ids.tolist()}))
    assert len(unseen) > 20
    # The same products, in another order.
    assert mx.abs(tables[0][unseen] / tables[1][unseen] - 1).max() < 1e-6
    assert mx.abs(tables[0] - tables[1]).max() < 1e-4
    assert moments[0].shape == moments[1].shape == tables[1].shape
    assert not moments[0][unseen].any()


def trained(folder, stop_at=None, other_table=1):
    """Parameters after an epoch; if stopped, it is resumed with another trimmed table."""
    adam, loader = Adam(weight_decay=0.1), a_loader()
    model, _ = mlx_finbert.load(folder)
    vocabulary = trimmed(model, loader, adam)
    step = a_step(model, adam)
    for number, update in enumerate(loader.updates()):
        if number == stop_at:
            with vocabulary.whole():
                weights = {name: mx.array(value) for name, value in named_parameters(model).items()}
            arrays = vocabulary.whole_state(step.state.arrays())
            vocabulary.restore()
            model, _ = mlx_finbert.load(folder)
            model.bert.embeddings.word_embeddings.weight *= other_table
            vocabulary = trimmed(model, loader, adam)
            step = a_step(model, adam)
            with vocabulary.whole():
                model.load_weights(list(weights.items()))
            step.state = StepState.from_arrays(vocabulary.go_on_from(weights[TABLE], arrays))
            update = list(loader.updates())[number]
        step(update, number, 1e-3)
    vocabulary.restore()
    return named_parameters(model)


def test_a_saved_state_goes_on_exactly(checkpoint):
    folder = checkpoint()
    ends = [trained(folder), trained(folder, stop_at=4)]
    assert all(mx.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_run_that_goes_on_in_another_model_keeps_its_own_table(checkpoint):
    folder = checkpoint()
    ends = trained(folder), trained(folder, stop_at=4, other_table=3)
    # All rows have decayed, in the uninterrupted and in the resumed run.
    assert mx.abs(ends[0][TABLE] - ends[1][TABLE]).max() < 1e-6


def test_tokens_and_table_are_put_back(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    loader, before = a_loader(), named_parameters(model)[TABLE]
    tokens = loader.tokens.ids.copy()
    vocabulary = trimmed(model, loader, Adam())
    assert loader.tokens.ids.max() < len(vocabulary.ids) == len(set(tokens) | {0})
    with vocabulary.whole():
        assert mx.array_equal(named_parameters(model)[TABLE], before)
    vocabulary.restore()
    assert mx.array_equal(named_parameters(model)[TABLE], before)
    np.testing.assert_array_equal(loader.tokens.ids, tokens)


def test_a_table_of_which_all_rows_move_or_none_stays(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    # Here the decay is part of the gradient.
    assert trimmed(model, a_loader(), Adam(0.1, decoupled=False)) is None
    assert trimmed(model, a_loader(), Adam(0.0, decoupled=False))
    head = make_groups(["classifier.weight"], 2)
    assert trim(model, [a_loader()], head, Adam()) is None


def test_a_padding_id_beyond_the_table_names_no_row_beyond_it(checkpoint):
    model, _ = mlx_finbert.load(checkpoint())
    model.args.pad_token_id = 999
    assert len(trimmed(model, a_loader(), Adam()).ids) == model.args.vocab_size
