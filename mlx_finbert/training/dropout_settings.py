"""Flags for the dropout rates of a run."""

from dataclasses import dataclass

from mlx_finbert.models.dropout import DropoutRates
from mlx_finbert.settings import require, setting


@dataclass(kw_only=True)
class EncoderDropoutSettings:
    """Dropout."""

    dropout: float | None = setting(
        None, "dropout rate of embeddings and layers (default: the checkpoint's)"
    )
    attention_dropout: float | None = setting(
        None, "dropout rate of the attention probabilities (default: the checkpoint's)"
    )

    def check_dropout(self) -> None:
        """Refuse rates out of range."""
        for name in ("dropout", "attention_dropout", "head_dropout"):
            rate = getattr(self, name, None)
            require(rate is None or 0 <= rate < 1, name, rate, "must be from 0 to below 1")

    def dropout_rates(self) -> DropoutRates:
        """The rates to use in place of the checkpoint's."""
        return DropoutRates(hidden=self.dropout, attention=self.attention_dropout)


@dataclass(kw_only=True)
class DropoutSettings(EncoderDropoutSettings):
    """Dropout of the classifier."""

    head_dropout: float | None = setting(
        None,
        "dropout rate before the classifier (default: the checkpoint's; a BERT or RoBERTa without"
        " one has that of the layers)",
    )

    def dropout_rates(self) -> DropoutRates:
        """The rates to use in place of the checkpoint's."""
        return DropoutRates(
            hidden=self.dropout, attention=self.attention_dropout, head=self.head_dropout
        )
