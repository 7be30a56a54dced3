"""The folder that `to_coreai --swift-package` writes."""

import json
import re

import pytest

pytest.importorskip("coreai", reason='needs pip install "mlx-finbert[coreai]"')

from mlx_finbert.convert.to_coreai import main as to_coreai

pytestmark = pytest.mark.usefixtures("few_texts")

RESOURCES = "Sources/TextClassifierKit/Resources"


def export(model, output, folder, *more):
    argv = ["--model", str(model), "--output", str(output), "--swift-package", str(folder)]
    return to_coreai([*argv, "--lengths", "7,9", "--precision", "fp32", *more])


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_package_has_the_asset_and_asks_for_its_systems(checkpoint, tmp_path, capsys):
    model, app, folder = checkpoint(), tmp_path / "app", tmp_path / "News"
    assert export(model, app / "T.aimodel", folder) == 0
    said = capsys.readouterr().out
    assert f"{folder}: a Swift package, " in said and said.endswith("verified\n")
    assert 'TextClassifier(named: "T", in: .textClassifierKit)' in said
    assert files_of(folder / RESOURCES / "T.aimodel") == files_of(app / "T.aimodel")
    golden = json.loads((folder / RESOURCES / "golden.json").read_text())
    assert golden == json.loads((app / "golden.json").read_text())
    manifest = (folder / "Package.swift").read_text()
    assert '[.macOS("27.0"), .iOS("27.0")]' in manifest
    assert '.copy("Resources/T.aimodel"),' in manifest
    readme = (folder / "README.md").read_text()
    assert "Xcode 27" in readme and ".mlpackage" not in readme and "to_coreml" not in readme
    assert "has run on a device yet" in readme and len(readme.splitlines()) <= 70
    project = (folder / "App" / "TextClassifierSample.xcodeproj" / "project.pbxproj").read_text()
    assert set(re.findall(r"_DEPLOYMENT_TARGET = (.*?);", project)) == {"27.0"}

    # Refused before any work, and replaced where that is asked for.
    assert export(model, tmp_path / "b" / "T.aimodel", folder) == 2
    assert "--swift-package: " in capsys.readouterr().err and not (tmp_path / "b").exists()
    assert export(model, tmp_path / "b" / "T.aimodel", folder, "--overwrite") == 0


def test_a_rejected_asset_writes_no_package(checkpoint, tmp_path, monkeypatch):
    none = dict.fromkeys(("fp32", "fp16", "int8"), 0.0)
    monkeypatch.setattr("mlx_finbert.convert.coreai.figures.RUN_TOLERANCE", none)
    assert export(checkpoint(), tmp_path / "app" / "T.aimodel", tmp_path / "News") == 1
    assert not (tmp_path / "News").exists()
