"""What a package says of itself, and the files beside it."""

import hashlib
import json
import re

import mlx.core as mx
import numpy as np
import pytest
from small_packages import LENGTH, export_as, read_json
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers_under_test import ALL_KINDS, byte_pairs, word_pieces
from transformers import AutoTokenizer

from mlx_finbert.convert.coreml import ExportOptions, export
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.coreml.tokenizer.check import TokenizerCheck
from mlx_finbert.convert.coreml.tokenizer.files import tokenizer_files
from mlx_finbert.convert.coreml.vocabulary import vocabulary_of

pytestmark = pytest.mark.usefixtures("few_random_texts")


def test_metadata_and_the_files_beside(classifier, tmp_path):
    words = {"author": "A", "license": "MIT", "model_version": "2.1", "description": "D"}
    model, _, report = export_as(classifier, tmp_path, **words)
    package = SavedPackage(report.paths[0])
    metadata = package.spec.description.metadata
    found = (metadata.author, metadata.license, metadata.versionString, metadata.shortDescription)
    assert found == ("A", "MIT", "2.1", "D")
    description = package.spec.description
    assert [f.name for f in description.input] == ["input_ids", "attention_mask"]
    assert [f.name for f in description.output] == ["label", "probabilities", "logits"]
    assert all(f.shortDescription for f in (*description.input, *description.output))

    own = {k.removeprefix("mlx_finbert."): v for k, v in package.metadata.items()}
    vocabulary = (tmp_path / "vocab.txt").read_bytes()
    assert own["vocabulary"].encode() == vocabulary
    assert own["vocabulary_sha256"] == hashlib.sha256(vocabulary).hexdigest()
    assert vocabulary.decode().splitlines()[2:4] == ["[CLS]", "[SEP]"]
    assert json.loads(own["labels"]) == read_json(tmp_path / "labels.json") == model.args.labels
    assert (own["source"], own["max_length"]) == ("tiny", "40")
    rules = json.loads(own["tokenizer"])
    assert (rules["kind"], rules["lowercase"], rules["strip_accents"]) == ("wordpiece", True, True)
    assert rules["special_tokens"]["sep"] == {"token": "[SEP]", "id": 3}
    assert not any("date" in key for key in package.metadata)

    record = read_json(tmp_path / "export.json")
    (entry,) = record["packages"].values()
    for name, digest in entry["sha256"].items():
        data = (report.paths[0] / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
    assert entry["functions"][0]["exact_error"] < 1e-5
    assert record["source_sha256"] == own["source_sha256"]
    assert set(record["versions"]) == {"mlx-finbert", "mlx", "coremltools", "numpy"}


def export_with(classifier, path, tokenizer, family):
    """The export of a model whose embedding has the rows of another tokenizer."""
    model, _ = classifier(family)
    encoder = getattr(model, family)
    rows = np.random.default_rng(3).normal(0, 0.05, (len(tokenizer), 15)).astype(np.float32)
    encoder.embeddings.word_embeddings.weight = mx.array(rows)
    model.args.vocab_size = len(tokenizer)
    report = export(model, tokenizer, path / "T.mlpackage", ExportOptions(lengths=[LENGTH]))
    assert report.passed, str(report)
    return report


def test_a_byte_pair_vocabulary_comes_with_its_merges(classifier, tmp_path):
    tokenizer = byte_pairs()
    tokenizer.add_tokens(["EBITDA"])
    report = export_with(classifier, tmp_path, tokenizer, "roberta")
    metadata = SavedPackage(report.paths[0]).metadata
    assert json.loads(metadata["mlx_finbert.tokenizer"])["kind"] == "byte_pair"
    tokens = (tmp_path / "vocab.txt").read_text().removesuffix("\n").split("\n")
    assert tokens == tokenizer.convert_ids_to_tokens(range(len(tokens)))
    first, *merges, end = (tmp_path / "merges.txt").read_text().split("\n")
    assert (first, end) == ("#version: 0.2", "")
    assert merges == metadata["mlx_finbert.merges"].split("\n") and len(merges) > 100
    # As Hugging Face has it: added tokens are not in the model's own vocabulary.
    assert read_json(tmp_path / "vocab.json") == {t: i for i, t in enumerate(tokens[:-1])}
    model = BPE.from_file(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    assert [t.id for t in model.tokenize("profit")] == tokenizer("profit")["input_ids"][1:-1]


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("rule", [True, False])
def test_transformers_opens_the_folder(classifier, tmp_path, family, rule):
    make, name = {"bert": (word_pieces, "lowercase"), "roberta": (byte_pairs, "add_prefix_space")}[
        family
    ]
    tokenizer = make(**{name: rule})
    tokenizer.add_tokens(ALL_KINDS)
    export_with(classifier, tmp_path, tokenizer, family)
    texts = [entry["text"] for entry in read_json(tmp_path / "golden.json")["texts"]]
    expected = tokenizer(texts)["input_ids"]
    opened = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert opened(texts)["input_ids"] == expected
    assert opened.model_max_length == 40 and opened.pad_token_id == tokenizer.pad_token_id
    alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [encoded.ids for encoded in alone.encode_batch(texts)] == expected
    # Names that swift-transformers knows.
    assert (
        read_json(tmp_path / "tokenizer_config.json")["tokenizer_class"]
        == ({"bert": "BertTokenizer", "roberta": "RobertaTokenizer"}[family])
    )


def test_what_a_call_leaves_in_the_tokenizer_is_not_in_its_file():
    tokenizer = word_pieces()
    vocabulary = vocabulary_of(tokenizer, len(tokenizer))
    before = tokenizer_files(vocabulary, tokenizer, 40)
    tokenizer(["a"], truncation=True, max_length=5, padding="max_length")
    assert tokenizer_files(vocabulary, tokenizer, 40) == before


def test_rules_that_bert_tokenizer_does_not_have(classifier, tmp_path):
    tokenizer = word_pieces(clean_text=False)
    export_with(classifier, tmp_path, tokenizer, "bert")
    opened = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    texts = ["soft\u00adhyphen", "null\u0000inside", "[MASK] profits"]
    assert opened(texts)["input_ids"] == tokenizer(texts)["input_ids"]


def change_json(path, change):
    content = read_json(path)
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("tokenizer.json", lambda c: c["added_tokens"].pop(), "tokenizer.json next to the package"),
        ("tokenizer.json", lambda c: c["model"].pop("vocab"), "tokenizer.json .* cannot be read"),
        (
            "tokenizer_config.json",
            lambda c: c.update(model_max_length=512),
            "tokenizer_config.json next to the package is not the model's: its model_max_length is",
        ),
        (
            "tokenizer_config.json",
            lambda c: c.update(pad_token="[UNK]"),
            r"tokenizer_config.json next to the package is .*: its pad_token is '\[UNK\]'",
        ),
        (
            "tokenizer_config.json",
            lambda c: c.update(do_lower_case=False),
            "tokenizer_config.json with tokenizer.json next to the package is not the model's",
        ),
    ],
)
def test_tokenizer_files_of_another_model_are_found(classifier, tmp_path, name, change, words):
    tokenizer = word_pieces()
    export_with(classifier, tmp_path, tokenizer, "bert")
    check = TokenizerCheck(vocabulary_of(tokenizer, len(tokenizer)), tokenizer)
    assert check.file_faults(tmp_path, 40) == []
    change_json(tmp_path / name, change)
    (fault,) = check.file_faults(tmp_path, 40)[:1]
    assert re.match(words, fault)
