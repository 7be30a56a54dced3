"""`golden.json`: texts with what an app must make of them, for its own tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.figures import tolerance_of
from mlx_finbert.convert.coreml.golden_texts import golden_texts
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.convert.coreml.rows import shortest_holding, token_rows
from mlx_finbert.tokenizer import Tokenizer

NAME = "golden.json"

ROUNDING = 1e-5
"""Largest error of a probability in the file, which has six digits."""


def golden(
    description: Description, tokenizer: Tokenizer
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Texts with the token ids and probabilities that an app must get, and what they share.

    The ids are those of the shortest length that holds them, and of the longest, cut, where none
    does; they come without padding. The probabilities are the MLX model's.
    """
    lengths, reference = description.lengths, description.reference
    own_texts = golden_texts(description.vocabulary)
    rows = token_rows(tokenizer, own_texts, lengths[-1])
    probabilities = reference.probabilities(reference.logits(rows))
    head = {
        "labels": reference.labels,
        "lengths": lengths,
        "pad_token_id": description.vocabulary.special_id("pad"),
        "tolerance": tolerance_of(description.options).probability,
    }
    texts = [
        {
            "text": text,
            "length": shortest_holding(len(row), lengths),
            "input_ids": list(row),
            "label": reference.labels[int(values.argmax())],
            "probabilities": [round(float(value), 6) for value in values],
        }
        for text, row, values in zip(own_texts, rows, probabilities, strict=True)
    ]
    return head, texts


def write_golden(folder: Path, description: Description, tokenizer: Tokenizer) -> None:
    """A line a text: `json` alone would give a line to each token id."""
    head, texts = golden(description, tokenizer)
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    rows = ",\n".join(f"    {json.dumps(text)}" for text in texts)
    content = "\n".join(["{", *lines, '  "texts": [', rows, "  ]", "}"])
    (folder / NAME).write_text(content + "\n", encoding="utf-8")


def golden_faults(folder: Path, description: Description, tokenizer: Tokenizer) -> Iterator[str]:
    """What is wrong with the file in a folder, where it is: other ids or other probabilities."""
    file = folder / NAME
    if not file.exists():
        return
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        texts = [entry["text"] for entry in told["texts"]]
        rows = token_rows(tokenizer, texts, told["lengths"][-1])
        same = told["labels"] == description.reference.labels
        same &= set(texts) >= set(golden_texts(description.vocabulary))
        same &= [entry["input_ids"] for entry in told["texts"]] == [list(row) for row in rows]
        found = np.array([entry["probabilities"] for entry in told["texts"]], np.float32)
        expected = description.reference.probabilities(description.reference.logits(rows))
        if not same or np.abs(found - expected).max() > ROUNDING:
            yield f"{NAME} beside the package is not the model's"
    except (OSError, LookupError, TypeError, ValueError) as error:
        yield f"{NAME} beside the package cannot be read: {error}"
