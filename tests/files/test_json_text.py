"""JSON: any file is read, or refused with one sentence, by every reader of the project."""

import json
import random
from hashlib import sha256
from pathlib import Path

import pytest

from mlx_finbert.checkpoints.adapters import read_adapter_config
from mlx_finbert.checkpoints.files import read_config, shards_of
from mlx_finbert.checkpoints.folder_layouts import has_config
from mlx_finbert.checkpoints.training_run import is_classifier
from mlx_finbert.convert.coreml.saved import SavedPackage
from mlx_finbert.data.sources.fiqa import FILES, load_fiqa
from mlx_finbert.data.tables import open_table
from mlx_finbert.errors import InputError
from mlx_finbert.files import json_text
from mlx_finbert.files.atomic import file_sha256
from mlx_finbert.files.folder_commit import COMMITTED, OUTDATED, finish
from mlx_finbert.files.folder_lock import LOCK, owner_of
from mlx_finbert.files.json_text import (
    MOST_LEVELS,
    JsonFault,
    parse_json,
    read_json,
    read_json_object,
)
from mlx_finbert.inference.parts import MANIFEST, Parts
from mlx_finbert.publishing.facts import FACTS, read_facts
from mlx_finbert.training.callbacks import lines_until, steps_in
from mlx_finbert.training.checkpoints import CHECKSUMS, fault_of, read_checkpoint

ROOT = Path(__file__).parents[2]

VALUES = ["{}", "[]", "null", "true", "-1", '""', '"a"', "NaN", "-Infinity", "1e999", "1" * 400,
          "9" * 5000, '"\\ud83d"', '"\\u0000"', '["a"]', '{"a": {}}', "[" * 5000,
          '{"a":' * 5000, "[" * 200 + "]" * 200, "\\", "\0", "é", "\ufeff"]  # fmt: skip


def mutated(text: str, random_: random.Random) -> bytes:
    """Change a text in JSON: other values, cuts, bytes, repeated parts."""
    for _ in range(random_.randint(1, 3)):
        at, end = sorted(random_.randrange(len(text) + 1) for _ in range(2))
        colons = [i + 1 for i, character in enumerate(text) if character in ":[,"] or [0]
        after = random_.choice(colons)
        stop = min((i for m in ",}]" if (i := text.find(m, after)) >= 0), default=len(text))
        text = random_.choice([
            text[:after] + random_.choice(VALUES) + text[stop:],
            text[:after] + random_.choice(VALUES) + text[stop:],
            text[:at] + random_.choice(VALUES) + text[at:],
            text[:at] + text[end:],
            text[:end] + text[at:],
            text[:at],
        ])  # fmt: skip
    data = bytearray(text.encode("utf-8"))
    if data and random_.random() < 0.2:
        data[random_.randrange(len(data))] = random_.randrange(256)
    return bytes(data)


def of_checkpoint(folder: Path) -> object:
    return fault_of(folder) or read_checkpoint(folder)


def of_state(folder: Path) -> object:
    sums = {"state.json": file_sha256(folder / "state.json")}
    (folder / CHECKSUMS).write_text(json.dumps(sums))
    return of_checkpoint(folder)


def of_package(folder: Path) -> object:
    with pytest.raises(InputError):
        SavedPackage(folder)
    return None


READERS = {
    "config": ("config.json", read_config, {"model_type": "bert", "architectures": ["A"],
               "quantization_config": {"bits": 4}, "quantization": {"bits": 4}}),
    "kind": ("config.json", is_classifier, {"architectures": ["BertForSequenceClassification"]}),
    "layout": ("config.json", has_config, {"model_type": "bert", "vocab_size": 9}),
    "index": ("model.safetensors.index.json",
              lambda f: shards_of(f / "model.safetensors.index.json"),
              {"metadata": {"total_size": 3}, "weight_map": {"a": "x-1", "b": "x-2"}}),
    "adapters": ("adapter_config.json", read_adapter_config,
                 {"base_model": "b", "revision": None, "base_sha256": "0", "config": {"a": 1},
                  "lora": {"rank": 8, "alpha": 16.0, "dropout": 0.1, "keys": ["query"]}}),
    "checksums": (CHECKSUMS, of_checkpoint, {"state.json": "0" * 64, "a.safetensors": "1" * 64}),
    "state": ("state.json", of_state, {"run_state": {"step": 3, "best": None}, "data": "0"}),
    "manifest": (MANIFEST, lambda f: Parts(f, 3, {})._manifest(),
                 {"sha256": "0", "manifest": {"input": "1"}}),
    "lock": (LOCK, owner_of, {"pid": 3, "host": "h", "since": "2026-01-01"}),
    "outdated": (f"{COMMITTED}/{OUTDATED}", finish, ["a.json", "b/c.json"]),
    "steps": ("log.jsonl", lambda f: steps_in(f / "log.jsonl"), {"event": "step", "step": 3}),
    "lines": ("log.jsonl", lambda f: lines_until(f / "log.jsonl", 5), {"event": "s", "step": 3}),
    "card": (FACTS, read_facts,
             {"labels": ["a"], "model_type": "bert", "is_adapters": False, "is_quantized": False,
              "measured": [], "readme_sha256": "0", "weights_sha256": sha256(b"w").hexdigest()}),
    "fiqa": (FILES[0], load_fiqa,
             {"1": {"sentence": "Up", "info": [{"sentiment_score": "0.5"}]}}),
    "rows": ("a.jsonl", lambda f: [*open_table(f / "a.jsonl").records()],
             {"text": "Up", "label": {"a": [1, 2.5]}}),
    "array": ("a.json", lambda f: [*open_table(f / "a.json").records()],
              [{"text": "Up", "label": 1}, {"text": "Down", "label": [1]}]),
    "package": ("Manifest.json", of_package,
                {"itemInfoEntries": {"A": {"path": "m"}}, "rootModelIdentifier": "A"}),
}  # fmt: skip
"""By a word: the file, the reader of its folder, and what the file holds."""

