"""Runs the package's command and scenarios over the models in a folder."""

import json

import numpy as np
import pytest
from swift_tools import build, run

from mlx_finbert.inference.scored_rows import sentiment_scores


def models(folder):
    """The packages or the asset of an export."""
    return sorted([*folder.glob("*.mlpackage"), *folder.glob("*.aimodel")])


def play(scenario, folder, server, value=None):
    """Run a scenario over a folder's models; return its lines of JSON."""
    arguments = build("scenarios"), scenario, *models(folder)
    out = run(*arguments, input=json.dumps(value).encode(), env=server.environment)
    return [json.loads(line) for line in out.splitlines()]


def classify(server, folder, *arguments, **more):
    """The command line target over a folder's models; returns its lines of JSON."""
    given = [part for path in models(folder) for part in ("--model", path)]
    out = run(build("classify"), *given, *arguments, env=server.environment, **more)
    return [json.loads(line) for line in out.splitlines()]


def right_classification(text, found, golden):
    """Hold a classification against the text's entry in golden.json."""
    labels = golden["labels"]
    assert text["is_tie"] or found["label"] == text["label"]
    assert found["tokens"] == len(text["input_ids"])
    assert set(found["probabilities"]) == set(labels)
    values = np.array([[found["probabilities"][label] for label in labels]])
    assert np.abs(values - text["probabilities"]).max() <= golden["tolerance"]
    assert found["score"] == pytest.approx(sentiment_scores(values, labels)[0])


def right_report(report, golden):
    """Hold the report of the Check button against golden.json."""
    assert report["texts"] == len(golden["texts"])
    assert report["wrongIDs"] == report["wrongLabels"] == []
    assert 0 < report["largestError"] <= report["tolerance"] == golden["tolerance"]
    assert set(report["milliseconds"]) == {str(length) for length in golden["lengths"]}
