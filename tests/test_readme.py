"""README and CONTRIBUTING match the code: flags, commands, figures of the sample, paths."""

import re
import shlex
from pathlib import Path

import pytest

from mlx_finbert.cli.flags import parse_values
from mlx_finbert.convert.settings import (
    FuseSettings,
    ShrinkSettings,
    ToCoreaiSettings,
    ToCoremlSettings,
    ToMlxSettings,
    VerifySettings,
)
from mlx_finbert.data import load_texts
from mlx_finbert.evaluation.config import CompareSettings, EvaluateSettings
from mlx_finbert.inference.config import PredictSettings
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.publishing.config import PushSettings
from mlx_finbert.self_check.config import CheckSettings
from mlx_finbert.training.config import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DOCS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
ALL = "\n".join([README, *DOCS.values()])

SETTINGS = {
    "mlx_finbert.pretrain": PretrainSettings,
    "mlx_finbert.train": TrainSettings,
    "mlx_finbert.evaluate": EvaluateSettings,
    "mlx_finbert.compare": CompareSettings,
    "mlx_finbert.predict": PredictSettings,
    "mlx_finbert.convert.fuse": FuseSettings,
    "mlx_finbert.convert.shrink": ShrinkSettings,
    "mlx_finbert.convert.to_mlx": ToMlxSettings,
    "mlx_finbert.convert.to_coreml": ToCoremlSettings,
    "mlx_finbert.convert.to_coreai": ToCoreaiSettings,
    "mlx_finbert.convert.verify": VerifySettings,
    "mlx_finbert.push": PushSettings,
    "mlx_finbert.check": CheckSettings,
}
COMMANDS = re.findall(
    r"^ *(?:python|scripts/launch.sh .*?) -m (\S+)(.*)$",
    ALL,
    flags=re.MULTILINE,
)


@pytest.mark.parametrize(("module", "flags"), COMMANDS)
def test_every_command_parses(module, flags):
    flags = re.sub(r"\bS\b", "0", flags)
    given = parse_values(SETTINGS[module], module, "", shlex.split(flags))
    SETTINGS[module](**given)


def test_the_commands_of_every_module_are_shown():
    assert {module for module, _ in COMMANDS} == set(SETTINGS)


def test_the_size_of_the_sample():
    assert f"holds {len(load_texts('sample')):,} sentences" in DOCS["data.md"]


def test_no_figure_is_still_to_be_filled_in():
    assert not re.search(r"\b(QUICK|[A-Z]+TABLES?|LORASIZE|SAMPLE|TODO)[A-Z]*\b", ALL)


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_picture_of_a_report_is_small_and_its_command_is_shown():
    path = "docs/report.png"
    picture = (ROOT / path).read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 150_000
    assert f"]({path})" in README and f"cp runs/quickstart/curves.png {path}" in DOCS["training.md"]


def anchor(heading):
    """Return the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", *(f"docs/{n}" for n in DOCS)])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, part = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if part:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.M)
            assert part in map(anchor, headings), link


def code_of(text):
    """Return the words in backticks, without code blocks."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return {*" ".join(re.findall(r"`([^`]+)`", text)).split()}


@pytest.mark.parametrize(
    "path", sorted(w for w in code_of(CONTRIBUTING) if "/" in w and not w.startswith(".."))
)
def test_the_paths_of_contributing_exist(path):
    assert (ROOT / path).exists()


def test_the_names_of_contributing_exist():
    rooms = ("mlx_finbert", "convert", "tests")
    sources = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    files = {path.name for path in sources}
    for word in code_of(CONTRIBUTING):
        if word.endswith(".py") and "/" not in word:
            assert word in files
        if re.fullmatch(r"[A-Z_]{4,}", word):
            assert re.search(rf"^{word}\b", text, flags=re.MULTILINE), word
