"""Core ML itself, which only macOS has. Nothing here runs in the tests."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlx_finbert.convert.coreml.mil import ct

LEAST_PSNR = 40.0
"""dB; Apple's gate for a compiled model (apple/coreai-models, `neural_engine_rules.md`)."""


class CoreML:
    """A package loaded by Core ML, called like an `Evaluator`."""

    def __init__(self, path: Path, function: str | None) -> None:
        self.function = function
        self.model = ct.models.MLModel(str(path), function_name=function)

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return self.model.predict(dict(feeds))

    def devices(self) -> Counter[str]:
        """How many operations Core ML prefers to run on which device."""
        plan = ct.models.compute_plan.MLComputePlan.load_from_path(
            self.model.get_compiled_model_path()
        )
        block = plan.model_structure.program.functions[self.function or "main"].block
        usages = map(plan.get_compute_device_usage_for_mlprogram_operation, block.operations)
        return Counter(
            type(usage.preferred_compute_device)
            .__name__.removeprefix("ML")
            .removesuffix("ComputeDevice")
            for usage in usages
            if usage is not None
        )
