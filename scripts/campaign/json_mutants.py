"""Mutants of JSON and YAML: odd values in their places, and documents that no reader expects."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from random import Random
from typing import Any

import yaml
from mutants import ANY, Mutant, Mutations

DEEP = 100_000
"""Levels of nesting beyond any stack."""

RAW = "\u0001raw\u0001"
"""A mark in the text of a value that is replaced by what no dumper writes."""

ODD: dict[str, Any] = {
    "null": None, "true": True, "false": False, "0": 0, "-1": -1, "1": 1, "2": 2,
    "2^31": 2**31, "2^63": 2**63, "10^6": 10**6, "0.5": 0.5, "-1e300": -1e300, "1e-320": 1e-320,
    "NaN": float("nan"), "infinity": float("inf"), "an empty text": "", "a text": "64",
    "a path": "../../etc/passwd", "a home": "~nobody/x", "a long text": "x" * 300_000,
    "half a surrogate pair": "\ud800", "a zero byte": "a\0b", "lines": "a\nb\r\n\u2028c",
    "an empty list": [], "an empty object": {}, "a list": [1, "a", None], "an object": {"a": {}},
    "a list of lists": [[[[]]]], "many values": list(range(20_000)),
}  # fmt: skip
"""Values that a writer may leave or an attacker may set, by what they are."""

RAW_VALUES = {
    "10^400": "1" + "0" * 400,
    "5,000 digits": "9" * 5_000,
    "1e999": "1e999",
    "deep": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "open brackets": "[" * DEEP,
    "a key twice": '{"a": 1, "a": 2}',
}
"""Values as they stand in the text."""


def places_in(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value; of long lists and objects, of the first and last few."""
    if path:
        yield path
    keys: list[Any] = []
    if isinstance(found, dict):
        keys = [*found]
    elif isinstance(found, list):
        keys = [*range(len(found))]
    for key in keys if len(keys) <= 64 else [*keys[:32], *keys[-32:]]:
        yield from places_in(found[key], (*path, key))


