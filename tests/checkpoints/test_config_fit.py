"""Values of `config.json` and of the tokenizer's files: each misfit is one sentence, soon."""

import json
import random

import pytest

import mlx_finbert
from mlx_finbert.checkpoints.load import load_whole
from mlx_finbert.checkpoints.masked_lm import load_masked_lm
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.config import HeadOptions

CASES = 200
EXTREMES = [
    0, 1, -1, 2, 2**31, 2**63, 10**400, 0.0, -0.0, 0.5, 1e-300, 1e308, float("nan"), float("inf"),
    True, False, None, "", "64", "\ud800", [], [1], {}, {"0": "a"}, {"0": ["a"]}, "x" * 10_000,
]  # fmt: skip
FIELDS = {
    "bert": "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size"
    " hidden_act hidden_dropout_prob attention_probs_dropout_prob classifier_dropout"
    " type_vocab_size layer_norm_eps pad_token_id",
    "distilbert": "vocab_size dim n_layers n_heads hidden_dim activation dropout attention_dropout"
    " seq_classif_dropout pad_token_id",
}
GENERAL = (
    "model_type id2label label2id num_labels problem_type architectures initializer_range"
    " max_position_embeddings quantization quantization_config calibration_temperature is_decoder"
)


def edit(path, **changes):
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(content | changes))


def require_sentence(error, path):
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.parametrize("family", FAMILIES)
def test_extreme_values_are_read_or_one_sentence(checkpoint, family):
    folder = checkpoint(family)
    mlx_finbert.load(folder)
    true = (folder / "config.json").read_text()
    names = f"{FIELDS.get(family, FIELDS['bert'])} {GENERAL}".split()
    pairs = [(name, value) for name in names for value in EXTREMES]
    refused = 0
    for name, value in random.Random(24).sample(pairs, CASES):
        (folder / "config.json").write_text(true)
        edit(folder / "config.json", **{name: value})
        try:
            model, _ = mlx_finbert.load(folder)
            assert model.args.num_labels == 3
        except InputError as error:
            refused += 1
            said = str(error)
            assert str(folder) in said and "\n" not in said and len(said) < 1000, (name, value)
    assert CASES / 3 < refused < CASES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 10**6}, "num_hidden_layers = 1000000, but the weights .* 2 layers"),
        ({"num_hidden_layers": 2**31}, "num_hidden_layers = 2147483648 is not a size from 1 to"),
        ({"vocab_size": 10**9}, r"vocab_size = 1000000000, but the tensor bert\.embeddings\.word"),
        ({"hidden_size": 30}, "hidden_size = 30, but the tensor .*position_embeddings"),
        ({"intermediate_size": 0}, "intermediate_size = 0 is not a size"),
        ({"layer_norm_eps": 0}, "layer_norm_eps = 0.0 is not above 0"),
        ({"layer_norm_eps": 10**400}, r"layer_norm_eps = 10*\.\.\. is not a finite number"),
        ({"architectures": 5}, "architectures = 5 is not a list of texts"),
        ({"max_position_embeddings": 2}, "leaves texts 2 tokens: at least 3"),
        ({"id2label": None, "num_labels": 10**9}, "num_labels is 1000000000: .* from 1 to 65,536"),
        ({"id2label": {"0": None}}, "does not map ids to names"),
        ({"id2label": {"0": "a", "1": "\ud800"}}, "half of a surrogate pair"),
        ({"quantization": {"bits": 8.0, "group_size": 32}}, "quantization = .* is not supported"),
        ({"calibration_temperature": 1e-300}, "makes the weights infinite"),
    ],
)
def test_what_is_wrong_is_named(checkpoint, change, words):
    folder = checkpoint()
    edit(folder / "config.json", **change)
    with pytest.raises(InputError, match=words) as error:
        mlx_finbert.load(folder)
    require_sentence(error, folder / "config.json")


def test_a_masked_language_model_is_bounded_too(checkpoint):
    folder = checkpoint(num_hidden_layers=2)
    edit(folder / "config.json", num_hidden_layers=10**6)
    with pytest.raises(InputError, match="num_hidden_layers = 1000000, but") as error:
        load_masked_lm(folder)
    require_sentence(error, folder / "config.json")


def test_the_sizes_of_true_checkpoints_fit(checkpoint):
    for family, (args_class, _) in FAMILIES.items():
        folder = checkpoint(family, name=family)
        model, _ = load_whole(folder, HeadOptions(), None)
        names = {name for name, _ in model.named_modules()}
        assert set(args_class.sizes) <= set(vars(model.args))
        for tensor, _ in args_class.sizes.values():
            assert (model.prefix + tensor).removesuffix(".weight") in names
        assert f"{model.prefix}{args_class.layers[1]}1" in names


@pytest.mark.parametrize(
    "value", [1, 0, -1, 2, True, "64", float("nan"), float("inf"), 2.5, [], {}, "x" * 10_000]
)
def test_a_maximum_length_that_is_none(checkpoint, value):
    folder = checkpoint()
    edit(folder / "tokenizer_config.json", model_max_length=value)
    with pytest.raises(InputError, match="model_max_length = ") as error:
        mlx_finbert.load(folder)
    require_sentence(error, folder)


@pytest.mark.parametrize(
    ("value", "length"), [(3, 3), (20, 20), (20.0, 20), (1e30, 40), (None, 40)]
)
def test_a_maximum_length_is_at_most_the_models(checkpoint, value, length):
    folder = checkpoint()
    edit(folder / "tokenizer_config.json", model_max_length=value)
    assert mlx_finbert.load(folder)[1].model_max_length == length


def test_a_tokenizer_without_its_unknown_token(checkpoint):
    folder = checkpoint()
    mlx_finbert.load(folder)[1].save_pretrained(folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    vocab = content["model"]["vocab"]
    vocab["[GONE]"] = vocab.pop("[UNK]")
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] != "[UNK]"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "vocab.txt").unlink(missing_ok=True)
    with pytest.raises(InputError) as error:
        mlx_finbert.load(folder)
    require_sentence(error, folder)


def test_a_token_with_a_huge_number_costs_nothing(checkpoint):
    folder = checkpoint()
    mlx_finbert.load(folder)[1].save_pretrained(folder)
    (folder / "vocab.txt").unlink(missing_ok=True)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["profit"] = 2**32 - 1
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"4,294,967,296 tokens .* so that 'profit' has no row"):
        mlx_finbert.load(folder)
