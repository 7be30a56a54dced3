"""Parts of a file: going on after a stop, sharing the work, and what must not be joined."""

import json
import threading
from itertools import count

import pytest
from loopback import connected, launched, python

from mlx_finbert.data.tables.text_files import ReadOptions
from mlx_finbert.errors import InputError
from mlx_finbert.inference import Predictor, parts
from mlx_finbert.inference import score_file as scoring
from mlx_finbert.predict import main

WORDS = "profit loss sales rose fell year million euro orders weak".split()
ROWS = 23


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A file of five parts, the last of three rows."""
    monkeypatch.setattr(parts, "PART_ROWS", 5)
    path = tmp_path / "in.csv"
    texts = [" ".join(WORDS[i % 7 :] * (1 + i % 3)) for i in range(ROWS)]
    path.write_text("id,text\n" + "".join(f"{i},{text}.\n" for i, text in enumerate(texts)))
    return path


class Rank:
    """One process of several."""

    def __init__(self, rank, size):
        self.rank, self.size = (lambda: rank), (lambda: size)


def interrupted(monkeypatch, count, *args, **options):
    """Score a file and fail after so many parts."""
    calls = iter([Predictor.score] * count)
    with monkeypatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr(Predictor, "score", lambda *part: next(calls)(*part))
        scoring.score_file(*args, **options)


def test_a_run_goes_on_with_the_parts_of_one_that_stopped(tiny, source, tmp_path, monkeypatch):
    predictor = Predictor(*tiny, max_length=12)
    whole = scoring.score_file(predictor, source, tmp_path / "whole.csv")
    target = tmp_path / "out.csv"
    interrupted(monkeypatch, 3, predictor, source, target)
    left = sorted(path.name for path in (tmp_path / "out.csv.parts").iterdir())
    assert left == ["manifest.json", *(f"part-0000{i}.jsonl" for i in range(3))]
    assert not target.exists()
    # Of a process that was killed.
    (tmp_path / "out.csv.parts" / ".part-00003.jsonl.1.part").touch()
    report = scoring.score_file(Predictor(*tiny, max_length=12), source, target)
    assert (report.rows, report.parts, report.parts_found) == (ROWS, 5, 3)
    assert report.num_long == whole.num_long > 0 and whole.parts_found == 0
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert {path.name for path in tmp_path.glob("*.parts")} == set()


def test_the_next_part_is_tokenized_while_one_is_scored(tiny, source, tmp_path, monkeypatch):
    encoded = [threading.Event() for _ in range(6)]  # five parts, and none after the last
    encoded[5].set()
    encode, score = Predictor.encode, Predictor.score
    counts = {"encode": count(), "score": count()}

    def noted_encode(predictor, texts):
        windows = encode(predictor, texts)
        encoded[next(counts["encode"])].set()
        return windows

    def waiting_score(predictor, windows):
        assert encoded[next(counts["score"]) + 1].wait(60)
        return score(predictor, windows)

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "encode", noted_encode)
        patch.setattr(Predictor, "score", waiting_score)
        scoring.score_file(Predictor(*tiny), source, tmp_path / "out.csv")
    assert [next(counter) for counter in counts.values()] == [5, 5]


@pytest.mark.parametrize("size", [2, 3, 7])
def test_any_number_of_ranks_writes_the_same(tiny, source, tmp_path, monkeypatch, size):
    predictor = Predictor(*tiny)
    for options in ({}, {"by_sentence": True, "sentences": tmp_path / "sentences.csv"}):
        scoring.score_file(predictor, source, tmp_path / "one.csv", **options)
        expected = [p.read_bytes() for p in (tmp_path / "one.csv", *list(options.values())[1:])]
        with monkeypatch.context() as patch:
            patch.setattr(scoring, "barrier", lambda group: None)
            args = predictor, source, tmp_path / "many.csv"
            # Rank 0 does not find what the others have not yet written.
            with pytest.raises(InputError, match=r"part-00001\.jsonl is missing"):
                scoring.score_file(*args, **options, group=Rank(0, size))
            for rank in range(1, size):
                assert scoring.score_file(*args, **options, group=Rank(rank, size)) is None
            report = scoring.score_file(*args, **options, group=Rank(0, size))
        assert report.parts_found == 5
        found = [p.read_bytes() for p in (tmp_path / "many.csv", *list(options.values())[1:])]
        assert found == expected


def test_each_rank_scores_its_own_parts(tiny, source, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "barrier", lambda group: None)
    with pytest.raises(InputError, match="missing"):
        scoring.score_file(Predictor(*tiny), source, tmp_path / "out.csv", group=Rank(0, 2))
    left = sorted(path.name for path in (tmp_path / "out.csv.parts").glob("part-*"))
    assert left == [f"part-0000{i}.jsonl" for i in (0, 2, 4)]


def test_parts_of_another_run_are_refused_by_what_differs(
    tiny, checkpoint, source, tmp_path, monkeypatch
):
    target = tmp_path / "out.csv"
    interrupted(monkeypatch, 1, Predictor(*tiny), source, target)
    other = source.with_name("other.csv")
    other.write_text(source.read_text().replace("profit", "loss"))
    changed, options = Predictor(*tiny), {"options": ReadOptions("utf-8")}
    for predictor, path, options, words in (
        (Predictor(*tiny), other, {}, "`input` has changed"),
        (Predictor(*tiny, max_length=8), source, {}, "`max_length` was 40 and is 8"),
        (Predictor(*tiny), source, {"by_sentence": True}, "`by_sentence` was False and is True"),
        (
            Predictor(*tiny),
            source,
            {"options": ReadOptions("utf-8")},
            "`encoding` was None and is utf-8",
        ),
    ):
        with pytest.raises(InputError, match=f"another run \\({words}.*`overwrite_parts=True`"):
            scoring.score_file(predictor, path, target, **options)
    changed.model.classifier.bias = changed.model.classifier.bias + 1
    with pytest.raises(InputError, match=r"another run \(`model` has changed\)"):
        scoring.score_file(changed, source, target)
    report = scoring.score_file(changed, source, target, overwrite_parts=True)
    assert report.parts_found == 0 and target.exists()


def test_where_nothing_was_scored_nothing_is_refused(tiny, source, tmp_path, monkeypatch):
    interrupted(monkeypatch, 0, Predictor(*tiny), source, tmp_path / "out.csv")
    scoring.score_file(Predictor(*tiny, max_length=8), source, tmp_path / "out.csv")


def test_outputs_of_one_stem_share_nothing(tiny, source, tmp_path, monkeypatch):
    other = Predictor(*tiny, max_length=8)
    interrupted(monkeypatch, 2, Predictor(*tiny), source, tmp_path / "out.csv")
    assert scoring.score_file(other, source, tmp_path / "out.jsonl").parts_found == 0
    interrupted(monkeypatch, 2, other, source, tmp_path / "out.parquet")
    assert {path.name for path in tmp_path.glob("out.*.parts")} == {
        "out.csv.parts", "out.parquet.parts",
    }  # fmt: skip
    assert scoring.score_file(Predictor(*tiny), source, tmp_path / "out.csv").parts_found == 2


def test_renamed_parts_serve_another_format(tiny, source, tmp_path, monkeypatch):
    interrupted(monkeypatch, 2, Predictor(*tiny), source, tmp_path / "out.parquet")
    (tmp_path / "out.parquet.parts").rename(tmp_path / "out.jsonl.parts")
    assert scoring.score_file(Predictor(*tiny), source, tmp_path / "out.jsonl").parts_found == 2


def test_what_is_not_ours_is_left_alone(tiny, source, tmp_path):
    folder = tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / "mine.txt").touch()
    for options in ({}, {"overwrite_parts": True}):
        with pytest.raises(InputError, match=r"out\.csv\.parts .* holds another file"):
            scoring.score_file(Predictor(*tiny), source, tmp_path / "out.csv", **options)
    assert (folder / "mine.txt").exists()


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda text: "", lambda text: "[]\n"])
def test_a_damaged_part_is_scored_again(tiny, checkpoint, source, tmp_path, monkeypatch, damage):
    target = tmp_path / "out.csv"
    scoring.score_file(Predictor(*tiny), source, tmp_path / "whole.csv")
    interrupted(monkeypatch, 2, Predictor(*tiny), source, target)
    path = tmp_path / "out.csv.parts" / "part-00001.jsonl"
    path.write_text(damage(path.read_text()))
    report = scoring.score_file(Predictor(*tiny), source, target)
    assert (report.parts_found, report.parts_damaged) == (1, 1)
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_the_command_says_how_many_parts_were_damaged(
    tiny, checkpoint, source, tmp_path, monkeypatch, capsys
):
    flags = ["--model", str(tmp_path / "tiny"), "--input", str(source), "--output"]
    interrupted(monkeypatch, 2, Predictor(*tiny), source, tmp_path / "out.csv")
    (tmp_path / "out.csv.parts" / "part-00001.jsonl").write_bytes(b"")
    assert main([*flags, str(tmp_path / "out.csv")]) == 0
    assert capsys.readouterr().out.startswith(
        "1 of 5 parts were scored by an earlier run\n"
        "1 of 5 parts of an earlier run were damaged and were scored again\n"
    )


def test_ranks_that_see_other_things_say_so(tiny, source, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "barrier", lambda group: None)
    args = source, tmp_path / "out.csv"
    with pytest.raises(InputError, match="on a disk that all processes share"):
        scoring.score_file(Predictor(*tiny), *args, group=Rank(1, 2))
    with pytest.raises(InputError, match="missing"):
        scoring.score_file(Predictor(*tiny), *args, group=Rank(0, 2))
    with pytest.raises(InputError, match=r"different jobs .*`max_length` was 40 and is 8"):
        scoring.score_file(Predictor(*tiny, max_length=8), *args, group=Rank(1, 2))


def test_a_lost_rank_is_one_sentence(checkpoint, source, tmp_path, monkeypatch, capsys):
    def lost(group):
        raise RuntimeError("[ring] connection to a peer was lost")

    monkeypatch.setattr(scoring, "barrier", lost)
    files = ["--input", str(source), "--output", str(tmp_path / "out.csv")]
    assert main(["--model", str(checkpoint()), *files]) == 2
    assert "the scored parts are kept: run the same command again" in capsys.readouterr().err


def test_parts_hold_every_character(tiny, tmp_path):
    text = 'a\u2028b\x85c\x0bä\U0001f600 "quoted" \\n'
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": text}) + "\n")
    files = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    scoring.score_file(
        Predictor(*tiny), *files, by_sentence=True, sentences=tmp_path / "sentences.jsonl"
    )
    with open(tmp_path / "sentences.jsonl", encoding="utf-8") as file:
        found = "".join(json.loads(line)["text"] for line in file)
    assert "".join(found.split()) == "".join(text.split())


DIE = """
import os, sys
from mlx_finbert.backend.process import prepare_process
prepare_process()
from mlx_finbert import predict as __main__
from mlx_finbert.inference import parts
write = parts.Parts.write
def write_and_die(*args):
    write(*args)
    os.kill(os.getpid(), 9)
