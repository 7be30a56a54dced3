"""`golden.json`: texts with what an app must make of them, for its own tests."""

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
from mlx_finbert.convert.coreml.metadata import Description
from mlx_finbert.convert.coreml.rows import shortest_holding, token_rows

NAME = "golden.json"

DIGITS = 6
"""Of a probability in the file."""
DAMAGED = (
    OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
"""What reading a file of JSON raises that is not what an export writes."""
ROUNDING = 1e-5
"""Largest difference of a probability in the file from one computed anew on another machine."""


def golden(
    description: Description,
    tokenizer: Tokenizer,
    largest_error: float,
    texts: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The content of the file.

    The ids are those of the shortest length that holds them, and of the longest, cut, where none
    does; they come without padding. The probabilities are the MLX model's. A label is a tie where
    another one is so near that an app within the tolerance may give that.

    Args:
        description: of the packages.
        tokenizer: of the model.
        largest_error: of a probability of these packages over these texts, by the evaluator, in
            the digits of the file. With the margin, for the arithmetic of another machine or of a
            device, it is the tolerance of an app's tests.
        texts: what to tokenize; those of every export where None.
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
    """The most probable label, and whether errors of the tolerance can make it another."""
    second, first = np.sort(probabilities)[-2:]
    return {
        "label": labels[int(probabilities.argmax())],
        "is_tie": bool(first - second <= 2 * tolerance),
    }


def rounded_up(error: float) -> float:
    """An error in the digits of the file, not smaller; one that has no more digits stays."""
    return math.ceil(round(error * 10**DIGITS, 3)) / 10**DIGITS


def write_golden(
    folder: Path, description: Description, tokenizer: Tokenizer, largest_error: float
) -> None:
    """A line a text: `json` alone would give a line to each token id."""
    content = golden(description, tokenizer, rounded_up(largest_error))
    texts = content.pop("texts")
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in content.items()]
    rows = ",\n".join(f"    {json.dumps(text)}" for text in texts)
    text = "\n".join(["{", *lines, '  "texts": [', rows, "  ]", "}"])
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def golden_faults(
    file: Path, description: Description, tokenizer: Tokenizer, largest_error: float
) -> Iterator[str]:
    """What is wrong with a golden.json, which may be of more packages than the one described.

    Args:
        file: beside the package.
        description: of the package.
        tokenizer: of the model.
        largest_error: of the package, found by the verification.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        texts = [entry["text"] for entry in told["texts"]]
        lengths = [int(length) for length in told["lengths"]]
        of_all = replace(description, lengths=lengths)
        expected = golden(of_all, tokenizer, told["largest_error"], texts)
        for fault in (*_head_faults(told, expected), *_text_faults(told, expected)):
            yield f"{NAME} beside the package is not the model's: {fault}"
        if missing := set(golden_texts(description.vocabulary)) - set(texts):
            first = min(missing)[:40]
            yield (
                f"{NAME} beside the package is not the model's: it lacks {len(missing)} texts,"
                f" {first!r} among them"
            )
        if unknown := set(description.lengths) - set(lengths):
            yield f"{NAME} beside the package does not know its length {min(unknown)}"
        if not told["largest_error"] <= tolerance_of(description.options).golden:
            yield f"{NAME} beside the package states a largest_error that no export passes with"
        if not largest_error <= told["tolerance"]:
            yield (
                f"{NAME} beside the package has the tolerance {told['tolerance']:.1e}, but the"
                f" package is off by {largest_error:.1e}"
            )
    except DAMAGED as error:
        yield f"{NAME} beside the package cannot be read: {error!r}"


def _head_faults(told: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    for key, value in expected.items():
        if key != "texts" and told.get(key) != value:
            yield f"its {key} is {told.get(key)}, not {value}"
    if expected["lengths"] != sorted(set(expected["lengths"])):
        yield f"its lengths {expected['lengths']} do not ascend"


def _text_faults(told: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    """A sentence for each key that is wrong in some text."""
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
        yield f"the {key} of {len(texts)} texts, {texts[0][:40]!r} first"
