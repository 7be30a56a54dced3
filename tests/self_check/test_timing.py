"""Times of a model, measured in a process of its own."""

import os
from dataclasses import replace

import pytest

from mlx_finbert.self_check.subjects import SMALL
from mlx_finbert.self_check.timed_process import Case
from mlx_finbert.self_check.timing import DISTILBERT_BYTES, cases, timing

CONFIG = SMALL["bert"] | {"max_position_embeddings": 64, "id2label": {"0": "a", "1": "b"}}
CASE = Case("tiny", CONFIG, 4, 16, "float32", False, 60)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_case_is_timed(precision):
    found = timing(replace(CASE, precision=precision), dict(os.environ))
    assert not found.fault
    assert found.step_ms > 0 and found.texts_per_second > 0 and found.peak_gb > 0
    assert str(found).startswith(f"tiny 4 x 16, {precision}: ")


def test_a_step_that_would_take_too_long_is_estimated():
    case = replace(CASE, gradient_checkpointing=True, longest_step=0.0)
    found = timing(case, dict(os.environ))
    assert found.step_ms is None and found.estimated_step_s > 0
    assert "a step (estimated)" in str(found) and "gradient checkpointing" in str(found)


def test_a_process_that_fails_says_why():
    found = timing(replace(CASE, config={"model_type": "gpt2"}), dict(os.environ))
    assert "gpt2" in found.fault and "not timed" in str(found)


def test_cases_by_device_and_memory():
    assert [case.name for case in cases(True, 1e12)] == ["MiniLM 32 x 128, float32"]
    names = [case.name for case in cases(False, 1e12)]
    assert names[2:] == ["DistilBERT 16 x 512, float32", "DistilBERT 16 x 512, bfloat16"]
    short = cases(False, DISTILBERT_BYTES)
    assert [case.gradient_checkpointing for case in short] == [False, False, True, True]
