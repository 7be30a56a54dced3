"""What an export can be asked for; also the flags of `python -m mlx_finbert.convert.to_coreml`."""

from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np

from mlx_finbert.errors import InputError, is_encodable
from mlx_finbert.settings import flag_of, require, require_types, setting

DEFAULT_LENGTHS = (32, 64, 128)
"""Of the sentences of Financial PhraseBank (allagree, uncased BERT), 50% are of at most 28 tokens,
90% of 50, 99% of 68."""

PROGRAM_OPTIONS = (
    "layout", "shapes", "precision", "compress", "target", "batch", "outputs", "multifunction",
)  # fmt: skip
"""The options that decide the program."""

MULTIFUNCTION_TARGETS = ("iOS18", "iOS26")
"""Targets of packages that hold several functions."""

MOST_ENUMERATED = 128
"""Shapes that Core ML enumerates (coremltools' guide "Flexible Input Shapes")."""

Outputs = Literal["classifier", "arrays"]

NUMPY_DTYPES = {"fp16": np.float16, "fp32": np.float32}

SHORTEST = 3
"""[CLS], a token, [SEP]."""


@dataclass(kw_only=True)
class ExportOptions:
    """The form of the packages, and what they say of themselves."""

    lengths: list[int] | None = setting(
        None, "tokens of a row (default: 32,64,128, as far as the model goes)"
    )
    layout: Literal["ane", "plain"] = setting("ane", "for the Neural Engine, or for GPU and CPU")
    shapes: Literal["fixed", "enumerated"] = setting(
        "fixed", "one shape a program, or one program whose single input takes every length"
    )
    precision: Literal["fp16", "fp32"] = setting("fp16", "of weights and activations")
    compress: Literal["int8", "palette6", "palette4"] | None = setting(
        None, "weights in 8-bit integers, or (experimental) in a palette of 64 or 16 values"
    )
    target: Literal["iOS16", "iOS17", "iOS18", "iOS26"] = setting(
        "iOS16", "oldest system that runs it; macOS 13, 14, 15 and 26 go with these"
    )
    batch: int = setting(1, "rows of one prediction")
    outputs: Outputs | None = setting(
        None,
        "a label with its probabilities by name, or arrays (default: arrays with --multifunction"
        " and --batch above 1, else classifier)",
    )
    multifunction: bool | None = setting(
        None,
        "all lengths in one package, as functions that share their weights (default from iOS18 on"
        " for several lengths, unless --outputs classifier or --shapes enumerated is given)",
    )
    overwrite: bool = setting(
        False, "replace packages that are there, and the files written with them"
    )
    author: str = setting("exported with mlx-finbert", "of the model, in the package's metadata")
    license: str = setting("not stated", "of the model, in the package's metadata")
    model_version: str = setting("1.0", "of the model, in the package's metadata")
    description: str | None = setting(None, "of the model (default: its labels and its kind)")

    def __post_init__(self) -> None:
        require_types(self)
        for option in fields(self):
            value = getattr(self, option.name)
            right = not isinstance(value, str) or is_encodable(value)
            require(right, flag_of(option), repr(value), "it holds half a character")
        require(self.batch >= 1, "--batch", self.batch, "at least 1")
        if self.batch > 1 and self.outputs == "classifier":
            raise InputError(
                f"--batch is {self.batch}: Core ML's classifier outputs hold one row;"
                " add --outputs arrays"
            )
        if self.multifunction and self.target not in MULTIFUNCTION_TARGETS:
            raise InputError(
                f"--target is {self.target}: --multifunction needs at least --target iOS18"
            )
        if self.multifunction and self.shapes == "enumerated":
            raise InputError(
                "--multifunction with --shapes enumerated: each alone puts all lengths into one"
                " package; leave one of the two out"
            )
        if self.multifunction and self.outputs == "classifier":
            raise InputError(
                "--multifunction with --outputs classifier: it is not documented that Core ML runs"
                " classifiers as functions; add --outputs arrays"
            )
        if self.compress in ("palette6", "palette4") and self.precision == "fp32":
            raise InputError(
                f"--compress {self.compress} with --precision fp32: palettes are made for fp16;"
                " leave one of the two out"
            )
        if self.lengths == []:
            raise InputError("--lengths is empty: name one at least")
        lengths = self.lengths or []
        for length in lengths:
            if lengths.count(length) > 1:
                raise InputError(f"--lengths names {length} twice")
        if self.shapes == "enumerated" and self.lengths is not None:
            count, most = len(self.lengths), MOST_ENUMERATED
            if not 1 < count <= most:
                raise InputError(
                    f"--shapes enumerated needs from 2 to {most} lengths, not {count}: name others"
                    " with --lengths, or leave --shapes out"
                )

    def lengths_for(self, trained_length: int, max_length: int) -> list[int]:
        """The lengths, ascending, of an export.

        Args:
            trained_length: the tokenizer's limit, at which rows were cut in training.
            max_length: positions of the model.

        Raises:
            InputError: for a length that the model cannot have.
        """
        lengths = self.lengths
        if lengths is None:
            most = min(trained_length, max_length)
            lengths = [n for n in DEFAULT_LENGTHS if n <= most] or [most]
        for length in lengths:
            if not SHORTEST <= length <= max_length:
                raise InputError(
                    f"--lengths {length}: from {SHORTEST} to {max_length}, the model's most"
                )
        return sorted(lengths)

    def with_defaults(self, lengths: list[int]) -> "CompleteOptions":
        """These options for such lengths, the defaults that depend on other options filled in.

        Args:
            lengths: ascending, from `lengths_for`.

        Raises:
            InputError: where one length would have to be enumerated.
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
    """The options of one export, in which nothing is left open that decides the program."""

    lengths: list[int] = field()
    """Ascending."""
    outputs: Outputs = field()
    multifunction: bool = field()
