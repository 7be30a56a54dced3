"""What one update of the weights showed."""

from dataclasses import dataclass
from functools import cached_property

import mlx.core as mx


@dataclass
class Figures:
    """What one update showed, over the rows of all processes; reading them waits for its end."""

    weight: float
    """The sum of the rows' labels' weights: `loss / weight` is the mean loss."""
    examples: int
    computed: mx.array
    """float32 (6,), of the device."""

    @cached_property
    def _read(self) -> list[float]:
        return self.computed.tolist()

    @property
    def loss(self) -> float:
        """Summed over the rows, each with its label's weight."""
        return self._read[0]

    @property
    def correct(self) -> float:
        return self._read[1]

    @property
    def stop(self) -> bool:
        """Whether any process was asked to stop."""
        return self._read[2] > 0

    @property
    def grad_norm(self) -> float:
        """Of all gradients together, before clipping."""
        return self._read[3]

    @property
    def moved(self) -> bool:
        """False where loss or gradients were not finite: the weights are then as before."""
        return self._read[4] > 0

    @property
    def diverged(self) -> bool:
        """Whether no later update can move the weights: it was no overflow of float16."""
        return self._read[5] > 0
