"""The values of Arrow columns as Python's own, and those that Python cannot hold.

A date beyond the year 9999, bytes that are not UTF-8 and a time zone that nobody knows are refused
only if they are used: a column that is passed through keeps them as Arrow has them.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlx_finbert.errors import first_line

if TYPE_CHECKING:
    import pyarrow

# OverflowError: a date outside the years 1 to 9999. UnicodeDecodeError, a ValueError: a string that
# is not UTF-8. ValueError, KeyError: a repeated key of an object, nanoseconds, a time zone.
UNFIT = (ValueError, OverflowError, LookupError, TypeError, NotImplementedError)


@dataclass(frozen=True)
class ArrowValue:
    """A value of a Parquet file that has no form in Python."""

    scalar: "pyarrow.Scalar"
    why: str
    """A clause: "a string of Parquet that cannot be read (...)"."""

    def __repr__(self) -> str:
        """The type and a hash: the same for equal values only, whatever they hold."""
        return f"<{self.scalar.type} {sha256_of(self.scalar)}>"


def sha256_of(scalar: "pyarrow.Scalar") -> str:
    """Hash a value by its bytes in Arrow's own format, in hexadecimal."""
    import pyarrow

    column = pyarrow.array([scalar], scalar.type)
    batch = pyarrow.record_batch([column], ["value"])
    return hashlib.sha256(batch.serialize().to_pybytes()).hexdigest()


def python_values(column: "pyarrow.Array") -> list[Any]:
    """Return a column as a list of Python's values, with an `ArrowValue` for each that has none."""
    try:
        return list(column.to_pylist())
    except UNFIT:
        return [python_value(scalar) for scalar in column]


def python_value(scalar: "pyarrow.Scalar") -> Any:
    """Return Python's value of a scalar; of an object, as many fields as have one."""
    import pyarrow

    try:
        return scalar.as_py()
    except UNFIT as error:
        if isinstance(scalar, pyarrow.StructScalar):
            names = [field.name for field in scalar.type]
            if len({*names}) == len(names):
                return {name: python_value(scalar[name]) for name in names}
        kind = str(scalar.type)
        return ArrowValue(scalar, f"a {kind} that cannot be read ({first_line(error)[:200]})")


def arrow_form(value: Any) -> Any:
    """Return a value in a form that `pyarrow.array` takes; the inverse of `python_value`."""
    if isinstance(value, ArrowValue):
        return value.scalar
    if isinstance(value, dict):
        return {name: arrow_form(item) for name, item in value.items()}
    return value
