"""YAML: any file is read, or refused with one sentence, in little memory and time."""

import random
from pathlib import Path

import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.files.yaml_text import MOST_BYTES, MOST_LEVELS, parse_yaml, read_yaml
from mlx_finbert.settings import read_config_file
from mlx_finbert.training.config import TrainSettings

PLAIN = """\
# A run.
model: minilm
data: news.csv
num_train_epochs: 3
learning_rate: 5e-5
labels: [negative, neutral, positive]
run_name: 2024-01-01
notes:
  - &a {who: me, at: [1, 2.5, null, true]}
  - *a
"""
TAGS = ("!!int ", "!!float ", "!!bool ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!str ",
        "!!python/name:os.system ", "!!null ", "!!pairs ", "!!map ", "!!seq ")  # fmt: skip
MARKS = (*"[]{}&*!|>?:-,#%@`'\"\n\t \0é", "---", "<<: ", "*a", "&a ", "? ", ".inf", "0x", "12:30",
         "1e999", "9" * 5000, "=", "2024-99-99", "[" * 500, "{a: " * 500, "- " * 500)  # fmt: skip


def mutated(random_: random.Random) -> str:
    """Change a text in a few places: cut, repeated and inserted parts, marks and tags."""
    text = PLAIN
    for _ in range(random_.randint(1, 4)):
        at, end = sorted(random_.randrange(len(text) + 1) for _ in range(2))
        text = random_.choice([
            text[:at] + text[end:],
            text[:end] + text[at:],
            text[:at] + random_.choice(MARKS) + text[at:],
            text.replace(": ", ": " + random_.choice(TAGS), random_.randint(1, 4)),
            text.replace("\n", "\n" + random_.choice(MARKS), random_.randint(1, 3)),
        ])  # fmt: skip
    return text


def test_a_mutated_file_is_read_or_refused_in_a_sentence(tmp_path):
    path, refused = tmp_path / "config.yaml", 0
    for seed in range(200):
        path.write_text(mutated(random.Random(seed)), encoding="utf-8")
        try:
            read_config_file(path, TrainSettings, skip_others=bool(seed % 2))
        except InputError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert 20 < refused < 200


def fault(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "[" * 100_000, f"nested deeper than {MOST_LEVELS} levels"),
        ("".join(f"{'  ' * i}a:\n" for i in range(30)), f"deeper than {MOST_LEVELS} levels"),
        ("a: &a [*a]", "an alias of a value that it is part of"),
        ("a: 1\na: 2", "two values for the key 'a'"),
        ("a: !!int word", "a value cannot be converted"),
        ("a: !!float", "a value cannot be converted"),
        ("a: !!bool maybe", "a value cannot be converted"),
        ("a: !!timestamp soon", "a value cannot be converted"),
        ("a: " + "9" * 5000, "a value cannot be converted"),
        ("a: !!python/object/apply:os.system [date]", "not valid YAML"),
        ("? [a]\n: 1", "not valid YAML"),
        ("a: [1, 2", "not valid YAML"),
        ("- a", "must hold lines of `key: value`"),
        ("", "must hold lines of `key: value`"),
        ("a: 1\n" + "#" * MOST_BYTES, "is larger than 1 MiB"),
    ],
)
def test_what_is_refused(tmp_path, text, said):
    sentence = fault(tmp_path / "a.yaml", text)
    assert said in sentence and "a.yaml" in sentence


def test_aliases_that_multiply_are_refused(tmp_path):
    """The 412 bytes of a billion values: by plain aliases, and by merge keys."""
    lists = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lists += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    merged = ["a0: &a0 {k: x}"]
    merged += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 10)]
    for lines in (lists, merged):
        assert "values, with those that aliases repeat" in fault(tmp_path / "a", "\n".join(lines))


def test_what_settings_hold_is_read():
    found = parse_yaml(PLAIN)
    assert found["run_name"] == "2024-01-01" and found["learning_rate"] == "5e-5"
    assert found["notes"] == [{"who": "me", "at": [1, 2.5, None, True]}] * 2
    assert parse_yaml("a: &x {b: 1}\nc: {<<: *x, d: 2}")["c"] == {"b": 1, "d": 2}


def test_a_setting_under_two_names_or_beyond_arrays_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("batch-size: 4\nbatch_size: 8\n")
    with pytest.raises(InputError, match="gives the setting batch_size twice"):
        read_config_file(path, TrainSettings)
    path.write_text(f"seed: {10**400}\n")
    with pytest.raises(InputError, match="seed is 1000"):
        read_config_file(path, TrainSettings)
