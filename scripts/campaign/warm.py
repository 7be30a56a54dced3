"""Imports what the copies of the process need, so that each need not do it again."""

import importlib

MODULES = (
    "mlx_finbert.checkpoints.adapters",
    "mlx_finbert.checkpoints.training_run",
    "mlx_finbert.checkpoints.load",
    "mlx_finbert.convert.packages",
    "mlx_finbert.convert.package_classifier",
    "mlx_finbert.convert.checkpoints",
    "mlx_finbert.convert.adapters",
    "mlx_finbert.data",
    "mlx_finbert.distillation.logits",
    "mlx_finbert.inference.run",
    "mlx_finbert.publishing.facts",
    "mlx_finbert.training.fine_tune",
    "mlx_finbert.report",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.auto.configuration_auto",
    "transformers.models.bert.tokenization_bert",
    "transformers.models.roberta.tokenization_roberta",
)


def warm_up() -> None:
    """Import the modules; nothing is computed."""
    from mlx_finbert.convert.without_torch import torch_hidden

    with torch_hidden():
        for name in MODULES:
            importlib.import_module(name)
