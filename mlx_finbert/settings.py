"""Settings of a command: one dataclass, from which its flags and its YAML file both come.

Each field becomes a flag: `learning_rate: float = setting(5e-5, "peak of ...")` is
`--learning-rate`, and `learning_rate:` in the file after `--config`. Flags beat the file, the file
beats the defaults.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlx_finbert.errors import InputError
from mlx_finbert.flag_names import flag_meant, nearest

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
"""Types of settings, in words."""


def setting(default: Any, help: str, **more: Any) -> Any:
    """A field with its help text.

    `positional=True` is for arguments without a flag, `recorded=False` for what a written file
    leaves out, `const=VALUE` for a flag that may stand without a value and then means this one.
    """
    return dataclasses.field(default=default, metadata={"help": help, **more})


def required(help: str, advice: str, **more: Any) -> Any:
    """A field that a command cannot do without; `advice` ends the sentence that refuses this."""
    return dataclasses.field(metadata={"help": f"{help} (required)", "advice": advice, **more})


def flag_of(field: dataclasses.Field) -> str:
    """`--learning-rate` for the field `learning_rate`."""
    return "--" + field.name.replace("_", "-")


def is_required(field: dataclasses.Field) -> bool:
    """Whether a field is made by `required`."""
    return "advice" in field.metadata


def bare(hint: Any) -> Any:
    """`int` for `int | None`."""
    if is_optional(hint):
        return next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint


def is_optional(hint: Any) -> bool:
    """Whether None is among the types of a field."""
    # A Literal with `| None` comes back from get_type_hints as typing.Union.
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def kind_of(hint: Any) -> str:
    """What a value of a type is, in words."""
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        return f"a list A,B,... each of whose parts is {KINDS[item]}"
    return KINDS[hint]


def chosen(value: Any, choices: Sequence[str], where: str) -> Any:
    """A value that is one of several.

    Raises:
        InputError: lists them, and the one that may be meant.
    """
    if value in choices:
        return value
    near = nearest(str(value), choices, cutoff=0.5)
    meant = f"; did you mean {near}?" if near else ""
    raise InputError(f"{where} is {value!r}, not one of {', '.join(choices)}{meant}")


def require(condition: bool, flag: str, value: object, rule: str) -> None:
    """Refuse a setting by its flag, its value and the rule that it breaks."""
    if not condition:
        raise InputError(f"{flag} is {value}: {rule}")


def require_given(settings_class: type, values: Mapping[str, Any]) -> None:
    """Refuse values, by field, that lack a required one or leave it empty."""
    for field in dataclasses.fields(settings_class):
        if is_required(field) and not values.get(field.name):
            raise InputError(f"{flag_of(field)} is missing: {field.metadata['advice']}")


def refuse_without(settings: Any, names: Sequence[str], other: str, given: bool) -> None:
    """Refuse flags that have no effect where another one is not given."""
    for field in dataclasses.fields(settings):
        if field.name in names and not given and getattr(settings, field.name) != field.default:
            raise InputError(f"{flag_of(field)} has no effect without {other}")


def require_types(settings: Any) -> None:
    """Check the types of values that a caller in Python gave.

    Raises:
        InputError: names the flag.
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        value, hint = getattr(settings, field.name), hints[field.name]
        if value is None and is_optional(hint):
            continue
        hint = bare(hint)
        if typing.get_origin(hint) is typing.Literal:
            choices = typing.get_args(hint)
            require(value in choices, flag_of(field), value, f"one of {', '.join(choices)}")
        elif typing.get_origin(hint) is list:
            (item,) = typing.get_args(hint)
            right = isinstance(value, list) and all(type(part) is item for part in value)
            require(right, flag_of(field), value, f"a list of {item.__name__}")
        else:
            require(type(value) is hint, flag_of(field), value, f"of type {hint.__name__}")


def read_config_file(
    path: Path,
    settings_class: type,
    skip_others: bool = False,
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The values of a YAML file, each checked against the type of its field.

    Args:
        path: of the file.
        settings_class: the dataclass whose fields are wanted.
        skip_others: pass over keys that are no field of it, which are refused otherwise.
        renamed: fields by names that the file may have for them.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML: {reason}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold lines of `key: value`")
    fields = {f.name: f for f in dataclasses.fields(settings_class)}
    hints = typing.get_type_hints(settings_class)
    values = {}
    for key, value in found.items():
        name = str(key).replace("-", "_")
        name = renamed.get(name, name)
        if name not in fields:
            if skip_others:
                continue
            by_flag = {flag_of(field): field.name for field in fields.values()}
            meant = flag_meant(f"--{name}", by_flag)
            advice = f"; did you mean {by_flag[meant]!r}?" if meant else ""
            raise InputError(f"{path}: there is no setting {key!r}{advice}")
        if value is None and is_required(fields[name]):
            # `model:` without a value is as good as no line.
            continue
        values[name] = _from_yaml(value, hints[name], f"{path}: {key}")
    return values


def config_text(settings: Any) -> str:
    """The settings as YAML that `--config` reads."""
    import yaml

    values = {
        f.name: getattr(settings, f.name)
        for f in dataclasses.fields(settings)
        if f.metadata.get("recorded", True) and getattr(settings, f.name) is not None
    }
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
            raise InputError(f"{where} is {value!r}, not {kind_of(hint)}") from None
    # YAML 1.1 reads 1e-5, which has no dot, as text.
    container = isinstance(value, list | dict | types.NoneType)
    right = isinstance(value, bool) == (hint is bool) and not container
    try:
        converted = hint(value)
        if right and not (hint is int and converted != value):
            return converted
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{where} is {value!r}, not {kind_of(hint)}") from None
