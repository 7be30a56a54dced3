"""Flags for learning from a teacher."""

from dataclasses import dataclass, fields
from typing import Literal

from mlx_finbert.settings import refuse_without, require, setting

Hidden = Literal["none", "cosine", "mse"]
"""How a student's hidden states are compared with its teacher's."""


@dataclass(kw_only=True)
class DistillationSettings:
    """Distillation."""

    teacher: str | None = setting(
        None,
        "also learn from this classifier's logits (Hinton et al. 2015): a folder or a hub id, also"
        " of adapters or of a quantized model",
    )
    distill_temperature: float = setting(
        2.0, "divide the logits of student and teacher by this before they are compared"
    )
    distill_weight: float = setting(
        0.5, "share of the teacher's loss, from 0 to 1; the labels have the rest"
    )
    distill_hidden: Hidden = setting(
        "none",
        "also compare the hidden states of all tokens, by cosine or by mean square (mse); needs the"
        " same tokenizer and hidden size",
    )
    unlabelled: list[str] | None = setting(
        None,
        "also learn what the teacher says of the texts in these files (CSV, TSV, JSONL, Parquet, or"
        " .txt with one text per line)",
        metavar="FILE,...",
    )
    unlabelled_column: str | None = setting(
        None, "column with the texts of --unlabelled (default: --text-column)"
    )

    def check_distillation(self) -> None:
        """Refuse values out of range and settings that would have no effect."""
        others = [field.name for field in fields(DistillationSettings) if field.name != "teacher"]
        refuse_without(self, others, "`teacher`", self.teacher is not None)
        refuse_without(self, ["unlabelled_column"], "`unlabelled`", bool(self.unlabelled))
        temperature, weight = self.distill_temperature, self.distill_weight
        require(temperature > 0, "distill_temperature", temperature, "must be above 0")
        require(0 <= weight <= 1, "distill_weight", weight, "must be from 0 to 1")
        if self.unlabelled or (self.teacher and self.distill_hidden == "none"):
            name = "unlabelled" if self.unlabelled else "teacher"
            rule = f"must be above 0, or `{name}` has no effect"
            require(weight > 0, "distill_weight", weight, rule)
