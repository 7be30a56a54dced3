"""Adapters that change what a model says, without a training run."""

import mlx.core as mx
import numpy as np
from mlx.utils import tree_unflatten

import mlx_finbert
from mlx_finbert.checkpoints.adapters import save_adapters
from mlx_finbert.models.lora import LoraConfig, adapter_parameters, add_lora

TEXTS = ["Profit rose by 12 percent .", "Sales fell", "the company said"]


def logits(model, tokenizer, dropout_key=None):
    rows = tokenizer(TEXTS, padding=True, return_tensors="np")
    ids, mask = mx.array(rows["input_ids"]), mx.array(rows["attention_mask"])
    return np.array(model(ids, mask, dropout_key=dropout_key))


def as_if_trained(model):
    """Moves adapters and head away from where they start."""
    mx.random.seed(1)
    moved = {k: v + 0.1 * mx.random.normal(v.shape) for k, v in adapter_parameters(model).items()}
    model.update(tree_unflatten(list(moved.items())))


def adapted(folder, **config):
    """The model of a folder with adapters, its tokenizer and their settings."""
    model, tokenizer = mlx_finbert.load(folder, dtype="float32")
    lora = LoraConfig(**{"rank": 4, "alpha": 6.0} | config)
    add_lora(model, lora)
    as_if_trained(model)
    return model, tokenizer, lora


def adapter_folder(base, folder, **config):
    """A folder of adapters, and the logits of the model that was saved."""
    model, tokenizer, lora = adapted(base, **config)
    save_adapters(model, tokenizer, folder, lora, str(base))
    return folder, logits(model, tokenizer)
