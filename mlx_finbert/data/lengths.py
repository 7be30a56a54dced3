"""The choice of a few lengths to pad batches to.

The compiled step is traced once per length, and MLX keeps all traces. So there are few lengths, and
they are chosen to fit the given rows with as little padding as possible.
"""

import numpy as np

MOST = 16
"""The largest number of lengths."""


def best_lengths(lengths: np.ndarray, multiple: int, most: int = MOST) -> np.ndarray:
    """Find the lengths with the least padding, if each batch is padded to the next of them.

    This is dynamic programming over the multiples that occur: the best `k` lengths that end with
    `c` are `c` and the cheapest `k - 1` lengths below it.

    Args:
        lengths: int (N,), the lengths of the batches' longest rows, N at least 1.
        multiple: Every chosen length is a multiple of this.
        most: The largest number of lengths.

    Returns:
        int64, ascending; the last one is long enough for all batches.
    """
    rounded = -(-lengths // multiple) * multiple
    candidates, counts = np.unique(rounded, return_counts=True)
    batches = np.concatenate([[0], np.cumsum(counts)])
    # cost[i, j]: the cost of the batches of candidates i to j if all are padded to j.
    cost = (batches[None, 1:] - batches[:-1, None]) * candidates[None, :].astype(np.float64)
    cost[np.tril_indices(len(candidates), -1)] = np.inf
    best = cost[0]
    before = []
    for _ in range(min(most, len(candidates)) - 1):
        # Lengths up to candidate i - 1, followed by one length for candidates i to j.
        options = np.concatenate([[0.0], best[:-1]])[:, None] + cost
        before.append(options.argmin(axis=0))
        best = options.min(axis=0)
    chosen = [len(candidates) - 1]
    for firsts in reversed(before):
        first = firsts[chosen[-1]]
        if first == 0:
            break
        chosen.append(first - 1)
    return candidates[chosen[::-1]]
