"""Saving over another model: whoever reads gets the old one or the new one."""

import shutil
import subprocess
import sys
from itertools import count

import mlx.core as mx
import pytest
from killed_copies import killed_before
from small_adapters import adapter_folder

import mlx_finbert
from mlx_finbert.checkpoints.files import MODEL_FILES, SEEN_TEXTS
from mlx_finbert.checkpoints.save import new_model
from mlx_finbert.cli import model_flags
from mlx_finbert.cli.model_flags import TrainedModelSettings
from mlx_finbert.convert import checkpoints
from mlx_finbert.convert.checkpoints import load_with_run_files
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.files import folder_commit
from mlx_finbert.inference.manifest import model_sha256

WRITER = """
import sys
import mlx_finbert

*models, out = sys.argv[1:]
models = [mlx_finbert.load(model) for model in models]
print("ready", flush=True)
for number in range(10**9):
    mlx_finbert.save(*models[number % len(models)], out)
"""


@pytest.fixture
def two(checkpoint, tmp_path):
    """Folders of two models of the same shapes whose every file differs, tokenizers included."""
    folders = []
    for seed, labels in enumerate((["a", "b"], ["x", "y"])):
        source = checkpoint(labels=labels, name=f"source-{seed}")
        lines = (source / "vocab.txt").read_text().split("\n")
        lines[5 + seed], lines[9] = lines[9], lines[5 + seed]
        (source / "vocab.txt").write_text("\n".join(lines))
        model, tokenizer = mlx_finbert.load(source)
        mx.random.seed(seed)
        model.output_layer.weight = mx.random.normal(model.output_layer.weight.shape)
        tokenizer.model_max_length = 20 + seed
        folders.append(mlx_finbert.save(model, tokenizer, tmp_path / f"model-{seed}"))
    return folders


def sha256(folder):
    return model_sha256(*mlx_finbert.load(folder))


@pytest.mark.slow
def test_a_reader_beside_two_writers(two, tmp_path):
    known = [sha256(folder) for folder in two]
    out = tmp_path / "out"
    shutil.copytree(two[0], out)
    argv = [sys.executable, "-c", WRITER]
    writers = [
        subprocess.Popen([*argv, *folders, out], stdout=subprocess.PIPE, text=True)
        for folders in (two, two[::-1])
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        found = [sha256(out) for _ in range(100)]
        assert all(writer.poll() is None for writer in writers)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert set(found) == set(known)
    # They were killed somewhere.
    assert sha256(out) in known


class Files:
    """What saves a tokenizer, without MLX: it may be called in a copy of this process."""

    def __init__(self, folder):
        self.folder = folder

    def save_pretrained(self, part):
        for path in self.folder.iterdir():
            if "tokenizer" in path.name:
                shutil.copy(path, part)


@pytest.mark.parametrize(
    "kinds", ["whole over whole", "whole over adapters", "adapters over whole"]
)
def test_a_kill_at_any_rename(two, tmp_path, kinds):
    old, new = two
    if kinds == "whole over adapters":
        old, _ = adapter_folder(two[0], tmp_path / "adapters")
    elif kinds == "adapters over whole":
        old, (new, _) = two[1], adapter_folder(two[0], tmp_path / "adapters")

    def save():
        with new_model(out, Files(new), {}) as part:
            for path in new.iterdir():
                shutil.copy(path, part)

    known = {sha256(old): "old", sha256(new): "new"}
    found = []
    for number in count():
        out = tmp_path / f"out-{number}"
        shutil.copytree(old, out)
        is_done = killed_before(number, save, ("rename", "replace"))
        found.append(known[sha256(out)])
        save()
        assert known[sha256(out)] == "new"
        assert {p.name for p in out.iterdir()} == {p.name for p in new.iterdir()} <= MODEL_FILES
        if is_done:
            break
    assert found == ["old", *["new"] * (len(found) - 1)] and len(found) > 4


def with_run(folder):
    model, _, run = TrainedModelSettings(model=str(folder)).load_with_run()
    return model, run.seen.to_bytes()


def with_run_files(folder):
    model, _, _, files = load_with_run_files(str(folder))
    return model, files[SEEN_TEXTS]


@pytest.mark.parametrize("read", [with_run, with_run_files])
def test_a_model_and_its_run_are_of_one_save(two, tmp_path, monkeypatch, read):
    models = [mlx_finbert.load(folder) for folder in two]
    seen = [SeenTexts(frozenset([(name, "train", "")])).to_bytes() for name in ("old", "new")]
    saves = iter([1])

    def save(number):
        mlx_finbert.save(*models[number], tmp_path / "out", {SEEN_TEXTS: seen[number]})

    def replaced_after(load):
        def loaded(*arguments, **more):
            found = load(*arguments, **more)
            for number in saves:
                save(number)
            return found

        return loaded

    save(0)
    # As on a disk without locks.
    monkeypatch.setattr(folder_commit, "LOCK_SECONDS", 0.02)
    for module, name in ((model_flags, "load_trained"), (checkpoints, "load_with_report")):
        monkeypatch.setattr(module, name, replaced_after(getattr(module, name)))
    model, found = read(tmp_path / "out")
    assert found == seen[1] and model.args.labels == models[1][0].args.labels
