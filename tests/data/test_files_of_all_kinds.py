"""Typical files: a table of small ones, one per kind, with the expected rows or error."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import zipfile
from dataclasses import dataclass, field

import pytest

from mlx_finbert.cli.flags import parse
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.predict import main as predict
from mlx_finbert.train import main as train

TWO = [("Sales fell, again", "down"), ("Profit rose", "up")]
UMLAUT = [("Gewinn für Ä “stieg” – 5 €", "up"), ("Umsatz fiel", "down")]
SMS = [("Go until jurong point, crazy..", "ham"), ('"Free" entry; call', "spam"),
       ('"Ok lar... Joking', "ham"), ("U dun say so early hor...", "ham")]  # fmt: skip


@dataclass
class Kind:
    """A file, the flags, and the rows or the words of the error."""

    name: str
    content: bytes
    rows: list[tuple[str, str]] = field(default_factory=list)
    flags: str = ""
    error: str = ""
    note: str = ""


def text(lines, encoding="utf-8", end="\n"):
    return end.join([*lines, ""]).encode(encoding)


def zipped(*members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return data.getvalue()


COMMA = text(["text,label", '"Sales fell, again",down', "Profit rose,up"])
SEMICOLON = text(["text;label", "Sales fell, again;down", "Profit rose;up"])
TAB = text(["text\tlabel", "Sales fell, again\tdown", "Profit rose\tup"])
GERMAN = ["text,label", f"{UMLAUT[0][0]},up", "Umsatz fiel,down"]
NO_HEADER = text(
    ["neutral,Technopolis plans to develop in stages an area", 'positive,"Sales rose, again"',
     "neutral,The board met in the morning of that day"]
)  # fmt: skip
NO_HEADER_ROWS = [("Technopolis plans to develop in stages an area", "neutral"),
                  ("Sales rose, again", "positive"),
                  ("The board met in the morning of that day", "neutral")]  # fmt: skip
SMS_FILE = text(f"{label}\t{message}" for message, label in SMS)
TWEETS = text(
    ['"0","1467810369","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","ann","is upset, again"',
     '"4","1467810672","Mon Apr 06 22:19:49 PDT 2009","NO_QUERY","bob","loves it"']
)  # fmt: skip
JSON_ROWS = [{"text": sentence, "label": label} for sentence, label in TWO]
JSONL = text(map(json.dumps, JSON_ROWS))
NUMBERS = "--no-header --text-column 2 --label-column 1"

KINDS = [
    # Separators.
    Kind("comma.csv", COMMA, TWO),
    Kind("semicolon.csv", SEMICOLON, TWO, note="its columns are separated by a semicolon"),
    Kind("tab.tsv", TAB, TWO),
    Kind("tab.csv", TAB, TWO, note="separated by a tab"),
    Kind("comma.tsv", COMMA, TWO, note="separated by a comma"),
    Kind("a.tab", TAB, TWO),
    Kind("bar.psv", TAB.replace(b"\t", b"|"), TWO),
    Kind("bar.csv", TAB.replace(b"\t", b"|"), TWO, note="a vertical bar"),
    Kind("sep.csv", b"sep=;\r\n" + SEMICOLON, TWO),
    Kind("quoted-sep.csv", b'"sep=|"\n' + TAB.replace(b"\t", b"|"), TWO),
    Kind("space.csv", b'label, text\nup, Profit rose\ndown, "Sales fell, again"\n', TWO[::-1]),
    Kind("both.csv", b'"text";"label, final"\nSales fell, again;down\nProfit rose;up\n', TWO,
         "--label-column label,_final", note="a semicolon"),
    Kind("given.csv", b"text:label\nSales fell, again:down\nProfit rose:up\n", TWO,
         "--delimiter :"),
    Kind("given-tab.txt", TAB, TWO, "--delimiter tab"),
    Kind("given-tab2.txt", TAB, TWO, "--delimiter \\t"),
    Kind("unclear.csv", b"text,a;label\nx,1;2\ny,3;4\n",
         error="may be separated by a comma or a semicolon: choose one with `delimiter`"),
    Kind("unclear-given.csv", b"text,a;label\nx,1;2\ny,3;1\n", [("x,1", "2"), ("y,3", "1")],
         "--delimiter ; --text-column text,a"),
    Kind("two.csv", COMMA, flags="--delimiter ab", error="`delimiter='ab'` is not one character"),
    Kind("one.csv", b"text\nSales fell\nProfit rose\n", error="has no column 'label'"),
    Kind("unquoted.csv", b"text,label\nSales fell, again,down\nProfit rose,up\n",
         error=r"line 2 \(row 1\): 3 fields, but the header has 2; quote texts that contain"),
    # Quotation marks and line ends.
    Kind("cr.csv", COMMA.replace(b"\n", b"\r"), TWO),
    Kind("crlf.csv", COMMA.replace(b"\n", b"\r\n"), TWO),
    Kind("no-last-end.csv", COMMA[:-1], TWO),
    Kind("several-lines.csv", b'text,label\n"One.\n\nTwo, ""three"".",up\nx,down\n',
         [('One.\n\nTwo, "three".', "up"), ("x", "down")]),
    Kind("cr-inside.csv", b"text,label\nSales\rfell,down\nProfit rose,up\n",
         error=r"line 2 \(row 1\): a carriage return within the line"),
    Kind("backslash.csv", b'text,label\n"He \\"said\\" so, twice",up\n"b",down\n',
         error=r"line 2 \(row 1\): quotation marks are escaped by a backslash .*double them"),
    Kind("backslash-end.csv", b'text,label\n"He said \\"",up\n"b",down\n"c",up\n',
         error="escaped by a backslash"),
    Kind("backslash-comma.csv", b'text,label\n"a \\", b",up\n"b",down\n', error="by a backslash"),
    Kind("stray.csv", b'text,label\n"Sales" fell,down\nProfit rose,up\n',
         error=r"line 2 \(row 1\): a quotation mark inside a quoted field is not doubled"),
    Kind("stray-open.csv", b'text,label\na,up\n"Sales fell,down\nb,up\nProfit "rose",up\n',
         error=r"line 3 \(row 2\): .*the quotation mark in line 3 spans 3 lines"),
    Kind("never-closed.csv", b'text,label\na,up\n"Sales fell,down\nb,up\n',
         error=r"line 3 \(row 2\): the quotation mark that opens a field is never closed"),
    Kind("swallowed.csv", b'text,label\n"a,up\nb",down\nc,up\n', [("a,up\nb", "down"), ("c", "up")],
         note=r"line 2 \(row 1\): a quoted field contains lines that look like separate rows"),
    Kind("literal.tsv", b'text\tlabel\none\tup\n"two\tdown\n"three" or\tup\nfour\tdown\n',
         [("one", "up"), ('"two', "down"), ('"three" or', "up"), ("four", "down")],
         note="quotation marks were read as part of the texts"),
    Kind("two-ways.tsv", b'text\tlabel\none\tup\n"two\tdown\nthree"\tup\nfour\tdown\n',
         error=r"line 3 .row 2.: the quotation mark in line 3 spans 2 lines that look like rows"),
    Kind("quoted.tsv", b'text\tlabel\n"a ""b"" c"\tup\n"d"\tdown\n', [('a "b" c', "up"),
         ("d", "down")]),
    Kind("swallowed.tsv", b'text\tlabel\n"two\tdown\nthree"\tup\nfour\n',
         error="the quotation mark in line 2 spans 2 lines that look like rows"),
    Kind("zero.csv", COMMA.replace(b"Profit", b"Pro\0it"), error="line 3: a zero byte"),
    Kind("blank-lines.csv", COMMA.replace(b"\nP", b"\n\n\nP") + b"\n\n", TWO),
    Kind("blank-first.csv", b"\n\n" + COMMA, TWO),
    # Encodings.
    Kind("mark.csv", text(GERMAN, "utf-8-sig"), UMLAUT),
    Kind("quoted-mark.csv", COMMA.replace(b"text", b'\xef\xbb\xbf"text"', 1), TWO),
    Kind("utf-16.csv", text(GERMAN, "utf-16"), UMLAUT),
    Kind("utf-16-be.csv", b"\xfe\xff" + text(GERMAN, "utf-16-be"), UMLAUT),
    Kind("utf-16-bare.csv", text(GERMAN, "utf-16-le"), UMLAUT),
    Kind("utf-16-bare-be.csv", text(GERMAN, "utf-16-be", "\r\n"), UMLAUT),
    Kind("utf-16.tsv", text([line.replace(",", "\t") for line in GERMAN], "utf-16"), UMLAUT),
    Kind("utf-16-cut.csv", text(GERMAN, "utf-16")[:-1],
         error="line 3: not utf-16, although the file begins as utf-16"),
    Kind("utf-32.csv", text(GERMAN, "utf-32"), UMLAUT),
    Kind("windows.csv", text(GERMAN, "cp1252"), UMLAUT,
         note=r"is not UTF-8 \(line 2\) and was read as Windows-1252; .*`encoding`"),
    Kind("windows-given.csv", text(GERMAN, "cp1252"), UMLAUT, "--encoding windows-1252"),
    Kind("latin.csv", text(GERMAN, "cp1252"), flags="--encoding latin-1",
         error="line 2: in latin-1 the byte 0x93 is a control.* add `encoding=windows-1252`"),
    Kind("latin-given.csv", text(["text,label", "f\xfcr,up", "b,down"], "latin-1"),
         [("für", "up"), ("b", "down")], "--encoding latin-1"),
    Kind("utf-8-given.csv", text(GERMAN, "cp1252"), flags="--encoding utf-8",
         error="line 2: not utf-8; remove `encoding`"),
    Kind("neither.csv", b"text,label\nf\xfc\x81r,up\nb,down\n",
         error="line 2: neither UTF-8 nor Windows-1252: give its encoding with `encoding`"),
    Kind("damaged.csv", text(["text,label", "für Ä Ö,up"]) * 9 + b"text,label\nf\xfcr,up\n",
         error="line 20: not UTF-8, but 27 other characters of the file are"),
    Kind("halves.csv", text(["text,label", "Ä 🚀,up", "b,down"]).replace(
         "🚀".encode(), "\ud83d\ude80".encode("utf-8", "surrogatepass")),
         error="line 2: not UTF-8 but CESU-8, .* splits emojis in two"),
    Kind("cyrillic.csv", text(["text,label", "Прибыль выросла,up", "b,down"], "cp1251"),
         error="not the Western text of Windows-1252 either"),
    Kind("cyrillic-given.csv", text(["text,label", "Прибыль,up", "b,down"], "cp1251"),
         [("Прибыль", "up"), ("b", "down")], "--encoding cp1251"),
    Kind("unknown.csv", COMMA, flags="--encoding utf-9", error="Python has no such encoding"),
    # Headers.
    Kind("all-data.csv", NO_HEADER,
         error="first line looks like data .'neutral' occurs again in column 1.: add `header=False`"
         " and name the columns by number, for example `text_column=2` `label_column=1`"),
    Kind("all-data-given.csv", NO_HEADER, NO_HEADER_ROWS, NUMBERS),
    Kind("by-row.csv", NO_HEADER, flags="--label-column neutral --text-column "
         "Technopolis_plans_to_develop_in_stages_an_area", error="first line looks like data"),
    Kind("spam-by-name.csv", b"text,spam\nx,spam\ny,ham\n", flags="--label-column spam",
         error="looks like data .'spam' occurs again in column 2.: .*or add `header=True` if"),
    Kind("spam-by-header.csv", b"text,spam\nx,spam\ny,ham\n", [("x", "spam"), ("y", "ham")],
         "--label-column spam --header"),
    Kind("SMSSpamCollection", SMS_FILE, SMS, NUMBERS, note="part of the texts"),
    Kind("SMSSpamCollection.tsv", SMS_FILE, error="looks like data .*`text_column=2` `label_"),
    Kind("SMSSpamCollection.txt", SMS_FILE, SMS, NUMBERS, note="part of the texts"),
    Kind("bare.txt", SMS_FILE, error="one text per line without labels; .*`delimiter=tab`"),
    Kind("sentiment140.csv", TWEETS, error="looks like data .*`text_column=[36]` `label_column=4`"),
    Kind("sentiment140-given.csv", TWEETS, [("is upset, again", "0"), ("loves it", "4")],
         "--no-header --text-column 6 --label-column 1"),
    Kind("with-header.csv", COMMA, flags=NUMBERS, error="the first line names the columns .text"),
    Kind("numbered.csv", text(["1,2", "Sales rose,5", "Sales fell,4"]),
         [("Sales rose", "5"), ("Sales fell", "4")], "--text-column 1 --label-column 2"),
    Kind("spam.csv", b"v1,v2,,,\nham,Go on,,,\nspam,Free,\" more\",,\n",
         [("Go on", "ham"), ("Free", "spam")], "--text-column v2 --label-column v1",
         note="1 row has values in columns without a name .column 3, 4, 5."),
    Kind("excel.csv", b"v1,v2,,,\nham,Go on\nspam,Free,,,\n", [("Go on", "ham"), ("Free", "spam")],
         "--text-column v2 --label-column v1"),
    Kind("index.csv", b",text,label\n0,a,up\n1,b,down\n", [("a", "up"), ("b", "down")]),
    Kind("indices.csv", b",Unnamed: 0,text,label\n0,0,a,up\n1,1,b,down\n", [("a", "up"),
         ("b", "down")]),
    Kind("joined.csv", COMMA + COMMA, error=r"line 4 \(row 3\): this line repeats the header"),
    Kind("joined-marks.csv", (b"\xef\xbb\xbf" + COMMA) * 2, TWO * 2, "--drop-bad-rows",
         note="1 of 5 rows cannot be used"),
    Kind("joined-ends.csv", (b"text,label\n" + b"x,up,\ny,down,\n" * 150) * 2,
         error=r"line 302 \(row 301\): this line repeats the header"),
    Kind("ends.csv", b'text,label\n"Sales fell, again",down,\nProfit rose,up,\n', TWO),
    Kind("some-ends.csv", b"text,label\nProfit rose,up\nSales,fell,\n",
         error=r"line 3 \(row 2\): 3 fields, but the header has 2"),
    Kind("blanks-at-end.csv", COMMA + b"\n  \r\n \n", TWO),
    Kind("tabs-at-end.tsv", TAB + b"\t\n", TWO, note="1 of 3 rows have no label"),
    Kind("short-row.csv", b"up,Profit rose\ndown,Sales fell\n",
         error="choose one with `text_column`, or add `header=False` if the first line is a row"),
    Kind("short-row-given.csv", b"up,Profit rose\ndown,Sales fell\n",
         [("Profit rose", "up"), ("Sales fell", "down")], NUMBERS),
    Kind("mysql.tsv", TAB + b"Orders\t\\N\n", TWO, note="1 of 3 rows have no label"),
    Kind("mysql-text.tsv", TAB + b"\\N\tup\n", error="row 3., column 'text': the text is empty"),
    Kind("bad-header.csv", b'"text"x,label\na,up\n', error="first line: a quotation mark"),
    Kind("wrong.csv", b'"text","label"\na,up\n', flags="--delimiter ;",
         error="first line: .*; check `delimiter` too"),
    Kind("never-closed-header.csv", b'"text,label\na,up\n', error="first line: the quotation"),
    Kind("same-name.csv", b"text,label,text\na,up,b\n", error="two columns have one name, 'text'"),
    Kind("marked.csv", text(GERMAN, "utf-8-sig"), flags="--encoding windows-1252",
         error="`encoding=windows-1252`: .* begins with the byte order mark of utf-8: remove"),
    Kind("empty.csv", b"", error="is empty"),
    Kind("header-only.csv", b"text,label\n", error="has no rows"),
    # JSON.
    Kind("lines.jsonl", JSONL, TWO),
    Kind("lines.ndjson", JSONL, TWO),
    Kind("lines.json", JSONL, TWO),
    Kind("array.json", json.dumps(JSON_ROWS, indent=2).encode(), TWO),
    Kind("array.jsonl", json.dumps(JSON_ROWS).encode(), TWO),
    Kind("lines.data", JSONL, TWO),
    Kind("windows.jsonl", b'{"text": "f\xfcr", "label": "up"}\n{"text": "b", "label": "down"}\n',
         [("für", "up"), ("b", "down")], note="read as Windows-1252"),
    Kind("cut.json", json.dumps(JSON_ROWS).encode()[:-2], error=r"line 1 \(row 2\): not valid"),
    Kind("cut2.json", json.dumps(JSON_ROWS).encode()[:-1], error="does not end after its last row"),
    Kind("comma.json", json.dumps(JSON_ROWS).encode()[:-1] + b", ]",
         error=r"line 1 \(row 3\): not valid JSON"),
    Kind("after.json", json.dumps(JSON_ROWS).encode() + b" x", error="does not end"),
    Kind("empty.json", b" [ ]\n", error="has no rows"),
    Kind("lines-of.json", b'[{"text": "a", "label": "up"},\n{"text": "b", "label": "down"},\n7]',
         error=r"line 3 \(row 3\): not a JSON object"),
    Kind("pretty.json", json.dumps(JSON_ROWS[0], indent=2).encode(), error="one object per line"),
    Kind("answer.json", json.dumps({"status": "ok", "articles": JSON_ROWS}).encode(),
         error="one object with its rows in the list 'articles': save that list"),
    Kind("lists.jsonl", b'{"text": "a", "label": "up", "urls": [{"u": 1}]}\n', [("a", "up")]),
    Kind("nested.jsonl", text(json.dumps({"data": {"text": t}, "m": {"a": {"y": y}}})
         for t, y in TWO), TWO, "--text-column data.text --label-column m.a.y"),
    Kind("dots.jsonl", b'{"a.b": "x", "a": {"b": "no"}, "label": "up"}\n'
         b'{"a.b": "y", "a": {"b": "no"}, "label": "down"}\n', [("x", "up"), ("y", "down")],
         "--text-column a.b"),
    Kind("half.jsonl", JSONL + b'{"text": "a", "label": "up", "meta": {"k": ["\\ud83d"]}}\n',
         error=r"line 3 \(row 3\): column 'meta': half of a surrogate pair"),
    Kind("half-key.jsonl", JSONL + b'{"text": "a", "label": "up", "\\uDE00": 1}\n',
         error=r"line 3 \(row 3\): column .* half of a surrogate pair"),
    Kind("whole.jsonl", b'{"text": "\\ud83d\\ude00 up", "label": "up"}\n' + JSONL,
         [("😀 up", "up"), *TWO]),
    Kind("twice.jsonl", b'{"text": "a", "label": "up", "m": {"k": 1, "k": 2}}\n' + JSONL,
         error=r"line 1 \(row 1\): not valid JSON: two values for the key 'k'"),
    Kind("infinite.jsonl", b'{"text": "a", "label": "up", "x": -Infinity}\n' + JSONL,
         error="-Infinity is not a JSON number"),
    Kind("huge.jsonl", b'{"text": "a", "label": "up", "x": 1e999}\n' + JSONL,
         error="the number 1e999 is too large"),
    Kind("nan.jsonl", b'{"text": "a", "label": NaN}\n' + JSONL, TWO,
         note="1 of 3 rows have no label"),
    Kind("names.jsonl", b'{"text": "nan", "label": "up"}\n{"text": "None", "label": "down"}\n',
         [("nan", "up"), ("None", "down")]),
    Kind("names.csv", b"text,label\nnan,N/A\nNone,null\nNAN,N/A\n",
         [("nan", "N/A"), ("None", "null"), ("NAN", "N/A")]),
    # Compressed files and spreadsheets.
    Kind("a.csv.gz", gzip.compress(COMMA), TWO),
    Kind("a.jsonl.gz", gzip.compress(JSONL), TWO),
    Kind("a.csv.bz2", bz2.compress(COMMA), TWO),
    Kind("a.csv.xz", lzma.compress(COMMA), TWO),
    Kind("a.gz", gzip.compress(COMMA), TWO),
    Kind("misnamed.csv", gzip.compress(COMMA), TWO),
    Kind("windows.csv.gz", gzip.compress(text(GERMAN, "cp1252")), UMLAUT, note="Windows-1252"),
    Kind("cut.csv.gz", gzip.compress(COMMA * 50)[:-9], error="is damaged .*download or compress"),
    Kind("crc.csv.gz", gzip.compress(COMMA)[:-8] + b"12345678", error="is damaged"),
    Kind("one.zip", zipped(("a/", ""), ("a/b.csv", COMMA), ("__MACOSX/a/._b.csv", b"\0"),
         ("readme.txt", "x")), TWO),
    Kind("sms.zip", zipped(("SMSSpamCollection", SMS_FILE), ("readme", "x")), SMS, NUMBERS,
         note="part of the texts"),
    Kind("two.zip", zipped(("train.csv", COMMA), ("test.csv", COMMA)),
         error="contains 2 tables .train.csv, test.csv.: unpack it"),
    Kind("none.zip", zipped(("__MACOSX/x.csv", "")), error="contains no table"),
    Kind("bad.zip", b"PK\x03\x04 and nothing more", error="not a readable zip file"),
    Kind("no.zip", COMMA, error="not a readable zip file"),
    Kind("book.xlsx", zipped(("[Content_Types].xml", ""), ("xl/workbook.xml", "")),
         error="is an Excel workbook: save its sheet as CSV .*CSV UTF-8"),
    Kind("book.csv", zipped(("[Content_Types].xml", ""), ("xl/workbook.xml", "")),
         error="is an Excel workbook"),
    Kind("old.xls", b"\xd0\xcf\x11\xe0", error="is an Excel workbook"),
    Kind("old.csv", b"\xd0\xcf\x11\xe0\xa1", error="is an Excel workbook"),
    Kind("sheet.ods", zipped(("mimetype", "x")), error="is an OpenDocument spreadsheet"),
    Kind("sheet.numbers", zipped(("Index/x.iwa", "")), error="is a Numbers spreadsheet"),
    Kind("pointer.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 5\n",
         error="is a git-LFS pointer and not the file itself: run `git lfs pull`"),
    Kind("page.jsonl", b"<!DOCTYPE html>\n<html>\n",
         error="is a web page .HTML. and not the file itself: .*Raw link"),
    Kind("page.pdf", b"%PDF", error="the ending is not one of"),
    Kind("news.csv.txt", COMMA, TWO),
    Kind("flags.jsonl", JSONL, flags="--delimiter ;", error="`delimiter` has no effect"),
    Kind("flags2.jsonl", JSONL, flags="--no-header", error="`header=False` has no effect"),
]  # fmt: skip


def load(path, flags=""):
    given = [flag.replace("_", " ") for flag in flags.split()]
    argv = ["--model", "x", "--data", str(path), *given]
    return parse(EvaluateSettings, "mlx_finbert.evaluate", "", argv).load_texts()


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_kind_of_file(tmp_path, kind):
    path = tmp_path / kind.name
    path.write_bytes(kind.content)
    if kind.error:
        with pytest.raises(InputError, match=kind.error) as caught:
            load(path, kind.flags)
        assert "\n" not in str(caught.value)
        return
    data = load(path, kind.flags)
    assert list(zip(data.texts, [data.label_names[i] for i in data.label_ids], strict=True)) == (
        kind.rows
    )
    if kind.note:
        assert any(re.search(kind.note, note) for note in data.notes), data.notes
    else:
        assert not data.notes


def test_real_phrasebank_as_kaggle_has_it(tmp_path, real_data):
    """The file has no header, and its encoding is not UTF-8."""
    source = load(f"{real_data / 'FinancialPhraseBank-v1.0.zip'}:50agree")
    path = tmp_path / "all-data.csv"
    with open(path, "w", encoding="latin-1", newline="") as file:
        labels = [source.label_names[i] for i in source.label_ids]
        csv.writer(file).writerows(zip(labels, source.texts, strict=True))
    with pytest.raises(InputError, match=r"`header=False` .*`text_column=2` `label_column=1`"):
        load(path)
    data = load(path, NUMBERS)
    assert (data.texts, data.label_ids.tolist()) == (source.texts, source.label_ids.tolist())
    assert any("Windows-1252" in note for note in data.notes)


def test_evaluate_and_predict_read_alike(checkpoint, tmp_path, capsys):
    model, source = str(checkpoint()), tmp_path / "news.csv"
    lines = [
        "headline;tone;",
        "profit rose – 5 €;positive;x",
        "sales fell;negative;",
        "the board;neutral;",
    ]
    source.write_bytes(text(lines, "cp1252"))
    flags = ["--model", model, "--text-column", "headline"]
    data = ["--data", str(source), "--label-column", "tone", "--split", "all"]
    assert evaluate([*flags, *data]) == 0
    capsys.readouterr()
    target = tmp_path / "out.jsonl"
    assert predict([*flags, "--input", str(source), "--output", str(target)]) == 0
    said = capsys.readouterr().out
    assert "read as Windows-1252" in said and "1 row has values in columns without" in said
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["headline"] for row in rows] == ["profit rose – 5 €", "sales fell", "the board"]
    assert [row["Unnamed: 2"] for row in rows] == ["x", "", ""]


def test_predict_reads_nested_texts_and_numbered_columns(checkpoint, tmp_path):
    model, target = str(checkpoint()), tmp_path / "out.jsonl"
    for name, content, flags in (
        ("a.jsonl.gz", gzip.compress(b'{"data": {"text": "profit rose"}}\n'), ["data.text"]),
        ("a.tsv", b"ham\tprofit rose\nham\t\n", ["2", "--no-header"]),
    ):
        (tmp_path / name).write_bytes(content)
        files = ["--input", str(tmp_path / name), "--output", str(target)]
        assert predict(["--model", model, *files, "--text-column", *flags]) == 0
        rows = [json.loads(line) for line in target.read_text().splitlines()]
        assert rows[0]["predicted_label"]
    assert [row["2"] for row in rows] == ["profit rose", ""]
    assert not rows[1]["predicted_label"]


def test_predict_takes_a_key_that_json_leaves_out_for_null(checkpoint, tmp_path, capsys):
    """Spark writes no nulls."""
    source, target = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b'{"id": 1}\n{"id": 2, "text": "sales fell"}\n{"id": 3}\n')
    flags = ["--model", str(checkpoint()), "--input", str(source), "--output", str(target)]
    assert predict(flags) == 0
    assert "2 rows have no text" in capsys.readouterr().out
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [bool(row["predicted_label"]) for row in rows] == [False, True, False]
    assert ["text" in row for row in rows] == [False, True, False]
    assert predict([*flags, "--text-column", "texts"]) == 2
    assert "a.jsonl, line 1 (row 1) has no column 'texts'; its" in capsys.readouterr().err


def test_predict_copies_what_stands_for_null(checkpoint, tmp_path, capsys):
    source, target = tmp_path / "a.tsv", tmp_path / "out.csv"
    source.write_bytes(b"text\tprice\nprofit rose\t\\N\n\\N\t5\n")
    flags = ["--model", str(checkpoint()), "--input", str(source), "--output", str(target)]
    assert predict(flags) == 0
    assert "1 rows have no text" in capsys.readouterr().out
    rows = [row[:3] for row in csv.reader(target.read_text().splitlines())][1:]
    assert [row[:2] for row in rows] == [["profit rose", "\\N"], ["\\N", "5"]] and not rows[1][2]


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        InputError, match="pipe must be read twice, which a pipe does not allow: save"
    ):
        load(tmp_path / "pipe")


def test_predict_scores_no_pointer_and_no_page(checkpoint, tmp_path, capsys):
    """Every line of a .txt file is a text."""
    source, model = tmp_path / "a.txt", str(checkpoint())
    for content in ("version https://git-lfs.github.com/spec/v1\noid x\n", "<html>\n<body>\n"):
        source.write_text(content)
        files = ["--input", str(source), "--output", str(tmp_path / "out.csv")]
        assert predict(["--model", model, *files]) == 2
        assert "itself" in capsys.readouterr().err


def test_lines_with_one_text_in_a_csv_file(checkpoint, tmp_path, capsys):
    """The remedy in the message works."""
    source, target = tmp_path / "a.csv", tmp_path / "out.jsonl"
    source.write_bytes(b"text\nprofit rose, again\nsales fell\n")
    flags = ["--model", str(checkpoint()), "--input", str(source), "--output", str(target)]
    assert predict(flags) == 2
    assert "or add --delimiter tab if each line is one text" in capsys.readouterr().err
    assert predict([*flags, "--delimiter", "tab"]) == 0
    assert json.loads(target.read_text().splitlines()[0])["text"] == "profit rose, again"


def test_predict_lists_the_rows_that_cannot_be_read(checkpoint, tmp_path, capsys):
    source, target = tmp_path / "a.jsonl", tmp_path / "out.csv"
    half = b'{"text": "sales", "meta": [{"by": "\\ud83d"}]}\n'
    source.write_bytes(b'{"text": "profit rose"}\n{"te\n' + half + b"7\n" * 10)
    files = ["--input", str(source), "--output", str(target)]
    assert predict(["--model", str(checkpoint()), *files]) == 2
    error = capsys.readouterr().err
    assert "12 rows cannot be read: " in error and error.count("a.jsonl, line") == 10
    assert "line 3 (row 3): column 'meta': half of a surrogate pair" in error
    assert not target.exists() and error.count("\n") == 1


def test_train_reads_a_file_without_a_header(checkpoint, tmp_path, capsys):
    source, run = tmp_path / "SMSSpamCollection", tmp_path / "run"
    lines = [f"{('ham', 'spam')[i % 2]}\t{word} {i}, profit{i % 3 * ', rose'}" for i, word in
             enumerate(["sales", "net", "orders", "company", "year"] * 8)]  # fmt: skip
    source.write_bytes(text(lines))
    flags = ["--model", str(checkpoint(labels=["ham", "spam"])), "--data", str(source)]
    flags += ["--num-train-epochs", "1", "--output-dir", str(run)]
    assert train(flags) == 2
    assert "add --no-header and name the columns by number" in capsys.readouterr().err
    assert train([*flags, *NUMBERS.split()]) == 0
    assert "header: false" in (run / "config.yaml").read_text()
