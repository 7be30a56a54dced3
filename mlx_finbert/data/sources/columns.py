"""How to read a table, and the refusal of what a source would not read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

from mlx_finbert.data.tables.read_options import ReadOptions
from mlx_finbert.errors import InputError

FLAGS = {
    "text": "--text-column",
    "label": "--label-column",
    "split": "--split-column",
    "label_names": "--labels",
    "label_map": "--label-map",
    "drop_bad_rows": "--drop-bad-rows",
    "encoding": "--encoding",
    "delimiter": "--delimiter",
    "header": "--header",
}

OF_FORMS = ("encoding", "delimiter", "header")
"""The fields that only files have a use for."""


@dataclass
class Columns:
    """The flags that say how to read a table that is not one of the named sources."""

    text: str = "text"
    label: str = "label"
    split: str | None = None
    label_names: Sequence[str] | None = None
    label_map: Mapping[str, str] | None = None
    """As `read_label_map` reads it."""
    drop_bad_rows: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None

    @property
    def options(self) -> ReadOptions:
        """What of this is on the form of a file."""
        return ReadOptions(self.encoding, self.delimiter, self.header)

    def by_flag(self) -> dict[str, str]:
        """The columns that are wanted, by the flags that name them."""
        columns = {FLAGS[name]: getattr(self, name) for name in ("text", "label", "split")}
        return {flag: name for flag, name in columns.items() if name}

    def require_unused(self, source: str, used: Collection[str] = ()) -> None:
        """Refuse a flag that says something about columns that the source does not have."""
        for field in fields(self):
            # Runs of earlier versions have recorded their default encoding.
            usual = (field.default, "utf-8") if field.name == "encoding" else (field.default,)
            if field.name not in used and getattr(self, field.name) not in usual:
                flag = "--no-header" if getattr(self, field.name) is False else FLAGS[field.name]
                raise InputError(f"{flag} has no meaning for --data {source}: leave it out")
