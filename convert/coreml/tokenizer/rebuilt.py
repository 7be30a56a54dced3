"""A package's tokenizer, rebuilt from the strings in its metadata."""

import json
from collections.abc import Mapping

from mlx_finbert.convert.coreml.tokenizer.added_tokens import AddedToken, AddedTokens
from mlx_finbert.convert.coreml.tokenizer.byte_pairs import BytePairs
from mlx_finbert.convert.coreml.tokenizer.word_pieces import WordPieces

PREFIX = "mlx_finbert."


class RebuiltTokenizer:
    """Tokenizes as an app can: only with a package's user-defined metadata, without a library.

    Args:
        metadata: `mlx_finbert.tokenizer` (JSON), `mlx_finbert.vocabulary` (one token per line, by
            id) and, for byte pairs, `mlx_finbert.merges`. Lines end only at "\\n": a token may
            contain U+2028, U+0085 or "\\r".

    Raises:
        LookupError, TypeError, ValueError: if a rule is missing or invalid.
    """

    def __init__(self, metadata: Mapping[str, str]) -> None:
        rules = json.loads(metadata[f"{PREFIX}tokenizer"])
        tokens = _lines(metadata[f"{PREFIX}vocabulary"])
        added = [AddedToken(**entry) for entry in rules["added_tokens"]]
        alone = {token.id for token in added if not token.in_model}
        # The line of an id without a token is empty.
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
        """Encode a text to ids, between those of the cls and sep tokens.

        Args:
            text: a text without lone surrogates.
            max_length: maximum number of ids, with special tokens; None for no limit.
        """
        ids: list[int] = []
        for piece in self._added.split(text):
            ids += [piece] if isinstance(piece, int) else self._model.encode(piece)
        if max_length is not None:
            ids = ids[: max_length - 2]
        return [self._first, *ids, self._last]


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []
