"""The HTML page of a report: its order, and the sections around the results."""

from typing import Any

from mlx_finbert.report.contents import Report
from mlx_finbert.report.curves import Panel, draw_panel, panels_of, training_points, window_of
from mlx_finbert.report.markup import (
    STYLE_SHEET,
    breakable,
    figure,
    key,
    section,
    sentence,
    table,
    text,
)
from mlx_finbert.report.pictures import svg
from mlx_finbert.report.sections import result_sections
from mlx_finbert.report.student import student_section

PANEL_SIZE = (3.6, 2.1)

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""


def page(report: Report) -> str:
    """The complete page, without scripts or external files."""
    headline, *others = result_sections(report) or [figures(report)]
    student = student_section(report.distillation) if report.distillation else ""
    first = [header(report), headline, student, curves(report)]
    parts = [*first, *others, settings(report), the_run(report)]
    content = "\n".join(part for part in parts if part)
    return PAGE.format(title=text(report.title), style=STYLE_SHEET, content=content)


def header(report: Report) -> str:
    """The model, the data, and how the run ended."""
    lines = (f"{report.model} on {report.data}", report.ending)
    paragraphs = "".join(f"<p>{sentence(line)}</p>" for line in lines)
    return f"<header>\n<h1>{text(report.title)}</h1>\n{paragraphs}\n</header>"


def figures(report: Report) -> str:
    """The section with the main figures of a run without predictions; empty without any."""
    if not report.tiles:
        return ""
    tiles = "".join(
        f"<div><span>{text(tile.title)}</span><b>{text(tile.value)}</b>"
        f"<small>{text(tile.explanation)}</small></div>"
        for tile in report.tiles
    )
    return section("Results", report.tiles_note, f"<div class=tiles>{tiles}</div>")


def curves(report: Report) -> str:
    """The section with a chart for each figure of the training."""
    charts = "".join(curve(report, panel) for panel in panels_of(report))
    legend = key({"before": "training", "accent": "validation"})
    grid = f"<div class=charts>{charts}</div>"
    return section("Training", about_curves(report), legend, grid) if charts else ""


def about_curves(report: Report) -> str:
    """How the curves were made, and where their values are."""
    if report.steps:
        sentences = [*epoch_length(report), *smoothing(report)]
        sentences.append("log.jsonl has the values of each step, history.csv of each evaluation.")
    else:
        sentences = [
            "Training values are means since the previous evaluation, with dropout on.",
            "history.csv has all values.",
        ]
    if report.best_position is not None:
        kept = f"step {report.best_step:,}, whose weights were kept"
        sentences.append(f"The dashed line marks {kept}.")
    return " ".join(sentences)


def epoch_length(report: Report) -> list[str]:
    """A sentence about the number of steps in an epoch, if an evaluation tells it."""
    for row in reversed(report.history):
        if row.get("epoch"):
            return [f"An epoch has {round(row['step'] / row['epoch']):,} steps."]
    return []


def smoothing(report: Report) -> list[str]:
    """A sentence about the running means, if any curve has them."""
    lengths = [
        len(line)
        for panel in panels_of(report)
        for line, by_step in [training_points(report, panel)]
        if by_step and panel.smooth
    ]
    window = window_of(max(lengths, default=0))
    if window == 1:
        return []
    names = [p.title.lower() for p in report.panels if p.step and p.smooth]
    return [
        f"Training {', '.join(names[:-1])} and {names[-1]} are running means of {window:,} steps;"
        " the pale band spans the values of these steps."
    ]


def curve(report: Report, panel: Panel) -> str:
    """One chart over the steps or the epochs."""
    picture = svg(
        lambda f: draw_panel(f.subplots(), panel, report),
        PANEL_SIZE,
        panel.title,
        f"{panel.title} over the {report.axis}s",
    )
    return figure(picture, panel.title, panel.explanation)


def settings(report: Report) -> str:
    """The section of settings: those that differ from their default, then the others."""
    given, defaults = report.settings, report.defaults
    changed = [name for name in given if name not in defaults or given[name] != defaults[name]]
    rows = [
        (code(name), code(plain(given[name])), code(plain(defaults.get(name)))) for name in changed
    ]
    others = "".join(
        f"<li>{code(name)} {code(plain(value))}</li>"
        for name, value in given.items()
        if name not in changed
    )
    note = f"{len(changed)} of {len(given)} settings differ from their default; the others follow."
    first = table(("setting", "value", "default"), rows) if rows else ""
    return section("Settings", note, first, f"<ul class=defaults>{others}</ul>")


def code(value: str) -> str:
    return f"<code>{breakable(value)}</code>"


def plain(value: Any) -> str:
    """A setting as in `config.yaml`."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def the_run(report: Report) -> str:
    """The section with speed, memory, machine, versions and the run's messages."""
    figures = {
        "padding": (report.padding_waste, "{:.1%} of the positions in a training epoch"),
        "speed": (report.tokens_per_second, "{:,.0f} tokens per second, without padding"),
        "peak memory": (report.peak_memory and report.peak_memory / 1e9, "{:.2f} GB"),
    }
    measured = {
        name: form.format(value) for name, (value, form) in figures.items() if value is not None
    }
    rows = report.facts | measured | report.machine
    cells = [(text(name), text(value)) for name, value in rows.items()]
    notes = "".join(f"<li>{sentence(note)}</li>" for note in report.notes)
    return section("The run", "", f"<ul>{notes}</ul>" if notes else "", table((), cells))
