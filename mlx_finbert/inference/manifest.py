"""What decides the scores of a file, so that parts of two different runs are never joined."""

import hashlib
import json
from typing import Any

from mlx_finbert._version import __version__
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.files.hashes import weights_sha256
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import named_parameters

Manifest = dict[str, Any]
"""By the name under which the user knows it: `--max-length`."""

HASHED = "--input", "--model"
"""What stands there as the SHA-256 of its content."""


def make_manifest(predictor: Predictor, input_sha256: str, **settings: Any) -> Manifest:
    """The manifest of a run with these settings and those of the predictor.

    Args:
        predictor: with the model.
        input_sha256: of the rows to score.
        settings: by flag, without `--` and with `_`; of values that JSON knows.
    """
    settings |= predictor.settings
    return {
        "mlx-finbert": __version__,
        "--input": input_sha256,
        "--model": model_sha256(predictor.model, predictor.tokenizer),
        **{f"--{name.replace('_', '-')}": value for name, value in settings.items()},
    }


def model_sha256(model: Classifier, tokenizer: Tokenizer) -> str:
    """SHA-256 of a model's config, weights and tokenizer, wherever they were loaded from."""
    digest = hashlib.sha256(repr(model.args).encode())
    digest.update(weights_sha256(named_parameters(model)).encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()


def manifest_sha256(manifest: Manifest) -> str:
    """Of a manifest's names and values, in hexadecimal."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def differences(left: Manifest, manifest: Manifest) -> str:
    """`--model has changed, --max-length was 64 and is 128`."""
    names = [name for name in manifest if left.get(name) != manifest[name]]
    return ", ".join(
        f"{name} has changed"
        if name in HASHED
        else f"{name} was {left.get(name)} and is {manifest[name]}"
        for name in names
    )