parts.Parts.write = write_and_die
__main__.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_real_processes_share_a_file_and_go_on_after_one_has_died(checkpoint, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    texts = (" ".join(WORDS[i % 7 :] * (1 + i % 3)) for i in range(4 * parts.PART_ROWS + 3))
    source.write_text("text\n" + "\n".join(texts) + "\n")
    flags = ["--model", str(checkpoint()), "--input", str(source), "--output"]
    # With as many threads, on which the last digit depends.
    alone = python("-m", "mlx_finbert.predict", *flags, tmp_path / "whole.csv")
    assert alone.wait(60) == 0

    # Rank 1 dies when it has written part 1; rank 0 has 0, 2 and 4 by then or goes on to them.
    first, second = connected(
        tmp_path, ["-m", "mlx_finbert.predict", *flags, target], ["-c", DIE, *flags, target]
    )
    out, err = first.communicate(timeout=60)
    assert (first.returncode, second.wait(60), out) == (2, -9, "")
    assert "error: another process of this run has ended" in err and "Traceback" not in err
    assert not target.exists() and (tmp_path / "out.csv.parts" / "part-00004.jsonl").exists()

    said = launched(2, "-m", "mlx_finbert.predict", *flags, target)
    assert "4 of 5 parts were scored by an earlier run\n" in said
    assert said.count("rows scored") == 1
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not (tmp_path / "out.csv.parts").exists()
