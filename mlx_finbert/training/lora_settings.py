"""Flags of training with adapters."""

from dataclasses import dataclass, fields

from mlx_finbert.models.lora import LoraConfig
from mlx_finbert.settings import refuse_without, setting


@dataclass(kw_only=True)
class LoraSettings:
    """Whether adapters learn in the place of the encoder's matrices, and which."""

    lora_rank: int | None = setting(
        None, "train adapters of this rank and the head alone; the folder then holds these"
    )
    lora_alpha: float = setting(32.0, "what adapters add is multiplied by alpha / rank")
    lora_dropout: float = setting(0.0, "dropout rate of what goes into the adapters")
    lora_layers: int | None = setting(None, "adapt so many of the last layers (default: all)")
    dora: bool = setting(False, "DoRA: the rows' lengths learn beside their directions")

    def check_lora(self) -> None:
        """Refuse values out of range and flags that would have no effect."""
        others = [f.name for f in fields(LoraSettings) if f.name != "lora_rank"]
        refuse_without(self, others, "--lora-rank", self.lora_rank is not None)
        self.lora()

    def lora(self) -> LoraConfig | None:
        """The adapters, or None where the whole model is trained."""
        if self.lora_rank is None:
            return None
        return LoraConfig(
            rank=self.lora_rank,
            alpha=self.lora_alpha,
            dropout=self.lora_dropout,
            layers=self.lora_layers,
            dora=self.dora,
        )
