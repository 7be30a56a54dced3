"""`python -m mlx_finbert.convert.shrink`."""

import json

import mlx.core as mx
import numpy as np
import pytest
from small_adapters import adapter_folder

import mlx_finbert
from mlx_finbert.checkpoints.load import load_with_report
from mlx_finbert.checkpoints.masked_lm import load_masked_lm, write_masked_lm
from mlx_finbert.checkpoints.save import new_model
from mlx_finbert.convert.fewer_layers import every_second, shrink
from mlx_finbert.convert.settings import ShrinkSettings
from mlx_finbert.convert.shrink import main
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.attention import Packing
from mlx_finbert.models.quantization import Quantization, quantize

TEXTS = ["profit rose", "net sales fell by 5 percent", ""]
FIVE = {
    "bert": {"num_hidden_layers": 5},
    "roberta": {"num_hidden_layers": 5},
    "distilbert": {"n_layers": 5},
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs PyTorch, the reference")


def rows(tokenizer, tensors="np"):
    return tokenizer(TEXTS, padding=True, return_tensors=tensors)


def inputs(tokenizer):
    found = rows(tokenizer)
    return mx.array(found["input_ids"]), mx.array(found["attention_mask"])


def own_logits(folder):
    model, tokenizer = mlx_finbert.load(folder)
    return np.array(model(*inputs(tokenizer)))


def their_logits(torch, folder, layers=None, kind="AutoModelForSequenceClassification"):
    """transformers' logits, with these layers of the folder's alone."""
    import transformers

    model = getattr(transformers, kind).from_pretrained(folder).eval()
    if layers is not None:
        encoder = getattr(model, model.base_model_prefix)
        stack = getattr(encoder, "encoder", None) or encoder.transformer
        stack.layer = torch.nn.ModuleList([stack.layer[i] for i in layers])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return model(**rows(tokenizer, "pt")).logits.numpy()


def small_masked_lm(folder, target):
    """A masked-language model of the encoder in a folder, with a head of random biases too."""
    mx.random.seed(1)
    model, tokenizer, _ = load_masked_lm(folder)
    with new_model(target, tokenizer, {}) as part:
        write_masked_lm(model, part)
    path = target / "model.safetensors"
    weights = mx.load(str(path))
    weights |= {
        name: mx.random.normal(value.shape)
        for name, value in weights.items()
        if name.endswith(".bias") and not name.startswith(model.prefix)
    }
    mx.save_safetensors(str(path), weights, metadata={"format": "pt"})
    return target


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(12, [0, 2, 4, 7, 9, 11]), (6, [0, 2, 5]), (5, [0, 2, 4]), (4, [0, 3]), (3, [0, 2]),
     (24, [0, 2, 4, 6, 8, 10, 13, 15, 17, 19, 21, 23]), (2, [0]), (1, [0])],
)  # fmt: skip
def test_every_second_layer(layers, expected):
    assert every_second(layers) == expected


