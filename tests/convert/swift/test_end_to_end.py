"""The Swift package from the text to the label, over packages on disk, on any machine.

The package's own code runs; only Core ML is a stand-in, whose models Python's evaluator runs.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from end_to_end import classify, models, play, right_classification, right_report
from model_server import ModelServer
from small_packages import export_as, read_json
from swift_tools import SCRIPT, build, require_swift, run

from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreml.tokenizer import random_texts
from mlx_finbert.inference.documents import read_documents
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.models import Classifier

LENGTHS = [12, 32]

STORED = {"fp16": {}, "int8": {"compress": "int8"}}
OUTPUTS = {
    "classifier": {},
    "arrays": {"outputs": "arrays", "batch": 3},
    "multifunction": {"multifunction": True, "target": "iOS18"},
    "enumerated": {"shapes": "enumerated"},
}
QUICK = [
    ("bert", "ane", "fp16", "classifier"),
    ("roberta", "plain", "int8", "multifunction"),
    ("roberta", "ane", "fp16", "arrays"),
    ("bert", "ane", "int8", "enumerated"),
]
"""Each value of each dimension at least once."""


def forms():
    for form in product(["bert", "roberta"], ["ane", "plain"], STORED, OUTPUTS):
        marks = () if form in QUICK else pytest.mark.slow
        yield pytest.param(*form, marks=marks, id="-".join(form))


@pytest.fixture
def core_ml():
    with ModelServer() as server:
        yield server


@dataclass
class Export:
    folder: Path
    model: Classifier
    tokenizer: Tokenizer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The exports of this module by their options, and their folder."""
    require_swift()
    return {}, tmp_path_factory.mktemp("exports")


@pytest.fixture
def exported(classifier, made, tmp_path, monkeypatch):
    """Factory of exports, each in a folder of this test: `exported("bert", layout="plain")`."""
    monkeypatch.setattr(random_texts, "COUNT", 100)
    exports, folder = made

    def make(family="bert", **options):
        shutil.rmtree(tmp_path / "export", ignore_errors=True)
        options = {"lengths": LENGTHS} | options
        key = f"{family} {options}"
        if key not in exports:
            path = folder / str(len(exports))
            model, tokenizer, report = export_as(classifier, path, family, **options)
            assert report.passed, str(report)
            exports[key] = Export(path, model, tokenizer)
        whole = exports[key]
        return replace(whole, folder=shutil.copytree(whole.folder, tmp_path / "export"))

    return make


@pytest.mark.parametrize(("family", "layout", "stored", "outputs"), forms())
def test_golden_texts(exported, core_ml, family, layout, stored, outputs):
    """By two tasks at once, which share the models, and by the report of the Check button."""
    folder = exported(family, layout=layout, **STORED[stored], **OUTPUTS[outputs]).folder
    golden = read_json(folder / "golden.json")
    texts = golden["texts"]
    assert len(texts) >= 76
    ((one, other),) = play("together", folder, core_ml, [text["text"] for text in texts])
    files = 1 if outputs == "enumerated" else len(LENGTHS)
    assert len(core_ml.loads) == files
    for results in (one, other):
        for text, found in zip(texts, results, strict=True):
            right_classification(text, found, golden)
    (report,) = classify(core_ml, folder, "--check", folder / "golden.json")
    right_report(report, golden)


TEXTS = [
    "",
    "Profit rose.",
    "Profit rose to 5 mn. The company cut its dividend! Orders fell: margin weak.\n\nOutlook",
    "Net sales fell in Q1. In Q2 they rose; J. P. Morgan said so. " * 9,
    "x " * 47,
    "no stop " * 12,
]


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_windows_and_documents_are_those_of_python(exported, core_ml, family):
    export = exported(family, precision="fp32", layout="plain")
    settings = {"max_length": LENGTHS[-1], "long_texts": "windows"}
    predictor = Predictor(export.model, export.tokenizer, **settings)
    labels = export.model.args.labels
    windows = classify(core_ml, export.folder, "--windows", *TEXTS)
    for text, found, expected in zip(TEXTS, windows, predictor(TEXTS), strict=True):
        assert found["text"] == text and not found["isTruncated"]
        assert found["tokens"] == len(export.tokenizer(text, verbose=False)["input_ids"])
        assert found["label"] == labels[expected.argmax()]
        values = [found["probabilities"][label] for label in labels]
        assert values == pytest.approx(expected.tolist(), abs=2e-5)
    documents = classify(core_ml, export.folder, "--windows", "--sentences", *TEXTS)
    for found, expected in zip(documents, read_documents(predictor, TEXTS), strict=True):
        right_document(found, expected, labels)


