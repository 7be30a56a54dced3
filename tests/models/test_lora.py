"""LoRA and DoRA layers in a model: output, trainable parameters and merging."""

import subprocess
import sys

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import pytest
from mlx.utils import tree_flatten
from small_adapters import TEXTS, adapted, logits

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.lora import LoraConfig, adapter_parameters, add_lora, fuse, has_lora

KINDS = [(family, dora) for family in FAMILIES for dora in (False, True)]
QUERY = {"distilbert": "attention.q_lin"}


def names(model):
    return set(dict(tree_flatten(model.trainable_parameters())))


@pytest.mark.parametrize(("family", "dora"), KINDS)
def test_adapters_change_nothing_at_first_and_learn_with_the_head_alone(checkpoint, family, dora):
    model, tokenizer = mlx_finbert.load(checkpoint(family))
    before = logits(model, tokenizer)
    plain = names(model)
    head = {name for name in plain if name.startswith(model.head)}
    add_lora(model, LoraConfig(rank=3, dora=dora))
    np.testing.assert_allclose(logits(model, tokenizer), before, atol=1e-6)
    leaves = ("lora_a", "lora_b", "m") if dora else ("lora_a", "lora_b")
    learning = names(model) - head
    assert names(model) > head
    # Queries, keys, values, the attention's output, and two of the feed-forward part.
    assert len(learning) == 2 * 6 * len(leaves)
    assert {name.rpartition(".")[2] for name in learning} == set(leaves)
    assert set(adapter_parameters(model)) == names(model)


def test_the_adapters_add_their_product_times_alpha_by_rank(checkpoint):
    model, _, _ = adapted(checkpoint(), rank=4, alpha=6.0)
    linear = model.encoder.layer[1].attention.self.query
    x = mx.random.normal((5, 15))
    expected = linear.linear(x) + 1.5 * (x @ linear.lora_a @ linear.lora_b)
    np.testing.assert_allclose(np.array(linear(x)), np.array(expected), atol=1e-5)


def test_dora_is_a_length_times_a_direction(checkpoint):
    """Liu et al. 2024, equation 5."""
    model, _, _ = adapted(checkpoint(), dora=True)
    linear = model.encoder.layer[0].output.dense
    moved = np.array(linear.linear.weight + 1.5 * (linear.lora_a @ linear.lora_b).T)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    x = np.array(mx.random.normal((5, 22)))
    expected = x @ (np.array(linear.m)[:, None] * moved / lengths).T + np.array(linear.linear.bias)
    np.testing.assert_allclose(np.array(linear(mx.array(x))), expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_layers_and_the_named_linears(checkpoint, family):
    key = QUERY.get(family, "attention.self.query")
    model, _ = mlx_finbert.load(checkpoint(family))
    add_lora(model, LoraConfig(rank=4, layers=1, keys=[key]))
    learning = {name for name in names(model) if "lora" in name}
    assert len(learning) == 2
    assert all(f"layer.1.{key}.lora" in name for name in learning)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"layers": 3}, "`lora_layers` is 3: the model has only 2 layers"),
        ({"layers": 0}, "`lora_layers` is 0: must be at least 1"),
        ({"rank": 0}, "`lora_rank` is 0"),
        ({"rank": 16}, "`lora_rank` is 16: at most 15, the smaller side of the matrix"),
        ({"alpha": 0.0}, "`lora_alpha` is 0"),
        ({"alpha": float("inf")}, "`lora_alpha` is inf"),
        ({"dropout": 1.0}, "`lora_dropout` is 1"),
        ({"keys": ["query"]}, "no linear layer 'query': use one of attention.*output.dense"),
    ],
)
def test_wishes_that_cannot_be(tiny, config, words):
    with pytest.raises(InputError, match=words):
        add_lora(tiny[0], LoraConfig(**config))


def test_adapters_upon_adapters_are_refused(tiny):
    model, _ = tiny
    add_lora(model, LoraConfig(rank=4))
    with pytest.raises(InputError, match="has adapters"):
        add_lora(model, LoraConfig(rank=4))


