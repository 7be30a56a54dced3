"""A Core AI asset as a classifier of texts, run by Apple's runtime."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlx_finbert.checkpoints.training_run import TrainingRun
from mlx_finbert.convert.coreai.asset import SavedAsset
from mlx_finbert.convert.coreai.child import require_core_ai
from mlx_finbert.convert.coreai.verification import loaded
from mlx_finbert.convert.coreml.inference import Row, Runner
from mlx_finbert.convert.coreml.operations import EvaluationError
from mlx_finbert.convert.package_classifier import PackageClassifier, labels_of
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish
from mlx_finbert.files.paths import local_path

log = logging.getLogger(__name__)


@dataclass
class AssetClassifier(PackageClassifier):
    """An asset with the tokenizer that its metadata describe; it is read as a package is."""

    @classmethod
    def open(cls, name: str) -> "AssetClassifier":
        """Open `NAME.aimodel`.

        Raises:
            InputError: if there is no such asset, it is damaged or was not made by `to_coreai`, or
                Apple's library is missing.
        """
        require_core_ai()
        path = local_path(name)
        if path.parent.is_dir():
            finish(path.parent)
        asset = SavedAsset(path)
        if fault := asset.hash_fault():
            raise InputError(f"{asset.path}: {fault}; export it again")
        options = asset.options()
        core_ml = options.as_core_ml().with_defaults(sorted(options.lengths or []))
        labels = labels_of(asset.metadata, asset.path)
        run = TrainingRun(name, None, None, is_trained=True)
        # The runners exist while the asset is loaded.
        runners = dict.fromkeys(core_ml.lengths, _not_loaded)
        return cls(name, labels, runners, core_ml, asset.metadata, run)

    @property
    def kind(self) -> str:
        return "a Core AI asset ({}), run by Apple's runtime"

    def logits(self, rows: Sequence[Row]) -> np.ndarray:
        """Compute the logits of N rows of token ids, float32 (N, num_labels)."""
        if self.options.precision == "fp16" and sys.platform != "darwin":
            log.info(
                f"{self.name}: in half precision a row takes Linux seconds to minutes; measure few"
                " rows with `max_eval_rows`, or an export in fp32, which is fast"
            )
        try:
            with loaded(local_path(self.name)) as asset:
                asset.require_functions([*self.runners], len(self.labels))
                self.runners = {n: partial(asset.function, n) for n in self.runners}
                return super().logits(rows)
        except EvaluationError as error:
            raise InputError(f"{self.name} cannot be run ({error}): export it again") from None


def _not_loaded() -> Runner:
    raise ValueError("the asset is not loaded")
