"""Metadata that make other ids than the model's tokenizer are a fault that names the text."""

import ast
import json
import sys
from pathlib import Path

import pytest
from tokenizers import AddedToken
from tokenizers_under_test import ALL_KINDS, byte_pairs, metadata_of, word_pieces

from mlx_finbert.convert.coreml import tokenizer as rebuilt_package
from mlx_finbert.convert.coreml.tokenizer.check import TokenizerCheck
from mlx_finbert.convert.coreml.tokenizer.random_texts import COUNT, random_texts
from mlx_finbert.convert.coreml.vocabulary import vocabulary_of


def check(tokenizer):
    return TokenizerCheck(vocabulary_of(tokenizer, rows=10**6), tokenizer)


def with_rules(metadata, change):
    rules = json.loads(metadata["mlx_finbert.tokenizer"])
    change(rules)
    return metadata | {"mlx_finbert.tokenizer": json.dumps(rules)}


@pytest.fixture(scope="module", params=[word_pieces, byte_pairs])
def checked(request):
    tokenizer = request.param()
    tokenizer.add_tokens(ALL_KINDS)
    return check(tokenizer), metadata_of(tokenizer)


def test_the_model_s_own_metadata_have_no_fault(checked):
    checker, metadata = checked
    assert checker.faults(metadata) == []


def test_dropped_added_tokens_are_found(checked):
    checker, metadata = checked
    for i, token in enumerate(json.loads(metadata["mlx_finbert.tokenizer"])["added_tokens"]):
        changed = with_rules(metadata, lambda rules, i=i: rules["added_tokens"].pop(i))
        if token["content"] == "株" and token["in_model"]:
            continue  # An ideograph is a word of its own anyway.
        (fault,) = checker.faults(changed)
        assert fault.startswith("from position ") and "] by the model's tokenizer" in fault


@pytest.mark.parametrize(
    ("make", "flag"),
    [
        (word_pieces, "single_word"),
        (word_pieces, "normalized"),
        (byte_pairs, "single_word"),
        # BERT's words lose the white space around them anyway.
        (byte_pairs, "lstrip"),
        (byte_pairs, "rstrip"),
    ],
)
@pytest.mark.parametrize("value", [True, False])
def test_a_flipped_flag_is_found(make, flag, value):
    tokenizer = make()
    tokenizer.add_tokens([AddedToken("EBITDA", **{flag: value})])

    def flip(rules):
        rules["added_tokens"][-1][flag] = not value

    assert check(tokenizer).faults(with_rules(metadata_of(tokenizer), flip))


def test_other_changes_are_found(checked):
    checker, metadata = checked
    kind = json.loads(metadata["mlx_finbert.tokenizer"])["kind"]
    changes = {
        "wordpiece": {
            "lowercase": False,
            "strip_accents": False,
            "clean_text": False,
            "handle_chinese_chars": False,
            "continuing_subword_prefix": "#",
            "max_input_chars_per_word": 99,
        },
        "byte_pair": {"add_prefix_space": True},
    }
    for rule, value in changes[kind].items():
        changed = with_rules(metadata, lambda rules, r=rule, v=value: rules.update({r: v}))
        assert checker.faults(changed), rule
    lines = metadata["mlx_finbert.vocabulary"].split("\n")
    shifted = {"mlx_finbert.vocabulary": "\n".join(lines[:50] + lines[51:])}
    assert checker.faults(metadata | shifted)
    if kind == "byte_pair":
        merges = "\n".join(metadata["mlx_finbert.merges"].split("\n")[::-1])
        assert checker.faults(metadata | {"mlx_finbert.merges": merges})


def test_metadata_that_make_no_tokenizer(checked):
    checker, metadata = checked
    words = "the metadata do not describe a tokenizer"
    without = {k: v for k, v in metadata.items() if k != "mlx_finbert.vocabulary"}
    for broken in (
        {},
        without,
        metadata | {"mlx_finbert.tokenizer": "{"},
        metadata | {"mlx_finbert.tokenizer": "[]"},
        with_rules(metadata, lambda rules: rules.pop("added_tokens")),
        with_rules(metadata, lambda rules: rules["added_tokens"][0].pop("lstrip")),
        metadata | {"mlx_finbert.vocabulary": "[PAD]\n"},
    ):
        (fault,) = checker.faults(broken)
        assert fault.startswith((words, "from position ")) and len(fault) < 400


def test_equal_metadata_are_checked_once(monkeypatch):
    tokenizer = word_pieces()
    checker, metadata = check(tokenizer), metadata_of(tokenizer)
    calls = []
    true = TokenizerCheck._compare
    monkeypatch.setattr(
        TokenizerCheck, "_compare", lambda self, told: calls.append(1) or true(self, told)
    )
    assert checker.faults(metadata) == checker.faults(metadata | {"mlx_finbert.lengths": "[9]"})
    assert len(calls) == 1


def test_random_texts_are_the_same_each_time():
    texts = random_texts(["profit", "株"], ["[MASK]", "EBITDA"])
    assert texts == random_texts(["profit", "株"], ["[MASK]", "EBITDA"])
    assert len(texts) == COUNT == 2000 and len(set(texts)) > 1900
    assert sum("EBITDA" in text for text in texts) > 200
    for text in texts:
        text.encode("utf-8")


@pytest.mark.parametrize("name", ["rebuilt", "added_tokens", "characters"])
def test_nothing_of_hugging_face_or_of_the_writer_is_in_it(name):
    path = Path(rebuilt_package.__file__).with_name(f"{name}.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in getattr(node, "names", ())]
        if isinstance(node, ast.ImportFrom):
            names = [node.module]
        if isinstance(node, ast.Import | ast.ImportFrom):
            for imported in names:
                own = imported.startswith(
                    ("mlx_finbert.convert.coreml.tokenizer.", "mlx_finbert.files.json_text")
                )
                assert own or imported.split(".")[0] in sys.stdlib_module_names
