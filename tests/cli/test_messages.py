"""The library names parameters and logs notes; a command prints flags and the notes alone."""

import logging
import subprocess
import sys

import pytest

import mlx_finbert
from mlx_finbert import evaluate, predict, train
from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse
from mlx_finbert.cli.messages import notes_to_stderr, told, with_flags
from mlx_finbert.convert import to_coreml, to_mlx
from mlx_finbert.convert.checkpoints import convert
from mlx_finbert.convert.coreml import ExportOptions
from mlx_finbert.convert.settings import ToMlxSettings
from mlx_finbert.data.sources import load_texts
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.distributed import quiet
from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.inference.config import PredictSettings
from mlx_finbert.labels import read_label_map
from mlx_finbert.models.lora import LoraConfig
from mlx_finbert.training.config import TrainSettings

NAMES = ["max_length", "overwrite", "header", "delimiter", "labels", "label_map", "data"]
log = logging.getLogger("mlx_finbert.a_room")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`max_length` is 3: at least 8", "--max-length is 3: at least 8"),
        ("add `overwrite=True`", "add --overwrite"),
        ("(`header=False`)", "(--no-header)"),
        ("`delimiter=tab`; `labels`", "--delimiter tab; --labels"),
        ('`label_map="a=b,c=d"` or', '--label-map "a=b,c=d" or'),
        (r'`label_map="a\`b=c"`', r'--label-map "a\`b=c"'),
        ("`data=my news.csv`: no such file", "--data my news.csv: no such file"),
        ("`folds=3`, `git lfs pull`, `key: value`", "`folds=3`, `git lfs pull`, `key: value`"),
        ("max_length, overwrite=True", "max_length, overwrite=True"),
        ("the golden text 'c`d'; `labels`", "the golden text 'c`d'; --labels"),
    ],
)
def test_parameters_become_flags(message, expected):
    assert with_flags(message, NAMES) == expected


ROOMS = {
    "cli": (
        predict,
        ["--model", "m", "--batch-size", "0", "text"],
        "--batch-size is 0: at least 1",
        lambda: PredictSettings(model="m", texts=["text"], batch_size=0),
        "`batch_size` is 0: at least 1",
    ),
    "settings": (
        evaluate,
        [],
        "--model is missing: name a folder or a hub id of a fine-tuned model, a Core ML package"
        " or a Core AI asset",
        lambda: EvaluateSettings(model=""),
        "`model` is missing: name a folder or a hub id of a fine-tuned model, a Core ML package"
        " or a Core AI asset",
    ),
    "labels": (
        train,
        ["--label-map", "1=up,1=down"],
        "--label-map gives '1' two names: keep one",
        lambda: read_label_map("1=up,1=down"),
        "`label_map` gives '1' two names: keep one",
    ),
    "data": (
        train,
        ["--data", "./missing.csv"],
        "--data ./missing.csv: there is no such file or folder",
        lambda: load_texts("./missing.csv"),
        "`data=./missing.csv`: there is no such file or folder",
    ),
    "data/tables": (
        train,
        ["--data", "./news.csv", "--delimiter", "ab"],
        "--delimiter 'ab' is not one character such as , ; | or \\t",
        lambda: load_texts("./news.csv", Columns(delimiter="ab")),
        "`delimiter='ab'` is not one character such as , ; | or \\t",
    ),
    "models": (
        train,
        ["--lora-rank", "0"],
        "--lora-rank is 0: must be at least 1",
        lambda: LoraConfig(rank=0),
        "`lora_rank` is 0: must be at least 1",
    ),
    "training": (
        train,
        ["--power", "2"],
        "--power has no effect without --lr-scheduler-type polynomial",
        lambda: TrainSettings(power=2.0),
        "`power` has no effect without `lr_scheduler_type=polynomial`",
    ),
    "evaluation": (
        evaluate,
        ["--model", ".", "--data", "./news.csv", "--max-eval-rows", "0"],
        "--max-eval-rows is 0: at least 1",
        lambda: EvaluateSettings(model="m", max_eval_rows=0),
        "`max_eval_rows` is 0: at least 1",
    ),
    "inference": (
        predict,
        ["--model", "m", "--sentences", "s.csv", "text"],
        "--sentences is for files: add --input and --output",
        lambda: PredictSettings(model="m", sentences="s.csv", texts=["text"]),
        "`sentences` is for files: add `input` and `output`",
    ),
    "convert": (
        to_mlx,
        ["--model", "m", "--output", "o", "--group-size", "32"],
        "--group-size is 32: it has no effect without --quantize",
        lambda: convert(ToMlxSettings(model="m", output="o", group_size=32)),
        "`group_size` is 32: it has no effect without `quantize`",
    ),
    "convert/coreml": (
        to_coreml,
        ["--model", "m", "--output", "o", "--batch", "2", "--outputs", "classifier"],
        "--batch is 2: Core ML's classifier outputs hold one row; add --outputs arrays",
        lambda: ExportOptions(batch=2, outputs="classifier"),
        "`batch` is 2: Core ML's classifier outputs hold one row; add `outputs=arrays`",
    ),
}


