"""The commands `to_coreml` and `verify`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

import mlx_finbert
from mlx_finbert.convert.coreml import ExportOptions
from mlx_finbert.convert.coreml.metadata import program_options
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.convert.to_coreml import main as to_coreml
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.convert.verify import main as verify
from mlx_finbert.data import load_texts, make_splits
from mlx_finbert.data.sources.columns import Columns
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.files import folder_commit

pytestmark = pytest.mark.usefixtures("few_texts")

OLDER_OPTIONS = json.dumps(program_options(ExportOptions()) | {"calibration": "on"})
"""As a version wrote them that calibrated in the package."""


@pytest.fixture
def folder(checkpoint):
    return checkpoint()


@pytest.fixture(scope="module")
def export_of_the_module(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


@pytest.fixture
def exported(folder, tmp_path, export_of_the_module):
    """A copy of one export of the folder's model in `tmp_path`."""
    if not any(export_of_the_module.iterdir()):
        assert export(folder, export_of_the_module / "T.mlpackage") == 0
    shutil.copytree(export_of_the_module, tmp_path, dirs_exist_ok=True)


def verify_with(file, change, model):
    """The status of `verify` after a change of a file of JSON next to the packages."""
    told = json.loads(file.read_text())
    change(told)
    file.write_text(json.dumps(told))
    return verify(["--package", str(file.parent / "T-9.mlpackage"), "--model", str(model)])


def export(folder, output, *more):
    return to_coreml(["--model", str(folder), "--output", str(output), "--lengths", "7,9", *more])


