"""Command-line parsing for a dataclass of settings, where each field is a flag."""

import argparse
import dataclasses
import sys
import typing
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from mlx_finbert.cli.messages import flag_of, set_parameters
from mlx_finbert.errors import InputError
from mlx_finbert.files.paths import local_path
from mlx_finbert.flag_names import flag_meant
from mlx_finbert.settings import bare, chosen, kind_of, read_config_file, require_given

Settings = TypeVar("Settings")


def parse(
    settings_class: type[Settings],
    module: str,
    description: str,
    argv: Sequence[str] | None = None,
) -> Settings:
    """Read settings from the command line and, with `--config`, from a YAML file.

    Raises:
        InputError: If a value is wrong; names the flag, the parameter, or the file and the key.
    """
    return settings_class(**parse_values(settings_class, module, description, argv))


def parse_values(
    settings_class: type, module: str, description: str, argv: Sequence[str] | None = None
) -> dict[str, Any]:
    """Read the given values like `parse`, without the defaults of the other fields.

    Raises:
        InputError: As for `parse`, and if a required value is missing.
    """
    given = read_flags(settings_class, module, description, argv)
    config = given.pop("config", None)
    values = read_config_file(local_path(config), settings_class) if config else {}
    values |= given
    require_given(settings_class, values)
    return values


def read_flags(
    settings_class: type, module: str, description: str, argv: Sequence[str] | None = None
) -> dict[str, Any]:
    """Read the values given by flags, keyed by field name, including `config`.

    Args:
        settings_class: A dataclass whose fields are made by `setting`.
        module: The command's module, for the help page.
        description: The description on the help page.
        argv: The words after the command; None takes those of this process.

    Raises:
        InputError: If a flag is wrong; names the flag, the fault and the remedy.
    """
    set_parameters(settings_class)
    parser = _parser(settings_class, module, description)
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        given, unknown = parser.parse_known_args(parser.with_values_joined(words))
    except argparse.ArgumentError as error:
        if error.argument_name is None:
            parser.error(error.message)
        parser.error(parser.explain_value(error.argument_name.split("/")[0]))
    if unknown:
        parser.error(parser.explain_unknown(unknown[0], words))
    hints = typing.get_type_hints(settings_class)
    return {
        name: from_text(value, hints[name], flag_of(name))
        if isinstance(value, str) and name in hints
        else value
        for name, value in vars(given).items()
    }