@pytest.mark.parametrize("room", ROOMS)
def test_an_error_of_a_room_as_a_command_and_in_python(room, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news.csv").write_text("text,label\nup,1\n")
    module, argv, printed, call, raised = ROOMS[room]
    assert module.main(argv) == 2
    assert capsys.readouterr().err == f"error: {printed}\n"
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == raised


def test_a_checkpoint_that_needs_a_new_head(checkpoint, tmp_path, capsys):
    folder = checkpoint()
    words = "a head with 3 labels (negative, neutral, positive), not 2; for a fresh head use "
    argv = ["--model", str(folder), "--output", str(tmp_path / "out"), "--num-labels", "2"]
    assert to_mlx.main(argv) == 2
    assert capsys.readouterr().err.endswith(f"{words}--new-head\n")
    with pytest.raises(InputError) as caught:
        mlx_finbert.load(folder, num_labels=2)
    assert str(caught.value).endswith(f"{words}`new_head=True`")


def test_each_command_has_flags_of_its_own(capsys):
    @command
    def main(argv):
        parse(EvaluateSettings, "evaluate", "", argv)
        assert inner([]) == 2
        raise InputError("`model` and `folds`")

    @command
    def inner(argv):
        raise InputError("`model`")

    for _ in range(2):
        assert main(["--model", "m"]) == 2
        assert capsys.readouterr().err == "error: `model`\nerror: --model and `folds`\n"
    assert told("`model`") == "`model`"


def test_a_command_prints_notes_with_flags_and_warnings_apart(capsys):
    @command
    def main(argv):
        parse(EvaluateSettings, "evaluate", "", argv)
        log.info("left out by `max_eval_rows`; 100%")
        logging.getLogger("another.library").info("chatter")
        with quiet():
            log.info("of another process")
        if len(argv) > 2:
            notes_to_stderr()
        log.info("the end")

    assert main(["--model", "m"]) == 0
    assert capsys.readouterr() == ("left out by --max-eval-rows; 100%\nthe end\n", "")
    assert main(["--model", "m", "--json"]) == 0
    assert capsys.readouterr() == ("left out by --max-eval-rows; 100%\n", "the end\n")
    assert main(["--model", "m"]) == 0
    assert capsys.readouterr().err == ""


def test_warnings_are_printed_once_and_nothing_stays_behind():
    code = (
        "import logging\n"
        "from mlx_finbert.cli.command import command\n"
        "library, root = logging.getLogger('mlx_finbert'), logging.getLogger()\n"
        "work = lambda argv: library.getChild('x').warning('a warning')\n"
        "assert command(work)([]) == 0 and command(work)([]) == 0\n"
        "assert not library.handlers and not root.handlers and library.level == 0"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "a warning\n" * 2)


def test_from_python_the_notes_are_quiet_unless_asked_for():
    code = (
        "import logging, sys\n"
        "import mlx_finbert\n"
        "if sys.argv[1:]:\n"
        "    logging.basicConfig(format='%(message)s')\n"
        "    logging.getLogger('mlx_finbert').setLevel(logging.INFO)\n"
        "logging.getLogger('mlx_finbert.training.run').info('a note')\n"
    )
    for argv, expected in (([], ""), (["on"], "a note\n")):
        run = [sys.executable, "-c", code, *argv]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", expected)
