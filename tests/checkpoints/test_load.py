"""Loading and saving, against transformers where it is the judge."""

import json
import logging

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.checkpoints import load as ckpt
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.config import HeadOptions

TEXTS = ["Profit rose by 12 percent .", "Sales fell", "the company said"]


def weights_of(folder):
    return mx.load(str(folder / "model.safetensors"))


def rewrite(folder, weights):
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(
        json.dumps({k: v for k, v in config.items() if v is not None})
    )


def logits(model, tokenizer, texts=TEXTS):
    rows = tokenizer(texts, padding=True, return_tensors="np")
    return np.array(model(mx.array(rows["input_ids"]), mx.array(rows["attention_mask"])))


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_folder_opens_in_transformers(checkpoint, family, tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    model, tokenizer = mlx_finbert.load(checkpoint(family))
    folder = mlx_finbert.save(model, tokenizer, tmp_path / "out" / "saved")
    reference = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    rows = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    expected = reference(**rows).logits.detach().numpy()
    np.testing.assert_allclose(logits(model, tokenizer), expected, atol=1e-4)
    scored = pipeline("text-classification", str(folder), top_k=None)([TEXTS[0]])[0]
    probabilities = dict(
        zip(model.args.labels, np.array(mx.softmax(mx.array(expected[0]))), strict=True)
    )
    assert {s["label"]: pytest.approx(s["score"], abs=1e-4) for s in scored} == probabilities


@pytest.mark.parametrize("family", FAMILIES)
def test_save_and_load_give_the_same_model(checkpoint, family, tmp_path):
    model, tokenizer = mlx_finbert.load(checkpoint(family))
    folder = mlx_finbert.save(model, tokenizer, tmp_path / "saved")
    again, tokenizer_again = mlx_finbert.load(folder)
    assert again.args == model.args
    np.testing.assert_array_equal(logits(again, tokenizer_again), logits(model, tokenizer))
    assert tokenizer_again.model_max_length == model.args.max_length == 40


def test_saved_config_names_everything(checkpoint, tmp_path):
    folder = mlx_finbert.save(*mlx_finbert.load(checkpoint()), tmp_path / "saved")
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["id2label"] == {"0": "negative", "1": "neutral", "2": "positive"}
    assert config["label2id"] == {"negative": 0, "neutral": 1, "positive": 2}
    assert config["num_labels"] == 3
    assert config["problem_type"] == "single_label_classification"
    assert mx.load(str(folder / "model.safetensors"), return_metadata=True)[1] == {"format": "pt"}


def test_a_failed_save_leaves_the_old_folder(checkpoint, tmp_path):
    folder = checkpoint()
    model, tokenizer = mlx_finbert.load(folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    tokenizer.save_pretrained = lambda part: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        mlx_finbert.save(model, tokenizer, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("zip_format", [True, False])
def test_pytorch_model_bin(checkpoint, zip_format):
    torch = pytest.importorskip("torch", reason="needs PyTorch, which writes the file")
    folder = checkpoint()
    expected = logits(*mlx_finbert.load(folder))
    state = {k: torch.tensor(np.array(v)) for k, v in weights_of(folder).items()}
    path = folder / "pytorch_model.bin"
    torch.save(state, path, _use_new_zipfile_serialization=zip_format)
    (folder / "model.safetensors").unlink()
    np.testing.assert_array_equal(logits(*mlx_finbert.load(folder)), expected)


def test_sharded_safetensors(checkpoint):
    folder = checkpoint()
    expected = logits(*mlx_finbert.load(folder))
    weights = weights_of(folder)
    mx.eval(weights)
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    weight_map = {}
    for i, half in enumerate((names[::2], names[1::2])):
        shard = f"model-0000{i + 1}-of-00002.safetensors"
        mx.save_safetensors(str(folder / shard), {k: weights[k] for k in half})
        weight_map |= dict.fromkeys(half, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    np.testing.assert_array_equal(logits(*mlx_finbert.load(folder)), expected)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match="model-00002-of-00002"):
        mlx_finbert.load(folder)


def old_layer_norms(key):
    return key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


@pytest.mark.parametrize(
    "spelling", [old_layer_norms, lambda k: k.removeprefix("bert."), lambda k: "module." + k]
)
def test_old_key_names_and_missing_prefixes(checkpoint, spelling):
    folder = checkpoint()
    expected = logits(*mlx_finbert.load(folder))
    weights = weights_of(folder)
    mx.eval(weights)
    extra = {"embeddings.position_ids": mx.arange(40), "cls.predictions.bias": mx.zeros(3)}
    rewrite(folder, {spelling(k): v for k, v in weights.items()} | extra)
    _, _, report = ckpt.load_with_report(folder)
    assert report.unused == ["bert.embeddings.position_ids", "cls.predictions.bias"]
    assert report.new == []
    np.testing.assert_array_equal(logits(*mlx_finbert.load(folder)), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_gets_a_fresh_head_and_says_so(checkpoint, family, caplog):
    folder = checkpoint(family)
    head = FAMILIES[family][1].head
    weights = {k: v for k, v in weights_of(folder).items() if not k.startswith(head)}
    mx.eval(weights)
    rewrite(folder, weights)
    with caplog.at_level(logging.WARNING):
        model, _ = mlx_finbert.load(folder, labels=["bad", "good"])
    assert len(caplog.records) == 1
    assert "classifier" in caplog.text
    assert "newly initialised" in caplog.text
    assert model.args.labels == ["bad", "good"]
    drawn = {k: v for k, v in tree_flatten(model.parameters()) if k.startswith(head)}
    for key, value in drawn.items():
        assert (mx.abs(value).sum() > 0).item() is key.endswith("weight")
        assert mx.abs(value).max() < 0.2


def test_config_without_model_type(checkpoint):
    folder = checkpoint("distilbert")
    edit_config(folder, model_type=None)
    model, _ = mlx_finbert.load(folder)
    assert type(model).__name__ == "DistilBertForSequenceClassification"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", mx.float32, None])
def test_dtype(checkpoint, dtype):
    model, _ = mlx_finbert.load(checkpoint(), dtype=dtype)
    expected = dtype if isinstance(dtype, mx.Dtype) else ckpt.DTYPES[dtype or "float32"]
    assert {v.dtype for _, v in tree_flatten(model.parameters())} == {expected}


def test_labels_name_a_head_that_has_no_names(checkpoint):
    folder = checkpoint(labels=["LABEL_0", "LABEL_1"])
    model, _ = mlx_finbert.load(folder, labels=["bad", "good"])
    assert model.args.labels == ["bad", "good"]


def test_new_head_replaces_the_checkpoints(checkpoint):
    folder = checkpoint()
    model, _, report = ckpt.load_with_report(folder, HeadOptions(labels=["a", "b"], is_new=True))
    assert model.classifier.weight.shape == (2, 15)
    assert "classifier.weight" in report.unused
    assert "classifier.weight" in report.new


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_labels": 2}, r"head with 3 labels \(negative, neutral, positive\), not 2"),
        ({"labels": ["positive", "neutral", "negative"]}, "in this order"),
        ({"labels": ["a", "b", "A"]}, "twice"),
        ({"labels": ["a", "", "c"]}, "empty"),
        ({"labels": ["a", "b", "c"], "num_labels": 2}, "3 labels are named"),
        ({"dtype": "float8"}, "float8"),
    ],
)
def test_wishes_that_the_head_contradicts(checkpoint, arguments, words):
    with pytest.raises(InputError, match=words):
        mlx_finbert.load(checkpoint(), **arguments)


SIX_PIECES = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "profit"])


