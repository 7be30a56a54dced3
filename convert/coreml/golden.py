"""`golden.json`: texts with the token ids and probabilities that an app's tests must get."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.figures import margin_of, tolerance_of
from mlx_finbert.convert.coreml.golden_texts import golden_texts
from mlx_finbert.convert.coreml.inference import shortest_holding, token_rows
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.errors import shown
from mlx_finbert.files.json_text import read_json

NAME = "golden.json"

DIGITS = 6
"""Decimal digits of a probability in the file."""
DAMAGED = (
    OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
"""Exceptions raised when reading a JSON file that the export did not write."""
ROUNDING = 1e-5
"""Largest difference of a probability in the file from one computed on another machine."""


def golden(
    description: Description,
    tokenizer: Tokenizer,
    largest_error: float,
    texts: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Make the content of the file.

    The ids are given without padding, for the shortest length that holds them; if none does, they
    are cut to the longest. The probabilities are the MLX model's. A label is a tie if another one
    is so close that an app within the tolerance may give that one.

    Args:
        description: the description of the packages.
        tokenizer: the model's tokenizer.
        largest_error: the packages' largest error of a probability over these texts in the
            evaluator, in the digits of the file. The tolerance of an app's tests is this plus a
            margin for the arithmetic of another machine or a device.
        texts: the texts to tokenize; None for those of every export.
    """
    lengths, reference = description.lengths, description.reference
    texts = golden_texts(description.vocabulary) if texts is None else texts
    rows = token_rows(tokenizer, texts, lengths[-1])
    probabilities = reference.probabilities(reference.logits(rows)).astype(float).round(DIGITS)
    margin = margin_of(description.options)
    tolerance = round(largest_error + margin, DIGITS)
    return {
        "labels": reference.labels,
        "lengths": lengths,
        "pad_token_id": description.vocabulary.special_id("pad"),
        "tolerance": tolerance,
        "largest_error": largest_error,
        "margin": margin,
        "texts": [
            {
                "text": text,
                "length": shortest_holding(len(row), lengths),
                "input_ids": list(row),
                **_label(values, reference.labels, tolerance),
                "probabilities": values.tolist(),
            }
            for text, row, values in zip(texts, rows, probabilities, strict=True)
        ],
    }


def _label(probabilities: np.ndarray, labels: list[str], tolerance: float) -> dict[str, Any]:
    """The most probable label, and whether errors within the tolerance can change it."""
    second, first = np.sort(probabilities)[-2:]
    return {
        "label": labels[int(probabilities.argmax())],
        "is_tie": bool(first - second <= 2 * tolerance),
    }


def rounded_up(error: float) -> float:
    """Round an error up to the digits of the file; keep one that has no more digits."""
    return math.ceil(round(error * 10**DIGITS, 3)) / 10**DIGITS


def write_golden(
    folder: Path, description: Description, tokenizer: Tokenizer, largest_error: float
) -> None:
    """Write golden.json with one line per text; `json` would write one line per token id."""
    content = golden(description, tokenizer, rounded_up(largest_error))
    texts = content.pop("texts")
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in content.items()]
    rows = ",\n".join(f"    {json.dumps(text)}" for text in texts)
    text = "\n".join(["{", *lines, '  "texts": [', rows, "  ]", "}"])
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def golden_faults(
    file: Path, description: Description, tokenizer: Tokenizer, largest_error: float
) -> Iterator[str]:
    """Find faults of a golden.json, which may cover more packages than the one described.

    Args:
        file: the file next to the package.
        description: the description of the package.
        tokenizer: the model's tokenizer.
        largest_error: the package's largest error in the verification.
    """
    try:
        told = read_json(file)
        texts = [entry["text"] for entry in told["texts"]]
        lengths = [int(length) for length in told["lengths"]]
        of_all = replace(description, lengths=lengths)
        expected = golden(of_all, tokenizer, told["largest_error"], texts)
        for fault in (*_head_faults(told, expected), *_text_faults(told, expected)):
            yield f"{NAME} next to the package is not the model's: {fault}"
        if missing := set(golden_texts(description.vocabulary)) - set(texts):
            first = min(missing)[:40]
            yield (
                f"{NAME} next to the package is not the model's: it lacks {len(missing)} texts,"
                f" such as {first!r}"
            )
        if unknown := set(description.lengths) - set(lengths):
            yield f"{NAME} next to the package lacks the package's length {min(unknown)}"
        if not told["largest_error"] <= tolerance_of(description.options).golden:
            yield f"{NAME} next to the package states a largest_error above the limit of exports"
        if not largest_error <= told["tolerance"]:
            yield (
                f"{NAME} next to the package has the tolerance {told['tolerance']:.1e}, but the"
                f" package has an error of {largest_error:.1e}"
            )
    except DAMAGED as error:
        yield f"{NAME} next to the package cannot be read: {error!r}"


def _head_faults(told: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    for key, value in expected.items():
        if key != "texts" and told.get(key) != value:
            yield f"its {key} is {shown(told.get(key))}, not {value}"
    if expected["lengths"] != sorted(set(expected["lengths"])):
        yield f"its lengths {expected['lengths']} are not ascending"


def _text_faults(told: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    """A fault for each key that is wrong in some text."""
    wrong: dict[str, list[str]] = {}
    for entry, right in zip(told["texts"], expected["texts"], strict=True):
        found = np.array(entry["probabilities"])
        if not np.abs(found - right["probabilities"]).max() <= ROUNDING:
            wrong.setdefault("probabilities", []).append(entry["text"])
        right |= _label(found, expected["labels"], expected["tolerance"])
        for key in ("input_ids", "length", "label", "is_tie"):
            if entry.get(key) != right[key]:
                wrong.setdefault(key, []).append(entry["text"])
    for key, texts in wrong.items():
        yield f"the {key} of {len(texts)} texts is wrong, first of {texts[0][:40]!r}"
