"""Settings of a command: one dataclass that defines both its flags and its YAML file.

Each field becomes a flag: `learning_rate: float = setting(5e-5, "peak of ...")` is
`--learning-rate` on the command line and `learning_rate:` in the `--config` file. Flags override
the file, and the file overrides the defaults.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlx_finbert.errors import InputError, is_encodable, quoted, shown
from mlx_finbert.files.yaml_text import read_yaml
from mlx_finbert.flag_names import name_meant, nearest

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
"""The types of settings, in words."""

MOST = 2**63 - 1
"""The largest whole number of a setting; arrays hold no larger one."""


def setting(default: Any, help: str, **more: Any) -> Any:
    """Define a field with its help text.

    Options: `positional=True` for arguments without a flag; `recorded=False` for fields that a
    written file omits; `const=VALUE` for a flag whose value may be omitted and is then VALUE.
    """
    return dataclasses.field(default=default, metadata={"help": help, **more})


def required(help: str, advice: str, **more: Any) -> Any:
    """Define a required field; `advice` ends the error message if it is missing."""
    return dataclasses.field(metadata={"help": f"{help} (required)", "advice": advice, **more})


def is_required(field: dataclasses.Field) -> bool:
    """Whether a field was made by `required`."""
    return "advice" in field.metadata


def bare(hint: Any) -> Any:
    """Return a type without None: `int` for `int | None`."""
    if is_optional(hint):
        return next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint


def is_optional(hint: Any) -> bool:
    """Whether a type allows None."""
    # get_type_hints returns a Literal with `| None` as typing.Union.
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def kind_of(hint: Any) -> str:
    """Describe the values of a type in words."""
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        return f"a list A,B,... in which every item is {KINDS[item]}"
    return KINDS[hint]


def chosen(value: Any, choices: Sequence[str], where: str) -> Any:
    """Return a value if it is one of the choices.

    Raises:
        InputError: If it is not; lists the choices and suggests the nearest one.
    """
    if value in choices:
        return value
    near = nearest(str(value), choices, cutoff=0.5)
    meant = f"; did you mean {near}?" if near else ""
    raise InputError(f"{where} is {quoted(value)}, not one of {', '.join(choices)}{meant}")


def require(condition: bool, name: str, value: object, rule: str) -> None:
    """Refuse a setting unless the condition holds.

    Raises:
        InputError: Names the setting, its value and the rule.
    """
    if not condition:
        raise InputError(f"`{name}` is {shown(value)}: {rule}")


def require_given(settings_class: type, values: Mapping[str, Any]) -> None:
    """Refuse values, keyed by field name, in which a required one is missing or empty."""
    for field in dataclasses.fields(settings_class):
        if is_required(field) and not values.get(field.name):
            raise InputError(f"`{field.name}` is missing: {field.metadata['advice']}")


def refuse_without(settings: Any, names: Sequence[str], other: str, given: bool) -> None:
    """Refuse settings that have no effect unless another one is given.

    Args:
        settings: The settings.
        names: The fields that have no effect alone.
        other: What they need, for the message: "`lora_rank`".
        given: Whether it is given.
    """
    for field in dataclasses.fields(settings):
        if field.name in names and not given and getattr(settings, field.name) != field.default:
            raise InputError(f"`{field.name}` has no effect without {other}")


def require_encodable(settings: Any) -> None:
    """Refuse texts that cannot be written as UTF-8.

    Args:
        settings: A dataclass.

    Raises:
        InputError: Names the field.
    """
    for option in dataclasses.fields(settings):
        value = getattr(settings, option.name)
        right = not isinstance(value, str) or is_encodable(value)
        require(right, option.name, repr(value), "it must not contain half a character")


def require_types(settings: Any) -> None:
    """Check the types of values that were set from Python.

    Raises:
        InputError: If a type is wrong; names the setting.
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        require_type(field.name, getattr(settings, field.name), hints[field.name])


def require_type(name: str, value: Any, hint: Any) -> None:
    """Refuse a value that does not have the type of its setting; the error names the setting."""
    if value is None and is_optional(hint):
        return
    hint = bare(hint)
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        require(value in choices, name, value, f"one of {', '.join(choices)}")
    elif typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        right = isinstance(value, list) and all(type(part) is item for part in value)
        require(right, name, value, f"a list of {item.__name__}")
    else:
        require(type(value) is hint, name, value, f"of type {hint.__name__}")


def read_config_file(
    path: Path,
    settings_class: type,
    skip_others: bool = False,
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Read a YAML file and check each value against the type of its field.

    Args:
        path: The file.
        settings_class: The dataclass whose fields are read.
        skip_others: Skip keys that are not fields of the class instead of refusing them.
        renamed: Field names by other names that the file may use for them.
    """
    found = read_yaml(path)
    fields = {f.name: f for f in dataclasses.fields(settings_class)}
    hints = typing.get_type_hints(settings_class)
    values = {}
    for key, value in found.items():
        name = str(key).replace("-", "_")
        name = renamed.get(name, name)
        if name not in fields:
            if skip_others:
                continue
            meant = name_meant(name, fields)
            advice = f"; did you mean {meant!r}?" if meant else ""
            raise InputError(f"{path}: there is no setting {quoted(key)}{advice}")
        if value is None and is_required(fields[name]):
            # `model:` without a value counts as missing.
            continue
        if name in values:
            raise InputError(f"{path} gives the setting {name} twice: leave out {quoted(key)}")
        values[name] = _from_yaml(value, hints[name], f"{path}: {key}")
    return values


def config_text(settings: Any) -> str:
    """Write settings as YAML that `--config` can read."""
    values = {
        f.name: getattr(settings, f.name)
        for f in dataclasses.fields(settings)
        if f.metadata.get("recorded", True) and getattr(settings, f.name) is not None
    }
    return yaml_text(values)


def yaml_text(values: Mapping[str, Any]) -> str:
    """Write keys and values as YAML, in their order."""
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _from_yaml(value: Any, hint: Any, where: str) -> Any:
    if value is None and is_optional(hint):
        return None
    hint = bare(hint)
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        # YAML 1.1 reads a bare no as false.
        return chosen("no" if value is False and "no" in choices else value, choices, where)
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        parts = value if isinstance(value, list) else str(value).split(",")
        try:
            return [item(str(part).strip()) for part in parts]
        except ValueError:
            raise InputError(f"{where} is {quoted(value)}, not {kind_of(hint)}") from None
    # YAML 1.1 reads 1e-5 as text, because it has no dot.
    container = isinstance(value, list | dict | types.NoneType)
    right = isinstance(value, bool) == (hint is bool) and not container
    try:
        converted = hint(value)
        if right and not (hint is int and (converted != value or abs(converted) > MOST)):
            return converted
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{where} is {quoted(value)}, not {kind_of(hint)}") from None
