"""What a package says of itself."""

import json
from dataclasses import dataclass
from typing import Any

import mlx_finbert
from mlx_finbert.convert.coreml.options import FORM, ExportOptions
from mlx_finbert.convert.coreml.reference import Reference
from mlx_finbert.convert.coreml.vocabulary import Vocabulary

PREFIX = "mlx_finbert."
"""Of the keys in the user-defined metadata."""

INPUTS = {
    "input_ids": "Token ids, special tokens included, filled up with the padding id.",
    "attention_mask": "1 for a token, 0 for padding.",
}
OUTPUTS = {
    "label": "The most probable label.",
    "probabilities": "Probability of each label; they sum to 1.",
    "logits": "The scores before temperature and softmax, in the order of the labels.",
}


@dataclass
class Description:
    """Everything that goes into the metadata of an export's packages."""

    reference: Reference
    vocabulary: Vocabulary
    options: ExportOptions
    lengths: list[int]
    source: str
    """Name of the checkpoint."""

    def user_defined(self, lengths: list[int]) -> dict[str, str]:
        """The user-defined metadata of a package of these lengths."""
        values = {
            "version": mlx_finbert.__version__,
            "labels": self.reference.labels,
            "lengths": lengths,
            "max_length": max(lengths),
            "temperature": self.reference.temperature,
            "tokenizer": self.vocabulary.rules,
            "vocabulary": self.vocabulary.text,
            "vocabulary_sha256": self.vocabulary.sha256,
            "merges": "\n".join(self.vocabulary.merges),
            "source": self.source,
            "source_sha256": self.reference.sha256,
            "form": form(self.options),
        }
        return {f"{PREFIX}{name}": encoded(value) for name, value in values.items() if value != ""}

    def annotate(self, spec: Any, lengths: list[int]) -> None:
        """Write it into a model specification."""
        metadata = spec.description.metadata
        metadata.author = self.options.author
        metadata.license = self.options.license
        metadata.versionString = self.options.model_version
        metadata.shortDescription = self.options.description or self.summary()
        for name, value in self.user_defined(lengths).items():
            metadata.userDefined[name] = value
        # A package of several lengths describes each of its functions.
        for description in spec.description.functions or [spec.description]:
            for features, texts in ((description.input, INPUTS), (description.output, OUTPUTS)):
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


def form(options: ExportOptions) -> dict[str, Any]:
    """What decides the program, and what a verification must know."""
    return {name: getattr(options, name) for name in FORM}


def encoded(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