def damage_index(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": 5}}')


def test_a_question_answering_checkpoint_gives_its_encoder_only_on_request(checkpoint):
    folder = checkpoint()
    weights = {k: v for k, v in weights_of(folder).items() if not k.startswith("classifier")}
    mx.eval(weights)
    rewrite(folder, weights | {"qa_outputs.weight": mx.zeros((2, 15))})
    edit_config(folder, architectures=["BertForQuestionAnswering"])
    with pytest.raises(InputError, match="BertForQuestionAnswering, whose head does not"):
        mlx_finbert.load(folder)
    _, _, report = ckpt.load_with_report(folder, HeadOptions(is_new=True))
    assert "qa_outputs.weight" in report.unused


def test_mixed_dtypes_become_float32(checkpoint):
    folder = checkpoint()
    weights = weights_of(folder)
    mx.eval(weights)
    key = "bert.embeddings.word_embeddings.weight"
    rewrite(folder, weights | {key: weights[key].astype(mx.float16)})
    model, _ = mlx_finbert.load(folder)
    assert {v.dtype for _, v in tree_flatten(model.parameters())} == {mx.float32}


def test_damaged_folders_give_one_sentence(checkpoint, tmp_path):
    def broken(name, words, change):
        folder = checkpoint(name=name)
        change(folder)
        with pytest.raises(InputError, match=words):
            mlx_finbert.load(folder)

    def drop(key):
        def change(folder):
            weights = weights_of(folder)
            mx.eval(weights)
            rewrite(folder, {k: v for k, v in weights.items() if k != key})

        return change

    def put(**tensors):
        def change(folder):
            weights = weights_of(folder)
            mx.eval(weights)
            rewrite(folder, weights | {k.replace("__", "."): v for k, v in tensors.items()})

        return change

    def cut(name, size):
        return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])

    broken("a", "no config.json", lambda f: (f / "config.json").unlink())
    broken("b", "not valid JSON", cut("config.json", 30))
    broken("c", "no weights", lambda f: (f / "model.safetensors").unlink())
    broken("d", "damaged", cut("model.safetensors", 900))
    broken("k", "no tokenizer", lambda f: (f / "vocab.txt").rename(f / "vocab.json"))
    broken(
        "l",
        "has 6 tokens .* the vocabulary is truncated",
        lambda f: (f / "vocab.txt").write_text(SIX_PIECES),
    )
    broken("m", "is mlx.core.int8", put(classifier__weight=mx.zeros((3, 15), mx.int8)))
    broken("n", "not an index", lambda f: damage_index(f))
    broken("e", "no tokenizer", lambda f: (f / "vocab.txt").unlink())
    broken("f", "query.weight is missing", drop("bert.encoder.layer.1.attention.self.query.weight"))
    broken(
        "g",
        r"word_embeddings.weight.* has shape \(2, 15\)",
        put(bert__embeddings__word_embeddings__weight=mx.zeros((2, 15))),
    )
    broken(
        "long",
        r"layer.7.x{100,200}\.\.\. has no place",
        put(**{f"bert__encoder__layer__7__{'x' * 9_999}": mx.zeros(3)}),
    )
    broken(
        "sizes",
        r"is damaged: the tensor bert\.embeddings\.word_embeddings\.weight has 999 axes",
        put(bert__embeddings__word_embeddings__weight=mx.zeros([1] * 999)),
    )
    broken("h", "layer.7.x has no place", put(bert__encoder__layer__7__x=mx.zeros(3)))
    broken("i", "so that 'more' has no row", lambda f: (f / "vocab.txt").open("a").write("more\n"))
    broken(
        "j",
        "BertForTokenClassification",
        lambda f: edit_config(f, architectures=["BertForTokenClassification"]),
    )
    with pytest.raises(InputError, match="no such folder"):
        mlx_finbert.load(tmp_path / "missing")