def test_export_and_verify(folder, tmp_path, capsys):
    assert export(folder, tmp_path / "app" / "T.mlpackage") == 0
    text, notes = capsys.readouterr()
    assert notes == "building T-7.mlpackage\nbuilding T-9.mlpackage\nverifying\n"
    assert "one length (--lengths 9); 8-bit weights (--compress int8)" in text
    assert "tiny -> " in text and "T-9.mlpackage" in text and text.endswith("verified\n")
    package = str(tmp_path / "app" / "T-9.mlpackage")
    assert verify(["--package", package, "--model", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "9 tokens" in text and text.endswith("verified\n")


@pytest.mark.slow
def test_verify_finishes_an_export_that_was_killed(folder, checkpoint, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    out, moved, true = tmp_path / "T.mlpackage", [], folder_commit._put
    assert export(checkpoint(labels=("a", "b", "c"), name="other"), out) == 0

    def put(new, place):
        if len(moved) == 2:
            raise Killed
        moved.append(place)
        true(new, place)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(folder_commit, "_put", put)
        export(folder, out, "--overwrite")
    for length in (7, 9):
        package = str(tmp_path / f"T-{length}.mlpackage")
        assert verify(["--package", package, "--model", str(folder)]) == 0
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "form",
    [
        "--layout plain --precision fp32 --target iOS18 --batch 2 --outputs arrays"
        " --multifunction --compress int8",
        "--target iOS18",
        "--shapes enumerated",
        "--shapes enumerated --layout plain --target iOS26 --batch 2 --compress int8",
    ],
)
def test_every_option_survives_into_verify(folder, tmp_path, form):
    assert export(folder, tmp_path / "T.mlpackage", *form.split()) == 0
    argv = ["--package", str(tmp_path / "T.mlpackage"), "--model", str(folder)]
    assert verify(argv) == 0


def test_separate_packages_can_be_asked_for(folder, tmp_path):
    argv = [folder, tmp_path / "T.mlpackage", "--target", "iOS18"]
    assert export(*argv, "--no-multifunction") == 0
    assert {path.name for path in tmp_path.glob("T*")} == {"T-7.mlpackage", "T-9.mlpackage"}
    assert export(*argv, "--multifunction", "--outputs", "classifier") == 2


@pytest.mark.slow
def test_every_flag_that_the_report_names_makes_the_app_smaller(checkpoint, tmp_path, capsys):
    folder = checkpoint("bert", hidden_size=120, intermediate_size=240)
    assert export(folder, tmp_path / "all" / "T.mlpackage") == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "to reduce this:" in line)
    named = [flags for part in re.findall(r"\(([^)]*)\)", line) for flags in part.split(", or ")]
    assert len(named) == 4
    before = json.loads((tmp_path / "all" / "export.json").read_text())["bytes"]
    for i, flags in enumerate(named):
        assert export(folder, tmp_path / str(i) / "T.mlpackage", *flags.split()) == 0
        assert json.loads((tmp_path / str(i) / "export.json").read_text())["bytes"] < before


def test_validation_runs_on_enumerated_shapes(folder, tmp_path, capsys):
    argv = ["--validate", "sample", "--validate-rows", "9", "--shapes", "enumerated"]
    assert export(folder, tmp_path / "T.mlpackage", *argv, "--lengths", "7,20") == 0
    assert "9 rows: accuracy" in capsys.readouterr().out


@pytest.mark.slow
def test_validation_runs_on_the_test_rows_of_the_training_run(folder, tmp_path, capsys):
    rows = [f"{text} {i},{label}" for i in range(20)
            for text, label in (("profit rose", "positive"), ("loss fell", "negative"),
                                ("net sales", "neutral"))]  # fmt: skip
    (tmp_path / "news.csv").write_text("headline,mood\n" + "\n".join(rows) + "\n")
    run = (
        f"data: {tmp_path / 'news.csv'}\ntext_column: headline\nlabel_column: mood\nsplit_seed: 3\n"
    )
    (folder / "config.yaml").write_text(run + "test_fraction: 0.5\n")
    data = load_texts(str(tmp_path / "news.csv"), Columns("headline", "mood"))
    parts = make_splits(data, 3, 0.5)
    seen = SeenTexts.of(parts.train, parts.validation)
    (folder / "seen_texts.tsv").write_bytes(seen.to_bytes())
    for argv, rows in (
        (["--validate"], f"(test), split seed 3, {len(parts.test)} rows: accuracy"),
        (["--validate", "--validate-rows", "12"], "(test), split seed 3, 12 rows: accuracy"),
        (
            ["--validate", str(tmp_path / "news.csv")],
            f"(test), split seed 3, {len(parts.test)} rows",
        ),
    ):
        assert export(folder, tmp_path / "T.mlpackage", *argv, "--overwrite") == 0
        assert rows in capsys.readouterr().out
    record = json.loads((tmp_path / "export.json").read_text())
    assert record["validation"]["rows"] == len(parts.test)
    # A copy is other data: all that the model has not seen of it.
    shutil.copy(tmp_path / "news.csv", tmp_path / "copy.csv")
    argv = ["--text-column", "headline", "--label-column", "mood", "--overwrite"]
    argv += ["--validate", str(tmp_path / "copy.csv")]
    assert export(folder, tmp_path / "T.mlpackage", *argv) == 0
    left_out = len(parts.train) + len(parts.validation)
    assert f"copy.csv: {left_out} of 60 rows were left out" in capsys.readouterr().out
    assert export(folder, tmp_path / "T.mlpackage", *argv, "--include-seen") == 0
    assert "copy.csv, 60 rows: accuracy" in capsys.readouterr().out
    assert str(folder) not in (tmp_path / "export.json").read_text()


def test_validation_without_any_data_is_refused(folder, tmp_path, capsys):
    assert export(folder, tmp_path / "T.mlpackage", "--validate") == 2
    assert "give the data to measure with --validate" in capsys.readouterr().err


@pytest.mark.usefixtures("exported")
def test_another_model_is_not_verified(folder, checkpoint, tmp_path, capsys):
    other = checkpoint("bert", name="other", hidden_act="relu")
    capsys.readouterr()
    package = str(tmp_path / "T-7.mlpackage")
    # The same weights: what differs is the activation alone.
    assert verify(["--package", package, "--model", str(other)]) == 1
    text = capsys.readouterr().out
    assert "FAULT: in float32, a probability is off" in text
    assert text.endswith("NOT verified: see the faults above\n")


def test_a_rejected_export_exits_with_1_and_says_why(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mlx_finbert.convert.coreml.layouts.MASK_FILL", 5.0)
    assert export(folder, tmp_path / "T.mlpackage") == 1
    text = capsys.readouterr().out
    assert "T-7.mlpackage.rejected" in text and "FAULT" in text
    assert not (tmp_path / "T-7.mlpackage").exists()


MODEL = ["--model", "MODEL"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "--model is missing"),
        (MODEL, "--output is missing"),
        ([*MODEL, "--output", "T"], "must end in .mlpackage"),
        ([*MODEL, "--output", "T.mlpackage", "--lengths", "seven"], "--lengths"),
        ([*MODEL, "--output", "T.mlpackage", "--validate-rows", "0"], "--validate-rows"),
        ([*MODEL, "--output", "T.mlpackage", "--validate", "no.csv"], "no.csv"),
        ([*MODEL, "--output", "T.mlpackage", "--model-labels", "a,b,c"], "has the labels"),
    ],
)
def test_bad_input_is_one_sentence(folder, tmp_path, capsys, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    assert to_coreml([str(folder) if word == "MODEL" else word for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1
    assert not list(tmp_path.glob("*.mlpackage"))


def test_bad_input_of_verify(folder, tmp_path, capsys):
    package = tmp_path / "T.mlpackage"
    for argv, words in (
        ([], "--model is missing"),
        (["--model", str(folder)], "--package is missing"),
        (["--model", str(folder), "--package", str(package)], "not a Core ML package"),
    ):
        assert verify(argv) == 2
        assert words in capsys.readouterr().err


def test_without_coremltools_there_is_one_sentence(folder, tmp_path):
    code = (
        "import sys; sys.modules['coremltools'] = None\n"
        "from mlx_finbert.convert.to_coreml import main\n"
        f"argv = ['--model', {str(folder)!r}, '--output', {str(tmp_path / 'T.mlpackage')!r}]\n"
        "sys.exit(main(argv))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: coremltools cannot be imported")
    assert "pip install" in done.stderr and done.stderr.count("\n") == 1


def test_no_pytorch_in_the_process(folder, tmp_path):
    code = (
        "import sys\n"
        "from mlx_finbert.convert.to_coreml import main\n"
        f"status = main(['--model', {str(folder)!r}, '--lengths', '7',"
        f" '--output', {str(tmp_path / 'T.mlpackage')!r}])\n"
        "print(status, [m for m in ('torch', 'tensorflow') if sys.modules.get(m)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr
    assert done.stderr == "building T-7.mlpackage\nverifying\n"
    assert Path(tmp_path / "T-7.mlpackage").is_dir()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("lengths", "null", "does not record how it was made"),
        ("lengths", "[]", "`lengths` is empty"),
        ("lengths", '["7"]', "a list of int"),
        ("options", "{}", "does not record how it was made"),
        ("options", "[", "does not record how it was made"),
        ("options", OLDER_OPTIONS, "export it again with"),
    ],
)
@pytest.mark.usefixtures("exported")
def test_a_package_that_does_not_say_how_it_was_made(folder, tmp_path, capsys, key, value, words):
    package = SavedPackage(tmp_path / "T-7.mlpackage")
    package.spec.description.metadata.userDefined[f"mlx_finbert.{key}"] = value
    file = package.path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    file.write_bytes(package.spec.SerializeToString())
    assert verify(["--package", str(package.path), "--model", str(folder)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("exported")
def test_a_model_with_fewer_positions_is_refused(folder, checkpoint, tmp_path, capsys):
    short = checkpoint("bert", name="short", max_position_embeddings=8)
    argv = ["--package", str(tmp_path / "T-9.mlpackage"), "--model", str(short)]
    assert verify(argv) == 2
    assert "is for 9 tokens, but the model takes from 3 to 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: told.update(texts=[]), "is not the model's"),
        (lambda told: told.update(labels=["a", "b", "c"]), "is not the model's"),
        (lambda told: told["texts"][3]["input_ids"].append(7), "is not the model's"),
        (lambda told: told["texts"][3]["probabilities"].reverse(), "is not the model's"),
        (lambda told: told["texts"][3].update(label="other"), "is not the model's: the label of 1"),
        (lambda told: told["texts"][3].update(length=8), "is not the model's: the length of 1"),
        (lambda told: told["texts"][3].update(is_tie=None), "is not the model's: the is_tie of 1"),
        (lambda told: told.update(tolerance=0.5), "is not the model's: its tolerance is 0.5"),
        (lambda told: told.update(margin=0.5), "is not the model's: its margin is 0.5, not 0.002"),
        (lambda told: told.update(pad_token_id=1), "is not the model's: its pad_token_id is 1"),
        (lambda told: told.update(largest_error=0.0), "is not the model's: its tolerance is"),
        (
            lambda told: told.update(largest_error=float("inf")),
            "is not the model's: its tolerance is",
        ),
        (lambda told: told.update(largest_error=0.5), "is not the model's: its tolerance is"),
        (lambda told: told.update(lengths=[7]), "lacks the package's length 9"),
        (lambda told: told.pop("lengths"), "cannot be read"),
        (lambda told: told.update(largest_error="small"), "cannot be read"),
    ],
)
@pytest.mark.usefixtures("exported")
def test_golden_texts_are_held_against_the_model(folder, tmp_path, capsys, change, words):
    assert verify_with(tmp_path / "golden.json", change, folder) == 1
    assert f"FAULT: golden.json next to the package {words}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda told: told.update(labels=["a"]),
            "is from another export: its entry labels is ['a']",
        ),
        (lambda told: told.update(source_sha256="0"), "its entry source_sha256 is 0"),
        (lambda told: told.update(source_sha256="x" * 999), f"is {'x' * 200}..., not "),
        (lambda told: told["options"].update(layout="plain"), "its entry options is"),
        (lambda told: told["packages"].pop("T-9.mlpackage"), "it does not list T-9.mlpackage"),
        (
            lambda told: told["packages"]["T-9.mlpackage"]["sha256"].popitem(),
            "of the package does not match its SHA-256",
        ),
        (lambda told: told["packages"]["T-9.mlpackage"].update(bytes=1), "bytes, not 1"),
        (lambda told: told["files"].update({"golden.json": "0"}), "golden.json does not match its"),
        (lambda told: told.pop("packages"), "cannot be read"),
    ],
)
@pytest.mark.usefixtures("exported")
def test_export_json_is_held_against_the_package(folder, tmp_path, capsys, change, words):
    assert verify_with(tmp_path / "export.json", change, folder) == 1
    said = capsys.readouterr().out
    assert "FAULT: export.json next to the package" in said and words in said