OTHERS = {"x-1": b"", "x-2": b"", "model.safetensors": b"w", FILES[1]: b"{}"}
"""Files next to those that are read."""


@pytest.mark.parametrize("reader", READERS)
def test_a_mutated_file_is_read_or_refused_in_a_sentence(tmp_path, reader):
    name, read, content = READERS[reader]
    file = tmp_path / name
    for other, data in OTHERS.items():
        (tmp_path / other).write_bytes(data)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    read(tmp_path)
    for seed in range(200):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(mutated(json.dumps(content), random.Random(f"{reader} {seed}")))
        try:
            read(tmp_path)
        except InputError as error:
            assert str(tmp_path) in str(error) and "\n" not in str(error)


def test_no_reader_of_the_project_goes_around():
    """JSON is parsed in one place."""
    files = [*ROOT.glob("mlx_finbert/**/*.py"), *ROOT.glob("convert/**/*.py")]
    around = [f for f in files if "json.load" in f.read_text(encoding="utf-8")]
    assert len(files) > 200 and around == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 1_000_000, "JSON nested deeper than 100 levels"),
        ('{"a":' * 1_000_000, "JSON nested deeper than 100 levels"),
        ("[" * 101 + "]" * 101, "JSON nested deeper than 100 levels"),
        ("1" * 4001, "JSON in which a number of 4,001 digits is too large"),
        ("9" * 9999, "JSON in which a number of 9,999 digits is too large"),
        ("[1e999]", "JSON in which the number 1e999 is too large"),
        ('"\\uD83D"', "JSON with half of a surrogate pair"),
        ("", "not valid JSON: Expecting value at character 1"),
        ('{"a": 1,\n "b" 2}', "not valid JSON: Expecting ':' delimiter at line 2, character 6"),
        ("{} {}", "not valid JSON: more text after its end at character 4"),
        (b'"\xe9"', "not valid JSON: byte 1 is not UTF-8"),
    ],
)
def test_what_is_refused(text, said):
    with pytest.raises(JsonFault) as caught:
        parse_json(text)
    assert str(caught.value).startswith(said)


def test_what_python_and_others_write_is_read(tmp_path):
    value = {"a": [1, -2.5, None, True, "é\n😀", {}], "b": 10**299}
    for text in (json.dumps(value), f" \n{json.dumps(value, ensure_ascii=False, indent=2)}\r\n"):
        assert parse_json(text) == parse_json("\ufeff".encode() + text.encode()) == value
    assert parse_json("[" * MOST_LEVELS + "]" * MOST_LEVELS)
    assert parse_json(json.dumps([[[]]] * 200)) == [[[]]] * 200
    assert str(parse_json("[NaN, Infinity]")) == "[nan, inf]"
    assert parse_json('"\\ud83d\\ude00"') == "😀"


def test_the_sentence_names_the_file_and_the_remedy(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("[1")
    with pytest.raises(InputError, match=r"a\.json is not valid JSON: .*; download it again$"):
        read_json(path, "download it again")
    path.write_text("[1]")
    with pytest.raises(InputError, match=r"a\.json holds a list, not a JSON object"):
        read_json_object(path)
    monkeypatch.setattr(json_text, "MOST_BYTES", 2)
    with pytest.raises(InputError, match=r"a\.json is larger than 0 MiB of JSON; restore"):
        read_json(path)


def test_a_folder_from_elsewhere_does_not_remove_files_outside_of_it(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "model"
    for name in ("../outside.txt", str(outside), "a/../../outside.txt", 5, "", "."):
        (folder / COMMITTED).mkdir(parents=True, exist_ok=True)
        (folder / COMMITTED / OUTDATED).write_text(json.dumps([name]))
        with pytest.raises(InputError, match="does not list files of its folder"):
            finish(folder)
    assert outside.read_text() == "mine"