def test_real_encoder(minilm):
    model, tokenizer, report = ckpt.load_with_report(minilm, HeadOptions(labels=["bad", "good"]))
    assert report.new == ["classifier.weight", "classifier.bias"]
    assert report.unused == ["bert.embeddings.position_ids"]
    assert sum(v.size for _, v in tree_flatten(model.parameters())) == 22_713_986
    assert tokenizer.model_max_length == 512


def test_a_new_head_takes_the_names_of_the_old_in_another_order(checkpoint):
    folder = checkpoint()
    edit_config(folder, label2id={"negative": 0, "neutral": 1, "positive": 2})
    labels = ["positive", "negative", "neutral"]
    model, _, report = ckpt.load_with_report(folder, HeadOptions(labels=labels, is_new=True))
    assert model.args.labels == labels
    assert sorted(report.new) == report.unused == ["classifier.bias", "classifier.weight"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_that_the_config_says_nothing_about(checkpoint, family):
    folder = checkpoint(family)
    edit_config(folder, id2label=None, num_labels=None)
    assert mlx_finbert.load(folder)[0].args.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    names = ["Neutral", "Positive", "Negative"]
    assert mlx_finbert.load(folder, labels=names)[0].args.labels == names


def test_label2id_may_have_its_ids_as_text(checkpoint):
    folder = checkpoint()
    edit_config(folder, label2id={"negative": "0", "neutral": "1", "positive": "2"})
    mlx_finbert.load(folder)


def test_save_removes_the_files_of_an_earlier_tokenizer(checkpoint, tmp_path):
    folder = mlx_finbert.save(*mlx_finbert.load(checkpoint("roberta")), tmp_path / "out")
    stale = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(stale))
    (folder / "notes.txt").write_text("mine")
    mlx_finbert.save(*mlx_finbert.load(checkpoint(name="bert")), folder)
    assert mlx_finbert.load(folder)[0].args.model_type == "bert"
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("dtype", [None, "float32", "float16"])
@pytest.mark.parametrize("own", [mx.float32, mx.float16])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_temperature_that_an_earlier_version_recorded(checkpoint, tmp_path, family, own, dtype):
    """It is in the head of what is loaded, and so of what is saved."""
    folder = checkpoint(family)
    rewrite(folder, {name: value.astype(own) for name, value in weights_of(folder).items()})
    before, tokenizer = mlx_finbert.load(folder, dtype="float32")
    expected = mlx_finbert.predict_proba(before, tokenizer, TEXTS).astype(np.float64) ** (1 / 3)
    expected /= expected.sum(axis=1, keepdims=True)
    edit_config(folder, calibration_temperature=3)
    model, tokenizer = mlx_finbert.load(folder, dtype=dtype)
    dtypes = {value.dtype for _, value in tree_flatten(model.parameters())}
    assert dtypes == {ckpt.as_dtype(dtype) or own}
    atol = 1e-6 if dtypes == {mx.float32} else 1e-3
    found = mlx_finbert.predict_proba(model, tokenizer, TEXTS)
    np.testing.assert_allclose(found, expected, atol=atol)
    saved = mlx_finbert.save(model, tokenizer, tmp_path / "saved")
    assert "temperature" not in (saved / "config.json").read_text()
    np.testing.assert_array_equal(mlx_finbert.predict_proba(*mlx_finbert.load(saved), TEXTS), found)


@pytest.mark.parametrize(
    "value",
    [0, -1, float("inf"), float("nan"), 10**400, "2", True, [1]],
    ids=lambda value: repr(value)[:5],
)
def test_a_recorded_temperature_that_cannot_be(checkpoint, value):
    folder = checkpoint()
    edit_config(folder, calibration_temperature=value)
    with pytest.raises(InputError, match=r"config.json: calibration_temperature is .*, not a fin"):
        mlx_finbert.load(folder)


def test_a_recorded_temperature_says_nothing_of_a_fresh_head(checkpoint):
    folder, heads = checkpoint(), []
    for temperature in (None, 3.0):
        edit_config(folder, calibration_temperature=temperature)
        mx.random.seed(0)
        heads.append(mlx_finbert.load(folder, new_head=True)[0].classifier.weight)
    assert mx.array_equal(*heads)
