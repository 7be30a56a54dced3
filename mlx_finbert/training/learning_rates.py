"""Default learning rates, by the width of the model and by what is trained."""

import math

RATES = "learning_rate", "head_learning_rate"
"""The settings that follow the model if they are not given."""

NARROW = 384, 1e-4
"""A width and its rate: MiniLM's, measured (docs/training.md)."""

WIDE = 768, 2e-5
"""BERT base: Devlin et al. (2019) searched 2e-5 to 5e-5, Araci (2019) trained FinBERT at 2e-5."""

LORA_FACTOR = 5
"""Adapters learn at this multiple of the rate of all weights: measured at the width of MiniLM
(docs/training.md). At 768 it gives 1e-4. Hu et al. (2022, table 9) used 4e-4 to 5e-4 for RoBERTa
base, with adapters of rank 8 whose output is scaled by 1; ours is scaled by 4."""

FRESH_HEAD = 1e-3
"""The rate of a fresh classifier, from Yang, Uy and Huang's FinBERT (2020, archive/bertModel.py of
their code)."""


def default_rate(width: int, has_adapters: bool) -> float:
    """The default peak rate, with two digits.

    Up to the narrow width, and from the wide one on, it is constant; between them it falls
    geometrically: each doubling of the width divides it by the same factor.

    Args:
        width: hidden size of the model.
        has_adapters: whether LoRA adapters are trained rather than all weights.
    """
    (narrow, high), (wide, low) = NARROW, WIDE
    share = math.log(min(max(width, narrow), wide) / narrow) / math.log(wide / narrow)
    rate = high * (low / high) ** share
    return float(f"{rate * (LORA_FACTOR if has_adapters else 1):.1e}")


def default_head_rate(rate: float) -> float:
    """The default peak rate of a fresh classifier, where the rest learns at `rate`."""
    return max(FRESH_HEAD, rate)