def right_document(found, expected, labels):
    assert [sentence["text"] for sentence in found["sentences"]] == expected.sentences
    assert found["counts"] == expected.counts
    if not expected.sentences:
        assert "label" not in found and "score" not in found and found["probabilities"] == {}
        return
    means = expected.mean
    assert found["label"] == labels[means.argmax()]
    assert [found["probabilities"][x] for x in labels] == pytest.approx(means.tolist(), abs=2e-5)
    assert found["score"] == pytest.approx(expected.scores.mean(), abs=2e-5)
    strongest = [found.get(f"strongest{side}") for side in ("Positive", "Negative")]
    assert [side and side["text"] for side in strongest] == list(expected.strongest)


def test_a_cancelled_task_ends_after_its_batch(exported, core_ml):
    export = exported(outputs="arrays")
    core_ml.delay = 0.02
    end, after = play("cancel", export.folder, core_ml, ["Profit rose."] * 500)
    assert end == "CancellationError()"
    # A batch of four was running.
    assert 0 < core_ml.predictions < 250
    assert after["label"] in export.model.args.labels


def test_a_model_whose_name_tells_its_length_is_loaded_when_it_is_needed(exported, core_ml):
    folder = exported(outputs="arrays").folder
    classify(core_ml, folder, "Profit rose.")
    assert len(core_ml.loads) == 1
    classify(core_ml, folder, "Profit rose.", "profit " * 20)
    assert len(core_ml.loads) == 3
    renamed = folder / "T-32.mlpackage"
    renamed.rename(folder / "long.mlpackage")
    classify(core_ml, folder, "Profit rose.")
    assert len(core_ml.loads) == 5


def test_the_models_of_a_bundle_are_found_by_their_name(exported, core_ml):
    folder = exported(outputs="arrays").folder
    shutil.copytree(folder / "T-12.mlpackage", folder / "Tx-99.mlpackage")
    binary = build("scenarios")

    def opened(name):
        return json.loads(run(binary, "named", folder, name, env=core_ml.environment))

    assert opened("T") == {"lengths": LENGTHS}
    assert opened("T-32") == {"lengths": [32]}
    assert opened("FinBERT") == {"error": 'noModel(named: "FinBERT")'}
    # Compiled models are preferred, as in an app.
    (folder / "T-12.mlpackage").rename(folder / "T-12.mlmodelc")
    assert opened("T") == {"lengths": [12]}


def test_models_run_on_the_chosen_compute_units(exported, core_ml):
    for units in ("all", "cpuAndNeuralEngine", "cpuAndGPU", "cpuOnly"):
        folder = exported(outputs="arrays").folder
        classify(core_ml, folder, "--compute-units", units, "Profit rose.", "profit " * 20)
        assert [used for _, _, used in core_ml.loads[-2:]] == [units, units]


def test_lines_of_standard_input(exported, core_ml):
    lines = ["Profit rose.", "", "a\u2028", "b\u2028c"]
    found = classify(core_ml, exported(outputs="arrays").folder, input="\r\n".join(lines).encode())
    assert [line["text"] for line in found] == lines


