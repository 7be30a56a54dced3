"""Settings of a command: one dataclass, from which its flags and its YAML file both come.

Each field becomes a flag: `learning_rate: float = setting(5e-5, "peak of ...")` is
`--learning-rate`, and `learning_rate:` in the file after `--config`. Flags beat the file, the file
beats the defaults.
"""

import argparse
import dataclasses
import difflib
import re
import sys
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from mlx_finbert.atomic import write_text
from mlx_finbert.errors import InputError

Settings = TypeVar("Settings")


def setting(default: Any, help: str, **more: Any) -> Any:
    """A field with its help text.

    `positional=True` is for arguments without a flag, `recorded=False` for what a written file
    leaves out.
    """
    return dataclasses.field(default=default, metadata={"help": help, **more})


def parse(
    settings_class: type[Settings],
    module: str,
    description: str,
    argv: Sequence[str] | None = None,
) -> Settings:
    """Settings from the command line and, where `--config` names one, a YAML file.

    Raises:
        InputError: names the flag, or the file and its key.
    """
    return settings_class(**parse_values(settings_class, module, description, argv))


def parse_values(
    settings_class: type, module: str, description: str, argv: Sequence[str] | None = None
) -> dict[str, Any]:
    """The values that were given, without the defaults of the others; as `parse`."""
    parser = _parser(settings_class, module, description)
    given = vars(parser.parse_args(_joined(sys.argv[1:] if argv is None else argv, parser)))
    config = given.pop("config", None)
    values = read_config_file(Path(config), settings_class) if config else {}
    return values | given


def require(condition: bool, flag: str, value: object, rule: str) -> None:
    """Refuse a setting by its flag, its value and the rule that it breaks."""
    if not condition:
        raise InputError(f"{flag} is {value}: {rule}")


def require_given(value: object, flag: str, advice: str) -> None:
    """Refuse settings without a value that a command cannot do without."""
    if not value:
        raise InputError(f"{flag} is missing: {advice}")


def refuse_without(settings: Any, names: Sequence[str], other: str, given: bool) -> None:
    """Refuse flags that have no effect where another one is not given."""
    for field in dataclasses.fields(settings):
        if field.name in names and not given and getattr(settings, field.name) != field.default:
            raise InputError(f"{flag_of(field)} has no effect without {other}")


def require_types(settings: Any) -> None:
    """Hold what a caller in Python gave against the types of the fields.

    Raises:
        InputError: names the flag.
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        value, hint = getattr(settings, field.name), hints[field.name]
        if value is None and _is_optional(hint):
            continue
        hint = _bare(hint)
        if typing.get_origin(hint) is typing.Literal:
            choices = typing.get_args(hint)
            require(value in choices, flag_of(field), value, f"one of {', '.join(choices)}")
        elif typing.get_origin(hint) is list:
            (item,) = typing.get_args(hint)
            right = isinstance(value, list) and all(type(part) is item for part in value)
            require(right, flag_of(field), value, f"a list of {item.__name__}")
        else:
            require(type(value) is hint, flag_of(field), value, f"of type {hint.__name__}")


def flag_of(field: dataclasses.Field) -> str:
    """`--learning-rate` for the field `learning_rate`."""
    return "--" + field.name.replace("_", "-")


def read_config_file(path: Path, settings_class: type) -> dict[str, Any]:
    """The values of a YAML file, each held against the type of its field."""
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
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{path}: there is no setting {key!r}{advice}")
        values[name] = _from_yaml(value, hints[name], f"{path}: {key}")
    return values


def write_config_file(settings: Any, path: Path) -> None:
    """The settings as a YAML file that `--config` reads."""
    import yaml

    values = {
        f.name: getattr(settings, f.name)
        for f in dataclasses.fields(settings)
        if f.metadata.get("recorded", True) and getattr(settings, f.name) is not None
    }
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _joined(argv: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """`--labels=-1,0,1` for `--labels -1,0,1`, whose value argparse would take for a flag."""
    known = parser._option_string_actions
    joined: list[str] = []
    for word in argv:
        action = known.get(joined[-1]) if joined else None
        takes_value = action is not None and action.nargs is None
        if takes_value and re.match("-[^-]", word) and word not in known:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


class _Parser(argparse.ArgumentParser):
    """One sentence for a wrong flag, without the page of usage before it."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def _parser(settings_class: type, module: str, description: str) -> argparse.ArgumentParser:
    # Absent flags leave no trace, so that the file and the defaults can speak.
    parser = _Parser(
        prog=f"python -m {module}",
        usage=f"python -m {module} [--flag VALUE ...]",
        description=description,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hints = typing.get_type_hints(settings_class)
    groups = _groups(settings_class, parser)
    for field in dataclasses.fields(settings_class):
        hint, default = _bare(hints[field.name]), field.default
        text = field.metadata["help"]
        if field.metadata.get("positional"):
            parser.add_argument(field.name, nargs="*", metavar=field.metadata["metavar"], help=text)
            continue
        if default is not None and default is not False:
            text += f" (default: {default})"
        options: dict[str, Any] = {"help": text.replace("%", "%%")}
        if hint is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) is typing.Literal:
            options["choices"] = typing.get_args(hint)
        elif typing.get_origin(hint) is list:
            (item,) = typing.get_args(hint)
            options |= {"type": _list_of(item), "metavar": "A,B,..."}
        else:
            options |= {"type": hint, "metavar": field.metadata.get("metavar", _metavar(hint))}
        groups[field.name].add_argument(flag_of(field), **options)
    parser.add_argument("--config", metavar="FILE", help="YAML file of these settings")
    return parser


def _groups(
    settings_class: type, parser: argparse.ArgumentParser
) -> dict[str, "argparse._ArgumentGroup"]:
    """A heading of the help page for each class that brings fields: what its docstring says."""
    groups = {}
    for owner in reversed(settings_class.__mro__):
        if names := vars(owner).get("__annotations__", {}):
            heading = (owner.__doc__ or "").partition("\n")[0].rstrip(".")
            groups |= dict.fromkeys(names, parser.add_argument_group(heading))
    return groups


def _bare(hint: Any) -> Any:
    """`int` for `int | None`."""
    if _is_optional(hint):
        return next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint


def _is_optional(hint: Any) -> bool:
    # A Literal with `| None` comes back from get_type_hints as typing.Union.
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def _metavar(hint: type) -> str:
    return {int: "N", float: "X"}.get(hint, "TEXT")


def _list_of(item: type) -> Callable[[str], list]:
    """From `a, b` to its parts, each of the type `item`."""

    def read(text: str) -> list:
        return [item(part.strip()) for part in text.split(",")]

    # argparse names it where a part is of another type.
    read.__name__ = f"list of {item.__name__}"
    return read


def _from_yaml(value: Any, hint: Any, where: str) -> Any:
    if value is None and _is_optional(hint):
        return None
    hint = _bare(hint)
    choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else None
    if choices:
        if value in choices:
            return value
        raise InputError(f"{where} is {value!r}, not one of {', '.join(choices)}")
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        parts = value if isinstance(value, list) else str(value).split(",")
        try:
            return [item(str(part).strip()) for part in parts]
        except ValueError:
            raise InputError(f"{where} is {value!r}, which is no list of {item.__name__}") from None
    # YAML 1.1 reads 1e-5, which has no dot, as text.
    container = isinstance(value, list | dict | types.NoneType)
    right = isinstance(value, bool) == (hint is bool) and not container
    try:
        converted = hint(value)
        if right and not (hint is int and converted != value):
            return converted
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{where} is {value!r}, which is no {hint.__name__}") from None
