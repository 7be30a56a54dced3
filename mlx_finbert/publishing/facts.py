"""What a model card says of a model; a run records it next to the card."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlx_finbert.checkpoints.files import read_json
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import write_text

FACTS = "card.json"
"""The file of a run's folder with the facts of its card."""


@dataclass
class Measured:
    """The figures of some rows."""

    split: str
    """`validation` or `test`."""
    figures: dict[str, float]
    intervals: dict[str, list[float]] = field(default_factory=dict)
    """95% intervals of the figures that have one."""
    rows: int | None = None
    """The number of rows; None if it was not recorded."""
    rows_in_all: int | None = None
    """The number of rows that the split has; more than `rows` after Ctrl-C."""

    def __post_init__(self) -> None:
        self.figures = {name: value for name, value in self.figures.items() if is_figure(value)}
        self.intervals = {
            name: list(bounds)
            for name, bounds in self.intervals.items()
            if name in self.figures and all(is_figure(bound) for bound in bounds)
        }


@dataclass(kw_only=True)
class CardFacts:
    """The facts of a card; None where nothing records them."""

    labels: list[str]
    """In the order of the logits."""
    model_type: str
    is_adapters: bool = False
    model: str | None = None
    """The public name of the model that the run started from."""
    base_model: str | None = None
    """That model's id on the hub."""
    data: str | None = None
    """The public name of the training data."""
    dataset: str | None = None
    """Their id on the hub."""
    data_licence: str | None = None
    train_rows: int | None = None
    epoch: float | None = None
    chosen_by: str | None = None
    """The metric by which the epoch was chosen; `last` for the last one."""
    temperature: float = 1.0
    """The temperature of the calibration that the head contains."""
    measured: list[Measured] = field(default_factory=list)


def is_figure(value: float | None) -> bool:
    """Whether a value can stand in a card: neither undefined nor infinite."""
    return value is not None and math.isfinite(value)


def write_facts(folder: Path, facts: CardFacts, readme: str) -> None:
    """Record the facts, and the hash of the card that was made of them."""
    text = json.dumps(asdict(facts) | {"readme_sha256": sha256(readme)}, indent=2)
    write_text(folder / FACTS, text + "\n")


def read_facts(folder: Path) -> tuple[CardFacts | None, str | None]:
    """Read the facts of a run's folder and its card's hash; None for a folder without.

    Raises:
        InputError: if the file is damaged.
    """
    path = folder / FACTS
    if not path.is_file():
        return None, None
    found = read_json(path)
    try:
        hashed = str(found.pop("readme_sha256"))
        measured = [Measured(**values) for values in found.pop("measured")]
        return CardFacts(**found, measured=measured), hashed
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged ({error}): resume the run, which writes it again, or remove it to"
            " leave out what it records"
        ) from None


def sha256(text: str) -> str:
    """Hash a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
