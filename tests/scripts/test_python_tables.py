"""`scripts/python_tables.py`: the Swift package's tables are Python's."""

import unicodedata

import pytest
import python_tables

SAME_UNICODE = pytest.mark.skipif(
    unicodedata.unidata_version != python_tables.UNICODE,
    reason=f"the tables are those of Unicode {python_tables.UNICODE}, as in Python 3.11",
)


@SAME_UNICODE
def test_the_tables_are_those_of_python():
    assert python_tables.content() == python_tables.FILE.read_text(encoding="utf-8")


def test_the_words_are_those_of_the_rules():
    told = python_tables.FILE.read_text(encoding="utf-8")
    for name, (doc, words) in python_tables.WORDS.items():
        literals = python_tables.declared(
            name, doc, "Set<String>", map(python_tables.json.dumps, sorted(words))
        )
        assert literals in told


def test_no_scalar_beyond_those_in_the_table_folds_to_ascii():
    folded = python_tables.folded()
    assert folded[ord("K")] == "k" and folded[0x212A] == "k" and folded[0xFB05] == "st"
    assert "a" not in map(chr, folded) and 0x130 not in folded
