"""Commands whose output is not read: the work continues and keeps its status."""

import errno
import os
import subprocess
import sys

import pytest

import mlx_finbert
from mlx_finbert.cli.command import command

FULL = "/dev/full"
needs_full_disk = pytest.mark.skipif(not os.path.exists(FULL), reason=f"needs {FULL}")

TALKS = """
import logging, os, sys, time
from pathlib import Path
from mlx_finbert.cli.command import command
from mlx_finbert.errors import InputError

@command
def main(argv):
    print("first line", flush=True)
    time.sleep(0.1)
    for number in range(5000):
        print("line", number)
        print("progress", number, file=sys.stderr)
    logging.getLogger("work").warning("a warning")
    os.write(1, b"from a library")
    Path(sys.argv[1]).write_text("the work")
    if len(sys.argv) > 2:
        raise InputError("bad input")

sys.exit(main())
"""


def talked(script, tmp_path):
    """Run `TALKS` in a script, check that its work was done, and return the result."""
    done = subprocess.run(
        ["bash", "-c", script, sys.executable, TALKS, tmp_path / "model"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (tmp_path / "model").read_text() == "the work"
    return done


@pytest.mark.parametrize(
    ("redirected", "words"),
    [
        ("| head -n 1", ["first line"]),
        ("2>&1 | head -n 1", ["first line"]),
        ("2>/dev/null | true", []),
        (">&-", ["progress 4999", "a warning"]),
        ("2>&-", ["line 4999"]),
        (">&- 2>&-", []),
        ("<&- >&- 2>&-", []),
    ],
)
@pytest.mark.parametrize(("more", "status"), [("", 0), ("fails", 2)])
def test_work_goes_on_without_a_reader(tmp_path, redirected, words, more, status):
    script = f'"$0" -c "$1" "$2" {more} {redirected}; exit ${{PIPESTATUS[0]}}'
    done = talked(script, tmp_path)
    assert done.returncode == status
    told = done.stdout + done.stderr
    assert all(word in told for word in words)
    assert "BrokenPipe" not in told and "Traceback" not in told and "Exception" not in told


@needs_full_disk
@pytest.mark.parametrize(("more", "status"), [("", 1), ("fails", 2)])
def test_a_full_disk_behind_the_output_is_no_success(tmp_path, more, status):
    script = f'"$0" -c "$1" "$2" {more} >{FULL}'
    done = talked(script, tmp_path)
    assert done.returncode == status
    last = done.stderr.splitlines()[-1]
    assert last == (
        f"error: standard output: {os.strerror(errno.ENOSPC)}; part of it was not written"
    )
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


COMMANDS = {
    "train": "--model {model} --data {data} --num-train-epochs 1 --batch-size 8 --output-dir {out}",
    "evaluate": "--model {model} --data {data} --split all",
    "predict": "--model {model} rose fell",
    "convert.to_mlx": "--model {model} --output {out}",
}


@pytest.mark.parametrize(
    "name",
    [
        "train",
        "convert.to_mlx",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("evaluate", "predict")),
    ],
)
def test_commands_through_a_pipe_that_closes(checkpoint, tmp_path, write_news, name):
    table, out = write_news(tmp_path / "news.csv", 20), tmp_path / "out"
    argv = COMMANDS[name].format(model=checkpoint(), data=table, out=out).split()
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", f"mlx_finbert.{name}", *argv],
        stdout=write, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 0 and done.stderr == ""
    if "--output" in COMMANDS[name]:
        mlx_finbert.load(out)
    if name == "train":
        assert (out / "metrics.json").is_file()


@needs_full_disk
@pytest.mark.parametrize("argv", [["predict", "--help"], ["train", "--help"]])
def test_help_on_a_full_disk(argv):
    with open(FULL, "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", f"mlx_finbert.{argv[0]}", *argv[1:]],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output: ")


def test_a_lost_connection_is_no_success(capsys):
    @command
    def main(argv):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    assert main([]) == 2
    assert capsys.readouterr().err == f"error: {os.strerror(errno.EPIPE)}\n"


@pytest.mark.parametrize(("encoding", "told"), [("utf-8", "é \\udce9"), ("ascii", "\\xe9 \\udce9")])
def test_what_has_no_place_in_the_encoding_is_escaped(encoding, told):
    code = "from mlx_finbert.cli.command import command; command(lambda _: print('é \\udce9'))()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.decode("utf-8") == f"{told}\n"


def test_a_locale_without_the_characters_of_an_argument():
    done = subprocess.run(
        [sys.executable, "-m", "mlx_finbert.predict", "--model", "modèle", "rose"],
        capture_output=True, text=True, env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    # macOS decodes file names as UTF-8 in every locale.
    if sys.platform == "linux":
        assert done.stderr.startswith("error: 'mod") and "set PYTHONUTF8=1" in done.stderr


def test_the_streams_are_put_back(capsys):
    before = sys.stdout, sys.stderr

    @command
    def main(argv):
        assert (sys.stdout, sys.stderr) != before

    assert main([]) == 0
    assert (sys.stdout, sys.stderr) == before


def test_of_two_files_the_one_that_is_written_is_named(capsys):
    def main(argv):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "source", None, "target")

    assert command(main)([]) == 2
    assert capsys.readouterr().err == f"error: target: {os.strerror(errno.ENOSPC)}\n"
