"""The package as a wheel, as an editable install and as a bare checkout."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from startup import COMMANDS, heavy_modules

import mlx_finbert

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SCRIPT = PROJECT["project"]["scripts"]["mlx-finbert"]


def python(*argv, **more):
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_wheel(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("mlx_finbert", "convert"):
        ignore = shutil.ignore_patterns("__pycache__", ".build")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    python("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("mlx_finbert-*.whl")
    assert mlx_finbert.__version__ in wheel.name
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mlx_finbert"}
    assert {"mlx_finbert/convert/to_mlx.py", "mlx_finbert/data/sample.csv"} <= set(names)
    assert "mlx_finbert/py.typed" in names
    assert any(name.endswith("sample.LICENSE") for name in names)
    assert "mlx_finbert/py.typed" in names
    (entry_points,) = (name for name in names if name.endswith("/entry_points.txt"))
    assert f"\nmlx-finbert = {SCRIPT}\n" in archive.read(entry_points).decode()
    assert "mlx_finbert/convert/coreml/tokenizer/unicode_tables.json" in names
    modules = {f"mlx_finbert/{p.relative_to(ROOT / 'mlx_finbert')}"
               for p in (ROOT / "mlx_finbert").rglob("*.py")}  # fmt: skip
    modules |= {f"mlx_finbert/{p.relative_to(ROOT)}" for p in (ROOT / "convert").rglob("*.py")}
    assert modules <= set(names)
    assert {name for name in names if "/swift/" in name} == swift_files()
    site = tmp_path / "site"
    python("-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel)
    environment = os.environ | {"PYTHONPATH": str(site)}
    for command in COMMANDS:
        said = python("-m", f"mlx_finbert.{command}", "--help", cwd=tmp_path, env=environment)
        assert f"usage: python -m mlx_finbert.{command}" in said
    said = python(site / "bin" / "mlx-finbert", "--version", cwd=tmp_path, env=environment)
    assert said == f"mlx-finbert {mlx_finbert.__version__}\n"
    where = "import mlx_finbert.convert as c; print(c.__file__)"
    assert str(site) in python("-c", where, cwd=tmp_path, env=environment)
    where = "from mlx_finbert.convert.coreml.swift_package import SWIFT; print(SWIFT)"
    found = Path(python("-c", where, cwd=tmp_path, env=environment).strip())
    assert found == site / "mlx_finbert" / "convert" / "swift"


def swift_files():
    """The files of the Swift package that an export copies, as names in a wheel."""
    folders = [ROOT / "convert" / "swift" / name for name in ("App", "Export", "Sources")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 40
    return {f"mlx_finbert/{path.relative_to(ROOT)}" for path in files}


def test_the_script_names_what_exists():
    module, _, function = SCRIPT.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_version_has_one_source():
    """Setuptools reads a literal without importing the package, which would require MLX."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    attribute = PROJECT["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    module, _, name = attribute.rpartition(".")
    source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    values = {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    assert values == {name: mlx_finbert.__version__}


def test_what_ci_runs_is_there():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    ran = {
        name: [step["run"].split()[0] for step in job["steps"] if "run" in step]
        for name, job in jobs.items()
    }
    (command,) = PROJECT["project"]["scripts"]
    scripts = ["scripts/test.sh", f".venv/bin/{command}", "scripts/quickstart.sh"]
    assert ran == {"linux": [".ci/run"], "macos": scripts}
    for name in (".ci/run", "scripts/test.sh", "scripts/quickstart.sh"):
        assert os.access(ROOT / name, os.X_OK), name


def test_the_hooks_are_those_of_the_test_script():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    script = (ROOT / "scripts" / "test.sh").read_text(encoding="utf-8")
    for command in ("-m ruff check", "-m ruff format"):
        assert any(command in entry for entry in entries) and command in script


def test_every_folder_of_modules_is_a_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {
        prefix + ".".join(path.parent.relative_to(folder).parts)
        for prefix, folder in (("", ROOT), ("mlx_finbert.", ROOT))
        for path in (folder / ("convert" if prefix else "mlx_finbert")).rglob("__init__.py")
        if prefix or "convert" not in path.relative_to(folder).parts
    }
    assert set(settings["tool"]["setuptools"]["packages"]) == found


def test_modules_that_tests_share_have_names_of_their_own():
    """They are imported from one search path, on which the first of a name hides the others."""
    folders = PROJECT["tool"]["pytest"]["ini_options"]["pythonpath"]
    names = [path.stem for folder in folders for path in (ROOT / folder).glob("*.py")]
    names = [name for name in names if not name.startswith("test_") and name != "conftest"]
    assert sorted(names) == sorted(set(names))


def test_editable_install_from_another_folder(tmp_path):
    code = "import mlx_finbert.convert.to_mlx as m; print(m.__file__)"
    assert Path(python("-c", code, cwd=tmp_path).strip()).samefile(ROOT / "convert" / "to_mlx.py")


def test_checkout_without_an_install():
    code = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)];"
        "import mlx_finbert.convert.to_mlx as m; print(m.__file__)"
    )
    assert Path(python("-c", code, cwd=ROOT).strip()).samefile(ROOT / "convert" / "to_mlx.py")


def test_these_are_all_commands():
    folders = {"": ROOT / "mlx_finbert", "convert.": ROOT / "convert"}
    found = {
        prefix + ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__main__")
        for prefix, folder in folders.items()
        for path in folder.rglob("*.py")
        if "\n@command\n" in path.read_text(encoding="utf-8")
    }
    assert found == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_light(command):
    assert heavy_modules(["-m", f"mlx_finbert.{command}", "--help"]) == []


