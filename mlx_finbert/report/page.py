"""The HTML page of a report: its order, and the sections around the results."""

from typing import Any

from mlx_finbert.report.charts import Panel, draw_panel, panels_of
from mlx_finbert.report.contents import Report
from mlx_finbert.report.markup import STYLE_SHEET, figure, key, section, sentence, table, text
from mlx_finbert.report.pictures import svg
from mlx_finbert.report.sections import result_sections

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
    headline, *others = result_sections(report) or [""]
    parts = [header(report), headline, curves(report), *others, settings(report), the_run(report)]
    content = "\n".join(part for part in parts if part)
    return PAGE.format(title=text(report.title), style=STYLE_SHEET, content=content)


def header(report: Report) -> str:
    """The model, the data, and how the run ended."""
    lines = (f"{report.model} on {report.data}", report.ending)
    paragraphs = "".join(f"<p>{sentence(line)}</p>" for line in lines)
    return f"<header>\n<h1>{text(report.title)}</h1>\n{paragraphs}\n</header>"


def curves(report: Report) -> str:
    """The section with a chart for each metric in the history."""
    charts = "".join(curve(report, panel) for panel in panels_of(report.history))
    note = "Training values are means since the previous evaluation, with dropout on."
    note += " history.csv holds all values."
    if report.best_epoch is not None:
        note += f" The dashed line marks step {report.best_step:,}, whose weights were kept."
    legend = key({"before": "training", "accent": "validation"})
    grid = f"<div class=charts>{charts}</div>"
    return section("Training", note, legend, grid) if charts else ""


def curve(report: Report, panel: Panel) -> str:
    """One chart over the epochs."""
    picture = svg(
        lambda f: draw_panel(f.subplots(), panel, report.history, report.best_epoch),
        PANEL_SIZE,
        panel.title,
        f"{panel.title} over the epochs",
    )
    return figure(picture, panel.title)


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
    return f"<code>{text(value)}</code>"


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
    rows = {
        name: form.format(value) for name, (value, form) in figures.items() if value is not None
    }
    cells = [(text(name), text(value)) for name, value in (rows | report.machine).items()]
    notes = "".join(f"<li>{sentence(note)}</li>" for note in report.notes)
    return section("The run", "", f"<ul>{notes}</ul>" if notes else "", table((), cells))
