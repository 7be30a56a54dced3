"""The attention mask that a program with enumerated shapes derives from the padding id.

Below iOS18 Core ML enumerates the shapes of only one input, so the mask cannot be a second input.
The program masks the padding id wherever it appears. It therefore ignores a padding token written
out in a text, unlike `predict`. The package is compared with the model under the same mask.
"""

from mlx_finbert.convert.coreml.vocabulary import Vocabulary
from mlx_finbert.errors import InputError

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
            f"--shapes enumerated: the tokenizer pads with {token}, which is also its {name} token"
            " and would be ignored by the package: leave out --shapes"
        )


def notice(vocabulary: Vocabulary) -> str:
    """The report's note on texts that contain the padding token."""
    token = vocabulary.tokens[vocabulary.special_id("pad")]
    return f"mask derived from the padding id: the package ignores {token} in a text"
