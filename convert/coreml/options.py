"""The options of an export, also flags of `python -m mlx_finbert.convert.to_coreml`."""

from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np

from mlx_finbert.errors import InputError
from mlx_finbert.settings import require, require_encodable, require_types, setting

DEFAULT_LENGTHS = (32, 64, 128)
"""In Financial PhraseBank (allagree, uncased BERT), 50% of the sentences have at most 28 tokens,
90% at most 50, 99% at most 68."""

PROGRAM_OPTIONS = (
    "layout", "shapes", "precision", "compress", "target", "batch", "outputs", "multifunction",
)  # fmt: skip
"""The options that determine the program."""

MULTIFUNCTION_TARGETS = ("iOS18", "iOS26")
"""Targets that support packages with several functions."""

MOST_ENUMERATED = 128
"""Most shapes that Core ML can enumerate (coremltools' guide "Flexible Input Shapes")."""

Outputs = Literal["classifier", "arrays"]

NUMPY_DTYPES = {"fp16": np.float16, "fp32": np.float32}

SHORTEST = 3
"""[CLS], a token, [SEP]."""


@dataclass(kw_only=True)
class ExportOptions:
    """Format and metadata of the packages."""

    lengths: list[int] | None = setting(
        None, "row lengths in tokens (default: 32,64,128, up to the model's maximum)"
    )
    layout: Literal["ane", "plain"] = setting(
        "ane", "layout of the program: for the Neural Engine, or for GPU and CPU"
    )
    shapes: Literal["fixed", "enumerated"] = setting(
        "fixed", "one program per length, or one program whose single input takes all lengths"
    )
    precision: Literal["fp16", "fp32"] = setting("fp16", "precision of weights and activations")
    compress: Literal["int8", "palette6", "palette4"] | None = setting(
        None, "store weights as 8-bit integers, or (experimental) as a palette of 64 or 16 values"
    )
    target: Literal["iOS16", "iOS17", "iOS18", "iOS26"] = setting(
        "iOS16", "oldest supported system; the same as macOS 13, 14, 15 or 26"
    )
    batch: int = setting(1, "rows per prediction")
    outputs: Outputs | None = setting(
        None,
        "a label with its probabilities by name, or arrays (default: arrays with --multifunction"
        " or --batch above 1, otherwise classifier)",
    )
    multifunction: bool | None = setting(
        None,
        "put all lengths in one package, as functions that share their weights (default from iOS18"
        " on for several lengths, unless --outputs classifier or --shapes enumerated is given)",
    )
    overwrite: bool = setting(False, "replace existing packages and the files next to them")
    author: str = setting("exported with mlx-finbert", "author in the package's metadata")
    license: str = setting("not stated", "licence in the package's metadata")
    model_version: str = setting("1.0", "version in the package's metadata")
    description: str | None = setting(
        None, "description in the package's metadata (default: the model's labels and kind)"
    )

    def __post_init__(self) -> None:
        require_types(self)
        require_encodable(self)
        require(self.batch >= 1, "batch", self.batch, "at least 1")
        if self.batch > 1 and self.outputs == "classifier":
            raise InputError(
                f"`batch` is {self.batch}: Core ML's classifier outputs hold one row;"
                " add `outputs=arrays`"
            )
        if self.multifunction and self.target not in MULTIFUNCTION_TARGETS:
            raise InputError(
                f"`target` is {self.target}: `multifunction=True` needs at least `target=iOS18`"
            )
        if self.multifunction and self.shapes == "enumerated":
            raise InputError(
                "`multifunction=True` with `shapes=enumerated`: each of them puts all lengths in"
                " one package; leave out one of the two"
            )
        if self.multifunction and self.outputs == "classifier":
            raise InputError(
                "`multifunction=True` with `outputs=classifier`: it is not documented that Core ML"
                " runs classifiers as functions; add `outputs=arrays`"
            )
        if self.compress in ("palette6", "palette4") and self.precision == "fp32":
            raise InputError(
                f"`compress={self.compress}` with `precision=fp32`: palettes need fp16; leave out"
                " one of the two"
            )
        if self.lengths == []:
            raise InputError("`lengths` is empty: give at least one")
        lengths = self.lengths or []
        for length in lengths:
            if lengths.count(length) > 1:
                raise InputError(f"`lengths` has {length} twice: give it once")
        if self.shapes == "enumerated" and self.lengths is not None:
            count, most = len(self.lengths), MOST_ENUMERATED
            if not 1 < count <= most:
                raise InputError(
                    f"`shapes=enumerated` needs from 2 to {most} lengths, not {count}: change"
                    " `lengths`, or leave out `shapes`"
                )

    def lengths_for(self, trained_length: int, max_length: int) -> list[int]:
        """The lengths of an export, ascending.

        Args:
            trained_length: the tokenizer's limit, at which rows were cut in training.
            max_length: number of positions of the model.

        Raises:
            InputError: for a length that the model does not support.
        """
        lengths = self.lengths
        if lengths is None:
            most = min(trained_length, max_length)
            lengths = [n for n in DEFAULT_LENGTHS if n <= most] or [most]
        for length in lengths:
            if not SHORTEST <= length <= max_length:
                raise InputError(
                    f"`lengths={length}`: it must be from {SHORTEST} to {max_length}, the model's"
                    " maximum"
                )
        return sorted(lengths)

    def with_defaults(self, lengths: list[int]) -> "CompleteOptions":
        """Complete the options for these lengths: fill in defaults that depend on other options.

        Args:
            lengths: ascending, from `lengths_for`.

        Raises:
            InputError: for enumerated shapes with a single length.
        """
        multifunction = self.multifunction
        if multifunction is None:
            multifunction = (
                self.target in MULTIFUNCTION_TARGETS
                and self.shapes == "fixed"
                and self.outputs != "classifier"
                and len(lengths) > 1
            )
        usual: Outputs = "arrays" if multifunction or self.batch > 1 else "classifier"
        own = {option.name: getattr(self, option.name) for option in fields(ExportOptions)}
        own |= {"lengths": lengths, "multifunction": multifunction}
        own["outputs"] = self.outputs or usual
        return CompleteOptions(**own)


@dataclass(kw_only=True)
class CompleteOptions(ExportOptions):
    """The options of one export, with a value for every option that determines the program."""

    lengths: list[int] = field()
    """Ascending."""
    outputs: Outputs = field()
    multifunction: bool = field()
