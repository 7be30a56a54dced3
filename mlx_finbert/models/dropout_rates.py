"""Dropout rates to use in place of those in a checkpoint's config."""

from dataclasses import dataclass

from mlx_finbert.models.config import ClassifierArgs


@dataclass(frozen=True, kw_only=True)
class DropoutRates:
    """Rates from 0 to below 1; None keeps the checkpoint's."""

    hidden: float | None = None
    """Rate of the embeddings and of the layers' outputs."""
    attention: float | None = None
    """Rate of the attention probabilities."""
    head: float | None = None
    """Rate before the classifier. With None, a BERT or RoBERTa whose config has no rate of its own
    uses `hidden`, as in transformers."""

    def in_config(self, family: type[ClassifierArgs]) -> dict[str, float]:
        """Return the given rates under the keys that a family's config has for them."""
        rates = zip(family.dropout_keys, (self.hidden, self.attention, self.head), strict=True)
        return {key: rate for key, rate in rates if rate is not None}