def test_a_wrong_command_line_is_one_sentence(core_ml):
    binary = build("classify")
    for arguments, sentence in (
        ([], "classify: --model is missing: give an .mlpackage"),
        (["--modl", "x"], "classify: --modl is unknown: see --help"),
        (["--model"], "classify: --model has no value: see --help"),
        (["--compute-units", "gpu"], "classify: --compute-units is gpu: give one of all, "),
    ):
        done = subprocess.run([SCRIPT, "exec", binary, *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.startswith(sentence)
        assert done.stderr.count("\n") == 1
    assert run(binary, "--help").startswith(b"usage: classify --model MODEL")


def test_a_compiled_package_is_kept_and_replaced_where_it_cannot_be_loaded(exported, core_ml):
    folder = exported(lengths=[32]).folder
    assert len(classify(core_ml, folder, "Profit rose.")) == 1
    (kept,) = core_ml.compiled
    stamp = (kept / "Manifest.json").stat().st_ctime_ns
    classify(core_ml, folder, "Profit rose.")
    assert (kept / "Manifest.json").stat().st_ctime_ns == stamp
    (kept / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"of another system")
    assert len(classify(core_ml, folder, "Profit rose.")) == 1
    assert core_ml.compiled == [kept]
    assert (kept / "Manifest.json").stat().st_ctime_ns > stamp
    assert [name for name, _, _ in core_ml.loads] == [kept.name] * 3


@pytest.mark.parametrize("error", [0.5, np.nan])
def test_prepare_moves_on_where_results_are_wrong(exported, core_ml, error):
    folder = exported(outputs="arrays").folder
    assert play("prepare", folder, core_ml) == [[["all"], ["all"]]]
    core_ml.off = {"all": error}
    assert play("prepare", folder, core_ml) == [[["all", "cpuAndGPU"], ["cpuAndGPU"]]]
    core_ml.off = dict.fromkeys(["all", "cpuAndGPU", "cpuOnly"], error)
    (found,) = play("prepare", folder, core_ml)
    assert found["error"].startswith("wrongResults(largestError: ")
    (folder / "golden.json").write_text("{")
    (found,) = play("prepare", folder, core_ml)
    assert found["error"].startswith("unreadableGolden(")
    (folder / "golden.json").unlink()
    core_ml.off = {}
    assert play("prepare", folder, core_ml) == [[["all"], ["all"]]]


def specification(package):
    return package / "Data/com.apple.CoreML/model.mlmodel"


def remove_metadata(folder, key):
    for package in models(folder):
        change(
            package, lambda spec: spec.description.metadata.userDefined.pop(f"mlx_finbert.{key}")
        )


def change(package, edit):
    from mlx_finbert.convert.coreml.mil import Model_pb2

    spec = Model_pb2.Model()
    spec.ParseFromString(specification(package).read_bytes())
    edit(spec)
    specification(package).write_bytes(spec.SerializeToString())


def rename_probabilities(folder):
    def edit(spec):
        (function,) = spec.mlProgram.functions.values()
        block = function.block_specializations[function.opset]
        for operation in block.operations:
            for output in operation.outputs:
                if output.name == "probabilities":
                    output.name = "p"
        block.outputs[:] = ["p" if name == "probabilities" else name for name in block.outputs]

    for package in models(folder):
        change(package, edit)


def rename_input(spec):
    spec.description.input[0].name = "ids"


def of_another_export(folder):
    change(
        folder / "T-32.mlpackage",
        lambda spec: spec.description.metadata.userDefined.update(
            {"mlx_finbert.source_sha256": "another"}
        ),
    )


DAMAGES = {
    "a missing length": (
        lambda folder: shutil.rmtree(folder / "T-32.mlpackage"),
        "missingLength(32)",
    ),
    "a damaged package": (
        lambda folder: specification(folder / "T-12.mlpackage").write_bytes(b"\xff" * 100),
        "unreadableModel(",
    ),
    "a damaged package that is needed later": (
        lambda folder: specification(folder / "T-32.mlpackage").write_bytes(b"\xff" * 100),
        "unreadableModel(",
    ),
    "no package": (
        lambda folder: (folder / "T-12.mlpackage/Manifest.json").unlink(),
        "unreadableModel(",
    ),
    "no labels": (
        lambda folder: remove_metadata(folder, "labels"),
        'missingMetadata(key: "mlx_finbert.labels")',
    ),
    "no vocabulary": (
        lambda folder: remove_metadata(folder, "vocabulary"),
        'missingMetadata(key: "mlx_finbert.vocabulary")',
    ),
    "another input": (
        lambda folder: change(folder / "T-12.mlpackage", rename_input),
        'missingInput("input_ids")',
    ),
    "another export": (of_another_export, "differentExport("),
    "another output": (rename_probabilities, 'missingOutput("probabilities")'),
    "two of a length": (
        lambda folder: shutil.copytree(folder / "T-12.mlpackage", folder / "A.mlpackage"),
        "duplicateLength(12)",
    ),
    "golden.json cut off": (
        lambda folder: (folder / "golden.json").write_text("{"),
        "unreadableGolden(",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_error_is_the_case_that_names_it(exported, core_ml, damage):
    folder = exported(outputs="arrays").folder
    break_it, case = DAMAGES[damage]
    break_it(folder)
    (found,) = play("error", folder, core_ml)
    assert found["error"].startswith(case)


def test_a_failing_device_is_named(exported, core_ml):
    folder = exported(outputs="arrays").folder
    core_ml.off = {"all": np.nan}
    assert play("error", folder, core_ml) == [{"error": "notFinite"}]
    core_ml.fails = True
    (found,) = play("error", folder, core_ml)
    assert found["error"] == 'failedPrediction(reason: "the device is busy")'


def test_whole_packages_give_no_error(exported, core_ml):
    assert play("error", exported(outputs="arrays").folder, core_ml) == [{"error": ""}]


def test_a_function_that_is_missing(exported, core_ml):
    folder = exported(multifunction=True, target="iOS18").folder
    (package,) = models(folder)
    change(package, lambda spec: spec.mlProgram.functions.pop("length_12"))
    assert play("error", folder, core_ml)[0]["error"].startswith("unreadableModel(")
