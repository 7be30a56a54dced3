"""What the tests of small models share."""

import json

import numpy as np

from mlx_finbert.convert.coreml import ExportOptions, export

LENGTH = 7
"""S, where H = 3, d = 5, D = 15 and the intermediate size is 22."""

LENGTHS = [LENGTH, 13, 24]
"""Those that a package with enumerated shapes takes."""


def feeds(rows, length=LENGTH, pad=0):
    """The inputs of a package for rows of token ids."""
    ids = np.full((len(rows), length), pad, np.int32)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask}


def read_json(path):
    return json.loads(path.read_text())


def export_as(classifier, path, family="bert", config=None, **options):
    """A model, its tokenizer and the report of its export."""
    model, tokenizer = classifier(family, **config or {})
    options = ExportOptions(**{"lengths": [LENGTH]} | options)
    return model, tokenizer, export(model, tokenizer, path / "T.mlpackage", options, source="tiny")


def enumerated(classifier, path, family="bert", config=None, **options):
    """A model, its tokenizer and the report of an export of all `LENGTHS`."""
    options = {"lengths": LENGTHS, "shapes": "enumerated"} | options
    return export_as(classifier, path, family, config, **options)
