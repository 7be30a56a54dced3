"""The flags of `python -m mlx_finbert.convert.to_mlx`."""

from dataclasses import dataclass
from typing import Literal

from mlx_finbert.errors import InputError
from mlx_finbert.settings import setting


@dataclass(kw_only=True)
class ToMlxSettings:
    """Which checkpoint becomes which folder."""

    model: str | None = setting(None, "a checkpoint folder or hub id (required)")
    output: str | None = setting(None, "folder to write (required)", metavar="DIR")
    revision: str | None = setting(None, "branch, tag or commit of the model on the hub")
    dtype: Literal["float32", "float16", "bfloat16"] | None = setting(
        None, "of the weights (default: as in the checkpoint)"
    )
    num_labels: int | None = setting(None, "size of the head, for a checkpoint that has none")
    labels: list[str] | None = setting(None, "names of the head's outputs, in their order")
    new_head: bool = setting(False, "replace the checkpoint's classifier head by a fresh one")
    overwrite: bool = setting(False, "write into an --output that holds a model already")
    verify: bool = setting(False, "compare logits with transformers (needs PyTorch)")

    def __post_init__(self) -> None:
        if not self.model:
            raise InputError("--model is missing: name a checkpoint folder or a hub id")
        if not self.output:
            raise InputError("--output is missing: name the folder to write")
