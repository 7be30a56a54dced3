"""Damaged parts never get into the output: they are scored again, and counted."""

import random
import shutil

import pytest
from quick_predictor import Alone, QuickPredictor, without_mlx

from mlx_finbert.errors import InputError
from mlx_finbert.inference import parts
from mlx_finbert.inference import score_file as scoring

COUNT = 5
"""Parts of the file, all of them scored by the run that was stopped."""


@pytest.fixture
def score(tmp_path, monkeypatch):
    """Score a file into another, with the name of a predictor."""
    without_mlx(monkeypatch)
    monkeypatch.setattr(parts, "PART_ROWS", 4)
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "".join(f"Profit rose by {i}.\n" for i in range(4 * COUNT)))

    def score(target, predictor=None, **options):
        predictor = predictor or QuickPredictor()
        return scoring.score_file(predictor, source, target, group=Alone, **options)

    return score


@pytest.fixture
def stopped(score, monkeypatch):
    """Score a file, but for joining the parts; returns their folder."""

    def stop(*_):
        raise KeyboardInterrupt

    def stopped(target, name="one"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(scoring.Job, "join", stop)
            score(target, QuickPredictor(name))
        return target.with_name(f"{target.name}.parts")

    return stopped


def flip_bits(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(data, rng):
    return data[: rng.randrange(len(data))]


def cut_out(data, rng):
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randint(1, 40) :]


def insert(data, rng):
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice((b"\n", b" ", b"0", rng.randbytes(5))) + data[place:]


def swap_lines(data, rng):
    lines = data.splitlines(keepends=True)
    one, other = rng.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def repeat_or_drop_a_line(data, rng):
    lines = data.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    lines[place : place + 1] = rng.choice(([], [lines[place]] * 2))
    return b"".join(lines)


def change_a_digit(data, rng):
    places = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
    place = rng.choice(places)
    return data[:place] + str((data[place] - 47) % 10).encode() + data[place + 1 :]


KINDS = [
    flip_bits, truncate, cut_out, insert, swap_lines, repeat_or_drop_a_line, change_a_digit,
]  # fmt: skip


def test_no_mutation_gets_into_the_output(score, stopped, tmp_path):
    rng = random.Random(17)
    score(tmp_path / "whole.csv")
    expected = (tmp_path / "whole.csv").read_bytes()
    runs = {name: stopped(tmp_path / f"{name}.csv", name) for name in ("one", "another")}
    target, folder = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    for _ in range(300):
        shutil.copytree(runs["one"], folder)
        number = rng.randrange(COUNT)
        path = folder / f"part-{number:05}.jsonl"
        data = path.read_bytes()
        kind = rng.choice([*KINDS, "another number", "another run"])
        if kind == "another number":
            other = (number + rng.randrange(1, COUNT)) % COUNT
            changed = (folder / f"part-{other:05}.jsonl").read_bytes()
        elif kind == "another run":
            changed = (runs["another"] / path.name).read_bytes()
        else:
            changed = kind(data, rng)
        path.write_bytes(changed)
        report = score(target)
        assert target.read_bytes() == expected
        assert report.parts_damaged == (changed != data), kind
        assert report.parts_found + report.parts_damaged == COUNT
        assert not folder.exists()


def test_a_part_damaged_while_the_others_are_scored_is_refused(score, tmp_path, monkeypatch):
    target = tmp_path / "out.csv"
    path = tmp_path / "out.csv.parts" / "part-00001.jsonl"
    join = scoring.Job.join

    def late(*args):
        path.write_bytes(flip_bits(path.read_bytes(), random.Random(0)))
        return join(*args)

    with monkeypatch.context() as patch:
        patch.setattr(scoring.Job, "join", late)
        with pytest.raises(
            InputError, match=r"part-00001\.jsonl is damaged .*run the same command"
        ):
            score(target)
    assert not target.exists()
    report = score(target)
    assert (report.parts_found, report.parts_damaged) == (COUNT - 1, 1)
    score(tmp_path / "whole.csv")
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda text: text.replace("--", "-")])
def test_a_damaged_manifest_costs_no_part(score, stopped, tmp_path, damage):
    folder = stopped(tmp_path / "out.csv")
    path = folder / "manifest.json"
    path.write_text(damage(path.read_text()))
    assert score(tmp_path / "out.csv").parts_found == COUNT


def test_parts_of_another_run_do_not_count_without_their_manifest(score, stopped, tmp_path):
    target = tmp_path / "out.csv"
    folder = stopped(target, "another")
    (folder / "manifest.json").unlink()
    report = score(target)
    assert (report.parts_found, report.parts_damaged) == (0, COUNT)
    shutil.copy(target, tmp_path / "found.csv")
    score(target)
    assert target.read_bytes() == (tmp_path / "found.csv").read_bytes()
