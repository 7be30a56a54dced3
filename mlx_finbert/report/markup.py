"""HTML from plain values; everything except markup is escaped by `text`."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from mlx_finbert.evaluation.text import is_control


def text(value: Any) -> str:
    """Escape a value, without the characters that HTML does not allow."""
    return escape("".join(c for c in str(value) if c in "\n\t" or not is_control(c)))


def isolated(name: str) -> str:
    """Escape a name and isolate its text direction from the text around it."""
    return f"<bdi>{text(name)}</bdi>"


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


def figure(picture: str, caption: str = "") -> str:
    """An SVG element below its caption."""
    caption = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return f"<figure>{caption}<div class=scroll>{picture}</div></figure>"


def key(lines: dict[str, str]) -> str:
    """A legend, from names of the style sheet's colours and their meanings."""
    items = (
        f'<span><i style="border-color:var(--{color})"></i>{text(meaning)}</span>'
        for color, meaning in lines.items()
    )
    return f"<p class=key>{''.join(items)}</p>"