@pytest.mark.usefixtures("exported")
def test_what_is_not_beside_a_package_is_said(folder, tmp_path, capsys):
    argv = ["--package", str(tmp_path / "T-9.mlpackage"), "--model", str(folder)]
    (tmp_path / "export.json").unlink()
    (tmp_path / "golden.json").unlink()
    assert verify(argv) == 0
    assert "so not checked: golden.json, export.json\n" in capsys.readouterr().out


@pytest.mark.usefixtures("exported")
@pytest.mark.parametrize("name", ["golden.json", "export.json", "tokenizer.json", "vocab.txt"])
def test_a_fifo_beside_a_package_is_not_read(folder, tmp_path, capsys, name):
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    argv = ["--package", str(tmp_path / "T-9.mlpackage"), "--model", str(folder)]
    assert verify(argv) == 1
    assert f"{name} next to the package is not a regular file" in capsys.readouterr().out


def test_quantized_models_are_refused(checkpoint, tmp_path, capsys):
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    packed = tmp_path / "packed"
    argv = ["--model", str(checkpoint(**sizes)), "--output", str(packed), "--quantize", "8"]
    assert to_mlx([*argv, "--group-size", "32"]) == 0
    assert export(packed, tmp_path / "T.mlpackage") == 2
    assert "is quantized, and cannot be trained or converted" in capsys.readouterr().err
    assert not (tmp_path / "T.mlpackage").exists()


