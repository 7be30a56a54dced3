"""The child process: authors, loads and runs assets with Apple's library.

It reads tasks from the standard input and writes their results to the standard output, pickled.
"""

import asyncio
import ctypes
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

ADDRESSES_FIXED = "MLX_FINBERT_ADDRESSES_FIXED"
ADDR_NO_RANDOMIZE = 0x0040000
"""Of Linux's personality(2)."""


def fix_addresses() -> None:
    """Start again with fixed addresses: the names of weights in an asset depend on them.

    Where Linux forbids it, and on a Mac, assets are right but not the same bytes each time.
    """
    if sys.platform != "linux" or ADDRESSES_FIXED in os.environ:
        return
    os.environ[ADDRESSES_FIXED] = "1"
    if ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE) != -1:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class Worker:
    """The tasks; a loaded asset stays loaded until the process ends."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._model: Any = None
        self._functions: dict[str, Any] = {}

    async def author(
        self,
        network: Any,
        lengths: Sequence[int],
        form: Any,
        path: Path,
        metadata: Mapping[str, Any],
    ) -> None:
        """Write an asset.

        Args:
            network, lengths, form: of `graph.build`.
            path: NAME.aimodel, which must not exist.
            metadata: `author`, `license` and `model_description`, and `custom` values by key.
        """
        from coreai.authoring import AIProgram

        from mlx_finbert.convert.coreai.graph import build

        def annotate(told: Any) -> None:
            # The date of an export would make its bytes differ from the next one's.
            told.creation_date = 0.0
            for name in ("author", "license", "model_description"):
                setattr(told, name, metadata[name])
            for key, value in metadata["custom"].items():
                told.set_custom(key, value)

        asset = AIProgram(build(network, lengths, form)).save_asset(path)
        asset.update_metadata(annotate)

    async def load(self, path: Path) -> dict[str, list[str]]:
        """Load an asset; returns the types of each function's inputs and outputs."""
        from coreai.authoring import AIModelAsset

        asset = AIModelAsset.load(path)
        summary = asset.summary(include_statistics=False)
        self._model = await self._stack.enter_async_context(asset.executable())
        self._functions = {
            name: self._model.load_function(name) for name in self._model.function_names
        }
        return signatures(summary)

    async def operations(self, path: Path) -> dict[str, int]:
        """The number of operations of an asset by kind, without constants."""
        from coreai.authoring import AIModelAsset

        summary = AIModelAsset.load(path).summary()
        counts = dict(summary.operation_distribution) if summary else {}
        return {kind: count for kind, count in counts.items() if kind != "constant"}

    async def run(self, function: str, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a function of the loaded asset."""
        from coreai.runtime import NDArray

        inputs = {name: NDArray(np.ascontiguousarray(value)) for name, value in feeds.items()}
        outputs = await self._functions[function](inputs)
        # A copy: the runtime's memory is its own.
        return {name: np.array(value.numpy()) for name, value in outputs.items()}


def signatures(summary: Any) -> dict[str, list[str]]:
    """Inputs and outputs of each function: "logits: Float32 1 × 3"."""
    return {
        name: [
            f"{value}: {array_type(kind)}"
            for value, kind in (*summary.function_inputs(name), *summary.function_outputs(name))
        ]
        for name in summary.function_names
    }


def array_type(told: Any) -> str:
    """The type and shape of an array, of which Apple's library says "NDArray (Int32, 1 × 32)"."""
    return str(told).removeprefix("NDArray (").removesuffix(")").replace(",", "")


async def serve(tasks: BinaryIO, results: BinaryIO) -> None:
    """Run tasks until their stream ends."""
    async with AsyncExitStack() as stack:
        worker = Worker(stack)
        while True:
            try:
                task, arguments = pickle.load(tasks)
            except EOFError:
                return
            answer: tuple[bool, Any]
            try:
                answer = True, await getattr(worker, task)(*arguments)
            except Exception as error:
                said = " ".join((str(error).strip() or repr(error)).splitlines()[:1])
                answer = False, (said, getattr(error, "errno", None))
            pickle.dump(answer, results, protocol=5)
            results.flush()


def main() -> None:
    fix_addresses()
    # Apple's library prints on the standard output.
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asyncio.run(serve(sys.stdin.buffer, results))


if __name__ == "__main__":
    main()
