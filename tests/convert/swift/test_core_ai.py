"""The Swift package over assets of Core AI: Swift's tokens, Apple's runtime.

The package's own code runs; only Core AI's framework is a stand-in, which hands rows to the runtime
that Apple ships for Linux. Nothing here has run on a device.
"""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("coreai", reason='needs pip install ".[coreai]"')

from end_to_end import classify, models, play, right_classification, right_report
from model_server import ModelServer
from small_packages import read_json
from swift_tools import PACKAGE, SCRIPT, build, require_swift, run, swift

from mlx_finbert.convert.coreai import AssetOptions, export
from mlx_finbert.convert.coreml.tokenizer import random_texts

LENGTHS = [12, 32]

FORMS = [
    ("bert", {"precision": "fp32"}),
    ("roberta", {"precision": "fp32", "compress": "int8"}),
    pytest.param("distilbert", {"precision": "fp32"}, marks=pytest.mark.slow),
    pytest.param("roberta", {"precision": "fp32"}, marks=pytest.mark.slow),
    pytest.param("bert", {"precision": "fp16"}, marks=pytest.mark.slow),
]


@pytest.fixture
def server():
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The exports of this module by their options, and their folder."""
    require_swift()
    return {}, tmp_path_factory.mktemp("assets")


@pytest.fixture
def exported(classifier, made, tmp_path, monkeypatch):
    """Factory of exports, each in a folder of this test: `exported("bert", precision="fp16")`."""
    monkeypatch.setattr(random_texts, "COUNT", 100)
    exports, folder = made

    def make(family="bert", precision="fp32", **options):
        key = f"{family} {precision} {options}"
        if key not in exports:
            path = folder / str(len(exports)) / "T.aimodel"
            model, tokenizer = classifier(family)
            options = AssetOptions(lengths=LENGTHS, precision=precision, **options)
            report = export(model, tokenizer, path, options, source="tiny")
            assert report.passed, str(report)
            exports[key] = path.parent
        return shutil.copytree(exports[key], tmp_path / "export", dirs_exist_ok=True)

    return make


@pytest.mark.parametrize(("family", "options"), FORMS)
def test_golden_texts(exported, server, family, options):
    """By two tasks at once, which share the asset, and by the report of the Check button."""
    folder = exported(family, **options)
    golden = read_json(folder / "golden.json")
    texts = golden["texts"]
    assert len(texts) >= 76
    ((one, other),) = play("together", folder, server, [text["text"] for text in texts])
    assert server.loads == [("T.aimodel", "all", "default")]
    for results in (one, other):
        for text, found in zip(texts, results, strict=True):
            right_classification(text, found, golden)
    (report,) = classify(server, folder, "--check", folder / "golden.json")
    right_report(report, golden)


@pytest.mark.parametrize("error", [0.5, np.nan])
def test_prepare_moves_on_where_results_are_wrong(exported, server, error):
    folder = exported()
    assert play("prepare", folder, server) == [[["all"], ["all"]]]
    server.off = {"default": error}
    assert play("prepare", folder, server) == [[["all", "cpuAndGPU"], ["cpuAndGPU"]]]
    assert [units for *_, units in server.loads] == ["default", "default", "gpu"]
    server.off = dict.fromkeys(["default", "gpu", "cpuOnly"], error)
    (found,) = play("prepare", folder, server)
    assert found["error"].startswith("wrongResults(largestError: ")
    (folder / "golden.json").unlink()
    server.off = {}
    assert play("prepare", folder, server) == [[["all"], ["all"]]]


def test_core_ai_is_told_what_to_prefer(exported, server):
    folder = exported()
    told = {
        "all": "default", "cpuAndNeuralEngine": "neuralEngine", "cpuAndGPU": "gpu",
        "cpuOnly": "cpuOnly",
    }  # fmt: skip
    for units, options in told.items():
        classify(server, folder, "--compute-units", units, "Profit rose.", "profit " * 20)
        assert server.loads[-1] == ("T.aimodel", "all", options)
    assert len(server.loads) == len(told)


def test_the_asset_of_a_bundle_is_found_by_its_name(exported, server):
    folder = exported()
    binary = build("scenarios")

    def opened(name):
        return json.loads(run(binary, "named", folder, name, env=server.environment))

    assert opened("T") == {"lengths": LENGTHS}
    assert opened("FinBERT") == {"error": 'noModel(named: "FinBERT")'}
    # A package of Core ML is preferred; this one is no package.
    (folder / "T.mlpackage").mkdir()
    assert opened("T")["error"].startswith("unreadableModel(")


def edit_metadata(folder, edit):
    path = folder / "T.aimodel" / "metadata.json"
    told = read_json(path)
    edit(told["creatorDefinedMetadata"])
    path.write_text(json.dumps(told))


def truncate_program(folder):
    path = folder / "T.aimodel" / "main.mlirb"
    path.write_bytes(path.read_bytes()[:1000])


DAMAGES = {
    "no metadata": (
        lambda folder: (folder / "T.aimodel" / "metadata.json").unlink(),
        "unreadableModel(",
    ),
    "no labels": (
        lambda folder: edit_metadata(folder, lambda told: told.pop("mlx_finbert.labels")),
        'missingMetadata(key: "mlx_finbert.labels")',
    ),
    "the options of a package": (
        lambda folder: edit_metadata(
            folder, lambda told: told.update({"mlx_finbert.options": '{"batch": 1}'})
        ),
        'unreadableMetadata(key: "mlx_finbert.options")',
    ),
    "a program cut off": (truncate_program, "unreadableModel("),
    "a length without a function": (
        lambda folder: edit_metadata(
            folder, lambda told: told.update({"mlx_finbert.lengths": "[12, 32, 64]"})
        ),
        "unreadableModel(",
    ),
    "other labels": (
        lambda folder: edit_metadata(
            folder, lambda told: told.update({"mlx_finbert.labels": '["up", "down"]'})
        ),
        'missingOutput("probabilities")',
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_error_is_the_case_that_names_it(exported, server, damage):
    folder = exported()
    break_it, case = DAMAGES[damage]
    break_it(folder)
    (found,) = play("error", folder, server)
    assert found["error"].startswith(case)


def test_a_failing_device_is_named(exported, server):
    folder = exported()
    assert play("error", folder, server) == [{"error": ""}]
    server.off = {"default": np.nan}
    assert play("error", folder, server) == [{"error": "notFinite"}]
    server.fails = True
    (found,) = play("error", folder, server)
    assert found["error"] == 'failedPrediction(reason: "the device is busy")'


@pytest.mark.slow
def test_without_core_ai_an_asset_is_answered_with_a_sentence(exported):
    """As on a Mac before macOS 27: the package is built where no module CoreAI is."""
    scratch = PACKAGE / ".build" / "without-core-ai"
    options = ["--product", "classify", "--static-swift-stdlib", "--scratch-path", scratch]
    done = swift("build", *options, env=os.environ | {"WITHOUT_CORE_AI": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    (asset,) = models(exported())
    command = [SCRIPT, "exec", scratch / "debug" / "classify", "--model", asset, "Profit rose."]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("classify: T.aimodel needs Core AI: build the app with Xcode 27")
    assert done.stderr.count("\n") == 1
