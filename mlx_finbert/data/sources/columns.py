"""Settings for reading a table, and checks that a source uses them."""

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
"""The fields that apply only to files."""


@dataclass
class Columns:
    """The flags for reading a table that is not one of the named sources."""

    text: str = "text"
    label: str = "label"
    split: str | None = None
    label_names: Sequence[str] | None = None
    label_map: Mapping[str, str] | None = None
    """The result of `read_label_map`."""
    drop_bad_rows: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None

    @property
    def options(self) -> ReadOptions:
        """The settings for the format of a file."""
        return ReadOptions(self.encoding, self.delimiter, self.header)

    def by_flag(self) -> dict[str, str]:
        """Return the columns to read, by the flags that name them."""
        columns = {FLAGS[name]: getattr(self, name) for name in ("text", "label", "split")}
        return {flag: name for flag, name in columns.items() if name}

    def require_unused(self, source: str, used: Collection[str] = ()) -> None:
        """Refuse a flag that the source does not use."""
        for field in fields(self):
            # Earlier versions recorded their default encoding with a run.
            usual = (field.default, "utf-8") if field.name == "encoding" else (field.default,)
            if field.name not in used and getattr(self, field.name) not in usual:
                flag = "--no-header" if getattr(self, field.name) is False else FLAGS[field.name]
                raise InputError(f"{flag} has no effect on --data {source}: remove it")
