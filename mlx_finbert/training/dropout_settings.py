"""Flags for the dropout rates of a run."""

from dataclasses import dataclass, fields

from mlx_finbert.models.dropout import DropoutRates
from mlx_finbert.settings import require, setting


@dataclass(kw_only=True)
class DropoutSettings:
    """Dropout."""

    dropout: float | None = setting(
        None, "dropout rate of embeddings and layers (default: the checkpoint's)"
    )
    attention_dropout: float | None = setting(
        None, "dropout rate of the attention probabilities (default: the checkpoint's)"
    )
    head_dropout: float | None = setting(
        None,
        "dropout rate before the classifier (default: the checkpoint's; a BERT or RoBERTa without"
        " one has that of the layers)",
    )

    def check_dropout(self) -> None:
        """Refuse rates out of range."""
        for field in fields(DropoutSettings):
            rate = getattr(self, field.name)
            right = rate is None or 0 <= rate < 1
            require(right, field.name, rate, "must be from 0 to below 1")

    def dropout_rates(self) -> DropoutRates:
        """The rates to use in place of the checkpoint's."""
        return DropoutRates(
            hidden=self.dropout, attention=self.attention_dropout, head=self.head_dropout
        )
