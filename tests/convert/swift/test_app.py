"""The sample app: its project file, and its views against stand-ins for Apple's frameworks."""

import re

import pytest
from openstep import parse_openstep
from swift_tools import PACKAGE, swift
from typechecked import typecheck

APP = PACKAGE / "App"
PROJECT = APP / "TextClassifierSample.xcodeproj" / "project.pbxproj"
VIEWS = APP / "TextClassifierSample"
ID = re.compile(r"[0-9A-F]{24}")


@pytest.fixture
def project():
    text = PROJECT.read_text(encoding="utf-8")
    assert text.startswith("// !$*UTF8*$!\n")
    return parse_openstep(text)


def of_kind(project, kind):
    return [value for value in project["objects"].values() if value["isa"] == kind]


def references(value):
    """The object ids in a value, at any depth."""
    if isinstance(value, str):
        return [value] if ID.fullmatch(value) else []
    values = value.values() if isinstance(value, dict) else value
    return [found for inner in values for found in references(inner)]


def test_the_project_has_no_dangling_and_no_unused_object(project):
    objects = project["objects"]
    assert all(ID.fullmatch(key) for key in objects)
    used = [project["rootObject"], *references(list(objects.values()))]
    assert set(used) == set(objects)
    assert objects[project["rootObject"]]["isa"] == "PBXProject"
    assert project["objectVersion"] == "77"


def test_the_project_is_one_folder_and_one_package(project):
    (group,) = of_kind(project, "PBXFileSystemSynchronizedRootGroup")
    assert APP / group["path"] == VIEWS and any(VIEWS.glob("*.swift"))
    (package,) = of_kind(project, "XCLocalSwiftPackageReference")
    assert (APP / package["relativePath"]).resolve() == PACKAGE.resolve()
    (target,) = of_kind(project, "PBXNativeTarget")
    (member,) = target["fileSystemSynchronizedGroups"]
    assert project["objects"][member] is group
    products = {
        value["productName"] for value in of_kind(project, "XCSwiftPackageProductDependency")
    }
    declared = set(re.findall(r'\.library\(name: "(\w+)"', (PACKAGE / "Package.swift").read_text()))
    assert products == declared
    imported = {
        name
        for file in VIEWS.glob("*.swift")
        for name in re.findall(r"^import (TextClassifier\w*)", file.read_text(), flags=re.MULTILINE)
    }
    assert imported == products


def settings_of(project, name):
    """The values of a build setting in all configurations that have it."""
    configurations = of_kind(project, "XCBuildConfiguration")
    return [c["buildSettings"][name] for c in configurations if name in c["buildSettings"]]


def test_the_app_runs_where_its_model_does(project):
    """The views' model needs Observation, and so newer systems than the library."""
    available = {
        found
        for file in (PACKAGE / "Sources" / "TextClassifierApp").glob("*.swift")
        for found in re.findall(r"@available\(macOS (\d+), iOS (\d+), \*\)", file.read_text())
    }
    ((macos, ios),) = available
    assert settings_of(project, "MACOSX_DEPLOYMENT_TARGET") == [f"{macos}.0"] * 2
    assert settings_of(project, "IPHONEOS_DEPLOYMENT_TARGET") == [f"{ios}.0"] * 2
    manifest = (PACKAGE / "Package.swift").read_text()
    oldest = re.search(r"\.macOS\(\.v(\d+)\), \.iOS\(\.v(\d+)\)", manifest)
    assert int(oldest[1]) <= int(macos) and int(oldest[2]) <= int(ios)


def test_the_app_is_sandboxed_and_in_swift_6(project):
    assert settings_of(project, "ENABLE_APP_SANDBOX") == ["YES"] * 2
    # It reads the tables that a person opens, and writes the scored ones.
    assert settings_of(project, "ENABLE_USER_SELECTED_FILES") == ["readwrite"] * 2
    assert settings_of(project, "ENABLE_HARDENED_RUNTIME") == ["YES"] * 2
    assert settings_of(project, "SWIFT_VERSION") == ["6.0"] * 2


@pytest.mark.parametrize(
    "text", ["{ a = b }", "{ a = b; a = c; }", "( a b )", "{ = b; }", "{ a = b; } c", "{ a = @; }"]
)
def test_the_parser_refuses_what_is_no_property_list(text):
    with pytest.raises(ValueError):
        parse_openstep(text)


def test_the_parser_reads_what_xcode_writes():
    text = '// !$*UTF8*$!\n{ a = ("x \\"y\\"", b.c, ); /* { */ "k e" = { }; d = ..; }'
    assert parse_openstep(text) == {"a": ['x "y"', "b.c"], "k e": {}, "d": ".."}


@pytest.mark.slow
def test_the_views_compile_without_a_warning():
    # The folder of test_strict.py: with other flags everything would be compiled again.
    options = ["--scratch-path", PACKAGE / ".build" / "strict", "-Xswiftc", "-warnings-as-errors"]
    done = swift("build", "--target", "TextClassifierSample", *options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_what_the_app_does_passes_its_tests():
    done = swift("test", "--filter", "TextClassifierAppTests")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    count = re.search(r"Test run with (\d+) tests passed", said)
    assert count and int(count[1]) >= 40, said


MISTAKES = {
    "a missing wrapper": ("LiveView.swift", "@Bindable var live", "var live"),
    "a wrong property": ("CheckView.swift", "check.isRunning {", "check.runs {"),
    "a missing await": ("ContentView.swift", "await model.load()", "model.load()"),
    "a label without its image": ("ContentView.swift", 'systemImage: "tablecells"', "image: 1"),
    "a result that is no value": ("ClassifyText.swift", "value: result.label", "value: result"),
}


@pytest.mark.slow
def test_the_stand_ins_let_no_mistake_pass(tmp_path):
    files = {path.name: path.read_text(encoding="utf-8") for path in VIEWS.glob("*.swift")}
    assert typecheck(files, tmp_path / "right") is None
    for i, (name, right, wrong) in enumerate(MISTAKES.values()):
        assert right in files[name]
        said = typecheck(files | {name: files[name].replace(right, wrong)}, tmp_path / str(i))
        assert said and "error:" in said and f"{name}:" in said, name
