"""The encoding of a file is detected once, from all of it, in constant memory."""

import tracemalloc

import pytest

from mlx_finbert.data.tables import encodings
from mlx_finbert.data.tables.encodings import find_format
from mlx_finbert.errors import InputError


def write(tmp_path, data):
    (tmp_path / "a.csv").write_bytes(data)
    return tmp_path / "a.csv"


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_a_character_may_lie_across_two_chunks(tmp_path, monkeypatch, chunk, encoding):
    monkeypatch.setattr(encodings, "CHUNK", chunk)
    text = "text,label\r\n„Gewinn“ für 5 € – Öl,up\r\n" * 3
    path = write(tmp_path, text.encode(encoding))
    form = find_format(path)
    with open(path, encoding=form.encoding, newline="") as file:
        assert file.read() == text
    assert (form.newline, bool(form.note)) == ("\n", encoding == "cp1252")


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_an_error_names_its_line(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(encodings, "CHUNK", chunk)
    for end in (b"\n", b"\r", b"\r\n"):
        good = "für Ä,up".encode() + end
        path = write(tmp_path, good * 8 + b"f\xfcr,up" + end + good)
        with pytest.raises(InputError, match="line 9: not UTF-8, but 18 other characters"):
            find_format(path)
        with pytest.raises(InputError, match="line 9: not utf8; remove `encoding`"):
            find_format(path, "utf8")
        path = write(tmp_path, b"a,up" + end + b"caf\xe9,up" + end + b"na\xefve \x81,up")
        with pytest.raises(InputError, match="line 2: neither UTF-8 nor Windows-1252"):
            find_format(path)


RUSSIAN = "Прибыль выросла"
TEXTS = {
    "cp1251": RUSSIAN,
    "koi8_r": RUSSIAN,
    "cp1253": "Τα κέρδη αυξήθηκαν",
    "gbk": "公司利润上升了很多",
    "shift_jis": "利益が増加した",
    "euc_kr": "이익이 증가했다",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_other_scripts_are_not_taken_for_western_text(tmp_path, encoding):
    path = write(tmp_path, f"text,label\n{TEXTS[encoding]},up\n".encode(encoding))
    with pytest.raises(InputError, match="`encoding`"):
        find_format(path)
    assert find_format(path, encoding).encoding == encoding


def test_western_text_with_quotation_marks_beside_accents(tmp_path):
    """Some pairs of bytes are UTF-8 by chance, and some high bytes are adjacent."""
    text = "„Spaß“, “café”, l’été… – Ärger über 5 € für Müller & Söhne; déjà vu\n"
    assert find_format(write(tmp_path, text.encode("cp1252"))).encoding == "cp1252"


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for rows in (4_000, 40_000):
        path = write(tmp_path, b"caf\xe9 for the company,up\n" * rows)
        tracemalloc.start()
        find_format(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_control_characters_of_utf_8_are_its_own(tmp_path):
    path = write(tmp_path, "it\u0080\u0099s,up\n".encode())
    assert find_format(path).note == ""
    with pytest.raises(InputError, match=r"in iso8859-15 the byte 0x80 .*: give another"):
        find_format(write(tmp_path, b"5 \x80,up\n"), "iso8859-15")
