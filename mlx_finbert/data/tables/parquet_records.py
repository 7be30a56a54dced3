"""The reader of Parquet files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_finbert.data.tables.arrow_values import UNFIT, python_values
from mlx_finbert.data.tables.compressed import open_bytes
from mlx_finbert.data.tables.records import (
    Record,
    Row,
    TableFile,
    has_column,
    missing_column,
    repeated,
)
from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.archives import read_within
from mlx_finbert.files.json_text import parse_json

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

PARQUET_ROWS = 4096
"""The number of rows in memory at a time."""


class ParquetRecords(TableFile):
    """A Parquet file; a compressed one is unpacked in memory."""

    def __init__(self, path: Path, is_packed: bool = False) -> None:
        """
        Args:
            path: The file.
            is_packed: Whether the file is compressed (zip, gzip, ...).

        Raises:
            InputError: If the file cannot be read, or two columns have one name.
        """
        self.path, self.is_packed = path, is_packed
        with self._file() as file:
            self.schema = file.schema_arrow
        if twice := repeated(self.schema.names):
            raise InputError(f"{path}: two columns have one name, {twice[0]!r}: rename one of them")
        self.columns = {field.name: parts_of(field.type) for field in self.schema}
        self.features = features_of(self.schema)

    def records(self) -> Iterator[Record]:
        number = 0
        with self._file() as file:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                columns = map(python_values, batch.columns)
                for values in zip(*columns, strict=True):
                    number += 1
                    yield Record(number, None, dict(zip(self.columns, values, strict=True)))

    def require_columns(self, columns: Mapping[str, str]) -> None:
        for parameter, column in columns.items():
            if not has_column(self.columns, column):
                raise missing_column(self.columns, column, str(self.path), parameter)

    @contextmanager
    def _file(self) -> Iterator["pyarrow.parquet.ParquetFile"]:
        import pyarrow
        import pyarrow.parquet

        try:
            with pyarrow.parquet.ParquetFile(self._source()) as file:
                yield file
        except InputError:
            raise
        # ValueError, KeyError, ...: names or types in the schema that Arrow does not know.
        except (pyarrow.ArrowException, OSError, MemoryError, *UNFIT) as error:
            raise InputError(
                f"{self.path} is not a readable Parquet file ({first_line(error)}): save it again"
            ) from None

    def _source(self) -> Path | BytesIO:
        if not self.is_packed:
            return self.path
        with open_bytes(self.path) as file:
            return BytesIO(read_within(file, self.path))


def features_of(schema: "pyarrow.Schema") -> dict[str, Any]:
    """Return what `datasets` stores about the columns as JSON in the metadata of the schema."""
    stored = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        return dict(parse_json(stored)["info"]["features"])
    except (ValueError, LookupError, TypeError):
        return {}


def parts_of(kind: "pyarrow.DataType") -> Row | Any:
    """Return the fields of a struct, which a dot selects, or any other type itself."""
    import pyarrow

    if not pyarrow.types.is_struct(kind):
        return kind
    return {field.name: parts_of(field.type) for field in kind}