def with_added_tokens(folder):
    """The model of a folder with three added tokens, and padding after them."""
    model, tokenizer = mlx_finbert.load(folder)
    tokenizer.add_tokens(["EBITDA", "book-to-bill", "[TICKER]"])
    embedding = model.bert.embeddings.word_embeddings
    rows = np.random.default_rng(7).normal(0, 0.05, (128, embedding.weight.shape[1]))
    embedding.weight = mx.array(rows.astype(np.float32))
    model.args.vocab_size = 128
    return mlx_finbert.save(model, tokenizer, folder.parent / "added")


def test_added_tokens_and_padding_are_exported_and_verified(folder, tmp_path, capsys):
    added = with_added_tokens(folder)
    assert export(added, tmp_path / "T.mlpackage") == 0
    assert "left out: 13 embedding rows that no token uses" in capsys.readouterr().out
    argv = ["--package", str(tmp_path / "T-9.mlpackage"), "--model", str(added)]
    assert verify(argv) == 0

    def without(told):
        told["texts"] = [entry for entry in told["texts"] if "EBITDA" not in entry["text"]]

    golden = tmp_path / "golden.json"
    told = json.loads(golden.read_text())
    without(told)
    golden.write_text(json.dumps(told))
    assert verify(argv) == 1
    assert "FAULT: golden.json next to the package is not the model's" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        lambda rules: rules["added_tokens"].pop(),
        lambda rules: rules["added_tokens"][-1].update(single_word=True),
        lambda rules: rules["added_tokens"][-1].update(normalized=False, content="[ticker]"),
    ],
)
def test_rules_that_make_other_ids_are_faults(folder, tmp_path, capsys, change):
    added = with_added_tokens(folder)
    assert export(added, tmp_path / "T.mlpackage") == 0
    package = SavedPackage(tmp_path / "T-9.mlpackage")
    told = package.spec.description.metadata.userDefined
    rules = json.loads(told["mlx_finbert.tokenizer"])
    change(rules)
    told["mlx_finbert.tokenizer"] = json.dumps(rules)
    file = package.path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    file.write_bytes(package.spec.SerializeToString())
    assert verify(["--package", str(package.path), "--model", str(added)]) == 1
    said = capsys.readouterr().out
    assert "FAULT: the metadata mlx_finbert.tokenizer is not the model's" in said
    assert "FAULT: from position " in said


@pytest.mark.usefixtures("exported")
def test_tokenizer_files_beside_the_package_are_verified(folder, tmp_path, capsys):
    argv = ["--package", str(tmp_path / "T-9.mlpackage"), "--model", str(folder)]
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    assert verify(argv) == 1
    assert (
        "FAULT: tokenizer_config.json with tokenizer.json next to the package"
        in capsys.readouterr().out
    )
    (tmp_path / "tokenizer_config.json").unlink()
    assert verify(argv) == 0
    (tmp_path / "tokenizer.json").write_text("{")
    assert verify(argv) == 1
    assert "FAULT: tokenizer.json next to the package cannot be read" in capsys.readouterr().out
