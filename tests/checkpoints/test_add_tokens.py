"""Words that are added to a model's vocabulary."""

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.checkpoints.add_tokens import add_tokens, read_words
from mlx_finbert.checkpoints.masked_lm import load_masked_lm, write_masked_lm
from mlx_finbert.checkpoints.save import new_model
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.models.parameters import named_parameters, tree

WORDS = ["ebitda", "capex", "write-down"]
TEXTS = [
    "ebitda rose", "net ebitda", "Net EBITDA, (ebitda) and ebitda's ebitda-capex", "ebitdas",
    "xebitda", "ebitda_x", "", " capex ", "the write-down of capex", "write-downs", "profit fell",
]  # fmt: skip


def table_of(model):
    return f"{model.prefix}embeddings.word_embeddings.weight"


def test_rows_begin_as_the_mean_of_the_pieces(checkpoint):
    model, tokenizer = mlx_finbert.load(checkpoint())
    before, size = np.array(named_parameters(model)[table_of(model)]), len(tokenizer)
    pieces = tokenizer.convert_tokens_to_ids(["e", "##b", "##i", "##t", "##d", "##a"])
    report = add_tokens(model, tokenizer, ["EBITDA"])
    after = np.array(named_parameters(model)[table_of(model)])
    assert (report.added, report.vocab_size, len(tokenizer)) == (["ebitda"], size + 1, size + 1)
    assert model.args.vocab_size == model.args.to_config()["vocab_size"] == size + 1
    np.testing.assert_array_equal(after[:size], before)
    np.testing.assert_allclose(after[size], before[pieces].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bias_of_a_masked_language_head_grows_too(checkpoint, family):
    model, tokenizer, _ = load_masked_lm(checkpoint(family))
    name = next(n for n, v in named_parameters(model).items() if v.shape == (len(tokenizer),))
    random = np.random.default_rng(0).normal(size=len(tokenizer)).astype(np.float32)
    model.update(tree({name: mx.array(random)}))
    size = len(tokenizer)
    start = " " if family == "roberta" else ""
    ids = [tokenizer(start + word, add_special_tokens=False)["input_ids"] for word in WORDS]
    add_tokens(model, tokenizer, WORDS)
    own = named_parameters(model)
    found = np.array(own[name])
    np.testing.assert_array_equal(found[:size], random)
    np.testing.assert_allclose(found[size:], [random[i].mean() for i in ids], rtol=1e-5)
    assert own[table_of(model)].shape[0] == len(found) == size + 3


@pytest.mark.parametrize("family", FAMILIES)
def test_old_texts_have_the_same_logits(checkpoint, family):
    model, tokenizer = mlx_finbert.load(checkpoint(family))
    rows = tokenizer(["profit rose", "cut"], padding=True, return_tensors="np")
    arrays = mx.array(rows["input_ids"]), mx.array(rows["attention_mask"])
    before = np.array(model(*arrays))
    add_tokens(model, tokenizer, WORDS)
    again = tokenizer(["profit rose", "cut"], padding=True, return_tensors="np")
    np.testing.assert_array_equal(again["input_ids"], rows["input_ids"])
    np.testing.assert_array_equal(np.array(model(*arrays)), before)


def test_a_word_is_found_as_a_whole_word_alone(tiny):
    model, tokenizer = tiny
    add_tokens(model, tokenizer, ["ebitda"])
    (word,) = tokenizer.convert_tokens_to_ids(["ebitda"])
    found = [tokenizer(text)["input_ids"].count(word) for text in TEXTS]
    assert found == [1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_byte_pair_word_takes_the_space_before_it(checkpoint):
    model, tokenizer = mlx_finbert.load(checkpoint("roberta"))
    space = tokenizer.convert_tokens_to_ids("Ġ")
    assert space in tokenizer("net ebitda")["input_ids"]
    add_tokens(model, tokenizer, ["ebitda"])
    row = tokenizer("net ebitda")["input_ids"]
    assert row[-2] == tokenizer.convert_tokens_to_ids("ebitda") and space not in row


def test_words_that_are_not_added(tiny):
    model, tokenizer = tiny
    size = len(tokenizer)
    words = ["profit", "Profit", "EBITDA", "ebitda", "##ing", "[SEP]", "Ébitda", "x", "株"]
    report = add_tokens(model, tokenizer, words)
    assert report.added == ["ebitda", "株"]
    assert report.present == ["profit", "Profit", "##ing", "[SEP]", "x"]
    assert report.repeated == 2
    assert report.unreadable == ["株"]
    assert str(report) == (
        "words added to the vocabulary: 2; already in it: 5; repeated: 2; with unknown characters:"
        f" 1 (株); the embeddings have {size + 2} rows"
    )
    again = add_tokens(model, tokenizer, words)
    assert again.added == [] and len(again.present) == 9 and len(tokenizer) == size + 2


def test_padding_of_the_embeddings_is_used(checkpoint):
    folder = checkpoint()
    model, tokenizer = mlx_finbert.load(folder)
    size = len(tokenizer)
    table = named_parameters(model)[table_of(model)]
    padded = mx.concatenate([table, mx.zeros((1, table.shape[1]))])
    model.update(tree({table_of(model): padded}))
    model.args.vocab_size = size + 1
    assert add_tokens(model, tokenizer, ["ebitda"]).vocab_size == size + 1
    assert np.abs(np.array(named_parameters(model)[table_of(model)][size])).max() > 0
    assert np.array(padded)[size].max() == 0  # what others hold is not changed
    assert add_tokens(model, tokenizer, ["capex"]).vocab_size == size + 2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_classifier_has_the_words(checkpoint, tmp_path, caplog, family):
    from transformers import AutoTokenizer

    model, tokenizer = mlx_finbert.load(checkpoint(family))
    add_tokens(model, tokenizer, WORDS)
    expected = tokenizer(TEXTS)["input_ids"]
    mlx_finbert.save(model, tokenizer, tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out")(TEXTS)["input_ids"] == expected
    caplog.clear()
    opened, own = mlx_finbert.load(tmp_path / "out")
    assert own(TEXTS)["input_ids"] == expected
    assert not caplog.records
    assert named_parameters(opened)[table_of(model)].shape[0] == len(own)


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_opens_a_masked_language_model_with_them(checkpoint, tmp_path, family):
    torch = pytest.importorskip("torch", reason="needs PyTorch, the reference")
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model, tokenizer, _ = load_masked_lm(checkpoint(family))
    add_tokens(model, tokenizer, WORDS)
    with new_model(tmp_path / "out", tokenizer, {}) as part:
        write_masked_lm(model, part)
    twin, loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not loaded["missing_keys"]
    rows = AutoTokenizer.from_pretrained(tmp_path / "out")(
        "net ebitda and capex", return_tensors="pt"
    )
    with torch.no_grad():
        expected = twin.eval()(rows["input_ids"]).logits.numpy()
    ids = mx.array(rows["input_ids"].numpy())
    positions = mx.arange(ids.shape[1])[None]
    found = model(ids, mx.ones_like(ids), positions)
    assert found.shape[-1] == len(tokenizer)
    np.testing.assert_allclose(np.array(found), expected, atol=1e-4)


def test_half_precision_stays(checkpoint):
    model, tokenizer = mlx_finbert.load(checkpoint(), dtype="float16")
    add_tokens(model, tokenizer, WORDS)
    assert {value.dtype for value in named_parameters(model).values()} == {mx.float16}


def test_words_of_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffebitda\r\n\n  capex \nÉtude".encode())
    assert read_words(path) == ["ebitda", "capex", "Étude"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ebitda\nnet sales\n", r"words.txt, line 2: 'net sales' is more than one word"),
        (b"\n \n", "holds no words"),
        (b"caf\xe9\n", "is not a UTF-8 text file"),
        (b"PK\x03\x04\0\0", "words.txt is not a text file"),
        (None, "cannot be read: No such file"),
    ],
)
def test_files_that_hold_no_words(tmp_path, content, words):
    if content is not None:
        (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_words(tmp_path / "words.txt")


@pytest.mark.parametrize("word", ["\u200b", "株価", "net sales"])
def test_words_that_the_tokenizer_reads_otherwise(tiny, word):
    model, tokenizer = tiny
    size = len(tokenizer)
    with pytest.raises(InputError, match="leave it out"):
        add_tokens(model, tokenizer, ["ebitda", word])
    assert len(tokenizer) == size