def gradients(model, tokenizer, key):
    rows = tokenizer(TEXTS, padding=True, return_tensors="np")
    ids, mask = mx.array(rows["input_ids"]), mx.array(rows["attention_mask"])

    def loss(key):
        return nn.losses.cross_entropy(
            model(ids, mask, dropout_key=key), mx.array([0, 1, 2]), reduction="mean"
        )

    return nn.value_and_grad(model, loss)(key)[1]


@pytest.mark.parametrize("dora", [False, True])
def test_dropout_of_the_adapters_is_keyed_and_right_under_checkpointing(checkpoint, dora):
    folder = checkpoint(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model, tokenizer, _ = adapted(folder, dora=dora, dropout=0.5)
    one, other = mx.random.key(0), mx.random.key(1)
    assert np.abs(logits(model, tokenizer, one) - logits(model, tokenizer, other)).max() > 1e-3
    np.testing.assert_array_equal(logits(model, tokenizer, one), logits(model, tokenizer, one))
    kept = dict(tree_flatten(gradients(model, tokenizer, one)))
    model.encoder.gradient_checkpointing = True
    again = dict(tree_flatten(gradients(model, tokenizer, one)))
    assert set(again) == set(adapter_parameters(model))
    for name, value in kept.items():
        np.testing.assert_allclose(np.array(again[name]), np.array(value), atol=1e-6, err_msg=name)


def test_a_step_moves_all_adapters_and_nothing_else(checkpoint):
    model, tokenizer, _ = adapted(checkpoint(), dora=True)
    before = {name: np.array(value) for name, value in tree_flatten(model.parameters())}
    optim.SGD(0.1).update(model, gradients(model, tokenizer, mx.random.key(0)))
    moved = {
        name
        for name, value in tree_flatten(model.parameters())
        if not np.array_equal(before[name], np.array(value))
    }
    assert moved == set(adapter_parameters(model))


@pytest.mark.parametrize(("family", "dora"), KINDS)
def test_fusing_leaves_a_plain_model_that_says_the_same(checkpoint, family, dora, tmp_path):
    folder = checkpoint(family)
    plain = names(mlx_finbert.load(folder)[0])
    model, tokenizer, _ = adapted(folder, dora=dora, layers=1)
    expected = logits(model, tokenizer)
    assert np.abs(expected - logits(*mlx_finbert.load(folder))).max() > 0.01
    fuse(model)
    assert not has_lora(model)
    assert names(model) == plain
    np.testing.assert_allclose(logits(model, tokenizer), expected, atol=1e-5)
    again, _ = mlx_finbert.load(mlx_finbert.save(model, tokenizer, tmp_path / "fused"))
    np.testing.assert_array_equal(logits(again, tokenizer), logits(model, tokenizer))


@pytest.mark.slow
def test_the_limit_of_open_files_stays(checkpoint):
    code = (
        "import resource, sys, mlx_finbert\n"
        "from mlx_finbert.models.lora import LoraConfig, add_lora\n"
        "before, setrlimit = resource.getrlimit(resource.RLIMIT_NOFILE), resource.setrlimit\n"
        "model, _ = mlx_finbert.load(sys.argv[1])\n"
        "assert 'mlx_lm' not in sys.modules\n"
        "add_lora(model, LoraConfig(rank=4))\n"
        "assert 'mlx_lm' in sys.modules and resource.setrlimit is setrlimit\n"
        "print(before == resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    argv = [sys.executable, "-c", code, str(checkpoint())]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.slow
def test_real_encoder(minilm):
    model, tokenizer, _ = adapted(minilm, rank=16, alpha=32.0)
    # Six layers of four square matrices and two with 1,536, the pooler and the classifier.
    trained = sum(value.size for value in adapter_parameters(model).values())
    assert trained == 6 * 16 * (4 * 768 + 2 * 1920) + 384 * 385 + 2 * 385
    expected = logits(model, tokenizer)
    fuse(model)
    np.testing.assert_allclose(logits(model, tokenizer), expected, atol=1e-4)
