"""An input that is changed while it is scored never ends as other texts' scores."""

import os
from itertools import count

import pytest
from quick_predictor import Alone, QuickPredictor, without_mlx

from mlx_finbert.errors import InputError
from mlx_finbert.inference import parts, table
from mlx_finbert.inference import score_file as scoring

ROWS = 6
# Several times what Python reads at once, so that a change on the way is seen on the way.
FILLING = " of the year" * 800


def csv_of(texts, note="-"):
    return "text,note\n" + "".join(f"{text}{FILLING},{note}\n" for text in texts)


OLD = csv_of([f"Profit rose by {i}." for i in range(ROWS)])
CHANGES = {
    "other texts": csv_of([f"Sales fell by {i}." for i in range(ROWS)]),
    "reversed": csv_of([f"Profit rose by {i}." for i in reversed(range(ROWS))]),
    "fewer rows": csv_of([f"Profit rose by {i}." for i in range(ROWS - 2)]),
    "more rows": csv_of([f"Profit rose by {i}." for i in range(ROWS + 1)]),
    "another column": csv_of([f"Profit rose by {i}." for i in range(ROWS)], "new"),
    "no table": 'text,note\n"',
    "nothing": None,
}


def put(path, content, in_place):
    """Change a file, as an editor does that writes over it or one that renames."""
    if content is None:
        path.unlink()
    elif in_place:
        path.write_text(content)
    else:
        path.with_name("new").write_text(content)
        os.replace(path.with_name("new"), path)


@pytest.fixture
def source(tmp_path, monkeypatch):
    without_mlx(monkeypatch)
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    path = tmp_path / "in.csv"
    path.write_text(OLD)
    return path


def score(source, target, **options):
    return scoring.score_file(QuickPredictor(), source, target, group=Alone, **options)


def at_row(monkeypatch, steps):
    """Let things happen before the rows of these numbers, over all passes, are handed on."""
    counter = count()

    def changing(rows):
        for row in rows:
            steps.get(next(counter), lambda: None)()
            yield row

    monkeypatch.setattr(table, "in_parts", lambda rows: parts.in_parts(changing(rows)))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("is_put_back", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_the_output_is_of_one_input_or_not_there(
    source, tmp_path, monkeypatch, change, is_put_back, in_place
):
    whole = {OLD: b""}
    if change not in ("no table", "nothing"):
        whole[CHANGES[change]] = b""
    for content in whole:
        source.write_text(content)
        score(source, tmp_path / "whole.csv")
        whole[content] = (tmp_path / "whole.csv").read_bytes()
    refused = 0
    for row in range(3 * ROWS):
        target = tmp_path / f"out-{row}.csv"
        source.write_text(OLD)
        steps = {row: lambda: put(source, CHANGES[change], in_place)}
        if is_put_back:
            steps[row + 3] = lambda: put(source, OLD, in_place)
        with monkeypatch.context() as patch:
            at_row(patch, steps)
            try:
                score(source, target)
                assert target.read_bytes() in whole.values()
                continue
            except InputError as error:
                refused += "was changed while it was scored" in str(error)
        assert not target.exists()
        source.write_text(OLD)
        try:
            score(source, target)
        except InputError as error:
            assert "`input` has changed" in str(error)  # it changed before all was read once
            assert row < ROWS
            score(source, target, overwrite_parts=True)
        assert target.read_bytes() == whole[OLD]
    assert refused > (0 if is_put_back else ROWS)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("swap", "back"), [(2, None), (3, None), (2, 3)])
def test_a_file_swapped_between_two_passes(source, tmp_path, monkeypatch, swap, back, in_place):
    """The first pass checks the rows, the second scores them, the third joins them."""
    target, passes = tmp_path / "out.csv", count(1)

    def swapped(rows):
        number = next(passes)
        if number in (swap, back):
            put(source, CHANGES["other texts"] if number == swap else OLD, in_place)
        return parts.in_parts(rows)

    with monkeypatch.context() as patch:
        patch.setattr(table, "in_parts", swapped)
        with pytest.raises(InputError, match=r"in\.csv was changed .*`overwrite_parts=True`"):
            score(source, target)
    assert not target.exists()
    source.write_text(CHANGES["other texts"])
    score(source, target, overwrite_parts=True)
    assert b"Sales fell by 0." in target.read_bytes()
