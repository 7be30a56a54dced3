"""The comparison of a student with its teacher: what is counted, and how speed is measured."""

from dataclasses import replace

import pytest
from mlx.utils import tree_flatten
from small_adapters import adapter_folder

import mlx_finbert
from mlx_finbert.distillation import comparison
from mlx_finbert.distillation.comparison import texts_per_second, weight_bytes
from mlx_finbert.distillation.teacher import parameter_count
from mlx_finbert.models.quantization import Quantization, quantize
from mlx_finbert.report.student import ModelFigures, StudentAndTeacher, student_section

STUDENT = ModelFigures(0.75, 0.5, 0.1, 1_000, 4_000_000, 30.0)
TEACHER = ModelFigures(0.875, 0.75, 0.05, 2_000, 8_000_000, 12.0)
BOTH = StudentAndTeacher(
    "a <teacher>", 8, STUDENT, TEACHER, 0.875, {"accuracy": [-0.25, 0.0], "macro_f1": [-0.5, 0.0]},
    8, 0,
)  # fmt: skip


def test_lines_have_both_models_and_the_difference():
    lines = [*BOTH.lines()]
    assert lines[1].split() == ["accuracy", *"0.7500 0.8750 -0.1250 (-0.2500 to +0.0000)".split()]
    assert lines[3].split() == ["calibration", "error", "0.1000", "0.0500", "+0.0500"]
    assert lines[4].split() == ["parameters", "1,000", "2,000"]
    assert lines[5].split() == ["size", "on", "disk", "4.0", "MB", "8.0", "MB"]
    assert lines[7] == "both give the same label to 87.5% of the 8 rows"
    assert "the student is 2.50 times as fast" in lines[8]
    assert len(lines) == 9


@pytest.mark.parametrize(
    ("seen", "said"),
    [(3, "3 of the rows are texts that the teacher was trained on"), (None, "does not record")],
)
def test_rows_that_flatter_the_teacher_are_mentioned(seen, said):
    assert said in replace(BOTH, seen_by_teacher=seen).notes[-1]


def test_the_section_escapes_names():
    page = student_section(BOTH)
    assert "a &lt;teacher&gt;" in page and "<teacher>" not in page
    assert page.count("<tr>") == 7


def test_packed_matrices_count_as_what_they_were_made_from(checkpoint):
    model, _ = mlx_finbert.load(checkpoint(hidden_size=96, intermediate_size=64))
    expected = sum(value.size for _, value in tree_flatten(model.parameters()))
    assert parameter_count(model) == expected
    for bits in (8, 4):
        packed, _ = mlx_finbert.load(checkpoint(name=f"b{bits}", hidden_size=96,
                                                intermediate_size=64))  # fmt: skip
        quantize(packed, Quantization(bits, 32))
        assert parameter_count(packed) == expected


def test_adapters_weigh_as_much_as_they_and_their_base(checkpoint, tmp_path):
    base = checkpoint()
    folder, _ = adapter_folder(base, tmp_path / "adapters")
    own = (folder / "adapters.safetensors").stat().st_size
    assert weight_bytes(folder) == own + (base / "model.safetensors").stat().st_size


def test_models_take_turns_and_the_first_round_does_not_count(monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: clock[0])

    def predictor(name, seconds):
        taken = iter([100.0, *seconds])

        def score(texts):
            calls.append(name)
            clock[0] += next(taken)

        return score

    slow, fast = [5.0, 9.0, 4.0, 7.0, 6.0], [3.0, 3.0, 2.0, 4.0, 3.0]
    predictors = [predictor("student", fast), predictor("teacher", slow)]
    assert texts_per_second(predictors, ["a"] * 8) == [4.0, 2.0]
    assert calls == ["student", "teacher"] * 6
