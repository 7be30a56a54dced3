"""The tokenizer of a package, from the strings in its metadata."""

import json
from collections.abc import Mapping

from mlx_finbert.convert.coreml.tokenizer.added_tokens import AddedToken, AddedTokens
from mlx_finbert.convert.coreml.tokenizer.byte_pairs import BytePairs
from mlx_finbert.convert.coreml.tokenizer.word_pieces import WordPieces

PREFIX = "mlx_finbert."


class RebuiltTokenizer:
    """Token ids as an app can make them: from a package's user-defined metadata, and no library.

    Args:
        metadata: `mlx_finbert.tokenizer` (JSON), `mlx_finbert.vocabulary` (a token a line, by id)
            and, of byte pairs, `mlx_finbert.merges`. Lines end at "\\n" alone: a token may hold
            U+2028, U+0085 or "\\r".

    Raises:
        LookupError, TypeError, ValueError: where a rule is missing or makes no sense.
    """

    def __init__(self, metadata: Mapping[str, str]) -> None:
        rules = json.loads(metadata[f"{PREFIX}tokenizer"])
        tokens = _lines(metadata[f"{PREFIX}vocabulary"])
        added = [AddedToken(**entry) for entry in rules["added_tokens"]]
        alone = {token.id for token in added if not token.in_model}
        # An id that has no token has an empty line.
        pieces = {token: i for i, token in enumerate(tokens) if token and i not in alone}
        if rules["kind"] == "byte_pair":
            merges = _lines(metadata.get(f"{PREFIX}merges", ""))
            self._model: BytePairs | WordPieces = BytePairs(pieces, merges, rules)
        else:
            self._model = WordPieces(pieces, rules)
        self._added = AddedTokens(added, self._model.normalize)
        special = rules["special_tokens"]
        self._first, self._last = special["cls"]["id"], special["sep"]["id"]

    def __call__(self, text: str, max_length: int | None = None) -> list[int]:
        """Ids of a text between those of the cls and sep tokens.

        Args:
            text: without lone surrogates.
            max_length: ids at most, special tokens included; None for all.
        """
        ids: list[int] = []
        for piece in self._added.split(text):
            ids += [piece] if isinstance(piece, int) else self._model.encode(piece)
        if max_length is not None:
            ids = ids[: max_length - 2]
        return [self._first, *ids, self._last]


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []
