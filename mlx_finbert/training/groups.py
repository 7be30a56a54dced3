"""Which parameters learn, from when on, and how fast: the embeddings, each layer, the head.

Layer-wise rates and gradual unfreezing are Howard and Ruder's (2018, sections 3.2 and 3.3) in the
form that Araci (2019, section 4) gave them for BERT.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Parameters that learn together."""

    name: str
    """`embeddings`, `layer.0`, `layer.1`, ..., `head`."""
    parameters: tuple[str, ...]
    rate: float = 1.0
    """The learning rate is multiplied by this."""
    start: int = 0
    """The number of the first update that moves them; they are frozen before it."""


@dataclass(frozen=True)
class Thawing:
    """What is frozen, and how the depths differ."""

    layer_decay: float = 1.0
    """Each layer learns at this share of the rate of the layer above it."""
    head_rate: float = 1.0
    """The head's rate over the others' peak."""
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    """So many layers, from the lowest on, never learn."""
    unfreeze_every: int = 0
    """Updates between the unfreezing of one layer and that of the layer below; 0 for none."""


def make_groups(names: Iterable[str], num_layers: int, thawing: Thawing = Thawing()) -> list[Group]:
    """Groups from the embeddings up to the head; what is frozen for good is in none.

    Args:
        names: of the parameters that may learn, as in the checkpoint.
        num_layers: layers of the encoder.
        thawing: see there. With decay d and N layers, the head learns at the full rate, the top
            layer at d, the lowest at d^N and the embeddings at d^(N+1).
    """
    members = defaultdict(list)
    for name in names:
        members[depth(name, num_layers)].append(name)
    top = num_layers + 1
    lowest = 1 + thawing.freeze_layers
    return [
        Group(
            name="head" if at == top else f"layer.{at - 1}" if at else "embeddings",
            parameters=tuple(members[at]),
            rate=thawing.head_rate if at == top else thawing.layer_decay ** (top - at),
            start=(top - at) * thawing.unfreeze_every,
        )
        for at in sorted(members)
        if (at >= lowest or at == 0) and not (at == 0 and thawing.freeze_embeddings)
    ]


def depth(name: str, num_layers: int) -> int:
    """0 for the embeddings, i + 1 for layer i, num_layers + 1 for pooler and head."""
    if found := re.search(r"\.layer\.(\d+)\.", name):
        return int(found[1]) + 1
    return 0 if ".embeddings." in name else num_layers + 1
