"""The options of an export to Core AI, also flags of `python -m mlx_finbert.convert.to_coreai`."""

from dataclasses import dataclass
from typing import Any, Literal

from mlx_finbert.convert.coreai.form import Form, shipped
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.errors import InputError
from mlx_finbert.settings import require, require_encodable, require_types, setting

REFUSED = {
    "int4": "Apple's library computes wrong sums from 4-bit weights, without an error",
    "palette4": "Apple's library crashes on palettes",
    "palette6": "Apple's library crashes on palettes",
}
"""What version 1.0.0b3 of Apple's library cannot do, and why."""

PROGRAM_OPTIONS = ("precision", "compress")
"""The options that determine the program, besides the lengths."""


@dataclass(kw_only=True)
class AssetOptions:
    """Format and metadata of the asset."""

    lengths: list[int] | None = setting(
        None,
        "row lengths in tokens, each a function of the asset (default: 32,64,128, up to the"
        " model's maximum)",
    )
    precision: Literal["fp16", "fp32"] = setting("fp16", "precision of weights and activations")
    compress: str | None = setting(
        None, "int8: store weights as 8-bit integers, with a step for each row", metavar="int8"
    )
    overwrite: bool = setting(False, "replace an existing asset and the files next to it")
    author: str = setting("exported with mlx-finbert", "author in the asset's metadata")
    license: str = setting("not stated", "licence in the asset's metadata")
    description: str | None = setting(
        None, "description in the asset's metadata (default: the model's labels and kind)"
    )

    def __post_init__(self) -> None:
        require_types(self)
        require_encodable(self)
        if self.compress in REFUSED:
            raise InputError(f"`compress` is {self.compress}: {REFUSED[self.compress]}; use int8")
        require(self.compress in (None, "int8"), "compress", self.compress, "it must be int8")
        self.as_core_ml()

    def as_core_ml(self) -> ExportOptions:
        """The options of an export to Core ML with the same weights, which refuses the same."""
        same = {name: getattr(self, name) for name in ("lengths", "precision", "compress")}
        same |= {name: getattr(self, name) for name in ("author", "license", "description")}
        return ExportOptions(layout="plain", outputs="arrays", **same)

    def program(self) -> dict[str, Any]:
        """The options that determine the program, as the asset records them."""
        return {"format": "aimodel"} | {name: getattr(self, name) for name in PROGRAM_OPTIONS}

    @property
    def form(self) -> Form:
        """How the asset stores numbers and computes with them."""
        return shipped(self.precision, self.compress)
