"""Charts as SVG elements of the page and as PNG files, in one style."""

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from mlx_finbert.report.charts import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[["Figure"], None]
"""A function that draws on an empty figure of matplotlib."""

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": COLORS["line"],
    "axes.labelcolor": COLORS["muted"],
    "axes.linewidth": 0.7,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "figure.constrained_layout.use": True,
    "font.size": 8.5,
    "grid.color": COLORS["line"],
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    # Keep text as text: it can be selected, and browsers have characters that matplotlib lacks.
    "svg.fonttype": "none",
    "text.color": COLORS["ink"],
    # Text between two dollar signs of a label's name is not a formula.
    "text.parse_math": False,
    "xtick.color": COLORS["muted"],
    "xtick.major.size": 0,
    "ytick.color": COLORS["muted"],
    "ytick.major.size": 0,
}
VARIABLES = {color: f"var(--{name})" for name, color in COLORS.items()}
DROPPED = ("metadata", "style")
"""Elements of matplotlib's SVG to drop: its version and date, and a style for the whole page."""


def svg(draw: Draw, size: tuple[float, float], name: str, description: str) -> str:
    """An SVG element for the page.

    Args:
        draw: draws the chart.
        size: width and height in inches.
        name: name of the picture, unique on the page.
        description: for screen readers.
    """
    # The salt makes the ids in the picture reproducible, and different from other pictures'.
    data = saved(draw, size, {"svg.hashsalt": name}, format="svg")
    root = ElementTree.fromstring(data)
    referenced = set(re.findall(r"#([\w-]+)", data.decode()))
    for element in list(root.iter()):
        clean(element, referenced)
    view = root.attrib["viewBox"]
    width = float(view.split()[2])
    # A point is 4/3 of a CSS pixel. Wide pictures shrink by up to 40%, then they scroll.
    style = f"max-width:{width * 4 / 3:.0f}px;min-width:{width * 0.8:.0f}px"
    root.attrib = {"viewBox": view, "style": style, "role": "img", "aria-label": description}
    return ElementTree.tostring(root, encoding="unicode")


def png(draw: Draw, size: tuple[float, float] = (6, 4)) -> bytes:
    """A PNG file of this width and height in inches, unless `draw` sets another size."""
    return saved(draw, size, {}, format="png", dpi=150)


def saved(draw: Draw, size: tuple[float, float], style: dict[str, Any], **options: Any) -> bytes:
    """Save a chart, independently of the user's matplotlib settings."""
    import matplotlib.style
    from matplotlib.figure import Figure

    data = io.BytesIO()
    with matplotlib.style.context(STYLE | style, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=size)
        draw(figure)
        figure.savefig(data, transparent=options["format"] == "svg", **options)
    return data.getvalue()


def clean(element: ElementTree.Element, referenced: set[str]) -> None:
    """Make an element fit for HTML: no namespaces, the page's colours, only ids that are used."""
    element.tag = local(element.tag)
    element.text, element.tail = (element.text or "").strip(), ""
    for child in [child for child in element if local(child.tag) in DROPPED]:
        element.remove(child)
    element.attrib = {local(key): value for key, value in element.attrib.items()}
    if element.get("id") not in referenced:
        element.attrib.pop("id", None)
    if style := element.get("style"):
        element.set("style", re.sub(r"#\w{6}", lambda m: VARIABLES.get(m[0], m[0]), style))


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]
