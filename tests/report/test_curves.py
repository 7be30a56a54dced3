"""The curves of a report: by step from the log, with the evaluations in the same chart."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from mlx_finbert.report import Report, write_report
from mlx_finbert.report.curves import (
    MOST_POINTS,
    draw_panel,
    panels_of,
    places,
    smoothed,
    window_of,
)
from mlx_finbert.report.markup import STYLE_SHEET, broken
from mlx_finbert.report.panels import PANELS

LOSS, RATE, NORM, *_ = PANELS


def step(number, **more):
    figures = {"learning_rate": 1e-4 / number, "step_loss": 2 / number, "grad_norm": float(number)}
    # `loss` is the mean since the last evaluation, which is not to be drawn.
    return {"event": "step", "step": number, "epoch": 0, "loss": 77.0} | figures | more


def evaluation(number, **more):
    return {
        "step": number, "epoch": number / 40, "learning_rate": 1e-4, "loss": 1.5, "accuracy": 0.7,
        "grad_norm": 3.0, "val_loss": 1.25, "val_accuracy": 0.75, "val_macro_f1": 0.5,
    } | more  # fmt: skip


def report(num_steps=80, **more):
    values = {
        "title": "a run", "model": "minilm", "data": "sample", "ending": "Finished.",
        "settings": {}, "defaults": {}, "best_step": 80, "label_names": ["a", "b"],
        "history": [evaluation(40), evaluation(80)], "machine": {},
        "steps": [step(i) for i in range(1, num_steps + 1)],
    }  # fmt: skip
    return Report(**values | more)


def drawn(panel, report):
    """The lines of a panel by name, and the axes."""
    axes = Figure().subplots()
    draw_panel(axes, panel, report)
    return {line.get_label(): line.get_xydata() for line in axes.lines}, axes


def page_of(folder, report):
    write_report(folder, report)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_every_step_is_drawn_with_the_evaluations_on_the_same_axis():
    lines, axes = drawn(LOSS, report())
    np.testing.assert_allclose(lines["training"], [(i, 2 / i) for i in range(1, 81)])
    np.testing.assert_allclose(lines["validation"], [(40, 1.25), (80, 1.25)])
    assert lines["weights kept"][0, 0] == 80 and axes.get_xlabel() == "step"
    assert not axes.collections
    for panel, key in ((RATE, "learning_rate"), (NORM, "grad_norm")):
        lines, other = drawn(panel, report())
        np.testing.assert_allclose(lines["training"], [(i, step(i)[key]) for i in range(1, 81)])
        assert other.get_xlim() == axes.get_xlim()


def test_many_steps_are_running_means_in_a_band_of_their_values():
    made = report(1000)
    assert window_of(1000) == 21
    lines, axes = drawn(NORM, made)
    line = lines["training"]
    assert len(line) == MOST_POINTS
    # The norm of step i is i, so a mean over a whole window is i as well.
    inner = (line[:, 0] > 10) & (line[:, 0] <= 990)
    np.testing.assert_allclose(line[inner, 1], line[inner, 0])
    # The windows at the ends are shorter: steps 1 to 11.
    np.testing.assert_allclose(line[0], (1, 6))
    (band,) = axes.collections
    bounds = band.get_datalim(axes.transData)
    assert (bounds.y0, bounds.y1) == (1, 1000)
    lines, axes = drawn(RATE, made)
    assert not axes.collections
    np.testing.assert_allclose(lines["training"][:, 1], 1e-4 / lines["training"][:, 0])


@pytest.mark.parametrize("count", [1, 2, 99, 100, 301, 4999, 100_000])
def test_no_step_is_outside_all_windows(count):
    values = np.random.default_rng(0).normal(size=count)
    found = smoothed(np.stack([np.arange(count), values], axis=1))
    assert len(found) == min(count, MOST_POINTS)
    assert (found[:, 3].max(), found[:, 2].min()) == (values.max(), values.min())
    half, centres = window_of(count) // 2, places(count)
    assert centres[0] == 0 and centres[-1] == count - 1
    assert np.diff(centres, prepend=0).max() <= 2 * half + 1


def test_the_page_says_how_it_was_smoothed(tmp_path):
    page = page_of(tmp_path, report(100))
    assert "An epoch has 40 steps. Training loss and gradient norm are running means of 3" in page
    assert "pale band" in page and "log.jsonl has the values of each step" in page
    assert "over the steps" in page and "over the epochs" not in page
    few = page_of(tmp_path, report(99))
    assert "An epoch has 40 steps. log.jsonl" in few and "running means" not in few


def test_a_long_run_has_a_small_page(tmp_path):
    assert len(page_of(tmp_path, report(50_000))) < 200_000


def test_a_run_without_a_log_is_drawn_over_its_epochs(tmp_path):
    made = report(steps=[])
    lines, axes = drawn(LOSS, made)
    np.testing.assert_allclose(lines["training"], [(1, 1.5), (2, 1.5)])
    assert lines["weights kept"][0, 0] == 2 and axes.get_xlabel() == "epoch"
    page = page_of(tmp_path, made)
    assert "Loss over the epochs" in page and "log.jsonl" not in page
    assert "Training values are means since the previous evaluation" in page


def test_a_log_of_an_earlier_version_has_the_loss_of_the_evaluations():
    old = [{k: v for k, v in row.items() if k != "step_loss"} for row in report().steps]
    lines, _ = drawn(LOSS, report(steps=old))
    np.testing.assert_allclose(lines["training"], [(40, 1.5), (80, 1.5)])


def test_steps_that_overflowed_and_runs_without_an_evaluation(tmp_path):
    steps = [step(1, grad_norm=None), step(2, step_loss=None), step(3, grad_norm=float("inf"))]
    made = report(history=[], best_step=None, steps=steps)
    assert [panel.title for panel in panels_of(made)] == ["Loss", "Learning rate", "Gradient norm"]
    lines, _ = drawn(NORM, made)
    np.testing.assert_allclose(lines["training"], [(2, 2)])
    page = page_of(tmp_path, made)
    assert "An epoch has" not in page and "dashed line" not in page


def test_each_chart_has_a_sentence_that_explains_it(tmp_path):
    page = page_of(tmp_path, report())
    found = re.findall(r"<figcaption><b>(.+?)</b> (.+?\.)</figcaption>", page)
    assert [title for title, _ in found] == [panel.title for panel in PANELS]


def rule(selector):
    """The declarations of a rule of the style sheet."""
    return re.search(rf"(?:^|}}|\n){re.escape(selector)}{{(.+?)}}", STYLE_SHEET, re.S)[1]


def test_words_break_only_where_a_line_cannot_hold_them():
    # `anywhere` and `break-all` let a column become narrower than its words; `break-word` does not.
    assert not re.search("anywhere|break-all|hyphens:auto", STYLE_SHEET)
    assert {"overflow-wrap:break-word", "hyphens:manual"} <= set(rule("body").split(";"))
    assert rule(".scroll") == "overflow-x:auto"


def test_long_names_break_after_their_separators(tmp_path):
    assert broken("short_name") == "short_name"
    assert broken("/home/me/a&b/some_news.csv") == (
        "/<wbr>home/<wbr>me/<wbr>a&amp;b/<wbr>some_<wbr>news.<wbr>csv"
    )
    made = report(settings={"gradient_accumulation": "/data/of/the/last/year.csv"})
    page = page_of(tmp_path, made)
    assert "<code>gradient_<wbr>accumulation</code>" in page
    assert "<code>/<wbr>data/<wbr>of/<wbr>the/<wbr>last/<wbr>year.<wbr>csv</code>" in page
