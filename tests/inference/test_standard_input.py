"""Texts from standard input: batches as they arrive, and `predict` at both ends of a pipe."""

import io
import json
import os
import subprocess
import sys
import threading

import pytest

import mlx_finbert
from mlx_finbert.cli.flags import parse
from mlx_finbert.errors import InputError
from mlx_finbert.inference.config import PredictSettings, complete
from mlx_finbert.inference.standard_input import arriving_lines
from mlx_finbert.predict import main

LINES = ["profit rose", "", "sales fell", "Umsatz fiel\u2028über Nacht"]


class Arriving(io.BytesIO):
    """A stream that gives these pieces, one at a time."""

    def __init__(self, *pieces):
        super().__init__()
        self.pieces = [*pieces]

    def read1(self, size=-1):
        return self.pieces.pop(0) if self.pieces else b""


def lines_of(*pieces, most=10, encoding="utf-8"):
    return [*arriving_lines(Arriving(*pieces), most, encoding)]


def test_a_batch_is_what_has_arrived():
    assert lines_of(b"one\ntwo\nthr", b"ee\r\n", b"four\n") == [["one", "two"], ["three"], ["four"]]
    assert lines_of(b"1\n2\n3\n4\n5", most=2) == [["1", "2"], ["3", "4"], ["5"]]
    assert lines_of() == []


def test_characters_that_are_torn_apart_and_marks():
    data = "\ufeffÄ €\n\n\u2028\u0085x\n".encode()
    for size in (1, 2, 3, 100):
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert [line for lines in lines_of(*pieces) for line in lines] == [
            "Ä €",
            "",
            "\u2028\u0085x",
        ], size
    assert lines_of("Ä €\n".encode("utf-16"), encoding="utf-16") == [["Ä €"]]
    assert lines_of("Ä €\n".encode("cp1252"), encoding="windows-1252") == [["Ä €"]]


def test_bytes_of_another_encoding_are_named_by_line():
    with pytest.raises(InputError, match=r"standard input, line 3: not utf-8; .* `encoding`"):
        lines_of(b"one\ntwo\n", b"a \xc4\n")
    with pytest.raises(InputError, match="line 2: not utf-8"):
        lines_of(b"one\n\xc3")
    with pytest.raises(InputError, match="`encoding=klingon`: Python has no such encoding"):
        lines_of(b"one\n", encoding="klingon")


@pytest.fixture
def typed(monkeypatch):
    """Factory: standard input holds these bytes."""

    def give(data, is_terminal=False):
        stream = io.TextIOWrapper(io.BytesIO(data))
        monkeypatch.setattr(stream.buffer, "isatty", lambda: is_terminal, raising=False)
        monkeypatch.setattr(sys, "stdin", stream)

    return give


def objects(text):
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


@pytest.mark.parametrize("words", [[], ["-"], ["--input", "-"]])
def test_piped_lines_have_the_predictions_of_texts(checkpoint, typed, capsys, words):
    folder = checkpoint()
    typed("\n".join(LINES).encode())
    assert main(["--model", str(folder), "--json", *words]) == 0
    found = objects(capsys.readouterr().out)
    assert [row["text"] for row in found] == LINES
    model, tokenizer = mlx_finbert.load(folder)
    labels = model.args.labels
    expected = mlx_finbert.predict_proba(model, tokenizer, LINES)
    for row, probabilities in zip(found, expected, strict=True):
        if not row["text"]:
            assert row == {"text": "", "label": None, "probabilities": None, "score": None}
            continue
        assert row["label"] == labels[probabilities.argmax()]
        assert list(row["probabilities"]) == labels
        assert [*row["probabilities"].values()] == pytest.approx(probabilities, abs=1e-5)
        assert row["score"] == pytest.approx(probabilities[2] - probabilities[0], abs=1e-5)
    typed("\n".join(LINES).encode())
    assert main(["--model", str(folder), *words]) == 0
    printed = capsys.readouterr().out.split("\n")
    assert printed.pop() == "" and len(printed) == len(LINES)
    assert [line.split()[0] for line in printed] == [row["label"] or "no" for row in found]


