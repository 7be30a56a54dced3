"""The part of a tokenizer that an app needs to make the same token ids."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.checkpoints.vocabulary_check import tokens_by_id
from mlx_finbert.convert.coreml.tokenizer.rebuilt import byte_letters
from mlx_finbert.errors import InputError
from mlx_finbert.files.json_text import json_of

BYTE_PAIR_FILES = ("vocab.json", "merges.txt")
"""Files in addition to `vocab.txt`, only for byte pairs."""

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
"""Flags of an added token, as named by `tokenizers`."""


@dataclass
class Vocabulary:
    """Tokens by id, and the rules of the tokenizer."""

    tokens: list[str]
    """Tokens by id; empty for an id without a token."""
    merges: list[str]
    """Merges of a byte-pair vocabulary, in order; otherwise empty."""
    rules: dict[str, Any]
    """Kind, casing and accents, special tokens with their ids, added tokens with their flags."""

    @property
    def text(self) -> str:
        """Content of `vocab.txt`: one token per line, in the order of the ids.

        Lines end only at "\\n": a token may hold another line separator, such as U+2028.
        """
        return "\n".join(self.tokens) + "\n"

    @property
    def files(self) -> dict[str, str]:
        """Content of `vocab.txt`, and for byte pairs also of `vocab.json` and `merges.txt`."""
        files = {"vocab.txt": self.text}
        if self.rules["kind"] == "byte_pair":
            alone = {token["id"] for token in self.rules["added_tokens"] if not token["in_model"]}
            pieces = {t: i for i, t in enumerate(self.tokens) if t and i not in alone}
            files["vocab.json"] = json.dumps(pieces, ensure_ascii=False, indent=0) + "\n"
            # Readers skip the first line.
            files["merges.txt"] = "\n".join(["#version: 0.2", *self.merges]) + "\n"
        return files

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def special_id(self, name: str) -> int:
        """The id of `pad`, `unk`, `cls` or `sep`."""
        return self.rules["special_tokens"][name]["id"]


def vocabulary_of(tokenizer: Tokenizer, rows: int) -> Vocabulary:
    """Make the vocabulary of a fast tokenizer.

    Args:
        tokenizer: a transformers tokenizer.
        rows: number of rows of the model's embedding; at least the number of tokens.

    Raises:
        InputError: if a token has no row, or the metadata cannot describe the tokenizer's rules.
    """
    tokens = tokens_by_id(tokenizer.get_vocab())
    if len(tokens) > rows:
        raise InputError(
            f"the tokenizer's token {tokens[rows]!r} has the id {rows}, but the model's embedding"
            f" has {rows:,} rows: use the tokenizer files of the same model, or resize its"
            " embedding (resize_token_embeddings of transformers) and fine-tune it"
        )
    if broken := next((token for token in tokens if "\n" in token), None):
        raise InputError(
            f"the token {broken!r} contains a line break, which vocab.txt cannot hold: rename the"
            " token"
        )
    if tokenizer("")["input_ids"] != [tokenizer.cls_token_id, tokenizer.sep_token_id]:
        raise InputError(
            "the tokenizer does not put its cls and sep tokens around a text, as the model expects:"
            " use the model's own files"
        )
    parts = json_of(tokenizer.backend_tokenizer.to_str(), "the tokenizer")
    kind = parts["model"]["type"]
    if kind not in RULES:
        raise InputError(
            f"a tokenizer of the kind {kind} cannot be exported: use one of {', '.join(RULES)}"
        )
    merges = [
        pair if isinstance(pair, str) else " ".join(pair)
        for pair in parts["model"].get("merges", ())
    ]
    rules = RULES[kind](parts) | {
        "special_tokens": _special_tokens(tokenizer),
        "added_tokens": _added_tokens(tokenizer, parts),
    }
    return Vocabulary(tokens, merges, rules)


def _word_piece_rules(parts: dict[str, Any]) -> dict[str, Any]:
    normalizer = _require(parts, "normalizer", "BertNormalizer")
    _require(parts, "pre_tokenizer", "BertPreTokenizer")
    lowercase, strip_accents = normalizer["lowercase"], normalizer["strip_accents"]
    return {
        "kind": "wordpiece",
        "lowercase": lowercase,
        # As in BertNormalizer: None means the same as `lowercase`.
        "strip_accents": lowercase if strip_accents is None else strip_accents,
        "clean_text": normalizer["clean_text"],
        "handle_chinese_chars": normalizer["handle_chinese_chars"],
        "continuing_subword_prefix": parts["model"]["continuing_subword_prefix"],
        "max_input_chars_per_word": parts["model"]["max_input_chars_per_word"],
    }


def _byte_pair_rules(parts: dict[str, Any]) -> dict[str, Any]:
    _require(parts, "normalizer", None)
    before = _require(parts, "pre_tokenizer", "ByteLevel")
    model = parts["model"]
    unusual = [name for name in BYTE_PAIR_EXTRAS if model.get(name)]
    unusual += ["use_regex"] if not before.get("use_regex", True) else []
    if unusual:
        raise InputError(
            f"the tokenizer's {unusual[0]} is not RoBERTa's, and its rules cannot be exported: use"
            " the tokenizer files of the original RoBERTa"
        )
    if missing := [letter for letter in byte_letters() if letter not in model["vocab"]]:
        raise InputError(
            f"the tokenizer has no token for the byte that {missing[0]!r} stands for: use the"
            " model's own files"
        )
    return {"kind": "byte_pair", "add_prefix_space": before["add_prefix_space"]}


def _require(parts: dict[str, Any], part: str, kind: str | None) -> dict[str, Any]:
    """Get a part of the tokenizer; refuse any kind that the rules cannot describe."""
    found = parts.get(part) or {}
    if found.get("type") != kind:
        raise InputError(
            f"the tokenizer's {part} is {found.get('type')}, not {kind}, and its rules cannot be"
            " exported: use the tokenizer files of the original BERT, DistilBERT or RoBERTa"
        )
    return found


BYTE_PAIR_EXTRAS = (
    "dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges",
)  # fmt: skip
"""Settings of `tokenizers` that GPT-2 and RoBERTa do not use."""

RULES = {"WordPiece": _word_piece_rules, "BPE": _byte_pair_rules}


def _special_tokens(tokenizer: Tokenizer) -> dict[str, dict[str, Any]]:
    found = {}
    for name in ("pad", "unk", "cls", "sep"):
        token = getattr(tokenizer, f"{name}_token")
        if token is None:
            raise InputError(f"the tokenizer has no {name} token: use the model's own files")
        found[name] = {"token": token, "id": tokenizer.convert_tokens_to_ids(token)}
    return found


def _added_tokens(tokenizer: Tokenizer, parts: dict[str, Any]) -> list[dict[str, Any]]:
    """All added tokens, special or not, in the order of the ids."""
    if getattr(tokenizer, "split_special_tokens", False):
        raise InputError(
            "the tokenizer's split_special_tokens is on, which cannot be exported: turn it off in"
            " tokenizer_config.json"
        )
    ids, model = tokenizer.get_vocab(), parts["model"]["vocab"]
    normalizer = tokenizer.backend_tokenizer.normalizer
    written: dict[str, str] = {}
    found = []
    for token in parts["added_tokens"]:
        content = token["content"]
        own = model.get(content)
        if ids[content] != token["id"] or own not in (None, token["id"]):
            raise InputError(f"the tokenizer has two ids for the added token {content!r}: keep one")
        if token["normalized"]:
            form = normalizer.normalize_str(content) if normalizer else content
            if not form or form in written:
                other = f"the same as {written[form]!r}" if form else "empty"
                raise InputError(
                    f"the added token {content!r} is {other} after normalization: add it with"
                    " normalized=False, or leave it out"
                )
            written[form] = content
        flags = {flag: token[flag] for flag in FLAGS}
        found.append({"id": token["id"], "content": content, **flags, "in_model": own is not None})
    return found


# Below iOS18 Core ML enumerates the shapes of only one input, so a program with enumerated shapes
# derives the mask from the padding id. Unlike `predict`, it ignores a padding token that is written
# out in a text. The package is compared with the model under the same mask.
READ = ("unk", "cls", "sep")
"""Special tokens that the model must read."""


def shared_padding(vocabulary: Vocabulary) -> str | None:
    """The name of a special token with the same id as the padding token, if there is one."""
    padding = vocabulary.special_id("pad")
    return next((name for name in READ if vocabulary.special_id(name) == padding), None)


def require_own_padding(vocabulary: Vocabulary) -> None:
    """Refuse a padding token that is also a token that the model must read."""
    if name := shared_padding(vocabulary):
        token = vocabulary.tokens[vocabulary.special_id("pad")]
        raise InputError(
            f"`shapes=enumerated`: the tokenizer pads with {token}, which is also its {name} token"
            " and would be ignored by the package: leave out `shapes`"
        )


def padding_notice(vocabulary: Vocabulary) -> str:
    """The report's note on texts that contain the padding token."""
    token = vocabulary.tokens[vocabulary.special_id("pad")]
    return f"mask derived from the padding id: the package ignores {token} in a text"
