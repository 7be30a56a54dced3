"""`scripts/reproduce.py` on the real archive, with a small model."""

import sys
from pathlib import Path

import pytest
from protocols.data_sets import ARCHIVE, find_archive
from reproduce import main


@pytest.mark.slow
def test_seeds_and_bands_beside_the_published_rows(real_data, checkpoint, tmp_path, capsys):
    flags = ["--data", str(real_data / ARCHIVE), "--output-dir", str(tmp_path), "--max-steps", "2"]
    assert main(["fpb", "--model", str(checkpoint()), "--seeds", "3,4", *flags]) == 0
    printed = capsys.readouterr().out
    assert "3,488 train, 388 validation, 970 test" in printed
    table = printed[printed.index("Financial PhraseBank, Araci's split") :]
    assert table.count("these 970 rows") == 3 and "seed 3" in table and "seed 4" in table
    assert "tiny, mean " in table and "tiny, std " in table
    rows = [line.split() for line in table.splitlines()[-4:]]
    assert [(row[0], row[1]) for row in rows] == [
        ("100%", "433"), ("75-99%", "271"), ("66-74%", "151"), ("50-65%", "115"),
    ]  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} >= {"seed-3", "seed-4"}


def test_the_archive_is_found_where_it_lies(tmp_path, monkeypatch):
    (tmp_path / ARCHIVE).touch()
    monkeypatch.setattr("protocols.data_sets.PLACES", (tmp_path,))
    assert find_archive(ARCHIVE) == tmp_path / ARCHIVE
    assert find_archive("elsewhere.zip") == Path("elsewhere.zip")


@pytest.mark.parametrize("argv", [[], ["fiqa"]])
def test_another_protocol_is_refused(argv, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reproduce.py"])
    assert main(argv) == 2
    assert "choose one of fpb" in capsys.readouterr().err