@pytest.mark.parametrize("named", [None, "1,2,4"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_model_without_the_other_layers(
    torch, checkpoint, tmp_path, capsys, family, named
):
    folder, output = checkpoint(family, **FIVE[family]), tmp_path / "student"
    (folder / "config.yaml").write_text("split_seed: 3\n")
    argv = ["--model", str(folder), "--output", str(output)]
    assert main([*argv, "--layers", named] if named else argv) == 0
    said = capsys.readouterr().out
    layers = [1, 2, 4] if named else [0, 2, 4]
    assert f"layers: 3 of 5 ({', '.join(map(str, layers))})" in said
    assert "head: kept, but it was trained with all layers" in said
    assert "labels: negative, neutral, positive" in said
    assert "lost: nothing else" in said
    expected = their_logits(torch, folder, layers)
    assert np.abs(expected - their_logits(torch, folder)).max() > 1e-3
    np.testing.assert_allclose(their_logits(torch, output), expected, atol=1e-5)
    np.testing.assert_allclose(own_logits(output), expected, atol=1e-5)
    assert (output / "config.yaml").read_text() == "split_seed: 3\n"


def test_sizes_before_and_after(checkpoint, tmp_path):
    folder, output = checkpoint(num_hidden_layers=4), tmp_path / "student"
    report = shrink(ShrinkSettings(model=str(folder), output=str(output)))
    for path, size in ((folder, report.before.size), (output, report.after.size)):
        weights = mx.load(str(path / "model.safetensors"))
        count = sum(value.size for value in weights.values())
        assert size == (
            f"BertForSequenceClassification, {count:,} parameters, float32, {count * 4e-6:.1f} MB"
        )
    config = json.loads((output / "config.json").read_text())
    assert config["num_hidden_layers"] == 2


def test_a_model_without_a_head_gets_none(torch, minilm, tmp_path, capsys):
    from transformers import AutoModel

    output = tmp_path / "student"
    assert main(["--model", "minilm", "--output", str(output)]) == 0
    assert "head: none, as before; training starts a new one" in capsys.readouterr().out
    _, _, report = load_with_report(output)
    assert report.new == ["classifier.weight", "classifier.bias"]
    model, loaded = AutoModel.from_pretrained(output, output_loading_info=True)
    assert not loaded["missing_keys"] and not loaded["unexpected_keys"]
    assert len(model.encoder.layer) == 3


def test_a_head_without_its_pooler_is_named(checkpoint, tmp_path, capsys):
    folder = checkpoint()
    path = folder / "model.safetensors"
    weights = {n: v for n, v in mx.load(str(path)).items() if "pooler" not in n}
    mx.save_safetensors(str(path), weights, metadata={"format": "pt"})
    assert main(["--model", str(folder), "--output", str(tmp_path / "student")]) == 0
    said = capsys.readouterr().out
    assert "after:  BertModel" in said and "lost: classifier.weight, classifier.bias" in said


@pytest.mark.parametrize("family", FAMILIES)
def test_a_masked_language_model_keeps_its_head(torch, checkpoint, tmp_path, capsys, family):
    folder = small_masked_lm(checkpoint(family, **FIVE[family]), tmp_path / "lm")
    assert main(["--model", str(folder), "--output", str(tmp_path / "student")]) == 0
    said = capsys.readouterr().out
    assert "head: kept" in said and "labels" not in said
    kind = "AutoModelForMaskedLM"
    expected = their_logits(torch, folder, [0, 2, 4], kind)
    np.testing.assert_allclose(
        their_logits(torch, tmp_path / "student", kind=kind), expected, atol=1e-5
    )


def hidden_states(folder):
    """The encoder's outputs after every layer, for segment 0, without padding."""
    model, tokenizer = mlx_finbert.load(folder)
    ids, mask = inputs(tokenizer)
    packing, states = Packing(mask), None
    if hasattr(model, "bert"):
        states = model.encoder.hidden_states(model.bert.embeddings(ids, None, packing), packing)
    else:
        states = model.encoder.hidden_states(model.distilbert.embeddings(ids, packing), packing)
    return np.stack([np.array(state) for state in states])[:, np.array(mask) == 1]


def test_a_distilbert_of_all_layers_computes_the_same(torch, checkpoint, tmp_path, capsys):
    from transformers import AutoModel, AutoTokenizer

    folder, output = checkpoint(num_hidden_layers=3, name="all"), tmp_path / "student"
    weights = mx.load(str(folder / "model.safetensors"))
    table = "bert.embeddings.token_type_embeddings.weight"
    assert np.abs(np.array(weights[table][0])).max() > 0.1
    argv = ["--model", str(folder), "--output", str(output), "--layers", "0,1,2", "--to-distilbert"]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "after:  DistilBertModel" in said
    assert "classifier was trained on the pooler" in said
    for name in ("bert.pooler.dense.weight", "classifier.bias", f"{table} but for its row 0"):
        assert name in said
    assert "labels: negative, neutral, positive" in said
    expected = hidden_states(folder)
    np.testing.assert_allclose(hidden_states(output), expected, atol=1e-5)
    twin, loaded = AutoModel.from_pretrained(output, output_loading_info=True)
    assert not loaded["missing_keys"] and not loaded["unexpected_keys"]
    encoded = rows(AutoTokenizer.from_pretrained(output), "pt")
    assert "token_type_ids" not in encoded
    with torch.no_grad():
        found = twin.eval()(**encoded).last_hidden_state.numpy()
    found = found[encoded["attention_mask"].numpy() == 1]
    np.testing.assert_allclose(found, expected[-1], atol=1e-5)


def test_the_new_head_of_a_distilbert_has_the_labels(checkpoint, tmp_path):
    folder, output = checkpoint(), tmp_path / "student"
    shrink(ShrinkSettings(model=str(folder), output=str(output), to_distilbert=True))
    model, _, report = load_with_report(output)
    assert {name.split(".")[0] for name in report.new} == {"pre_classifier", "classifier"}
    assert model.args.labels == ["negative", "neutral", "positive"]


def test_a_masked_language_bert_keeps_its_head_as_distilbert(torch, checkpoint, tmp_path, capsys):
    folder = small_masked_lm(checkpoint(), tmp_path / "lm")
    argv = ["--model", str(folder), "--output", str(tmp_path / "student"), "--to-distilbert"]
    assert main([*argv, "--layers", "0,1"]) == 0
    said = capsys.readouterr().out
    assert "DistilBertForMaskedLM" in said and "head: kept" in said
    kind = "AutoModelForMaskedLM"
    np.testing.assert_allclose(
        their_logits(torch, tmp_path / "student", kind=kind),
        their_logits(torch, folder, kind=kind),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            "1,0",
            "--layers 1,0 is not in ascending order, in which layers compute: write --layers 0,1",
        ),
        ("0,0", "--layers 0,0 names layer 0 twice"),
        ("0,1,0", "--layers 0,1,0 names layer 0 twice"),
        ("0,2", "has no layer 2: its layers are 0 to 1"),
        ("-1,1", "has no layer -1"),
        ("0,1", "all are kept"),
        ("0,x", "--layers is '0,x', not a list"),
    ],
)
def test_layers_that_cannot_be_kept(checkpoint, tmp_path, capsys, layers, words):
    argv = ["--model", str(checkpoint()), "--output", str(tmp_path / "out"), "--layers", layers]
    assert main(argv) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("family", "config", "words"),
    [
        ("roberta", {}, "is a roberta model, and only a BERT"),
        ("distilbert", {}, "is a distilbert model, and only a BERT"),
        ("bert", {"layer_norm_eps": 1e-5}, "layer_norm_eps = 1e-05"),
    ],
)
def test_what_is_no_distilbert(checkpoint, tmp_path, capsys, family, config, words):
    folder = checkpoint(family, **config)
    argv = ["--model", str(folder), "--output", str(tmp_path / "out"), "--to-distilbert"]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith("error: --to-distilbert")
    assert not (tmp_path / "out").exists()


def test_adapters_and_quantized_weights_are_refused(checkpoint, tmp_path, capsys):
    folder, _ = adapter_folder(checkpoint(name="base"), tmp_path / "a")
    assert main(["--model", str(folder), "--output", str(tmp_path / "out")]) == 2
    assert "holds adapters; fuse them first" in capsys.readouterr().err
    wide = checkpoint(hidden_size=64, num_attention_heads=4, intermediate_size=128)
    model, tokenizer = mlx_finbert.load(wide)
    quantize(model, Quantization(8, 32))
    mlx_finbert.save(model, tokenizer, tmp_path / "q")
    assert main(["--model", str(tmp_path / "q"), "--output", str(tmp_path / "out")]) == 2
    assert "is quantized" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_output_that_holds_a_model_needs_overwrite(checkpoint, capsys):
    folder = str(checkpoint())
    assert main(["--model", folder, "--output", folder]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["--model", folder, "--output", folder, "--overwrite"]) == 0
    assert len(mlx_finbert.load(folder)[0].encoder.layer) == 1
