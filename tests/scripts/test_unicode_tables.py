"""`scripts/unicode_tables.py`: the committed tables are those of the installed tokenizers."""

import json

import pytest
import unicode_tables


@pytest.mark.slow
def test_the_tables_are_those_of_the_installed_tokenizers():
    found = unicode_tables.unicode_tables()
    assert unicode_tables.content(found) == unicode_tables.FILE.read_text(encoding="utf-8")
    swift = unicode_tables.SWIFT_FILE.read_text(encoding="utf-8")
    assert unicode_tables.swift_content(found) == swift


def test_the_tables_in_swift_hold_the_same():
    tables = json.loads(unicode_tables.FILE.read_text(encoding="utf-8"))
    written = unicode_tables.SWIFT_FILE.read_text(encoding="utf-8")
    assert unicode_tables.swift_content(tables) == written
    tables["marks"][1] += 1
    assert unicode_tables.swift_content(tables) != written


def test_ranges():
    assert unicode_tables.ranges("abcxz") == [97, 99, 120, 120, 122, 122]
    assert unicode_tables.ranges("") == []


def test_the_tables_are_where_the_package_reads_them():
    tables = json.loads(unicode_tables.FILE.read_text(encoding="utf-8"))
    # Unicode's White_Space, which no version has changed since 6.3.
    spaces = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    assert tables["white_space"] == unicode_tables.ranges(
        sorted({*spaces, *map(chr, range(0x2000, 0x200B))})
    )
