"""`config.json`: `problem_type`, and activations compared with those of transformers."""

import json

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.load import load_trained
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES, build
from mlx_finbert.models.config import ACTIVATIONS, ALIASES


def saved_config(folder, output):
    mlx_finbert.save(*mlx_finbert.load(folder), output)
    return json.loads((output / "config.json").read_text())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("written", "kept"),
    [("regression", "regression"), ("single_label_classification", "regression"), (None, None)],
)
def test_a_model_with_one_output_opens_in_transformers(checkpoint, tmp_path, family, written, kept):
    folder, output = checkpoint(family, ["score"], problem_type=written), tmp_path / "out"
    assert saved_config(folder, output).get("problem_type") == kept
    assert mlx_finbert.load(output)[0].args == mlx_finbert.load(folder)[0].args

    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers import AutoModelForSequenceClassification

    twin = AutoModelForSequenceClassification.from_pretrained(output).eval()
    ids = torch.tensor([[5, 6, 7]])
    ours = mlx_finbert.load(output)[0](mx.array(ids.numpy()), mx.ones((1, 3), mx.int32))
    np.testing.assert_allclose(np.array(ours), twin(ids).logits.detach().numpy(), atol=1e-5)


def test_a_model_with_one_output_is_no_classifier(checkpoint):
    with pytest.raises(InputError, match="one output: it is a regression model"):
        load_trained(checkpoint(labels=["score"], problem_type="regression"))


@pytest.mark.parametrize("written", ["single_label_classification", None])
def test_a_classifier_says_so(checkpoint, tmp_path, written):
    config = saved_config(checkpoint(problem_type=written), tmp_path / "out")
    assert config["problem_type"] == "single_label_classification"


@pytest.mark.parametrize("written", ["regression", "multi_label_classification"])
def test_other_problems_give_their_encoder_alone(checkpoint, tmp_path, written):
    folder = checkpoint()
    config = json.loads((folder / "config.json").read_text()) | {"problem_type": written}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"problem_type = '{written}'"):
        mlx_finbert.load(folder)
    model, _ = mlx_finbert.load(folder, labels=["a", "b"], new_head=True)
    assert model.args.to_config()["problem_type"] == "single_label_classification"


@pytest.mark.parametrize("name", [*ACTIVATIONS, *ALIASES])
@pytest.mark.parametrize(("family", "key"), [("bert", "hidden_act"), ("distilbert", "activation")])
def test_every_name_is_transformers_function(name, family, key):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers.activations import ACT2FN

    model = build({"model_type": family, key: name})
    kept = getattr(model.args, key)
    x = np.linspace(-12, 12, 4801, dtype=np.float32)
    expected = ACT2FN[name](torch.tensor(x)).numpy()
    np.testing.assert_allclose(np.array(ACTIVATIONS[kept]()(mx.array(x))), expected, atol=2e-6)
    assert model.args.to_config()[key] == kept


def test_no_other_activation_of_transformers_is_one_of_ours():
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers.activations import ACT2FN

    x = torch.linspace(-12, 12, 4801)
    ours = [ACT2FN[name](x) for name in ACTIVATIONS]
    for name in ACT2FN.keys() - ACTIVATIONS.keys() - ALIASES.keys():
        with torch.no_grad():
            found = ACT2FN[name](x.bfloat16() if name == "xielu" else x).float()
        assert min((found - one).abs().max() for one in ours) > 1e-3, name
