"""Training with adapters: trained parameters, saved files, resuming and merging."""

import json

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.convert.fuse import main as fuse
from mlx_finbert.data.loader import Batch, Update
from mlx_finbert.models.lora import LoraConfig, add_lora
from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of
from mlx_finbert.training.loss import Loss
from mlx_finbert.training.optimizer import Adam, make_groups
from mlx_finbert.training.step import TrainStep

pytestmark = pytest.mark.usefixtures("backend")

FLAGS = [
    "--lora-rank", "4", "--lora-dropout", "0.2", "--gradient-checkpointing", "--max-steps", "8",
    "--eval-steps", "4", "--save-steps", "4", "--learning-rate", "1e-2", "--max-length", "32",
    "--batch-size", "8",
]  # fmt: skip


@pytest.mark.parametrize("more", [[], ["--dora", "--lora-layers", "1"]])
def test_adapters_are_trained_saved_used_and_fused(checkpoint, tmp_path, more, capsys):
    base, out, fused = checkpoint(), tmp_path / "out", tmp_path / "fused"
    argv = ["--model", str(base), "--output-dir", str(out), *FLAGS, *more]
    assert main(argv) == 0
    assert not (out / "model.safetensors").exists()
    assert f"convert.fuse --model {out.name} --output DIR" in (out / "README.md").read_text()
    model, tokenizer = mlx_finbert.load(out)
    before, _ = mlx_finbert.load(base)
    linear = model.encoder.layer[1].attention.self.query
    assert mx.abs(linear.lora_b).max() > 0
    assert mx.array_equal(linear.linear.weight, before.encoder.layer[1].attention.self.query.weight)
    assert not mx.array_equal(model.classifier.weight, before.classifier.weight)
    texts = ["profit rose", "sales fell by 3 percent"]
    expected = mlx_finbert.predict_proba(model, tokenizer, texts)
    assert fuse(["--model", str(out), "--output", str(fused)]) == 0
    found = mlx_finbert.predict_proba(*mlx_finbert.load(fused), texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert main(["--model", str(out), "--output-dir", str(tmp_path / "again")]) == 2
    assert "holds adapters; fuse them first" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_with_adapters_goes_on_bit_for_bit(checkpoint, tmp_path):
    base = str(checkpoint())
    for name, steps in (("whole", "8"), ("half", "8")):
        argv = ["--model", base, "--output-dir", str(tmp_path / name), *FLAGS]
        assert main([*argv, "--max-steps", steps]) == 0
    first = checkpoints_of(tmp_path / "half")[0]
    assert main(["--resume-from-checkpoint", str(first)]) == 0
    for name in ("adapters.safetensors", "history.json"):
        whole, half = (tmp_path / folder / name for folder in ("whole", "half"))
        assert whole.read_bytes() == half.read_bytes(), name


def test_gradient_checkpointing_in_half_precision_is_without_it(checkpoint):
    """The second run of a layer must also use the frozen weights in half precision."""
    folder, ends = checkpoint(), []
    for checkpointing in (False, True):
        mx.random.seed(0)
        model, _ = mlx_finbert.load(folder)
        add_lora(model, LoraConfig(rank=2, dropout=0.1))
        model.encoder.gradient_checkpointing = checkpointing
        groups = make_groups(
            dict(tree_flatten(model.trainable_parameters())), len(model.encoder.layer)
        )
        loss = Loss(np.ones(3, np.float32))
        step = TrainStep(model, groups, Adam(), loss, precision="bfloat16")
        ids = np.random.default_rng(0).integers(5, 60, (4, 8)).astype(np.int32)
        labels = np.array([0, 1, 2, 0], np.int32)
        batch = Batch(ids, np.ones_like(ids), labels, np.ones(4, np.float32), np.arange(4))
        update = Update(batch.rows, batch.rows + 1, labels, [batch])
        figures = [step(update, i, 1e-2) for i in range(4)]
        ends.append([(f.loss, f.grad_norm) for f in figures])
    assert ends[0] == ends[1]


def test_the_settings_reach_the_adapters(checkpoint, tmp_path):
    argv = ["--model", str(checkpoint()), "--output-dir", str(tmp_path / "out"), *FLAGS]
    assert main([*argv, "--lora-alpha", "8", "--lora-layers", "1", "--max-steps", "1"]) == 0
    lora = json.loads((tmp_path / "out" / "adapter_config.json").read_text())["lora"]
    assert lora == {
        "rank": 4, "alpha": 8.0, "dropout": 0.2, "layers": 1, "dora": False, "keys": None,
    }  # fmt: skip


def test_flags_without_a_rank_are_refused(capsys):
    assert main(["--dora"]) == 2
    assert "--dora has no effect without --lora-rank" in capsys.readouterr().err
