"""The loss of a student and its gradients, against PyTorch's of the same formula."""

import mlx.core as mx
import numpy as np
import pytest
from small_models import NO_DROPOUT

import mlx_finbert
from mlx_finbert.backend.interface import compiled_value_and_grad, pad_multiple
from mlx_finbert.data.grouping import Grouping
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import tokenize
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.training.distillation_loss import DistillationLoss, HiddenLoss, layer_map
from mlx_finbert.training.loss import Loss, loss_of_parameters

pytestmark = pytest.mark.usefixtures("backend")

TEXTS = [
    "profit rose", "sales fell by 3 percent in the quarter", "the outlook is unchanged",
    "dividend raised", "orders are weak and the margin fell by 2 percent", "guidance cut",
    "the company said net profit rose to 4 million euro",
]  # fmt: skip
LABELS = np.array([2, 0, -1, 2, 0, -1, 1], np.int32)
CLASS_WEIGHTS = np.array([2.0, 0.5, 1.0], np.float32)
SMOOTHING, TEMPERATURE, WEIGHT, LABEL_FACTOR = 0.1, 3.0, 0.3, 1.7


def loader_of(tokenizer, way):
    grouping = Grouping(way)
    tokens = tokenize(tokenizer, TEXTS, 40)
    pad = tokenizer.pad_token_id
    return Loader(
        tokens, LABELS, len(TEXTS), pad, 40, seed=0, multiple=pad_multiple(), grouping=grouping
    )


def teacher_logits():
    return np.random.default_rng(0).normal(0, 2, (len(TEXTS), 3)).astype(np.float32)


def objective_of(loader, hidden=None):
    return DistillationLoss(
        Loss(CLASS_WEIGHTS, SMOOTHING), teacher_logits(), TEMPERATURE, WEIGHT, LABEL_FACTOR, hidden
    )


def our_gradients(model, loader, objective, precision="float32"):
    """The loss of an update of all rows, its gradients, and the number of correct rows."""
    (update,) = loader.updates()
    value_and_grad = compiled_value_and_grad(loss_of_parameters(model, objective, {}, precision))
    total = objective.total_weight(update)
    sums, gradients = mx.zeros(2), {}
    for batch in update.batches:
        rows = tuple(map(mx.array, objective.arrays(batch)))
        parameters = named_parameters(model)
        (_, figures), found = value_and_grad(
            parameters, rows, mx.random.key(0), mx.array(1 / total)
        )
        sums += figures
        gradients = {n: gradients.get(n, 0) + g for n, g in found.items()}
    return sums[0].item() / total, gradients, sums[1].item()


def their_loss(torch, reference, teacher, tokens, kind):
    """The formula, text by text, so that no padding or packing has a part in it."""
    functional = torch.nn.functional
    taught = torch.tensor(teacher_logits())
    weights = torch.tensor(CLASS_WEIGHTS)
    total, states, correct = torch.zeros(()), torch.zeros(()), 0
    for row in range(len(TEXTS)):
        ids = torch.tensor(tokens[row][None]).long()
        output = reference(ids, output_hidden_states=True)
        logits = output.logits[0]
        divergence = functional.kl_div(
            functional.log_softmax(logits / TEMPERATURE, -1),
            functional.softmax(taught[row] / TEMPERATURE, -1),
            reduction="sum",
        )
        total = total + WEIGHT * TEMPERATURE**2 * divergence
        if LABELS[row] >= 0:
            hard = functional.cross_entropy(
                logits[None], torch.tensor([int(LABELS[row])]), weights,
                label_smoothing=SMOOTHING, reduction="sum",
            )  # fmt: skip
            total = total + (1 - WEIGHT) * LABEL_FACTOR * hard
            correct += int(logits.argmax() == LABELS[row])
        if kind:
            with torch.no_grad():
                others = teacher(ids, output_hidden_states=True).hidden_states[1:]
            own = output.hidden_states[1:]
            # Of the teacher's four layers, the second and the fourth.
            for student_state, teacher_state in zip(own, (others[1], others[3]), strict=True):
                if kind == "mse":
                    per_token = ((student_state - teacher_state) ** 2).mean(-1)
                else:
                    per_token = 1 - functional.cosine_similarity(student_state, teacher_state, -1)
                states = states + per_token.sum() / len(own)
    return total / len(TEXTS) + states / len(tokens.ids), correct


