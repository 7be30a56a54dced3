"""The part of a tokenizer that an app needs to make the same token ids."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from mlx_finbert.errors import InputError
from mlx_finbert.tokenizer import Tokenizer


@dataclass
class Vocabulary:
    """Tokens by id, and the rules around them."""

    tokens: list[str]
    merges: list[str]
    """Of a byte-pair vocabulary, the pairs in their order; else empty."""
    rules: dict[str, Any]
    """Kind, casing and accents, special tokens with their ids."""

    @property
    def text(self) -> str:
        """The content of `vocab.txt`: a token a line, in the order of the ids."""
        return "\n".join(self.tokens) + "\n"

    @property
    def merges_text(self) -> str:
        """The content of `merges.txt`: a pair a line, in their order."""
        return "".join(f"{pair}\n" for pair in self.merges)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def special_id(self, name: str) -> int:
        """The id of `pad`, `unk`, `cls` or `sep`."""
        return self.rules["special_tokens"][name]["id"]


def vocabulary_of(tokenizer: Tokenizer, vocab_size: int) -> Vocabulary:
    """The vocabulary of a fast tokenizer.

    Args:
        tokenizer: of transformers.
        vocab_size: rows of the model's embedding.

    Raises:
        InputError: where the two sizes differ, or the tokenizer is of a kind that BERT, DistilBERT
            and RoBERTa do not have.
    """
    ids = tokenizer.get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    if sorted(ids.values()) != list(range(vocab_size)):
        raise InputError(
            f"the tokenizer has {len(ids):,} tokens and the model's embedding {vocab_size:,} rows:"
            " use the tokenizer files of the same model"
        )
    if broken := next((token for token in tokens if "\n" in token), None):
        raise InputError(
            f"the token {broken!r} holds a line break, which vocab.txt cannot: use another"
        )
    if tokenizer("")["input_ids"] != [tokenizer.cls_token_id, tokenizer.sep_token_id]:
        raise InputError(
            "the tokenizer does not put its cls and sep tokens around a text, as the model expects:"
            " use the model's own files"
        )
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = parts["model"]["type"]
    if kind not in RULES:
        raise InputError(
            f"a tokenizer of the kind {kind} cannot be exported; these can: {', '.join(RULES)}"
        )
    merges = [
        pair if isinstance(pair, str) else " ".join(pair)
        for pair in parts["model"].get("merges", ())
    ]
    rules = RULES[kind](parts) | {"special_tokens": _special_tokens(tokenizer)}
    return Vocabulary(tokens, merges, rules)


def _word_piece_rules(parts: dict[str, Any]) -> dict[str, Any]:
    normalizer = _require(parts, "normalizer", "BertNormalizer")
    _require(parts, "pre_tokenizer", "BertPreTokenizer")
    lowercase, strip_accents = normalizer["lowercase"], normalizer["strip_accents"]
    return {
        "kind": "wordpiece",
        "lowercase": lowercase,
        # BertNormalizer: accents go with the case where nothing is said.
        "strip_accents": lowercase if strip_accents is None else strip_accents,
        "clean_text": normalizer["clean_text"],
        "handle_chinese_chars": normalizer["handle_chinese_chars"],
        "continuing_subword_prefix": parts["model"]["continuing_subword_prefix"],
        "max_input_chars_per_word": parts["model"]["max_input_chars_per_word"],
    }


def _byte_pair_rules(parts: dict[str, Any]) -> dict[str, Any]:
    _require(parts, "normalizer", None)
    before = _require(parts, "pre_tokenizer", "ByteLevel")
    return {"kind": "byte_pair", "add_prefix_space": before["add_prefix_space"]}


def _require(parts: dict[str, Any], part: str, kind: str | None) -> dict[str, Any]:
    """A part of the tokenizer, of the one kind that the rules can describe to an app."""
    found = parts.get(part) or {}
    if found.get("type") != kind:
        raise InputError(
            f"the tokenizer's {part} is {found.get('type')}, not {kind}: an app could not be told"
            " its rules; use the tokenizer files of the original BERT, DistilBERT or RoBERTa"
        )
    return found


RULES = {"WordPiece": _word_piece_rules, "BPE": _byte_pair_rules}


def _special_tokens(tokenizer: Tokenizer) -> dict[str, dict[str, Any]]:
    found = {}
    for name in ("pad", "unk", "cls", "sep"):
        token = getattr(tokenizer, f"{name}_token")
        if token is None:
            raise InputError(f"the tokenizer has no {name} token: use the model's own files")
        found[name] = {"token": token, "id": tokenizer.convert_tokens_to_ids(token)}
    return found
