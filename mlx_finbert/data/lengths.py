"""The few lengths that batches are padded to.

Each is a trace of the compiled step, and MLX keeps all of them: so they are few, and chosen for the
rows at hand so that as little padding as possible is computed.
"""

import numpy as np

MOST = 16


def best_lengths(lengths: np.ndarray, multiple: int, most: int = MOST) -> np.ndarray:
    """The lengths that leave the least padding where each batch is padded to the next of them.

    Args:
        lengths: int (N,), of the batches' longest rows, N at least 1.
        multiple: each is a multiple of this.
        most: how many there may be.

    Returns:
        int64, ascending; the last one holds all.

    By dynamic programming over the multiples that occur: the best `k` lengths of which the last is
    `c` are `c` and the best `k - 1` below it, for whichever of those costs least.
    """
    rounded = -(-lengths // multiple) * multiple
    candidates, counts = np.unique(rounded, return_counts=True)
    batches = np.concatenate([[0], np.cumsum(counts)])
    # cost[i, j]: what is computed for the batches of candidates i to j where all are padded to j.
    cost = (batches[None, 1:] - batches[:-1, None]) * candidates[None, :].astype(np.float64)
    cost[np.tril_indices(len(candidates), -1)] = np.inf
    best = cost[0]
    before = []
    for _ in range(min(most, len(candidates)) - 1):
        # Lengths up to candidate i - 1, and then one that holds candidates i to j.
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
