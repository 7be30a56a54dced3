"""HTML from plain values, and its style sheet; everything except markup is escaped by `text`."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from mlx_finbert.evaluation.text import is_control
from mlx_finbert.report.charts import COLORS

LONGEST_WHOLE = 20
"""Longer names and paths may break after a separator, to fit a phone's width."""


def text(value: Any) -> str:
    """Escape a value, without the characters that HTML does not allow."""
    return escape("".join(c for c in str(value) if c in "\n\t" or not is_control(c)))


def sentence(message: str) -> str:
    """Escape a message; the parameters that it names in backticks become code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text(message))


def breakable(value: Any) -> str:
    """Escape a value; long paths and names in it may break after their separators."""
    return "".join(map(broken, re.split(r"(\s+)", str(value))))


def broken(word: str) -> str:
    """Escape a word, with the places where it may break if it is long."""
    if len(word) <= LONGEST_WHOLE:
        return text(word)
    return re.sub(r"([/_.:,-])(?=\w)", r"\1<wbr>", text(word))


def isolated(name: str) -> str:
    """Escape a name and isolate its text direction from the text around it."""
    return f"<bdi>{breakable(name)}</bdi>"


def section(title: str, note: str, *parts: str) -> str:
    """A heading, a note in plain text, and parts that are already HTML."""
    note = f'<p class="note">{text(note)}</p>' if note else ""
    return "\n".join((f"<section>\n<h2>{text(title)}</h2>{note}", *parts, "</section>"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], name: str = "") -> str:
    """A table of cells that are already HTML; the first cell of a row is its heading.

    The name is the CSS class: `numbers` aligns cells to the right.
    """
    lines = [
        f"<tr><th scope=row>{first}</th>" + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    ]
    titles = "".join(f"<th scope=col>{text(title)}</th>" for title in head)
    return "\n".join(
        (
            f'<div class=scroll><table class="{name}">',
            f"<thead><tr>{titles}</tr></thead>" if head else "",
            "<tbody>",
            *lines,
            "</tbody></table></div>",
        )
    )


def figure(picture: str, title: str = "", explanation: str = "") -> str:
    """An SVG element below its title and a sentence that explains it."""
    caption = f"<b>{text(title)}</b> {text(explanation)}".strip()
    caption = f"<figcaption>{caption}</figcaption>" if title else ""
    return f"<figure>{caption}<div class=scroll>{picture}</div></figure>"


def key(lines: dict[str, str]) -> str:
    """A legend, from names of the style sheet's colours and their meanings."""
    items = (
        f'<span><i style="border-color:var(--{color})"></i>{text(meaning)}</span>'
        for color, meaning in lines.items()
    )
    return f"<p class=key>{''.join(items)}</p>"


LIGHT = COLORS | {"page": "#ffffff", "panel": "#f5f6f8", "wrong": "#b3451b"}
DARK = {
    "ink": "#e5e8eb",
    "muted": "#98a2ad",
    "line": "#2f363d",
    "before": "#7b8692",
    "accent": "#7da9f2",
    "on-accent": "#0b0e12",
    "page": "#14171a",
    "panel": "#1c2126",
    "wrong": "#f0946c",
}

RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font-variant-numeric:tabular-nums;
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
  -webkit-text-size-adjust:100%;overflow-wrap:break-word;hyphens:manual}
main{max-width:66rem;margin:0 auto;padding:2.5rem 1.25rem 3rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.1rem;margin:0 0 .35rem;break-after:avoid}
section{margin-top:2.2rem;padding-top:1.1rem;border-top:1px solid var(--line)}
header p,.note{color:var(--muted);margin:.15rem 0}
.note{max-width:46rem}
.tiles,.charts{display:grid;gap:.75rem;margin-top:.9rem}
.tiles{grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}
.tiles>div{background:var(--panel);border-radius:.5rem;padding:.75rem .9rem;break-inside:avoid}
.tiles b{display:block;font-size:1.55rem;font-weight:600;line-height:1.25}
.tiles span{display:block}
figcaption b{display:block;color:var(--ink);font-weight:600}
.tiles span,small,figcaption,thead th{color:var(--muted);font-size:.87em;font-weight:400}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:1.25rem 1.5rem}
figure{margin:0;min-width:0;break-inside:avoid}
svg{display:block;width:100%;height:auto}
svg *{stroke-linejoin:round}
svg text{font-family:inherit!important}
.key{margin:.5rem 0 0;color:var(--muted);font-size:.87em}
.key span{margin-right:1.2em;white-space:nowrap}
.key i{display:inline-block;width:1.5em;margin-right:.4em;vertical-align:middle;
  border-top:2px solid}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin-top:.7rem}
th,td{padding:.35rem 1.6rem .35rem 0;text-align:left;vertical-align:top;font-weight:400;
  border-bottom:1px solid var(--line)}
th:first-child{min-width:5.5rem;max-width:min(18rem,60vw)}
th:last-child,td:last-child{padding-right:0}
td{max-width:min(24rem,80vw)}
.numbers td,.numbers th:not(:first-child){text-align:right;white-space:nowrap}
.pair{display:grid;gap:0 2.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
.defaults{columns:17rem;column-gap:2.5rem;list-style:none;padding:0;font-size:.88rem}
.defaults li{display:flex;justify-content:space-between;gap:1rem}
.defaults code:first-child{flex:none}
.defaults code:last-child{min-width:0;text-align:right}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
ol{list-style:none;margin:.7rem 0 0;padding:0}
li{padding:.7rem 0;border-bottom:1px solid var(--line);break-inside:avoid}
li p{margin:.2rem 0 0;white-space:pre-line}
.wrong{color:var(--wrong);font-weight:600}
ul{margin:.7rem 0 0;padding-left:1.1rem}
ul li{padding:.1rem 0;border:0}
@media(max-width:34rem){main{padding:1.4rem 1rem 2rem}.numbers small{display:block}}
@media print{body{font-size:9pt}main{max-width:none;padding:0}section{margin-top:1.2rem}
  .tiles>div{border:1px solid var(--line)}.note,.key{break-after:avoid}tr{break-inside:avoid}
  .tiles{grid-template-columns:repeat(3,1fr)}.charts,.pair{grid-template-columns:1fr 1fr}
  svg{min-width:0!important}}
"""


def variables(colors: dict[str, str]) -> str:
    """A CSS rule that defines the colours."""
    return ":root{" + ";".join(f"--{name}:{color}" for name, color in colors.items()) + "}"


STYLE_SHEET = (
    ":root{color-scheme:light dark}"
    + variables(LIGHT)
    # Print in light colours, even from a dark screen.
    + "@media screen and (prefers-color-scheme:dark){" + variables(DARK) + "}"
    + RULES
)  # fmt: skip
