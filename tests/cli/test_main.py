"""`mlx-finbert`: each command calls its module and imports no other."""

import importlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from startup import COMMANDS as MODULES
from startup import heavy_modules

import mlx_finbert
from mlx_finbert.cli.main import COMMANDS, main

WORDS = {
    "pretrain": "mlx_finbert.pretrain",
    "train": "mlx_finbert.train",
    "evaluate": "mlx_finbert.evaluate",
    "predict": "mlx_finbert.predict",
    "convert": "mlx_finbert.convert.to_mlx",
    "export": "mlx_finbert.convert.to_coreml",
    "export-coreai": "mlx_finbert.convert.to_coreai",
    "verify": "mlx_finbert.convert.verify",
    "shrink": "mlx_finbert.convert.shrink",
    "fuse": "mlx_finbert.convert.fuse",
    "compare": "mlx_finbert.compare",
    "push": "mlx_finbert.push",
    "check": "mlx_finbert.check",
}


@pytest.fixture
def called(monkeypatch):
    """Record the modules that `main` imports and their arguments; their status is 3."""
    calls = []

    def import_module(name):
        return SimpleNamespace(main=lambda argv: calls.append((name, argv)) or 3)

    monkeypatch.setattr(importlib, "import_module", import_module)
    return calls


def run(*argv, **more):
    """Run `mlx-finbert` in a separate process."""
    return subprocess.run(
        [sys.executable, "-m", "mlx_finbert.cli.main", *argv],
        stderr=subprocess.PIPE, text=True, **{"stdout": subprocess.PIPE} | more,
    )  # fmt: skip


@pytest.mark.parametrize(("word", "module"), WORDS.items())
def test_a_word_calls_its_module_with_the_rest(called, word, module):
    assert main([word, "--model", "x", "--help"]) == 3
    assert called == [(module, ["--model", "x", "--help"])]


def test_every_command_has_a_word():
    assert {module for module, _ in COMMANDS.values()} == {f"mlx_finbert.{m}" for m in MODULES}
    assert [*COMMANDS] == [*WORDS]


def test_the_words_of_the_process_are_taken(called, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mlx-finbert", "predict", "train"])
    assert main() == 3
    assert called == [("mlx_finbert.predict", ["train"])]


@pytest.mark.parametrize("word", ["train", "verify"])
def test_the_help_of_a_command(word):
    done = run(word, "--help")
    assert done.returncode == 0
    assert f"usage: python -m {WORDS[word]}" in done.stdout


def test_bad_input_has_the_status_of_the_command(capsys):
    assert main(["predict", "--lr", "3"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no flag --lr")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(called, capsys, flag):
    assert main([flag]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {word} " in told for word in WORDS)
    assert not called


def test_without_a_command_help_is_no_success(called, capsys):
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("usage: mlx-finbert COMMAND") and not told.out


def test_the_version(called, capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mlx-finbert {mlx_finbert.__version__}\n"


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("trian", "did you mean train?"),
        ("eval", "did you mean evaluate?"),
        ("--verison", "did you mean --version?"),
        ("tokenize", f"the commands are {', '.join(WORDS)}"),
    ],
)
def test_a_misspelt_command_is_one_sentence(called, capsys, word, advice):
    assert main([word, "--model", "x"]) == 2
    assert capsys.readouterr().err == f"error: there is no command {word}; {advice}\n"
    assert not called


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_more_than_the_package(flag):
    assert heavy_modules(["-m", "mlx_finbert.cli.main", flag]) == []
    code = (
        "import mlx_finbert, sys; before = {*sys.modules}\n"
        f"from mlx_finbert.cli.main import main; main([{flag!r}])\n"
        "print(*{*sys.modules} - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = done.stdout.splitlines()[-1].split()
    assert "mlx_finbert.cli.main" in added
    assert not {"mlx.core", "mlx_finbert.cli.flags", *WORDS.values()} & {*added}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_help_on_a_full_disk():
    with open("/dev/full", "w") as full:
        done = run("--help", stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output: ")