def references(checkpoint, family):
    """PyTorch's student of two layers and teacher of four, and our loaded models."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    layers = "n_layers" if family == "distilbert" else "num_hidden_layers"
    folders = [
        checkpoint(family, name="student", **NO_DROPOUT[family]),
        checkpoint(family, name="teacher", **NO_DROPOUT[family] | {layers: 4}),
    ]
    loaded = [mlx_finbert.load(folder) for folder in folders]
    kind = getattr(transformers, type(loaded[0][0]).__name__)
    return loaded, [kind.from_pretrained(folder).eval() for folder in folders]


@pytest.mark.parametrize("kind", [None, "cosine", "mse"])
@pytest.mark.parametrize("way", ["packed", "no"])
@pytest.mark.parametrize("family", NO_DROPOUT)
def test_gradients_are_those_of_torch(checkpoint, family, way, kind):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    loaded, (reference, teacher) = references(checkpoint, family)
    (model, tokenizer), (own_teacher, _) = loaded
    loader = loader_of(tokenizer, way)
    assert (loader.examples > 1) == (way == "packed")
    hidden = None
    if kind:
        hidden = HiddenLoss(own_teacher, kind, len(TEXTS) / len(loader.tokens.ids))
    loss, gradients, correct = our_gradients(model, loader, objective_of(loader, hidden))
    expected, expected_correct = their_loss(torch, reference, teacher, loader.tokens, kind)
    expected.backward()
    assert abs(loss - expected.item()) < 1e-5
    assert correct == expected_correct
    theirs = {name: p.grad for name, p in reference.named_parameters() if p.grad is not None}
    assert theirs.keys() <= gradients.keys()
    for name, gradient in gradients.items():
        if name in theirs:
            difference = np.abs(np.array(gradient) - theirs[name].numpy()).max()
            assert difference < 1e-5, name
        else:
            assert mx.abs(gradient).max() < 1e-6, name


def test_a_trimmed_vocabulary_reaches_the_teacher_in_full(checkpoint):
    """The teacher reads the ids of its own table, whatever numbers the batches have."""
    (student, tokenizer), teacher = (mlx_finbert.load(checkpoint(name="student")), None)
    teacher, _ = mlx_finbert.load(checkpoint(name="teacher", num_hidden_layers=4))
    ids = tokenize(tokenizer, TEXTS[:1], 40).ids[None]
    mask = mx.ones_like(mx.array(ids))
    states = []
    student(mx.array(ids), mask, states=states)
    plain = HiddenLoss(teacher, "mse", 1.0)
    shifted = HiddenLoss(teacher, "mse", 1.0, np.arange(-1, 59, dtype=np.int32))
    expected = plain.sum(states, mx.array(ids), mask, 1)
    assert mx.allclose(shifted.sum(states, mx.array(ids + 1), mask, 1), expected)
    assert not mx.allclose(plain.sum(states, mx.array(ids + 1), mask, 1), expected)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near(checkpoint, precision):
    model, tokenizer = mlx_finbert.load(checkpoint())
    teacher, _ = mlx_finbert.load(checkpoint(name="teacher", num_hidden_layers=4))
    loader = loader_of(tokenizer, "packed")
    hidden = HiddenLoss(teacher, "cosine", len(TEXTS) / len(loader.tokens.ids))
    objective = objective_of(loader, hidden)
    exact, expected, _ = our_gradients(model, loader, objective)
    teacher.set_dtype(getattr(mx, precision))
    loss, gradients, _ = our_gradients(model, loader, objective, precision)
    assert abs(loss - exact) < 0.03 * exact
    norms = [np.sqrt(sum(mx.square(g).sum().item() for g in of.values()))
             for of in (gradients, expected)]  # fmt: skip
    assert norms[0] == pytest.approx(norms[1], rel=0.05)


def test_layers_that_are_computed_twice_have_the_same_gradients(checkpoint):
    model, tokenizer = mlx_finbert.load(checkpoint())
    teacher, _ = mlx_finbert.load(checkpoint(name="teacher", num_hidden_layers=4))
    loader = loader_of(tokenizer, "packed")
    objective = objective_of(loader, HiddenLoss(teacher, "mse", 0.2))
    loss, expected, _ = our_gradients(model, loader, objective)
    model.encoder.gradient_checkpointing = True
    again, gradients, _ = our_gradients(model, loader, objective)
    assert loss == pytest.approx(again, abs=1e-6)
    for name, gradient in gradients.items():
        assert mx.abs(gradient - expected[name]).max() < 1e-5, name


def test_the_share_of_the_teacher_is_all_or_nothing(checkpoint):
    """With the whole share the labels do not count, without any the teacher does not."""
    model, tokenizer = mlx_finbert.load(checkpoint(**NO_DROPOUT["bert"]))
    loader = loader_of(tokenizer, "no")

    def loss(weight, labels):
        objective = objective_of(loader)
        objective.weight, loader.label_ids = weight, labels
        return our_gradients(model, loader, objective)[0]

    others = np.where(LABELS < 0, LABELS, (LABELS + 1) % 3).astype(np.int32)
    assert loss(1.0, LABELS) == loss(1.0, others)
    assert loss(0.0, LABELS) != loss(0.0, others)
    objective = objective_of(loader)
    objective.weight, loader.label_ids = 0.0, LABELS
    before = our_gradients(model, loader, objective)[0]
    objective.teacher_logits = objective.teacher_logits[::-1].copy()
    assert our_gradients(model, loader, objective)[0] == before


@pytest.mark.parametrize(
    ("layers", "teacher_layers", "expected"),
    [
        (6, 12, [1, 3, 5, 7, 9, 11]), (3, 6, [1, 3, 5]), (2, 2, [0, 1]),
        (4, 6, [1, 2, 3, 5]), (4, 2, [0, 0, 1, 1]), (1, 12, [11]),
    ],
)  # fmt: skip
def test_layers_are_mapped_by_depth(layers, teacher_layers, expected):
    assert layer_map(layers, teacher_layers) == expected