def parent_of(found: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        found = found[key]
    return found


def replaced_value(found: Any, path: tuple[Any, ...], random: Random) -> tuple[Any, str, str]:
    """Put an odd value into a place; return the document, what was done, and the raw text."""
    kinds = [*ODD, *RAW_VALUES]
    kind = random.choice(kinds)
    # A copy, as later changes may put values into it.
    parent_of(found, path)[path[-1]] = deepcopy(ODD.get(kind, RAW))
    return found, f"{path[-1]} is {kind}", RAW_VALUES.get(kind, "")


def changed_keys(found: Any, path: tuple[Any, ...], random: Random) -> tuple[Any, str, str]:
    """Remove an entry, rename it, or put another value of the document there."""
    parent, key = parent_of(found, path), path[-1]
    kind = random.choice(["removed", "renamed", "copied", "added"])
    if kind == "copied":
        other = random.choice([*places_in(found)])
        # As text, since a document that holds itself has no form.
        parent[key] = json.loads(json.dumps(parent_of(found, other)[other[-1]], default=str))
    elif kind == "added" and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif kind == "added":
        parent["unknown"] = 1
    else:
        value = parent.pop(key)
        if kind == "renamed" and isinstance(parent, dict):
            parent[f"{key}_"] = value
    return found, f"{key} {kind}", ""


def changed_document(
    content: bytes,
    random: Random,
    read: Callable[[str], Any],
    write: Callable[[Any], str],
) -> Mutant:
    """Change one to three places of a document and write it again."""
    found, told, raws = read(content.decode("utf-8")), [], []
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        paths = [*places_in(found)]
        if paths:
            change = random.choice([replaced_value, replaced_value, changed_keys])
            found, done, raw = change(found, random.choice(paths), random)
            told.append(done)
            raws.append(raw)
    text = write(found)
    for raw in filter(None, raws):
        text = text.replace(json.dumps(RAW), raw)
    return Mutant(text.encode("utf-8", "surrogatepass"), "; ".join(told))


json_values = partial(changed_document, read=json.loads, write=json.dumps)


def json_line(content: bytes, random: Random) -> Mutant:
    """Change one line of JSON Lines."""
    lines = content.splitlines(keepends=True)
    number = random.randrange(len(lines))
    mutant = json_values(lines[number], random)
    lines[number] = mutant.content + b"\n"
    return Mutant(b"".join(lines), f"line {number + 1}: {mutant.mutation}")


def _yaml_text(found: Any) -> str:
    text = yaml.safe_dump(found, allow_unicode=True, width=10**9)
    # YAML quotes the mark as JSON does, with other letters for its control characters.
    return text.replace('"\\x01raw\\x01"', json.dumps(RAW))


yaml_values = partial(changed_document, read=yaml.safe_load, write=_yaml_text)


def yaml_syntax(content: bytes, random: Random) -> Mutant:
    """Replace the value of one line, or add a line, by what only YAML has."""
    lines = content.decode().splitlines()
    name, value = random.choice([*YAML_VALUES.items()])
    number = random.randrange(len(lines))
    key = lines[number].partition(":")[0]
    lines[number] = f"{key}: {value}" if random.random() < 0.8 else value
    return Mutant("\n".join([*lines, ""]).encode(), f"{key} is {name}")


YAML_VALUES = {
    "a Python object": "!!python/object/apply:os.system ['touch ran']",
    "an unknown tag": "!unknown 5",
    "a number by tag": "!!int x",
    "a time by tag": "!!timestamp x",
    "bytes by tag": "!!binary x",
    "bytes": "!!binary AAAA",
    "a float by tag": "!!float x",
    "a set": "!!set {a, b}",
    "pairs": "!!pairs [a, b]",
    "an ordered map": "!!omap [a: 1, b]",
    "a map by tag": "!!map 5",
    "a date": "2020-01-01",
    "a date that is none": "2020-99-99",
    "a time": "2001-12-14t21:59:43.10+99:99",
    "minutes": "190:20:30",
    "an octal number": "0o99",
    "an old octal number": "0999",
    "a binary number": "0b",
    "a hexadecimal number": "0x",
    "a sign": "+_",
    "no number": ".nan",
    "infinity": "-.inf",
    "a key that is a list": "{[a, b]: c}",
    "a key that is an object": "? {a: b}\n: c",
    "a key that is null": "{~: 1}",
    "merged with a number": "{<<: 5}",
    "merged with a list": "{<<: [1, 2]}",
    "an alias without anchor": "*nothing",
    "itself": "&a [*a]",
    "itself as a key": "&a {*a : 1}",
    "an anchor twice": "[&a 1, &a 2, *a]",
    "deep": "[" * 3_000 + "]" * 3_000,
    "open": "[1, 2",
    "a long number": "9" * 5_000,
    "text over lines": "|\n  a\n b",
    "a tab": "\t- 1",
    "a document end": "1\n---\na: 2",
    "a directive": "\n%YAML 9.9\n---",
    "a control character": "\x07",
    "half a surrogate pair": '"\\ud800"',
    "an escape that is none": '"\\xzz"',
    "a character beyond Unicode": '"\\UFFFFFFFF"',
}
"""Values and lines by what they are."""


def bomb(_: bytes) -> bytes:
    """412 bytes that stand for 10^9 values."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    return "\n".join([*lines, "data: *i", ""]).encode()


def _whole(text: str) -> Callable[[bytes], bytes]:
    return lambda _: text.encode()


JSON = Mutations(
    ANY
    | {name: _whole(text) for name, text in RAW_VALUES.items()}
    | {
        "a list": _whole("[]"),
        "a number": _whole("5"),
        "null": _whole("null"),
        "an empty object": _whole("{}"),
        "two documents": lambda content: content * 2,
        "a comma too many": lambda content: content.rstrip()[:-1] + b",}",
        "a deep value": _whole(f'{{"a": {RAW_VALUES["deep"]}}}'),
    },
    [json_values],
)

JSON_LINES = Mutations(JSON.hostile, [json_line])

YAML = Mutations(
    ANY
    | {
        "an alias bomb": bomb,
        "deep": _whole("a: " + "[" * DEEP),
        "deep blocks": _whole("\n".join("- " * n for n in range(1, 1_500))),
        "a list": _whole("- a"),
        "a number": _whole("5"),
        "null": _whole("~"),
        "keys of any type": _whole("1: 2\n~: 3\n[a]: 4\n2020-01-01: 5\n"),
    }
    | {f"data: {name}": _whole(f"data: {value}\n") for name, value in YAML_VALUES.items()},
    [yaml_values, yaml_syntax],
)
