"""Values inside Markdown are no markup."""

import re

import pytest

from mlx_finbert.publishing.markdown import code, escaped, table

HOSTILE = "a|b *c* _d_ [e](f) <g> `h` \\ ~i~ $j$ &amp; #1 @k ![l]\r\n\n# m\x1b\ud800"


def test_every_character_of_markup_is_escaped():
    text = escaped(HOSTILE)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|~&$#@!]", text)
    assert "\n" not in text and "\x1b" not in text
    assert re.sub(r"\\(.)", r"\1", text) == (
        "a|b *c* _d_ [e](f) <g> `h` \\ ~i~ $j$ &amp; #1 @k ![l] # m"
    )


@pytest.mark.parametrize("text", ["plain", "`", "a``b`c", "``` x", "a\nb"])
def test_a_code_span_holds_its_text(text):
    found = re.fullmatch(r"(`+)( ?)(.*?)\2\1", code(text))
    fence, _, inside = found.groups()
    assert inside == text.replace("\n", " ")
    assert fence not in re.findall("`+", inside)


def test_a_table():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
