"""A parser of OpenStep property lists, the format of Xcode's project files."""

import re

TOKEN = re.compile(
    r"""\s+ | //[^\n]* | /\*.*?\*/            # space and comments
      | (?P<mark>[{}()=;,])
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | (?P<plain>[\w.$/:]+)""",
    re.VERBOSE | re.DOTALL,
)


def parse_openstep(text):
    """Parse a property list of dictionaries, lists and strings; ValueError names the position."""
    tokens = list(_tokens(text))
    value, end = _value(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"there is more after the end: {tokens[end]}")
    return value


def _tokens(text):
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"unreadable at {position}: {text[position : position + 20]!r}")
        position = match.end()
        if match.lastgroup:
            yield match.lastgroup, match[match.lastgroup]


def _value(tokens, i):
    kind, text = tokens[i]
    if (kind, text) == ("mark", "{"):
        return _dictionary(tokens, i + 1)
    if (kind, text) == ("mark", "("):
        return _list(tokens, i + 1)
    if kind == "mark":
        raise ValueError(f"{text!r} is no value")
    return (re.sub(r"\\(.)", r"\1", text) if kind == "quoted" else text), i + 1


def _dictionary(tokens, i):
    found = {}
    while tokens[i] != ("mark", "}"):
        key, i = _value(tokens, i)
        value, i = _value(tokens, _past(tokens, i, "="))
        if key in found:
            raise ValueError(f"the key {key} is there twice")
        found[key] = value
        i = _past(tokens, i, ";")
    return found, i + 1


def _list(tokens, i):
    found = []
    while tokens[i] != ("mark", ")"):
        value, i = _value(tokens, i)
        found.append(value)
        if tokens[i] != ("mark", ")"):
            i = _past(tokens, i, ",")
    return found, i + 1


def _past(tokens, i, mark):
    if tokens[i] != ("mark", mark):
        raise ValueError(f"{tokens[i][1]!r} stands where {mark!r} is due")
    return i + 1
