"""One run at a time writes a file, be it an output or sentences."""

from contextlib import contextmanager

import pytest
from loopback import python

from mlx_finbert.inference import parts
from mlx_finbert.predict import main

HOLD = """
import sys, time
from pathlib import Path
from mlx_finbert.inference.parts import held
with held(Path(sys.argv[1]), "--output"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def another_process(target):
    """One that holds a target, as a run does; it is killed at the end of the block."""
    process = python("-c", HOLD, target)
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def flags(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "profit rose\n" * 5)
    return ["--model", str(checkpoint()), "--input", str(source), "--output"]


def test_a_second_run_is_told_who_has_the_output(flags, tmp_path, capsys):
    target = tmp_path / "scored.csv"
    with another_process(target) as process:
        assert main([*flags, str(target)]) == 2
        said = capsys.readouterr().err
        assert f"scored.csv.parts is in use by process {process.pid} on " in said
        assert "choose another --output" in said and said.count("\n") == 1
        # Another ending is another output.
        assert main([*flags, str(tmp_path / "scored.jsonl")]) == 0
    assert not target.exists()
    assert (tmp_path / "scored.csv.parts").exists()  # left by the killed process
    assert main([*flags, str(target)]) == 0
    assert not list(tmp_path.glob("*.parts"))


def test_two_outputs_with_one_file_of_sentences(flags, tmp_path, capsys):
    sentences = tmp_path / "sentences.csv"
    by_sentence = ["--by-sentence", "--sentences", str(sentences)]
    with another_process(sentences) as process:
        assert main([*flags, str(tmp_path / "scored.csv"), *by_sentence]) == 2
        said = capsys.readouterr().err
        assert f"sentences.csv.parts is in use by process {process.pid} on " in said
        assert "choose another --sentences" in said
    assert not (tmp_path / "scored.csv").exists() and not sentences.exists()
    assert main([*flags, str(tmp_path / "scored.csv"), *by_sentence]) == 0
    assert sentences.exists() and not list(tmp_path.glob("*.parts"))


def test_an_output_that_is_another_runs_file_of_sentences(flags, tmp_path, capsys):
    target = tmp_path / "scored.csv"
    with another_process(target):
        output = str(tmp_path / "other.csv")
        assert main([*flags, output, "--by-sentence", "--sentences", str(target)]) == 2
    assert "scored.csv.parts is in use" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder(flags, tmp_path, capsys):
    (tmp_path / "scored.csv.parts").touch()
    assert main([*flags, str(tmp_path / "scored.csv")]) == 2
    assert "scored.csv.parts is needed as a folder" in capsys.readouterr().err


TWO = """
import sys
from mlx_finbert import predict as __main__
from mlx_finbert.inference import parts
parts.PART_ROWS = 2
sys.exit(__main__.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_two_commands_at_once(flags, checkpoint, tmp_path):
    """Outputs of one stem and two models; then one output."""
    other = [flags[0], str(checkpoint(name="other", labels=["spam", "ham", "eggs"])), *flags[2:]]
    for one, two in (("scored.csv", "scored.jsonl"), ("same.csv", "same.csv")):
        runs = [python("-c", TWO, *f, tmp_path / t) for f, t in ((flags, one), (other, two))]
        said = [run.communicate(timeout=120) for run in runs]
        codes = [run.returncode for run in runs]
        if one == two:
            # They may also have come one after the other.
            assert 0 in codes and set(codes) <= {0, 2}
            refused = "".join(err for _, err in said)
            assert (2 in codes) == ("is in use by process" in refused)
        else:
            assert codes == [0, 0], said
            assert "probability_neutral" in (tmp_path / one).read_text()
            assert "probability_ham" in (tmp_path / two).read_text()
    assert not list(tmp_path.glob("*.parts"))