def test_importing_the_package_is_light():
    assert heavy_modules(["-c", "import mlx_finbert"]) == []


def imports_of(path):
    """Return the modules that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# A room imports from the rooms before it, and from itself.
ORDER = (
    "_version errors files flag_names settings keywords labels interrupt prefetch distributed"
    " models backend data checkpoints cli inference evaluation report publishing distillation"
    " training pretraining pretrain train predict push convert evaluate compare self_check check"
).split()
# The modules that each room or file must never import.
FORBIDDEN = {
    "data": ["mlx_finbert.models", "mlx_finbert.backend", "mlx"],
    "models": ["pathlib"],
    "training/trainer.py": [
        "mlx_finbert.data.sources",
        "mlx_finbert.checkpoints",
        "json",
        "pathlib",
    ],
    "training/step.py": [
        "mlx_finbert.data.sources",
        "mlx_finbert.checkpoints",
        "json",
        "pathlib",
    ],
}
# The settings of commands: the only modules of these rooms that know about flags.
LIBRARY = [
    "inference",
    "evaluation",
    "report",
    "publishing",
    "distillation",
    "training",
    "pretraining",
    "self_check",
]
# The code that runs a saved package shares nothing with the code that writes it.
EVALUATOR = ["operations", "evaluate", "saved", "stored_weights"]
WRITERS = ["coremltools", "mlx", *(
    f"mlx_finbert.convert.coreml.{name}" for name in ("graph", "layouts", "network", "package")
)]  # fmt: skip


def modules_of(place):
    """Return the files of a room, or the file itself."""
    found = ROOT / "mlx_finbert" / place
    return [found] if found.suffix else [*found.rglob("*.py"), *found.parent.glob(f"{place}.py")]


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_from_those_before_it(room):
    before = {*ORDER[: ORDER.index(room) + 1]}
    for path in modules_of(room):
        for name in imports_of(path):
            if name.startswith("mlx_finbert."):
                assert name.split(".")[1] in before, (path, name)


def test_these_are_all_rooms():
    found = {path.stem for path in (ROOT / "mlx_finbert").iterdir() if path.suffix in ("", ".py")}
    assert found - {"__init__", "__pycache__"} == set(ORDER)


@pytest.mark.parametrize("place", FORBIDDEN)
def test_what_a_room_must_not_know(place):
    for path in modules_of(place):
        for name in imports_of(path):
            for forbidden in FORBIDDEN[place]:
                assert not f"{name}.".startswith(f"{forbidden}."), (path, name)


def test_the_backend_alone_knows_its_devices():
    paths = (
        path for folder in ("mlx_finbert", "convert") for path in (ROOT / folder).rglob("*.py")
    )
    knowing = [path for path in paths if any(".linux_cpu" in name for name in imports_of(path))]
    assert knowing
    assert all(ROOT / "mlx_finbert" / "backend" in path.parents for path in knowing), knowing


FLAG = re.compile(r"--[a-z{]")
# Whole command lines name flags.
COMMAND_LINE = re.compile(r"python -m mlx_finbert|pip install")
# The functions that take the help of a flag.
HELPS = ("setting", "required")


def library_modules():
    """Return the modules that are neither a command nor part of the command line."""
    for folder in (ROOT / "mlx_finbert", ROOT / "convert"):
        for path in folder.rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if path.parent.name != "cli" and "\n@command\n" not in source:
                yield path, ast.parse(source)


def messages_of(tree):
    """Yield the strings of a module without docstrings and the help of settings."""
    skipped = set()
    for node in ast.walk(tree):
        helps = isinstance(node, ast.Call) and getattr(node.func, "id", "") in HELPS
        if helps or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            # Before the parts of the string, which `ast.walk` yields later.
            skipped |= {id(part) for part in node.values}
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_command_line_alone_names_flags():
    checked = 0
    for path, tree in library_modules():
        # A report names no flags, but the variables of its style sheet look like them.
        if path.name == "flag_names.py" or path.parent.name == "report":
            continue
        for message in messages_of(tree):
            checked += 1
            assert not FLAG.search(message) or COMMAND_LINE.search(message), (path, message)
    assert checked > 3000


def test_the_test_of_flags_finds_one():
    source = (
        '"""A --docstring."""\nx = setting(1, "see --one")\ny = f"{x}: add --two"\nz = "--three"'
    )
    found = [message for message in messages_of(ast.parse(source)) if FLAG.search(message)]
    assert sorted(found) == ["--three", "{}: add --two"]


def test_commands_alone_print():
    for path, tree in library_modules():
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        assert "print" not in {getattr(call.func, "id", "") for call in calls}, path


def test_settings_and_the_command_line_alone_know_what_flags_may_be_meant():
    for path, _ in library_modules():
        knows = any(name.startswith("mlx_finbert.flag_names") for name in imports_of(path))
        assert not knows or path.name in ("settings.py", "keywords.py"), path


@pytest.mark.parametrize("room", LIBRARY)
def test_settings_alone_know_the_command_line(room):
    for path in modules_of(room):
        known = [name for name in imports_of(path) if name.startswith("mlx_finbert.cli")]
        assert not known or path.name == "config.py", (path, known)


def test_of_the_conversions_settings_alone_know_the_command_line():
    for path, _ in library_modules():
        known = [name for name in imports_of(path) if name.startswith("mlx_finbert.cli")]
        if known and ROOT / "convert" in path.parents:
            assert path.name == "settings.py", (path, known)


@pytest.mark.parametrize("name", EVALUATOR)
def test_the_evaluator_is_apart(name):
    for imported in imports_of(ROOT / "convert" / "coreml" / f"{name}.py"):
        assert not any(f"{imported}.".startswith(f"{writer}.") for writer in WRITERS), imported
