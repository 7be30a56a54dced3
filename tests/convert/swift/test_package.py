"""The folder that `--swift-package` writes."""

import hashlib
import json
import re
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from bare_package import core_ml, flags_of_stand_ins, swift_without_network
from swift_tools import PACKAGE, ROOT

from mlx_finbert.convert.coreml.swift_package import OF_XCODE, SYSTEMS, swift_string
from mlx_finbert.convert.to_coreai import main as to_coreai
from mlx_finbert.convert.to_coreml import main as to_coreml

pytestmark = pytest.mark.usefixtures("few_texts")

NAME = 'Tiny "News"'


def export(model, output, folder, *more):
    argv = ["--model", str(model), "--output", str(output), "--swift-package", str(folder)]
    return to_coreml([*argv, "--lengths", "7,9", *more])


@pytest.fixture
def model(checkpoint):
    return checkpoint()


@pytest.fixture
def package(model, tmp_path):
    """The package of a small model, whose name Swift has to escape."""
    assert export(model, tmp_path / "app" / f"{NAME}.mlpackage", tmp_path / "News") == 0
    return tmp_path / "News"


def files_of(folder):
    """The content of each file, without what SwiftPM builds."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if path.is_file() and not name.startswith(".build/")
    }


def test_the_folder_is_whole(package):
    assert {path.name for path in package.iterdir()} == {
        ".gitignore", "App", "LICENSE", "Package.swift", "README.md", "Sources", "Tests",
    }  # fmt: skip
    found = files_of(package)
    for folder in ("Sources", "App"):
        ignored = OF_XCODE("", [path.name for path in (PACKAGE / folder).rglob("*")])
        for path in (PACKAGE / folder).rglob("*"):
            name = path.relative_to(PACKAGE).as_posix()
            if path.is_file() and not ignored & set(path.parts) and path.suffix != ".pbxproj":
                assert found[name] == path.read_bytes(), name
    resources = {name for name in found if "/Resources/" in name}
    models = {f"{NAME}-{length}.mlpackage" for length in (7, 9)}
    assert {name.split("/")[3] for name in resources} == {
        *models, "golden.json", "PrivacyInfo.xcprivacy",
    }  # fmt: skip
    assert found["LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_the_models_are_those_of_the_export(package):
    export_json = json.loads((package.parent / "app" / "export.json").read_text())
    resources = package / "Sources" / "TextClassifierKit" / "Resources"
    for name, told in export_json["packages"].items():
        for file, digest in told["sha256"].items():
            assert hashlib.sha256((resources / name / file).read_bytes()).hexdigest() == digest
    golden = (package.parent / "app" / "golden.json").read_bytes()
    assert (resources / "golden.json").read_bytes() == golden


def test_the_same_model_gives_the_same_bytes(model, package, tmp_path):
    assert export(model, tmp_path / "b" / f"{NAME}.mlpackage", tmp_path / "c" / "Other") == 0
    assert files_of(tmp_path / "c" / "Other") == files_of(package)


def test_nothing_outside_is_named(package, tmp_path):
    outside = [tmp_path, ROOT, Path.home(), Path(socket.gethostname()), Path("/usr")]
    for name, content in files_of(package).items():
        assert not any(str(path).encode() in content for path in outside), name
        assert not (package / name).is_symlink()
    project = (package / "App" / "TextClassifierSample.xcodeproj" / "project.pbxproj").read_text()
    assert re.findall(r"relativePath = (.*?);", project) == [".."]
    manifest = (package / "Package.swift").read_text()
    assert not re.search(r"Stubs|Tools|os\(Linux\)|\.package\(|unsafeFlags", manifest)


@pytest.fixture(params=["mlpackage", "aimodel"])
def package_nearby(request, model, tmp_path):
    """A package whose path is short: the name of a socket in it has at most 107 bytes."""
    made, output = tmp_path / "News", tmp_path / "app" / f"{NAME}.{request.param}"
    if request.param == "aimodel":
        pytest.importorskip("coreai", reason='needs pip install ".[coreai]"')
        argv = ["--model", str(model), "--output", str(output), "--swift-package", str(made)]
        assert to_coreai([*argv, "--lengths", "7,9", "--precision", "fp32"]) == 0
    else:
        assert export(model, output, made) == 0
    with tempfile.TemporaryDirectory(prefix="bare-") as place:
        yield Path(shutil.move(made, place))


@pytest.mark.slow
def test_it_builds_and_passes_its_tests_in_a_bare_place(package_nearby):
    package = package_nearby
    before = files_of(package)
    flags = flags_of_stand_ins(package)
    with core_ml(package) as environment:
        done = swift_without_network("test", *flags, package=package, **environment)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "3 tests passed" in said and "warning:" not in said
        assert files_of(package) == before
        # The tests fail where the models are not those of golden.json.
        golden = package / "Sources" / "TextClassifierKit" / "Resources" / "golden.json"
        content = json.loads(golden.read_text())
        for text in content["texts"]:
            text["probabilities"] = text["probabilities"][1:] + text["probabilities"][:1]
        golden.write_text(json.dumps(content))
        done = swift_without_network("test", *flags, package=package, **environment)
        assert done.returncode != 0 and "3 tests failed" in done.stdout + done.stderr


def test_the_readme_has_the_three_lines(package):
    readme = (package / "README.md").read_text()
    (snippet,) = re.findall(r"```swift\n(.*?)```", readme, flags=re.DOTALL)
    assert [line for line in snippet.splitlines() if line] == [
        "import TextClassifierKit",
        f"let classifier = try await TextClassifier(named: {swift_string(NAME)},"
        " in: .textClassifierKit)",
        'let result = try await classifier.classify("Orders rose 12 %.")',
    ]
    assert "`negative`, `neutral`, `positive`" in readme and "longer than 9 tokens" in readme
    for folder in re.findall(r"^\| `(\S+?)` \|", readme, flags=re.MULTILINE):
        assert (package / folder).is_dir(), folder
    assert len(readme.splitlines()) <= 70


def test_the_export_prints_what_to_do_next(model, tmp_path, capsys):
    # Inside the folder of --output, as in the documentation.
    argv = [model, tmp_path / "app" / "FinBERT.mlpackage", tmp_path / "app" / "FinBERT"]
    for more in ([], ["--overwrite"]):
        assert export(*argv, *more) == 0
        said = capsys.readouterr().out
        assert f"{argv[2]}: a Swift package, " in said
        assert '    let classifier = try await TextClassifier(named: "FinBERT", in: .textC' in said
        project = re.search(r"sample app: (.*\.xcodeproj);", said)
        assert project and Path(project[1]).is_dir()
        assert said.endswith("verified\n")


@pytest.mark.parametrize("target", SYSTEMS)
def test_the_systems_are_those_of_the_target(model, tmp_path, target):
    assert export(model, tmp_path / "a" / "T.mlpackage", tmp_path / "T", "--target", target) == 0
    macos, ios = SYSTEMS[target]
    assert f'[.macOS("{macos}"), .iOS("{ios}")]' in (tmp_path / "T" / "Package.swift").read_text()
    file = tmp_path / "T" / "App" / "TextClassifierSample.xcodeproj" / "project.pbxproj"
    project = file.read_text()
    for name, own, asked in (("MACOSX", 14.0, macos), ("IPHONEOS", 17.0, ios)):
        told = re.findall(rf"{name}_DEPLOYMENT_TARGET = (.*?);", project)
        assert told == [str(max(own, float(asked)))] * 2
    multifunction = float(ios) >= 18
    models = {f"T{length}.mlpackage" for length in ([""] if multifunction else ["-7", "-9"])}
    resources = tmp_path / "T" / "Sources" / "TextClassifierKit" / "Resources"
    assert {path.name for path in resources.glob("*.mlpackage")} == models


def test_an_earlier_package_is_replaced_with_overwrite_alone(model, package, checkpoint, capsys):
    output = package.parent / "app" / f"{NAME}.mlpackage"
    (package / "Notes.md").write_text("mine")
    (package / ".build").mkdir()
    (package / "Sources" / "TextClassifierKit" / "Old.swift").write_text("let old = 1")
    before = files_of(package)
    assert export(model, package.parent / "b" / "T.mlpackage", package) == 2
    error = capsys.readouterr().err
    assert error == (
        f"error: --swift-package: {package} exists: choose another folder, or add --overwrite\n"
    )
    assert files_of(package) == before and not (package.parent / "b").exists()
    other = checkpoint(labels=("up", "down"), name="other")
    assert export(other, output, package, "--overwrite") == 0
    after = files_of(package)
    assert after["Notes.md"] == b"mine" and (package / ".build").is_dir()
    assert "Sources/TextClassifierKit/Old.swift" not in after
    assert "`up`, `down`" in after["README.md"].decode()


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("app", "is or holds the folder of --output"),
        (".", "is or holds the folder of --output"),
        ("tiny", "holds config.json, which is not of an earlier package"),
        ("tiny/config.json", "config.json is not a folder"),
        ("tiny/config.json/x", "config.json is not a folder"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_a_folder_of_anything_else_is_refused(model, tmp_path, capsys, folder, words, more):
    before = files_of(tmp_path)
    assert export(model, tmp_path / "app" / "T.mlpackage", tmp_path / folder, *more) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --swift-package: ") and words in error
    assert error.count("\n") == 1 and "choose " in error
    # Nothing was built.
    assert files_of(tmp_path) == before


def test_an_empty_folder_is_taken(model, tmp_path):
    (tmp_path / "T").mkdir()
    (tmp_path / "T" / ".DS_Store").write_bytes(b"")
    assert export(model, tmp_path / "app" / "T.mlpackage", tmp_path / "T") == 0


def test_a_rejected_export_writes_no_package(model, tmp_path, monkeypatch):
    monkeypatch.setattr("mlx_finbert.convert.coreml.layouts.MASK_FILL", 5.0)
    assert export(model, tmp_path / "app" / "T.mlpackage", tmp_path / "T") == 1
    assert not (tmp_path / "T").exists()


def test_a_full_disk_leaves_no_half_package(model, tmp_path, capsys, monkeypatch):
    def full(part, report):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlx_finbert.convert.coreml.swift_package._copy_models", full)
    assert export(model, tmp_path / "app" / "T.mlpackage", tmp_path / "T") == 2
    assert f"{tmp_path / 'T'}: No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "T").exists()
    assert (tmp_path / "app" / "T-7.mlpackage").is_dir()


def test_names_become_literals_of_swift():
    assert swift_string('a "b" \\ (c)') == r'"a \"b\" \\ (c)"'
    assert swift_string("Größe\n\x07\\(x)") == r'"Größe\u{a}\u{7}\\(x)"'
