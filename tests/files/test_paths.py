"""Paths that users give."""

import os
import sys
from pathlib import Path

import pytest

import mlx_finbert
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.convert.coreml.exporter import package_names
from mlx_finbert.data.sources import load_texts
from mlx_finbert.errors import InputError
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.files.paths import is_plainly_local, local_path, require_locale, require_room
from mlx_finbert.inference.table import check_target
from mlx_finbert.predict import main as predict
from mlx_finbert.train import main as train

NOBODY = ["~nobody-here/x", "~$news.csv", "~$"]


@pytest.mark.parametrize("name", NOBODY)
def test_a_tilde_without_such_a_user_stays(name):
    assert local_path(name) == Path(name)


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~") == tmp_path and local_path("~/a/~b") == tmp_path / "a" / "~b"
    assert local_path(Path("a~")) == Path("a~")


def test_a_name_that_no_file_has_is_refused():
    with pytest.raises(InputError, match="holds a null character"):
        mlx_finbert.load("a\0b")


@pytest.mark.parametrize("name", NOBODY)
@pytest.mark.parametrize(
    ("main", "flags"),
    [
        (train, ["--data", "{}"]),
        (train, ["--model", "{}"]),
        (train, ["--config", "{}"]),
        (train, ["--resume-from-checkpoint", "{}"]),
        (evaluate, ["--model", "{}"]),
        (evaluate, ["--model", "tiny", "--data", "{}"]),
        (predict, ["--model", "{}", "rose"]),
    ],
)
def test_every_command_refuses_it_in_a_sentence(
    main, flags, name, capsys, tmp_path, monkeypatch, checkpoint
):
    monkeypatch.chdir(tmp_path)
    checkpoint()
    assert main([flag.format(name) for flag in flags]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and name in error


def test_the_lock_file_of_a_spreadsheet_is_read_as_any_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("~$news.csv").write_text("text,label\nsales rose,positive\n")
    assert load_texts("~$news.csv").texts == ["sales rose"]


@pytest.mark.parametrize(
    "name",
    ["./a", "/a", "~a/b", "../a", "a/b/c", "models/", "runs/finbert", "models\\a", "my model"],
)
def test_what_is_plainly_a_path_is_not_asked_of_the_hub(name, monkeypatch):
    def download(*_):
        raise AssertionError("asked of the hub")

    monkeypatch.setattr("mlx_finbert.checkpoints.hub.download", download)
    assert is_plainly_local(name)
    with pytest.raises(InputError, match="there is no such folder"):
        resolve(name)
    monkeypatch.setattr("mlx_finbert.data.sources.hub.open_dataset", download)
    with pytest.raises(InputError, match="there is no such file or folder"):
        load_texts(name)


@pytest.mark.parametrize("name", ["distilbert-base-uncased", "ProsusAI/finbert", "a/runs", "a.b"])
def test_an_id_is_no_path(name):
    assert not is_plainly_local(name)


@pytest.mark.parametrize("letter", ["a", "ö"])
def test_names_that_are_too_long_are_refused_before_the_work(tmp_path, letter):
    size = len(os.fsencode(letter))
    longest = letter * (251 // size) + "." * (251 % size) + ".csv"
    require_room(tmp_path / longest, "output")
    (tmp_path / longest).touch()
    with pytest.raises(InputError, match=r"`output`: the file name .* is 1 byte too long"):
        require_room(tmp_path / f"{longest}v", "output")
    with pytest.raises(InputError, match=r"`output`: .* is 6 bytes too long: shorten it"):
        check_target("output", tmp_path / longest, {})
    with pytest.raises(InputError, match=r"`output`: .* bytes too long: shorten it"):
        package_names(tmp_path / ("a" * 240 + ".mlpackage"), [7], None)


def test_a_name_that_the_libraries_cannot_open_is_refused():
    with pytest.raises(InputError, match="is not a path in UTF-8: rename"):
        mlx_finbert.load("a\udcff")
    with pytest.raises(InputError, match="a name in it is longer than 255 bytes"):
        local_path("x/" + "ö" * 128)
    assert local_path("ö" * 127 + "/" + "x" * 255)


@pytest.mark.parametrize(
    ("encoding", "word", "refused"),
    [("utf-8", "a\udcff", False), ("ascii", "ö", True), ("ascii", "o", False),
     ("ascii", "\udcc3\udcb6", True), ("iso8859-1", "ö", False), ("iso8859-1", "ł", True)],
)  # fmt: skip
def test_what_a_locale_lacks_is_refused(encoding, word, refused, monkeypatch):
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    if not refused:
        return require_locale(["a", word])
    with pytest.raises(InputError, match=rf"this locale \({encoding}\) lacks: set PYTHONUTF8=1"):
        require_locale(["a", word])
