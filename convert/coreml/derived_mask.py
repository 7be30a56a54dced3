"""The attention mask that a program derives from the padding id, where shapes are enumerated.

Below iOS18 Core ML enumerates the shapes of one input alone, so the mask cannot be another. The
program masks the padding id wherever it appears: a padding token written out in a text, which
`predict` reads, it does not read. The model is held against the package with the same mask.
"""

from mlx_finbert.convert.coreml.vocabulary import Vocabulary
from mlx_finbert.errors import InputError

READ = ("unk", "cls", "sep")
"""Special tokens that the model must read."""


def shared_padding(vocabulary: Vocabulary) -> str | None:
    """The name of a special token that shares the padding's id, if one does."""
    padding = vocabulary.special_id("pad")
    return next((name for name in READ if vocabulary.special_id(name) == padding), None)


def require_own_padding(vocabulary: Vocabulary) -> None:
    """Refuse a padding token that the model must read where it is no padding."""
    if name := shared_padding(vocabulary):
        token = vocabulary.tokens[vocabulary.special_id("pad")]
        raise InputError(
            f"--shapes enumerated: the tokenizer pads with {token}, its {name} token, which the"
            " package could not read then: leave --shapes out"
        )


def notice(vocabulary: Vocabulary) -> str:
    """What an export must say of texts that hold the padding token."""
    token = vocabulary.tokens[vocabulary.special_id("pad")]
    return f"mask derived from the padding id: the package does not read {token} in a text"
