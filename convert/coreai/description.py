"""The description of an asset: the source of its metadata and of its verification."""

from dataclasses import dataclass, field
from typing import Any

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreai.options import AssetOptions
from mlx_finbert.convert.coreml.exporter import describe_export
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.models import Classifier


@dataclass
class AssetDescription(Description):
    """A description with the options of an asset; `options` are those of Core ML alike."""

    asset: AssetOptions = field(default_factory=AssetOptions)

    def program(self) -> dict[str, Any]:
        return self.asset.program()

    def told(self) -> dict[str, Any]:
        """The metadata of the asset, as the worker takes them."""
        return {
            "author": self.asset.author,
            "license": self.asset.license,
            "model_description": self.asset.description or self.summary(),
            "custom": self.user_defined(),
        }


def describe_asset(
    model: Classifier, tokenizer: Tokenizer, options: AssetOptions, lengths: list[int], source: str
) -> AssetDescription:
    """Check all that an export needs of a model, and describe the asset.

    Raises:
        InputError: names the weight, the label or the size that cannot be exported.
    """
    alike = describe_export(model, tokenizer, options.as_core_ml(), lengths, source)
    return AssetDescription(**vars(alike), asset=options)
