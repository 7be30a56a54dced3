"""What a model card says of a model; a run records it next to the card."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlx_finbert.checkpoints.files import ADAPTER_WEIGHTS, read_json
from mlx_finbert.errors import InputError, shown
from mlx_finbert.files.atomic import file_sha256, write_text

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
    is_quantized: bool = False
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
    teacher: str | None = None
    """The public name of the classifier that the model was distilled from."""
    unlabelled_rows: int = 0
    """The number of further texts that only the teacher labelled."""
    epoch: float | None = None
    chosen_by: str | None = None
    """The metric by which the epoch was chosen; `last` for the last one."""
    temperature: float = 1.0
    """The temperature of the calibration that the head contains."""
    measured: list[Measured] = field(default_factory=list)


def is_figure(value: float | None) -> bool:
    """Whether a value can stand in a card: neither undefined nor infinite."""
    return value is not None and math.isfinite(value)


def write_facts(folder: Path, facts: CardFacts, readme: str, model: Path) -> None:
    """Record the facts, and the hashes of the card and of the weights that they belong to.

    Args:
        folder: where to write.
        facts: what the card says.
        readme: the card.
        model: the folder of the weights.
    """
    hashes = {"readme_sha256": sha256(readme), "weights_sha256": weights_sha256(model)}
    write_text(folder / FACTS, json.dumps(asdict(facts) | hashes, indent=2) + "\n")


def read_facts(folder: Path) -> tuple[CardFacts | None, str | None]:
    """Read the facts of a run's folder and its card's hash; None for a folder without.

    Raises:
        InputError: if the file is damaged, or belongs to other weights than those in the folder.
    """
    path = folder / FACTS
    if not path.is_file():
        return None, None
    found = read_json(path)
    try:
        readme, weights = str(found.pop("readme_sha256")), str(found.pop("weights_sha256"))
        measured = [Measured(**values) for values in found.pop("measured")]
        facts = CardFacts(**found, measured=measured)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path} is damaged ({shown(error)}): resume the run, which writes it again, or remove"
            " it to leave out what it records"
        ) from None
    if weights != weights_sha256(folder):
        raise InputError(
            f"{path} and README.md are of an earlier model than the weights in the folder: remove"
            " both to have a card made without their figures"
        )
    return facts, readme


def weights_sha256(folder: Path) -> str | None:
    """Hash the file that a run writes its weights to; None if there is none."""
    paths = (folder / name for name in (ADAPTER_WEIGHTS, "model.safetensors"))
    return next((file_sha256(path) for path in paths if path.is_file()), None)


def sha256(text: str) -> str:
    """Hash a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
