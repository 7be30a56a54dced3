"""What decides the scores of a file, so that parts of two different runs are never joined."""

import hashlib
from dataclasses import asdict
from typing import Any

from mlx.utils import tree_flatten

import mlx_finbert
from mlx_finbert.hashes import file_sha256, weights_sha256
from mlx_finbert.models import Classifier
from mlx_finbert.predict.predictor import Predictor
from mlx_finbert.predict.table import Table
from mlx_finbert.tokenizer import Tokenizer

Manifest = dict[str, Any]
"""By the name under which the user knows it: `--max-length`."""

HASHED = "--input", "--model"
"""What stands there as the SHA-256 of its content."""


def make_manifest(predictor: Predictor, table: Table, **settings: Any) -> Manifest:
    """The manifest of a run with these settings beside those of the predictor and the table."""
    settings |= {"text_column": table.text_column, **asdict(table.options)}
    settings |= predictor.settings
    return {
        "mlx-finbert": mlx_finbert.__version__,
        "--input": file_sha256(table.path),
        "--model": model_sha256(predictor.model, predictor.tokenizer),
        **{f"--{name.replace('_', '-')}": value for name, value in settings.items()},
    }


def model_sha256(model: Classifier, tokenizer: Tokenizer) -> str:
    """SHA-256 of a model's config, weights and tokenizer, wherever they were loaded from."""
    digest = hashlib.sha256(repr(model.args).encode())
    digest.update(weights_sha256(dict(tree_flatten(model.parameters()))).encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()


def differences(left: Manifest, manifest: Manifest) -> str:
    """`--model has changed, --max-length was 64 and is 128`."""
    names = [name for name in manifest if left.get(name) != manifest[name]]
    return ", ".join(
        f"{name} has changed"
        if name in HASHED
        else f"{name} was {left.get(name)} and is {manifest[name]}"
        for name in names
    )
