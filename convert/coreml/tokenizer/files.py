"""`tokenizer.json` and `tokenizer_config.json`, so that other libraries open an export's folder."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.golden import DAMAGED
from mlx_finbert.convert.coreml.inference import NO_CUT, Row, token_rows
from mlx_finbert.convert.coreml.vocabulary import Vocabulary
from mlx_finbert.errors import first_line, quoted
from mlx_finbert.files.json_text import json_of, read_json

WHOLE = "tokenizer.json"
CONFIG = "tokenizer_config.json"

BERT_RULES = {
    "clean_text": True,
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
}
"""The rules that transformers' BertTokenizer does not read from the files."""

SPECIAL_TOKENS = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")


def tokenizer_files(
    vocabulary: Vocabulary, tokenizer: Tokenizer, max_length: int
) -> dict[str, str]:
    """Make the content of both files, without paths of this machine.

    Args:
        vocabulary: the tokenizer's vocabulary.
        tokenizer: the model's tokenizer.
        max_length: tokens at which texts are cut.
    """
    whole = json_of(tokenizer.backend_tokenizer.to_str(), "the tokenizer")
    # These are left over from the last call; each reader sets its own.
    whole |= {"truncation": None, "padding": None}
    files = {
        WHOLE: whole,
        CONFIG: _config(vocabulary, tokenizer) | {"model_max_length": max_length},
    }
    return {
        name: json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        for name, content in files.items()
    }


def _config(vocabulary: Vocabulary, tokenizer: Tokenizer) -> dict[str, Any]:
    """Values that transformers' BERT and RoBERTa classes do not read from `tokenizer.json`."""
    rules = vocabulary.rules
    tokens = {f"{name}_token": getattr(tokenizer, f"{name}_token") for name in SPECIAL_TOKENS}
    added = {str(token["id"]): _added(token) for token in rules["added_tokens"]}
    config: dict[str, Any] = {"added_tokens_decoder": added, **tokens}
    if rules["kind"] == "byte_pair":
        return config | {
            "tokenizer_class": "RobertaTokenizer",
            "add_prefix_space": rules["add_prefix_space"],
        }
    # BertTokenizer has fixed rules for cleaning a text and splitting a word.
    usual = {name: rules[name] for name in BERT_RULES} == BERT_RULES
    return config | {
        "tokenizer_class": "BertTokenizer" if usual else "PreTrainedTokenizerFast",
        "do_lower_case": rules["lowercase"],
        "strip_accents": rules["strip_accents"],
        "tokenize_chinese_chars": rules["handle_chinese_chars"],
    }


def _added(token: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in token.items() if name not in ("id", "in_model")}


def tokenizer_file_faults(
    folder: Path, expected: Mapping[str, Row], pad_token: str, max_length: int
) -> Iterator[str]:
    """Find faults of the files in a folder, if there are any: texts that get different ids.

    `tokenizer.json` is read alone, as swift-transformers does, and then both with transformers.

    Args:
        folder: the packages' folder.
        expected: the model's ids by text.
        pad_token, max_length: the model's values, which the ids of texts do not show.
    """
    if not (folder / WHOLE).is_file():
        return
    readers = {WHOLE: _read_whole}
    if (folder / CONFIG).is_file():
        readers |= {f"{CONFIG} with {WHOLE}": _read_both}
        wanted = {"pad_token": pad_token, "model_max_length": max_length}
        yield from _config_faults(folder / CONFIG, wanted)
    texts, rows = list(expected), list(expected.values())
    for name, read in readers.items():
        try:
            found = read(folder, texts)
        except Exception as error:
            # tokenizers and transformers raise bare Exceptions for broken files.
            yield f"{name} next to the package cannot be read: {first_line(error)}"
            return
        if wrong := next((t for t, a, b in zip(texts, found, rows, strict=True) if a != b), None):
            yield (
                f"{name} next to the package is not the model's: it gives different ids for"
                f" {wrong[:60]!r}"
            )


def _config_faults(file: Path, wanted: Mapping[str, Any]) -> Iterator[str]:
    try:
        config = read_json(file)
        found = {name: config.get(name) for name in wanted}
    except DAMAGED as error:
        yield f"{CONFIG} next to the package cannot be read: {first_line(error)}"
        return
    for name, value in wanted.items():
        if found[name] != value:
            yield (
                f"{CONFIG} next to the package is not the model's: its {name} is"
                f" {quoted(found[name])}, not {quoted(value)}"
            )


def _read_whole(folder: Path, texts: list[str]) -> list[Row]:
    from tokenizers import Tokenizer

    backend = Tokenizer.from_file(str(folder / WHOLE))
    return [tuple(encoded.ids) for encoded in backend.encode_batch(texts)]


def _read_both(folder: Path, texts: list[str]) -> list[Row]:
    from transformers import AutoTokenizer

    return token_rows(AutoTokenizer.from_pretrained(folder, local_files_only=True), texts, NO_CUT)
