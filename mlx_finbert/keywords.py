"""Settings as the keyword arguments of a Python function, which a command takes as flags."""

import dataclasses
import inspect
import os
import typing
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from mlx_finbert.errors import InputError
from mlx_finbert.flag_names import name_meant
from mlx_finbert.settings import bare, require_type

Function = TypeVar("Function", bound=Callable)


def takes_settings(
    settings_class: type, without: Collection[str] = ()
) -> Callable[[Function], Function]:
    """Show the fields of a settings class in the signature of a function that takes `**settings`.

    Args:
        settings_class: The class.
        without: Fields that the function does not take.
    """

    def shown(function: Function) -> Function:
        own = inspect.signature(function)
        named = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        skipped = {p.name for p in named} | {*without}
        more = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default)
            for f in dataclasses.fields(settings_class)
            if f.name not in skipped
        ]
        function.__signature__ = own.replace(parameters=named + more)  # type: ignore[attr-defined]
        return function

    return shown


def from_keywords(
    settings_class: type, given: Mapping[str, Any], without: Collection[str] = ()
) -> dict[str, Any]:
    """Check the keyword arguments of a Python function against the fields of a settings class.

    A path becomes text, an integer a float where one is expected, and text or a tuple a list.
    A dictionary becomes the `A=B,...` that a command takes.

    Args:
        settings_class: The class.
        given: The arguments.
        without: Fields that the function does not take.

    Raises:
        InputError: If there is no such field or a value has another type; names the parameter.
    """
    names = [f.name for f in dataclasses.fields(settings_class) if f.name not in without]
    hints = typing.get_type_hints(settings_class)
    values = {}
    for name, value in given.items():
        if name not in names:
            meant = name_meant(name, names)
            advice = f"; did you mean `{meant}`?" if meant else ""
            raise InputError(f"there is no parameter `{name}`{advice}")
        values[name] = _from_python(value, bare(hints[name]))
        require_type(name, values[name], hints[name])
    return values


def _from_python(value: Any, hint: Any) -> Any:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if typing.get_origin(hint) is list:
        if isinstance(value, Mapping):
            return [f"{key}={item}" for key, item in value.items()]
        if isinstance(value, str):
            return [part.strip() for part in value.split(",")]
        return [*value] if isinstance(value, tuple) else value
    if hint is str and isinstance(value, Mapping):
        return ",".join(f"{_quoted(key)}={_quoted(name)}" for key, name in value.items())
    # NumPy's integers and floats are numbers, too; truth values are not meant.
    if hint in (int, float) and not isinstance(value, bool):
        if isinstance(value, Integral):
            return hint(value)
        return float(value) if isinstance(value, Real) else value
    return value


def _quoted(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if {*text} & {*',="'} else text
