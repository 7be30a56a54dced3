"""Flags for training with LoRA adapters."""

from dataclasses import dataclass, fields

from mlx_finbert.models.lora import LoraConfig
from mlx_finbert.settings import refuse_without, setting


@dataclass(kw_only=True)
class LoraSettings:
    """LoRA adapters."""

    lora_rank: int | None = setting(
        None, "train and save only the head and LoRA adapters of this rank"
    )
    lora_alpha: float = setting(32.0, "scale the adapters' output by alpha / rank")
    lora_dropout: float = setting(0.0, "dropout rate of the adapters' input")
    lora_layers: int | None = setting(None, "adapt only the last N layers (default: all)")
    dora: bool = setting(False, "use DoRA: also train the length of each row of a matrix")

    def check_lora(self) -> None:
        """Refuse values out of range and flags that would have no effect."""
        others = [f.name for f in fields(LoraSettings) if f.name != "lora_rank"]
        refuse_without(self, others, "--lora-rank", self.lora_rank is not None)
        self.lora()

    def lora(self) -> LoraConfig | None:
        """The adapters' configuration; None if the whole model is trained."""
        if self.lora_rank is None:
            return None
        return LoraConfig(
            rank=self.lora_rank,
            alpha=self.lora_alpha,
            dropout=self.lora_dropout,
            layers=self.lora_layers,
            dora=self.dora,
        )
