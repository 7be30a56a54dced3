"""Our models compute the same function as those of transformers."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlx_finbert
from mlx_finbert.models import build

pytestmark = pytest.mark.usefixtures("backend")

torch = pytest.importorskip("torch", reason="needs PyTorch, the reference: pip install torch")
transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4
ACTIVATIONS = ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu"]

shapes = st.fixed_dictionaries(
    {
        "heads": st.integers(1, 4),
        "head_size": st.integers(1, 8),
        "layers": st.integers(1, 3),
        "inner": st.integers(1, 40),
        "act": st.sampled_from(ACTIVATIONS),
        "eps": st.sampled_from([1e-12, 1e-7, 1e-5, 1e-3]),
        "num_labels": st.integers(1, 9),
        "batch": st.integers(1, 4),
        "length": st.integers(1, 24),
        "full": st.booleans(),
        "holes": st.booleans(),
        "seed": st.integers(0, 2**31),
    }
)


def bert_config(s, **more):
    return transformers.BertConfig(
        vocab_size=53, hidden_size=s["heads"] * s["head_size"], num_hidden_layers=s["layers"],
        num_attention_heads=s["heads"], intermediate_size=s["inner"], hidden_act=s["act"],
        max_position_embeddings=24, layer_norm_eps=s["eps"], num_labels=s["num_labels"],
        initializer_range=0.2, type_vocab_size=3,
    )  # fmt: skip


def distilbert_config(s):
    return transformers.DistilBertConfig(
        vocab_size=53, dim=s["heads"] * s["head_size"], n_layers=s["layers"], n_heads=s["heads"],
        hidden_dim=s["inner"], activation=s["act"], max_position_embeddings=24,
        num_labels=s["num_labels"], initializer_range=0.2,
    )  # fmt: skip


def roberta_config(s):
    return transformers.RobertaConfig(
        vocab_size=53, hidden_size=s["heads"] * s["head_size"], num_hidden_layers=s["layers"],
        num_attention_heads=s["heads"], intermediate_size=s["inner"], hidden_act=s["act"],
        max_position_embeddings=26, layer_norm_eps=s["eps"], num_labels=s["num_labels"],
        initializer_range=0.2, type_vocab_size=1, pad_token_id=1,
    )  # fmt: skip


def batch_of(s, config):
    """Random ids, a mask of random row lengths (full rows where asked), random segments."""
    rng = np.random.default_rng(s["seed"])
    shape = (s["batch"], s["length"])
    lengths = rng.integers(1, s["length"] + 1, s["batch"])
    if s["full"]:
        lengths[:] = s["length"]
    mask = (np.arange(s["length"]) < lengths[:, None]).astype(np.int32)
    if s["holes"]:
        mask[:, 1:] *= rng.integers(0, 2, (s["batch"], s["length"] - 1), dtype=np.int32)
    ids = np.where(mask, rng.integers(2, config.vocab_size, shape), config.pad_token_id)
    segments = rng.integers(0, getattr(config, "type_vocab_size", 1), shape)
    return ids.astype(np.int32), mask, segments.astype(np.int32)


def logits_of(reference, *arrays, segments=None):
    names = ("input_ids", "attention_mask")
    inputs = {n: torch.tensor(a, dtype=torch.long) for n, a in zip(names, arrays, strict=True)}
    if segments is not None:
        inputs["token_type_ids"] = torch.tensor(segments, dtype=torch.long)
    with torch.no_grad():
        return reference(**inputs).logits.numpy()


def twin_of(reference):
    """Our model with the weights of the reference, by the same key names."""
    model = build(reference.config.to_dict())
    weights = [(k, mx.array(v.numpy())) for k, v in reference.state_dict().items()]
    model.load_weights(weights, strict=True)
    return model


def assert_same(model, reference, ids, mask, segments=None):
    ours = model(
        *(mx.array(a) for a in (ids, mask)), None if segments is None else mx.array(segments)
    )
    theirs = logits_of(reference, ids, mask, segments=segments)
    assert ours.shape == theirs.shape
    assert np.abs(np.array(ours) - theirs).max() <= TOLERANCE


@pytest.mark.parametrize(
    ("make_config", "auto"),
    [
        (bert_config, "BertForSequenceClassification"),
        (distilbert_config, "DistilBertForSequenceClassification"),
        (roberta_config, "RobertaForSequenceClassification"),
    ],
)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(s=shapes)
def test_random_configs(make_config, auto, s):
    config = make_config(s)
    torch.manual_seed(s["seed"])
    reference = getattr(transformers, auto)(config).eval()
    model = twin_of(reference)
    ids, mask, segments = batch_of(s, config)
    assert_same(model, reference, ids, mask)
    if auto != "DistilBertForSequenceClassification":
        assert_same(model, reference, ids, mask, segments)


@pytest.mark.parametrize("length", [1, 16, 17, 64, 512])
def test_real_weights(minilm, length):
    model, _ = mlx_finbert.load(minilm, num_labels=3)
    reference = transformers.BertForSequenceClassification.from_pretrained(minilm, num_labels=3)
    reference.eval()
    weight = np.random.default_rng(0).normal(size=(3, 384)).astype(np.float32)
    model.classifier.weight = mx.array(weight)
    reference.classifier.weight.data = torch.tensor(weight)
    rng = np.random.default_rng(length)
    ids = rng.integers(1000, 30000, (3, length)).astype(np.int32)
    mask = (np.arange(length) < np.array([[length], [max(1, length // 2)], [1]])).astype(np.int32)
    segments = rng.integers(0, 2, (3, length)).astype(np.int32)
    assert_same(model, reference, ids * mask, mask, segments)
