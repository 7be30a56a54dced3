"""The manifest: all that determines a file's scores, so that only parts of one run are joined."""

import hashlib
import json
from typing import Any

from mlx_finbert._version import __version__
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.inference.predictor import Predictor
from mlx_finbert.models import Classifier
from mlx_finbert.models.parameters import named_parameters, weights_sha256

Manifest = dict[str, Any]
"""Values by the parameters that set them, such as `max_length`."""

VERSION = "mlx-finbert"
"""The entry that is no parameter."""

HASHED = "input", "model"
"""Entries whose value is the SHA-256 of their content."""


def make_manifest(predictor: Predictor, input_sha256: str, **settings: Any) -> Manifest:
    """Make the manifest of a run with these settings and those of the predictor.

    Args:
        predictor: the predictor with its model.
        input_sha256: SHA-256 of the rows to score.
        settings: values by parameter; JSON must be able to hold them.
    """
    settings |= predictor.settings
    return {
        VERSION: __version__,
        "input": input_sha256,
        "model": model_sha256(predictor.model, predictor.tokenizer),
        **settings,
    }


def model_sha256(model: Classifier, tokenizer: Tokenizer) -> str:
    """Hash a model's config, weights and tokenizer, independent of where they were loaded from."""
    digest = hashlib.sha256(repr(model.args).encode())
    digest.update(weights_sha256(named_parameters(model)).encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()


def manifest_sha256(manifest: Manifest) -> str:
    """Hash a manifest's names and values; hexadecimal."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def differences(left: Manifest, manifest: Manifest) -> str:
    """Describe the changes: `model` has changed, `max_length` was 64 and is 128."""
    names = [name for name in manifest if left.get(name) != manifest[name]]
    return ", ".join(_difference(name, left.get(name), manifest[name]) for name in names)


def _difference(name: str, before: Any, now: Any) -> str:
    shown = name if name == VERSION else f"`{name}`"
    return f"{shown} has changed" if name in HASHED else f"{shown} was {before} and is {now}"
