"""Settings for the compression of weights, which coremltools performs."""

from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.mil import cto

SPARED = {"position_embeddings", "classifier_weight"}
"""Not compressed: less than 1% of the bytes, but part of every sum or of the decision."""

LEAST_SIZE = {"int8": 10, "palette6": 10_000, "palette4": 10_000}
"""Elements of the smallest matrix that is compressed: below 10 no matrix is stored separately, and
below 10,000 coremltools' k-means needs scikit-learn."""


def compression_pass(method: str) -> tuple[str, Any]:
    """Return the name of coremltools' pass and its configuration.

    Args:
        method: `int8`, a scale for each row of a matrix, or `palette6` or `palette4`, 64 or 16
            values for a whole matrix, found by k-means.
    """
    # The pass compresses matrices larger than the threshold.
    threshold = LEAST_SIZE[method] - 1
    if method == "int8":
        name = "compression::linear_quantize_weights"
        each = cto.OpLinearQuantizerConfig(
            mode="linear_symmetric", granularity="per_channel", weight_threshold=threshold
        )
    else:
        name = "compression::palettize_weights"
        bits = int(method[-1])
        each = cto.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=threshold)
    return name, cto.OptimizationConfig(each, op_name_configs=dict.fromkeys(SPARED))


def is_compressed(name: str, value: np.ndarray, method: str | None) -> bool:
    """Whether the export compresses a constant of the graph."""
    if method is None or name in SPARED:
        return False
    return value.ndim >= 2 and value.size >= LEAST_SIZE[method]
