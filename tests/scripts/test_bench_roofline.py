"""`scripts/bench/roofline.py`, and the parts of a step that it times."""

import json
import subprocess
import sys

import pytest
import roofline
from roofline import PRODUCTS_OF_ATTENTION, in_rounds
from step_parts import MODELS, a_step, kinds
from step_products import Products

from mlx_finbert.models import build
from mlx_finbert.models.functions import Linear

pytestmark = pytest.mark.slow

BERT = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 20,
}
DISTILBERT = {
    "model_type": "distilbert",
    "dim": 8,
    "n_layers": 3,
    "n_heads": 2,
    "hidden_dim": 20,
}


@pytest.mark.parametrize("config", [BERT, DISTILBERT], ids=["bert", "distilbert"])
def test_the_products_are_those_of_the_model(config):
    model = build(config | {"vocab_size": 30, "id2label": {0: "a", 1: "b"}})
    rows = 4
    products = Products(model.args, rows, length=5)
    for number, layer in enumerate(model.encoder.layer):
        found = [product.shape for product in products.layer(number)]
        linears = [shape for shape in found if len(shape) == 2]
        outputs, to_inputs, to_weights = linears[::3], linears[1::3], linears[2::3]
        weights = [m.weight.size for m in layer.modules() if isinstance(m, Linear)]
        assert sum(a * b for a, b in to_weights) == sum(weights)
        last = number == 2
        assert {shape[0] for shape in outputs} == ({rows, 5 * rows} if last else {5 * rows})
        assert [n for n, _ in outputs] == [n for n, _ in to_inputs]
        queries = 1 if last else 5
        scores = [shape for shape in found if shape == (rows, 2, queries, 5)]
        assert len(scores) == 2 and len(found) == len(linears) + 6
    products(2)
    products.attention()
    forward = Products(model.args, rows, length=5, backward=False)
    assert [len(list(forward.layer(i))) for i in range(3)] == [6, 6, 7]


def test_each_kind_is_counted_as_often_as_the_model_has_it(monkeypatch):
    counted = []
    monkeypatch.setattr("step_parts.side_by_side", lambda f, arrays, times: counted.append(times))
    sizes = {"bert": BERT, "distilbert": DISTILBERT}
    for name, config in sizes.items():
        monkeypatch.setitem(MODELS, name, config)
        kinds(*a_step(name, 2, 4))
    # GELU, attention, layer norms and dropout of states, in two whole layers.
    assert counted == [2, 2, 5, 5, 2, 2, 5, 3]


def test_a_shape_that_does_not_part_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["roofline.py", "--shape", "15x32"])
    with pytest.raises(SystemExit):
        roofline.main()
    assert "15x32: a CPU computes 2 equal parts of a batch" in capsys.readouterr().err


def test_attention_is_told_apart_from_its_products(monkeypatch):
    seconds = {"step": 10, "products": 5, "gelu": 1, "attention": 4, PRODUCTS_OF_ATTENTION: 1.5}
    monkeypatch.setattr(roofline, "times_of", lambda run, times: (run / times, 0.1))
    timed = {name: (2 * value, 2) for name, value in seconds.items()}
    parts = in_rounds(timed, 3)["milliseconds"]
    expected = {"step": 10, "products": 5, "gelu": 1, "attention": 2.5, "other": 1.5, "host": 0.1}
    assert parts == pytest.approx({name: 1e3 * value for name, value in expected.items()})


@pytest.mark.parametrize(
    ("flags", "kinds"),
    [([], ["gelu", "attention", "layer norm", "dropout", "update"]), (["--forward"], [])],
)
def test_a_small_step_and_its_parts(flags, kinds):
    flags = ["--model", "minilm", "--shape", "4x8", "--rounds", "1", "--json", *flags]
    argv = [sys.executable, roofline.__file__, *flags]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    (step,) = json.loads(done.stdout)["steps"]
    assert (step["model"], step["batch_size"], step["length"]) == ("minilm", 4, 8)
    parts = step["milliseconds"]
    known = ["products", *kinds, "other"]
    assert list(parts) == ["step", *known, "host"]
    assert parts["step"] == pytest.approx(sum(parts[name] for name in known))
    assert step["share"] == pytest.approx(parts["products"] / parts["step"])