def test_json_of_texts_and_sentences(checkpoint, capsys):
    folder = str(checkpoint())
    assert (
        main(["--model", folder, "--json", "--by-sentence", "Profit rose. Sales fell.", " "]) == 0
    )
    both, blank = objects(capsys.readouterr().out)
    first, second = both["sentences"]
    assert [first["text"], second["text"]] == ["Profit rose.", "Sales fell."]
    assert set(first) == {"text", "label", "probabilities", "score"}
    for label, p in both["probabilities"].items():
        mean = (first["probabilities"][label] + second["probabilities"][label]) / 2
        assert p == pytest.approx(mean, abs=2e-6)
    assert blank["sentences"] == [] and blank["label"] is None and blank["score"] is None


def test_labels_without_a_scale_have_no_score_and_notes_go_elsewhere(checkpoint, capsys):
    folder = str(checkpoint(labels=["negative", "mixed", "positive"]))
    long = " ".join(["profit"] * 600)
    assert main(["--model", folder, "--json", long]) == 0
    out, err = capsys.readouterr()
    (row,) = objects(out)
    assert set(row) == {"text", "label", "probabilities"}
    assert "1 texts are over" in err and "no score: the labels" in err


def test_by_sentence_numbers_go_on_over_batches(checkpoint, typed, capsys):
    typed(b"Profit rose.\n" * 20)
    argv = ["--model", str(checkpoint()), "--by-sentence", "--batch-size", "1"]
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    numbers = [line.split(",")[0] for line in lines if line.startswith("text ")]
    assert numbers == [f"text {i}" for i in range(1, 21)]


def test_nothing_on_standard_input_is_said(checkpoint, typed, capsys):
    typed(b"")
    assert main(["--model", str(checkpoint()), "--json"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "standard input holds no texts" in err


def test_a_terminal_is_not_read(typed, capsys):
    typed(b"typed", is_terminal=True)
    assert main(["--model", "m"]) == 2
    assert "give either texts or --input" in capsys.readouterr().err
    assert complete({"model": "m", "texts": ["-"]}).reads_standard_input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-", "text"], "the text - stands for the lines of standard input: give it alone"),
        (["-", "--input", "f"], "give either texts or `input=FILE`"),
        (["--input", "-", "--output", "o.csv"], "`output` is for files: lines of standard input"),
        (["-", "--by-sentence", "--sentences", "s"], "`sentences` is for files"),
        (["-", "--text-column", "headline"], "`text_column` has no effect without a file"),
        (["--input", "-", "--no-header"], "`header` has no effect without a file"),
        (["--json", "--input", "f", "--output", "o"], "`json` is for what is printed"),
        (["--json", "--input", "f"], "`input` and `output` go together"),
    ],
)
def test_what_lines_and_objects_cannot_have(words, message):
    with pytest.raises(InputError, match=f"^{message}"):
        parse(PredictSettings, "module", "", ["--model", "m", *words])


def start(folder, *words, **more):
    argv = [sys.executable, "-m", "mlx_finbert.predict", "--model", str(folder), "--json", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, **more)


def test_each_line_is_answered_before_the_next_is_written(checkpoint):
    with start(checkpoint()) as command:
        stop = threading.Timer(60, command.kill)
        stop.start()
        for text in ("profit rose", "sales fell"):
            command.stdin.write(f"{text}\n".encode())
            command.stdin.flush()
            assert json.loads(command.stdout.readline())["text"] == text
        out, err = command.communicate()
        stop.cancel()
    assert (command.returncode, out, err) == (0, b"", b"")


def test_a_reader_that_leaves_ends_the_work(checkpoint):
    """As under `tail -f wire.txt | predict | head`, although standard input stays open."""
    with start(checkpoint()) as command:
        stop = threading.Timer(60, command.kill)
        stop.start()
        command.stdin.write(b"profit rose\n")
        command.stdin.flush()
        command.stdout.readline()
        command.stdout.close()
        os.write(command.stdin.fileno(), b"sales fell\n")
        assert command.wait() == 0
        assert command.stderr.read() == b""
        stop.cancel()
