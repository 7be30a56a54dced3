"""LoRA (Hu et al. 2021) and DoRA (Liu et al. 2024): small matrices that learn in the place of large
ones, by mlx-lm's layers."""

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
"""What learns in a layer; DoRA alone has `m`, the lengths of the matrix's rows."""


@dataclass(kw_only=True)
class LoraConfig:
    """Which layers get adapters, and of what kind."""

    rank: int = 16
    alpha: float = 32.0
    """What the adapters add is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Of what goes into the adapters."""
    layers: int | None = None
    """How many of the last layers; None for all."""
    dora: bool = False
    keys: list[str] | None = None
    """Names of linear layers within a layer, as in the checkpoint (`attention.self.query`).

    None for all: queries, keys, values, the attention's output and both feed-forward matrices.
    Hu et al. adapted queries and values alone; Dettmers et al. (2023, section 4) needed adapters
    on all linear layers to match full fine-tuning, and mlx-lm's default is the same.
    """

    def __post_init__(self) -> None:
        require(self.rank >= 1, "--lora-rank", self.rank, "at least 1")
        require(self.alpha > 0, "--lora-alpha", self.alpha, "must be above 0")
        require(0 <= self.dropout < 1, "--lora-dropout", self.dropout, "from 0 to below 1")
        if self.layers is not None:
            require(self.layers >= 1, "--lora-layers", self.layers, "at least 1")

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def add_lora(model: Classifier, config: LoraConfig) -> None:
    """Put adapters into a model, in place; they and the head alone are trainable then.

    The adapters change nothing at first: one of their matrices, drawn from MLX's random state, is
    multiplied by zeros. Their dropout is ours, with keys like any other of the model.

    Raises:
        InputError: for a model that has adapters or is quantized, and for layers or keys that the
            model does not have.
    """
    if has_lora(model) or quantization_of(model):
        raise InputError("LoRA needs a plain model: this one has adapters or is quantized")
    kind = layer_class(config)
    for layer in chosen_layers(model, config):
        linears = chosen_linears(layer, config)
        adapted = [(name, adapter(kind, linear, config)) for name, linear in linears.items()]
        layer.update_modules(tree_unflatten(adapted))
    model.freeze()
    for name, module in model.named_modules():
        if is_lora(module):
            module.unfreeze(recurse=False, keys=list(PARAMETERS))
        elif f"{name}.".startswith(model.head):
            module.unfreeze(recurse=False)


def chosen_layers(model: Classifier, config: LoraConfig) -> list[nn.Module]:
    """The last layers, as many as wished."""
    most = len(model.encoder.layer)
    count = most if config.layers is None else config.layers
    require(count <= most, "--lora-layers", count, f"the model has {most} layers")
    return model.encoder.layer[most - count :]


def chosen_linears(layer: nn.Module, config: LoraConfig) -> dict[str, nn.Linear]:
    """The linear layers within a layer that get adapters, by name."""
    linears = {name: m for name, m in layer.named_modules() if isinstance(m, nn.Linear)}
    if config.keys is None:
        return linears
    for key in config.keys:
        if key not in linears:
            raise InputError(
                f"a layer of this model has no linear layer {key!r}:"
                f" it has {', '.join(sorted(linears))}"
            )
    return {key: linears[key] for key in config.keys}


def layer_class(config: LoraConfig) -> Any:
    """mlx-lm's, imported here because that takes seconds."""
    try:
        with open_file_limit_kept():
            from mlx_lm.tuner.dora import DoRALinear
            from mlx_lm.tuner.lora import LoRALinear
    except ImportError as error:
        # mlx-lm needs `rich` and does not say so to pip.
        raise InputError(
            f"LoRA's layers are mlx-lm's, which cannot be imported: {error};"
            " pip install mlx-lm rich"
        ) from error
    return DoRALinear if config.dora else LoRALinear


def adapter(kind: Any, linear: nn.Linear, config: LoraConfig) -> nn.Module:
    """A layer of mlx-lm's around one of ours, with our dropout."""
    module = kind.from_base(linear, r=config.rank, scale=config.scale)
    # mlx-lm's draws without a key: another mask when a layer is computed again for its gradient.
    module.dropout = Dropout(config.dropout)
    return module


@contextmanager
def open_file_limit_kept() -> Iterator[None]:
    """Inside the block, nobody lowers the process's limit of open files.

    mlx_lm does at its import, the hard limit too, which cannot be raised again.
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
    """Whether a module is one of mlx-lm's, told without importing it."""
    return "lora_a" in module


def has_lora(model: Classifier) -> bool:
    """Whether a model has adapters that are not fused."""
    return any(is_lora(module) for module in model.modules())


def adapter_parameters(model: Classifier) -> dict[str, mx.array]:
    """All that a run with adapters trains: theirs and the head's, by name."""
    return {
        name: value
        for name, value in named_parameters(model).items()
        if name.startswith(model.head) or name.rpartition(".")[2] in PARAMETERS
    }


def fuse(model: Classifier) -> None:
    """Add the adapters to their matrices, in place: a plain model that computes the same."""
    with full_precision():
        fused = [(name, module.fuse()) for name, module in model.named_modules() if is_lora(module)]
    model.update_modules(tree_unflatten(fused))
    model.unfreeze()
    mx.eval(model.parameters())
