"""The metadata of a package."""

import json
from dataclasses import dataclass
from typing import Any

from mlx_finbert._version import __version__
from mlx_finbert.convert.coreml.options import PROGRAM_OPTIONS, CompleteOptions, ExportOptions
from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.coreml.vocabulary import Vocabulary

PREFIX = "mlx_finbert."
"""Prefix of the keys in the user-defined metadata."""

PROVENANCE = {f"{PREFIX}version", f"{PREFIX}source"}
"""Keys for the origin of a package, which does not affect what it computes."""

INPUT_TEXTS = {
    "fixed": {
        "input_ids": "Token ids with special tokens, padded with the padding id.",
        "attention_mask": "1 for a token, 0 for padding.",
    },
    "enumerated": {
        "input_ids": "Token ids with special tokens, padded with the padding id to one of the"
        " lengths; the padding id is masked wherever it appears, even within a text.",
    },
}
"""Descriptions of the inputs, by the export's shapes."""
OUTPUTS = {
    "label": "The most probable label.",
    "probabilities": "Probability of each label; they sum to 1.",
    "logits": "The probabilities are the softmax of these, in the order of the labels.",
}


@dataclass
class Description:
    """The description of a package: the source of its metadata and of its verification."""

    reference: Reference
    vocabulary: Vocabulary
    options: CompleteOptions
    lengths: list[int]
    """Lengths of its functions."""
    max_length: int
    """Tokens at which rows were cut in training; packages may be longer."""
    source: str
    """Name of the checkpoint."""
    rows_left_out: int = 0
    """Rows at the end of the model's embedding without a token."""

    def program(self) -> dict[str, Any]:
        """The options that determine the program, as the metadata and export.json record them."""
        return program_options(self.options)

    def user_defined(self) -> dict[str, str]:
        """The user-defined metadata."""
        values = {
            "version": __version__,
            "labels": self.reference.labels,
            "lengths": self.lengths,
            "max_length": self.max_length,
            "tokenizer": self.vocabulary.rules,
            "vocabulary": self.vocabulary.text,
            "vocabulary_sha256": self.vocabulary.sha256,
            "merges": "\n".join(self.vocabulary.merges),
            "source": self.source,
            "source_sha256": self.reference.sha256,
            "options": self.program(),
        }
        return {f"{PREFIX}{name}": encoded(value) for name, value in values.items() if value != ""}

    def app_files(self) -> dict[str, str]:
        """Content of the files next to the packages that an app needs for tokens and labels."""
        labels = json.dumps(self.reference.labels, indent=2) + "\n"
        return {"labels.json": labels} | self.vocabulary.files

    def annotate(self, spec: Any) -> None:
        """Write the metadata into a model specification."""
        metadata = spec.description.metadata
        metadata.author = self.options.author
        metadata.license = self.options.license
        metadata.versionString = self.options.model_version
        metadata.shortDescription = self.options.description or self.summary()
        for name, value in self.user_defined().items():
            metadata.userDefined[name] = value
        inputs = INPUT_TEXTS[self.options.shapes]
        # A package with several functions has a description for each of them.
        for description in spec.description.functions or [spec.description]:
            for features, texts in ((description.input, inputs), (description.output, OUTPUTS)):
                for feature in features:
                    feature.shortDescription = texts.get(feature.name, "")

    def summary(self) -> str:
        """One sentence on the model."""
        network, labels = self.reference.network, self.reference.labels
        return (
            f"Classifies a text as one of: {', '.join(labels)}."
            f" {type(self.reference.model).__name__}, {len(network.layers)} layers of"
            f" {network.hidden_size}."
        )


def program_options(options: ExportOptions) -> dict[str, Any]:
    """The options that determine the program; the verification needs them."""
    return {name: getattr(options, name) for name in PROGRAM_OPTIONS}


def encoded(value: Any) -> str:
    """Keep text unchanged; encode any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
