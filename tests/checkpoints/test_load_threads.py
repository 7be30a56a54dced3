"""Whatever `load` returns can be used by another thread: nothing in it is pending."""

import subprocess
import sys
import threading

import mlx.core as mx
import numpy as np
import pytest
from small_adapters import TEXTS, adapter_folder

import mlx_finbert
from mlx_finbert.models import FAMILIES, lora
from mlx_finbert.models.quantization import Quantization, quantize

WIDE = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}


def in_another_thread(function):
    """What a function returns there; its exception is raised here."""
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def logits(model, tokenizer):
    rows = tokenizer(TEXTS, padding=True, return_tensors="np")
    found = model(mx.array(rows["input_ids"]), mx.array(rows["attention_mask"]))
    return np.array(found.astype(mx.float32))


def check(model, tokenizer):
    """The other thread is the first to compute with the model."""
    there = in_another_thread(lambda: logits(model, tokenizer))
    np.testing.assert_array_equal(there, logits(model, tokenizer))


def without_head(folder):
    weights = mx.load(str(folder / "model.safetensors"))
    mx.eval(weights)
    kept = {k: v for k, v in weights.items() if "classifier" not in k}
    mx.save_safetensors(str(folder / "model.safetensors"), kept)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16"])
def test_a_model_of_any_dtype(checkpoint, family, dtype):
    check(*mlx_finbert.load(checkpoint(family), dtype=dtype))


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16"])
@pytest.mark.parametrize("dora", [False, True])
def test_adapters(checkpoint, tmp_path, dtype, dora):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a", dora=dora)
    check(*mlx_finbert.load(folder, dtype=dtype))


@pytest.mark.parametrize("dtype", [None, "float16"])
@pytest.mark.parametrize(
    "wish",
    [{}, {"num_labels": 4}, {"labels": ["a", "b"]}, {"labels": ["a", "b"], "new_head": True}],
)
def test_a_fresh_head(checkpoint, dtype, wish):
    folder = checkpoint()
    check(
        *mlx_finbert.load(
            folder if "new_head" in wish else without_head(folder), dtype=dtype, **wish
        )
    )


@pytest.mark.parametrize("dtype", [None, "float16"])
def test_a_quantized_model(checkpoint, tmp_path, dtype):
    model, tokenizer = mlx_finbert.load(checkpoint(**WIDE))
    quantize(model, Quantization(8, 32))
    check(model, tokenizer)
    check(*mlx_finbert.load(mlx_finbert.save(model, tokenizer, tmp_path / "q"), dtype=dtype))


def test_fused_adapters(checkpoint, tmp_path):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    model, tokenizer = mlx_finbert.load(folder)
    lora.fuse(model)
    check(model, tokenizer)
    mlx_finbert.save(model, tokenizer, tmp_path / "fused")
    check(model, tokenizer)


def test_a_predictor_made_here_and_used_there(checkpoint, tmp_path):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "a")
    predictor = mlx_finbert.Predictor(*mlx_finbert.load(folder, dtype="float16"))
    there = in_another_thread(lambda: predictor(TEXTS))
    np.testing.assert_array_equal(there, predictor(TEXTS))


AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor
import mlx_finbert

with ThreadPoolExecutor(12) as pool:
    print(len(list(pool.map(mlx_finbert.load, [sys.argv[1]] * 24))))
"""


def test_the_first_loads_of_a_process_may_be_at_once(checkpoint):
    argv = [sys.executable, "-c", AT_ONCE, checkpoint()]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.stdout == "24\n", done.stderr
