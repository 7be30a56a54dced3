"""The reader of YAML files of settings, with bounds on their size, depth and aliases."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_finbert.errors import InputError

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 1 << 20
MOST_LEVELS = 20
MOST_NODES = 100_000
"""The bounds: the bytes of a file, its levels, and its values with those that aliases repeat."""


class YamlFault(ValueError):
    """Why a text cannot be read as YAML, as a clause: "not valid YAML: ..."."""


def read_yaml(path: Path) -> dict[Any, Any]:
    """Read a YAML file of keys and values.

    Raises:
        InputError: If it cannot be read, is not YAML, exceeds a bound, or has no keys.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise InputError(
                f"{path} is larger than {MOST_BYTES >> 20} MiB: give a file of settings"
            )
        found = parse_yaml(data.decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    except YamlFault as fault:
        raise InputError(f"{path} is {fault}; correct the file") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold lines of `key: value`")
    return found


def parse_yaml(text: str) -> Any:
    """Return the value of a text in YAML; a date is read as text.

    Raises:
        YamlFault: If it is not YAML, exceeds a bound, or gives a key two values.
    """
    import yaml

    try:
        _require_shallow(text)
        # Like yaml.load, with a look at the nodes before values are made of them.
        loader = _loader()(text)
        root = loader.get_single_node()
        _require_few(root)
        _require_keys_once(root)
        return None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise YamlFault(f"not valid YAML: {' '.join(str(error).split())}") from None
    except YamlFault:
        raise
    # A tag before a value that it does not fit: `!!int word`, `!!bool maybe`, `!!float`.
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise YamlFault(f"not valid YAML: a value cannot be converted ({error})") from None


@cache
def _loader() -> type["yaml.SafeLoader"]:
    """PyYAML's safe loader without dates, which no setting has."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def _require_shallow(text: str) -> None:
    """Refuse deep nesting before PyYAML makes nodes of it, which it does by recursion."""
    import yaml

    level = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise YamlFault(f"YAML nested deeper than {MOST_LEVELS} levels")


def _require_few(root: "yaml.Node | None") -> None:
    """Refuse aliases that would become too many values, or that hold themselves."""
    sizes: dict[int, int] = {}
    inside: set[int] = set()

    def size(node: "yaml.Node") -> int:
        if id(node) in inside:
            raise YamlFault("YAML with an alias of a value that it is part of")
        if id(node) not in sizes:
            inside.add(id(node))
            sizes[id(node)] = 1 + sum(map(size, _parts(node)))
            inside.remove(id(node))
        return sizes[id(node)]

    if root is not None and size(root) > MOST_NODES:
        raise YamlFault(f"YAML of more than {MOST_NODES:,} values, with those that aliases repeat")


def _require_keys_once(root: "yaml.Node | None") -> None:
    """Refuse two values of one key at the top, of which the first would have no effect."""
    import yaml

    if not isinstance(root, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, _ in root.value:
        name = str(key.value)
        if name in seen:
            raise YamlFault(f"YAML with two values for the key {name!r}")
        seen.add(name)


def _parts(node: "yaml.Node") -> Iterator["yaml.Node"]:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
