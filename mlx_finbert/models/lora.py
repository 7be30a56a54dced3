"""LoRA (Hu et al. 2021) and DoRA (Liu et al. 2024) adapters, with mlx-lm's layers."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from mlx_finbert.errors import InputError
from mlx_finbert.models import Classifier
from mlx_finbert.models.dropout import Dropout
from mlx_finbert.models.parameters import named_parameters
from mlx_finbert.models.precision import full_precision
from mlx_finbert.models.quantization import quantization_of
from mlx_finbert.settings import require

PARAMETERS = ("lora_a", "lora_b", "m")
"""Names of an adapter's trainable parameters; only DoRA has `m`, the lengths of the matrix rows."""


@dataclass(kw_only=True)
class LoraConfig:
    """Which layers get adapters, and their hyperparameters."""

    rank: int = 16
    alpha: float = 32.0
    """The adapters' output is scaled by alpha / rank."""
    dropout: float = 0.0
    """Dropout rate of the adapters' input."""
    layers: int | None = None
    """Number of layers to adapt, from the last; None for all."""
    dora: bool = False
    keys: list[str] | None = None
    """Names of linear layers within a layer, as in the checkpoint (`attention.self.query`).

    None for all: queries, keys, values, the attention's output and both feed-forward matrices.
    Hu et al. adapted only queries and values; Dettmers et al. (2023, section 4) needed adapters
    on all linear layers to match full fine-tuning, and mlx-lm's default is the same.
    """

    def __post_init__(self) -> None:
        rate_rule = "must be from 0 to below 1"
        require(self.rank >= 1, "lora_rank", self.rank, "must be at least 1")
        require(0 < self.alpha < math.inf, "lora_alpha", self.alpha, "must be above 0 and finite")
        require(0 <= self.dropout < 1, "lora_dropout", self.dropout, rate_rule)
        if self.layers is not None:
            require(self.layers >= 1, "lora_layers", self.layers, "must be at least 1")

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def add_lora(model: Classifier, config: LoraConfig) -> None:
    """Add adapters to a model, in place; only they and the head are trainable afterwards.

    The adapters change nothing at first: one of their matrices is random, from MLX's random state,
    and the other is zero. Their dropout takes keys, like all dropout of the model.

    Raises:
        InputError: for a model that has adapters or is quantized, and for layers or keys that the
            model does not have.
    """
    if has_lora(model) or quantization_of(model):
        raise InputError(
            "LoRA needs a plain model, but this one has adapters or is quantized: choose another"
        )
    kind = layer_class(config)
    for layer in chosen_layers(model, config):
        linears = chosen_linears(layer, config)
        require_rank(linears, config)
        adapted = [(name, adapter(kind, linear, config)) for name, linear in linears.items()]
        layer.update_modules(tree_unflatten(adapted))
    model.freeze()
    for name, module in model.named_modules():
        if is_lora(module):
            module.unfreeze(recurse=False, keys=list(PARAMETERS))
        elif f"{name}.".startswith(model.head):
            module.unfreeze(recurse=False)


def chosen_layers(model: Classifier, config: LoraConfig) -> list[nn.Module]:
    """The last layers of the model, which get adapters."""
    most = len(model.encoder.layer)
    count = most if config.layers is None else config.layers
    require(count <= most, "lora_layers", count, f"the model has only {most} layers")
    return model.encoder.layer[most - count :]


def chosen_linears(layer: nn.Module, config: LoraConfig) -> dict[str, nn.Linear]:
    """The linear layers within a layer that get adapters, by name."""
    linears = {name: m for name, m in layer.named_modules() if isinstance(m, nn.Linear)}
    if config.keys is None:
        return linears
    for key in config.keys:
        if key not in linears:
            raise InputError(
                f"the layers of this model have no linear layer {key!r}:"
                f" use one of {', '.join(sorted(linears))}"
            )
    return {key: linears[key] for key in config.keys}


def require_rank(linears: dict[str, nn.Linear], config: LoraConfig) -> None:
    """Refuse a rank above a matrix's own, with which adapters are larger and no more able."""
    for name, linear in linears.items():
        most = min(linear.weight.shape)
        rule = f"at most {most}, the smaller side of the matrix {name}"
        require(config.rank <= most, "lora_rank", config.rank, rule)


def layer_class(config: LoraConfig) -> Any:
    """mlx-lm's class for the adapters, imported here because that takes seconds."""
    try:
        with open_file_limit_kept():
            from mlx_lm.tuner.dora import DoRALinear
            from mlx_lm.tuner.lora import LoRALinear
    except ImportError as error:
        # mlx-lm needs `rich` but does not declare it as a dependency.
        raise InputError(
            f"LoRA needs mlx-lm, which cannot be imported: {error}; pip install mlx-lm rich"
        ) from error
    return DoRALinear if config.dora else LoRALinear


def adapter(kind: Any, linear: nn.Linear, config: LoraConfig) -> nn.Module:
    """Wrap a linear layer in one of mlx-lm's adapter layers, with our dropout."""
    module = kind.from_base(linear, r=config.rank, scale=config.scale)
    # mlx-lm's dropout has no key, so its mask would change when a layer is computed again.
    module.dropout = Dropout(config.dropout)
    return module


@contextmanager
def open_file_limit_kept() -> Iterator[None]:
    """Keep the process's limit of open files unchanged inside the block.

    The import of mlx_lm lowers it, including the hard limit, which cannot be raised again.
    """
    import resource

    setrlimit = resource.setrlimit

    def only_others(which: int, limits: tuple[int, int]) -> Any:
        return None if which == resource.RLIMIT_NOFILE else setrlimit(which, limits)

    resource.setrlimit = only_others
    try:
        yield
    finally:
        resource.setrlimit = setrlimit


def is_lora(module: nn.Module) -> bool:
    """Whether a module is an adapter layer of mlx-lm; does not import mlx-lm."""
    return "lora_a" in module


def has_lora(model: Classifier) -> bool:
    """Whether a model has adapters that are not fused."""
    return any(is_lora(module) for module in model.modules())


def adapter_parameters(model: Classifier) -> dict[str, mx.array]:
    """The parameters that a run with adapters trains: those of adapters and head, by name."""
    return {
        name: value
        for name, value in named_parameters(model).items()
        if name.startswith(model.head) or name.rpartition(".")[2] in PARAMETERS
    }


def fuse(model: Classifier) -> None:
    """Merge the adapters into their matrices, in place; the model then has no adapters."""
    with full_precision():
        fused = [(name, module.fuse()) for name, module in model.named_modules() if is_lora(module)]
    model.update_modules(tree_unflatten(fused))
    model.unfreeze()
    mx.eval(model.parameters())
