"""The package as a wheel, as an editable install and as a bare checkout."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import mlx_finbert

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "bench"))

from startup import COMMANDS, heavy_modules

ROOT = Path(__file__).resolve().parents[1]


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
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    python("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("mlx_finbert-*.whl")
    assert mlx_finbert.__version__ in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mlx_finbert"}
    assert {"mlx_finbert/convert/to_mlx.py", "mlx_finbert/data/sample.csv"} <= set(names)
    assert any(name.endswith("sample.LICENSE") for name in names)
    assert "mlx_finbert/convert/coreml/tokenizer/unicode_tables.json" in names
    modules = {f"mlx_finbert/{p.relative_to(ROOT / 'mlx_finbert')}"
               for p in (ROOT / "mlx_finbert").rglob("*.py")}  # fmt: skip
    modules |= {f"mlx_finbert/{p.relative_to(ROOT)}" for p in (ROOT / "convert").rglob("*.py")}
    assert modules <= set(names)
    site = tmp_path / "site"
    python("-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel)
    environment = os.environ | {"PYTHONPATH": str(site)}
    for command in COMMANDS:
        said = python("-m", f"mlx_finbert.{command}", "--help", cwd=tmp_path, env=environment)
        assert f"usage: python -m mlx_finbert.{command}" in said
    where = "import mlx_finbert.convert as c; print(c.__file__)"
    assert str(site) in python("-c", where, cwd=tmp_path, env=environment)


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
    """The modules that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# What stands left never imports what stands right.
FORBIDDEN = {
    "**": ["mlx_finbert.convert", "mlx_finbert.train.", "mlx_finbert.evaluate."],
    "data/*": ["mlx_finbert.models", "mlx_finbert.checkpoint", "mlx_finbert.training", "mlx"],
    "models/*": ["mlx_finbert.data", "mlx_finbert.checkpoint", "mlx_finbert.training", "pathlib"],
    "training/fit.py": ["mlx_finbert.data.sources", "mlx_finbert.checkpoint", "json", "pathlib"],
    "training/step.py": ["mlx_finbert.data.sources", "mlx_finbert.checkpoint", "json", "pathlib"],
    "report/*": [
        "mlx_finbert.data",
        "mlx_finbert.models",
        "mlx_finbert.settings",
        "mlx_finbert.training",
    ],
}
# What runs a saved package shares nothing with what writes it.
EVALUATOR = ["operations", "evaluate", "saved"]
WRITERS = ["coremltools", "mlx", *(
    f"mlx_finbert.convert.coreml.{name}" for name in ("graph", "layouts", "network", "package")
)]  # fmt: skip


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_imports_go_in_one_direction(pattern):
    library = ROOT / "mlx_finbert"
    for path in library.glob(f"{pattern}/*.py" if pattern == "**" else pattern):
        if path.suffix == ".py" and "convert" not in path.relative_to(library).parts:
            for name in imports_of(path):
                for forbidden in FORBIDDEN[pattern]:
                    assert not f"{name}.".startswith(f"{forbidden.rstrip('.')}."), (path, name)


@pytest.mark.parametrize("name", EVALUATOR)
def test_the_evaluator_is_apart(name):
    for imported in imports_of(ROOT / "convert" / "coreml" / f"{name}.py"):
        assert not any(f"{imported}.".startswith(f"{writer}.") for writer in WRITERS), imported
