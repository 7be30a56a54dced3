"""A run that is killed before any of its steps on the disk goes on with the same command."""

import os
import signal
import sys
import traceback

import pytest
from quick_predictor import Alone, QuickPredictor, Stopped, without_mlx

from mlx_finbert.inference import parts
from mlx_finbert.inference import score_file as scoring

STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "fcntl.flock"}


def is_step(event, args):
    """Whether an audit event is about to change something on the disk."""
    if event != "open":
        return event in STEPS
    return isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR))


def is_killed_before(step, work):
    """Do the work in a child that dies (SIGKILL) before its step of this number, from 0."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    left = iter(range(step))

    def hook(event, args):
        if is_step(event, args) and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(hook)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def score(tmp_path, monkeypatch):
    """Score a file of three parts into the folder `to`, with a predictor."""
    without_mlx(monkeypatch)
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "".join(f"Profit rose by {i}. Sales fell.\n" for i in range(5)))

    def score(to, predictor=None, **options):
        with_sentences = options.pop("with_sentences", False)
        if with_sentences:
            options |= {"by_sentence": True, "sentences": to / "sentences.csv"}
        predictor = predictor or QuickPredictor()
        return scoring.score_file(predictor, source, to / "out.csv", group=Alone, **options)

    return score


@pytest.mark.slow
@pytest.mark.parametrize("with_sentences", [False, True])
@pytest.mark.parametrize("has_old", [False, True])
def test_it_goes_on_to_the_same_bytes(score, tmp_path, with_sentences, has_old):
    whole, old = tmp_path / "whole", tmp_path / "old"
    whole.mkdir()
    old.mkdir()
    options = {"with_sentences": with_sentences}
    score(whole, **options)
    if has_old:
        score(old, QuickPredictor("another"), **options)
    expected, before = files_of(whole), files_of(old)
    assert not has_old or before["out.csv"] != expected["out.csv"]
    assert expected.keys() == {"out.csv", *(["sentences.csv"] if with_sentences else [])}
    step = 0
    while True:
        folder = tmp_path / f"killed-{step}"
        folder.mkdir()
        for name, data in before.items():
            (folder / name).write_bytes(data)
        killed = is_killed_before(step, lambda folder=folder: score(folder, **options))
        left = files_of(folder)
        new = {name for name in expected if left.get(name) == expected[name]}
        old_too = {name for name in before if left.get(name) == before[name]}
        assert not (new and old_too), "a file of the old run with one of the new"
        assert new | old_too == expected.keys() & left.keys(), "half a file"
        score(folder, **options)
        assert files_of(folder) == expected
        assert {path.name for path in folder.iterdir()} == expected.keys()
        if not killed:
            break
        step += 1
    assert step > 25


@pytest.mark.slow
def test_begun_anew_it_goes_on_too(score, tmp_path):
    """Where the killed run was removing parts of another run."""
    whole = tmp_path / "whole"
    whole.mkdir()
    score(whole)
    for step in range(100):
        folder = tmp_path / f"killed-{step}"
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            score(folder, Stopped(2, name="another"))
        assert (folder / "out.csv.parts" / "part-00001.jsonl").exists()
        killed = is_killed_before(step, lambda folder=folder: score(folder, overwrite_parts=True))
        score(folder, overwrite_parts=True)
        assert files_of(folder) == files_of(whole)
        if not killed:
            break
    assert step > 25
