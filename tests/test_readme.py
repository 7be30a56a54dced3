"""README and CONTRIBUTING match the code: flags, commands, figures of the sample, paths."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from mlx_finbert.cli.flags import parse_values
from mlx_finbert.cli.messages import flag_of
from mlx_finbert.convert.settings import (
    FuseSettings,
    ToCoremlSettings,
    ToMlxSettings,
    VerifySettings,
)
from mlx_finbert.data import load_texts
from mlx_finbert.evaluation.config import CompareSettings, EvaluateSettings
from mlx_finbert.inference.config import PredictSettings
from mlx_finbert.publishing.config import PushSettings
from mlx_finbert.self_check.config import CheckSettings
from mlx_finbert.training.config import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TRAINING = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
APP = (ROOT / "docs" / "app.md").read_text(encoding="utf-8")

SETTINGS = {
    "mlx_finbert.train": TrainSettings,
    "mlx_finbert.evaluate": EvaluateSettings,
    "mlx_finbert.compare": CompareSettings,
    "mlx_finbert.predict": PredictSettings,
    "mlx_finbert.convert.fuse": FuseSettings,
    "mlx_finbert.convert.to_mlx": ToMlxSettings,
    "mlx_finbert.convert.to_coreml": ToCoremlSettings,
    "mlx_finbert.convert.verify": VerifySettings,
    "mlx_finbert.push": PushSettings,
    "mlx_finbert.check": CheckSettings,
}
COMMANDS = re.findall(
    r"^ *(?:python|scripts/launch.sh .*?) -m (\S+) (.*)$",
    README + TRAINING + APP,
    flags=re.MULTILINE,
)


def test_the_table_of_flags_is_complete_and_has_the_defaults():
    section = TRAINING.partition("## All flags")[2]
    table = dict(re.findall(r"^\| `(--[\w-]+)` \| (.*?) \|", section, flags=re.MULTILINE))
    fields = {flag_of(f.name): f for f in dataclasses.fields(TrainSettings)}
    assert set(table) - {"--data"} == set(fields) - {"--data"} | {"--config"}
    for flag, field in fields.items():
        if field.default not in (None, False):
            assert table[flag] == f"`{field.default}`", flag


@pytest.mark.parametrize(("module", "flags"), COMMANDS)
def test_every_command_parses(module, flags):
    flags = re.sub(r"\bS\b", "0", flags)
    given = parse_values(SETTINGS[module], module, "", shlex.split(flags))
    SETTINGS[module](**given)


def test_the_commands_of_every_module_are_shown():
    assert {module for module, _ in COMMANDS} == set(SETTINGS)


def test_the_size_of_the_sample():
    assert f"holds {len(load_texts('sample')):,} sentences" in README


def test_no_figure_is_still_to_be_filled_in():
    assert not re.search(r"\b(QUICK|[A-Z]+TABLES?|LORASIZE|SAMPLE|TODO)[A-Z]*\b", README + TRAINING)


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
