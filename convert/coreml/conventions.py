"""What exports to Core ML and to Core AI do alike; imports no library of either."""

MASK_FILL = -1e4
"""Added to the score of a padded key. Half precision cannot hold -1e9, and the Neural Engine does
not support -inf in a softmax. With this value the probability is exactly 0 in float32 and float16.
"""

FP16_EPS = 1.2e-7
"""Smallest epsilon of a layer norm in half precision, in which BERT's 1e-12 is 0."""

SPARED = {"position_embeddings", "classifier_weight"}
"""Not compressed: less than 1% of the bytes, but part of every sum or of the decision."""

LEAST_SIZE = {"int8": 10, "palette6": 10_000, "palette4": 10_000}
"""Elements of the smallest matrix that is compressed: below 10 no matrix is stored separately, and
below 10,000 coremltools' k-means needs scikit-learn."""


def function_name(length: int) -> str:
    """Name of the function for a length in a package of several."""
    return f"length_{length}"