def from_text(text: str, hint: Any, flag: str) -> Any:
    """Convert a word of the command line to the type of its flag.

    Raises:
        InputError: If the word does not have that type.
    """
    hint = bare(hint)
    if typing.get_origin(hint) is typing.Literal:
        return chosen(text, typing.get_args(hint), flag)
    try:
        if typing.get_origin(hint) is list:
            (item,) = typing.get_args(hint)
            return [item(part.strip()) for part in text.split(",")]
        return hint(text)
    except ValueError:
        raise InputError(f"{flag} is {text!r}, not {kind_of(hint)}") from None


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong flag in one sentence, without the usage page."""

    def __init__(self, settings_class: type, module: str, description: str) -> None:
        # SUPPRESS leaves out flags that were not given, so that they do not override the file.
        super().__init__(
            prog=f"python -m {module}",
            usage=f"python -m {module} [--flag VALUE ...]",
            description=description,
            argument_default=argparse.SUPPRESS,
            allow_abbrev=False,
            exit_on_error=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.metavars = {"--config": "FILE"}
        """The placeholder of each flag that takes a value."""
        self.switches: list[str] = []
        """Flags without a value."""
        self.takes_words = False
        """Whether the command takes any number of words without a flag."""
        self.words: list[str] = []
        """The words without a flag, for the usage line."""

    def add_word(self, field: dataclasses.Field, is_list: bool) -> None:
        """Add a word without a flag, or any number of them."""
        word = field.metadata["metavar"]
        self.takes_words |= is_list
        self.words.append(f"[{word} ...]" if is_list else word)
        self.usage = " ".join([self.prog, *self.words, "[--flag VALUE ...]"])
        nargs = "*" if is_list else None
        self.add_argument(field.name, nargs=nargs, metavar=word, help=field.metadata["help"])

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")

    def with_values_joined(self, words: list[str]) -> list[str]:
        """Join `--labels -1,0,1` to `--labels=-1,0,1`; argparse would read two flags."""
        joined: list[str] = []
        for word in words:
            is_value = word.startswith("-") and not word.startswith("--") and word != "-h"
            if is_value and joined and joined[-1] in self.metavars and "--" not in joined:
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return joined

    def explain_value(self, flag: str) -> str:
        """Describe the fault of a flag that lacks a value or has one that it does not take."""
        if flag in self.switches:
            positive = flag.replace("--no-", "--", 1)
            return f"{flag} takes no value: write {positive} or --no-{positive[2:]} alone"
        return f"{flag} needs a value: write {flag} {self.metavars.get(flag, 'VALUE')}"

    def explain_unknown(self, word: str, words: list[str]) -> str:
        """Describe the fault of a word that is neither a flag nor a value."""
        if word.startswith("-"):
            flag = word.partition("=")[0]
            names = [*self.metavars, *self.switches]
            meant = flag_meant(flag, names)
            message = f"there is no flag {flag}" + (f"; did you mean {meant}?" if meant else "")
            if self.takes_words and not word.startswith("--"):
                message += "; put -- before texts that begin with a dash"
            return message
        before = words[words.index(word) - 1]
        if word in words[1:] and before in self.switches:
            return f"{before} takes no value: remove {word!r}"
        if self.takes_words and words[0] != word and not words[0].startswith("-"):
            return (
                f"{word!r} is apart from {words[0]!r}: put them next to each other, and put quotes"
                " around a value that contains spaces"
            )
        return (
            f"{word!r} does not belong to any flag: write --flag VALUE, and put quotes around a"
            " value that contains spaces"
        )


def _parser(settings_class: type, module: str, description: str) -> _Parser:
    parser = _Parser(settings_class, module, description)
    hints = typing.get_type_hints(settings_class)
    groups = _groups(settings_class, parser)
    for field in dataclasses.fields(settings_class):
        hint, default = bare(hints[field.name]), field.default
        text, flag = field.metadata["help"], flag_of(field.name)
        if field.metadata.get("positional"):
            parser.add_word(field, typing.get_origin(hint) is list)
            continue
        if not any(default is nothing for nothing in (None, False, dataclasses.MISSING)):
            text += f" (default: {default})"
        options: dict[str, Any] = {"help": text.replace("%", "%%")}
        if hint is bool:
            options["action"] = argparse.BooleanOptionalAction
            parser.switches += [flag, f"--no-{flag[2:]}"]
        else:
            options["metavar"] = parser.metavars[flag] = _metavar(field, hint)
        if "const" in field.metadata:
            options |= {"nargs": "?", "const": field.metadata["const"]}
        groups[field.name].add_argument(flag, **options)
    parser.add_argument("--config", metavar="FILE", help="YAML file with these settings")
    return parser


def _groups(
    settings_class: type, parser: argparse.ArgumentParser
) -> dict[str, "argparse._ArgumentGroup"]:
    """Create a section of the help page for each class with fields, titled by its docstring."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for owner in reversed(settings_class.__mro__):
        if names := vars(owner).get("__annotations__", {}):
            heading = (owner.__doc__ or "").partition("\n")[0].rstrip(".")
            groups |= dict.fromkeys(names, parser.add_argument_group(heading))
    return groups


def _metavar(field: dataclasses.Field, hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "{" + ",".join(typing.get_args(hint)) + "}"
    if typing.get_origin(hint) is list:
        return "A,B,..."
    return field.metadata.get("metavar", {int: "N", float: "X"}.get(hint, "TEXT"))
