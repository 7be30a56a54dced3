"""Runs saved models for Swift on Linux: those of the stand-ins in `convert/swift/Stubs`.

A model of a stand-in is a connection to a Unix socket. It sends a line of JSON for each question
and gets a line back: first what the model is, then the outputs of each prediction. Packages of Core
ML are run by Python's evaluator, assets of Core AI by Apple's runtime.
"""

import json
import os
import shutil
import socketserver
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mlx_finbert.convert.coreai.verification import loaded
from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.saved import SavedPackage


class ModelServer(socketserver.ThreadingUnixStreamServer):
    """A context in which models can be run, by threads of this process."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="models-")
        super().__init__(f"{self._folder}/socket", _Model)
        self.loads = []
        """Of each model that was loaded: its name on disk, its function or all, its units."""
        self.predictions = 0
        self.delay = 0.0
        """Seconds that each prediction takes longer."""
        self.off = {}
        """Compute units that give wrong results, with their error of a probability."""
        self.fails = False
        """Whether predictions fail."""

    @property
    def environment(self):
        """For the process that uses the models, whose files are in a folder of this context."""
        own = {
            "MODEL_EVALUATOR": self.server_address,
            "XDG_DATA_HOME": f"{self._folder}/data",
            "TMPDIR": self._folder,
        }
        return os.environ | own

    @property
    def compiled(self):
        """The packages that are kept compiled."""
        return sorted(Path(self._folder, "data").rglob("*.mlmodelc"))

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
        return super().__enter__()

    def __exit__(self, *error):
        self.shutdown()
        super().__exit__(*error)
        shutil.rmtree(self._folder)


class _Model(socketserver.StreamRequestHandler):
    """A connection: the first question loads a model, the others run it."""

    def handle(self):
        self._model = None
        with ExitStack() as stack:
            for line in self.rfile:
                question = json.loads(line)
                try:
                    answer = self._answer(question, stack)
                except Exception as error:
                    answer = {"error": str(error)}
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _answer(self, question, stack):
        if self._model is not None:
            return self._predict(**question)
        path = Path(question["package"])
        self._units = question["computeUnits"]
        if path.suffix == ".aimodel":
            self._model = _Asset(path, stack)
            function = "all"
        else:
            self._model = _Package(path, question.get("function"))
            function = self._model.function
        self.server.loads.append((path.name, function, self._units))
        return self._model.told

    def _predict(self, inputs, function=None):
        feeds = {
            name: np.array(value["data"], np.int32).reshape(value["shape"])
            for name, value in inputs.items()
        }
        if self.server.fails:
            raise RuntimeError("the device is busy")
        time.sleep(self.server.delay)
        self.server.predictions += 1
        error = self.server.off.get(self._units, 0.0)
        outputs = self._model.run(feeds, function)
        return {name: _encoded(value, error) for name, value in outputs.items()}


class _Package:
    """A function of a package, which Python's evaluator runs."""

    def __init__(self, path, function):
        package = SavedPackage(path)
        description = package.spec.description
        self.function = function or description.defaultFunctionName or "main"
        self._evaluator = Evaluator(package.functions[self.function])
        told = next((f for f in description.functions if f.name == self.function), description)
        self._shapes = {f.name: _shapes(f.type.multiArrayType) for f in told.input}
        self.told = {
            "inputs": {f.name: list(f.type.multiArrayType.shape) for f in told.input},
            "metadata": package.metadata,
        }

    def run(self, feeds, _):
        for name, shapes in self._shapes.items():
            if feeds[name].shape not in shapes:
                raise ValueError(f"the input {name} is of shape {feeds[name].shape}")
        return self._evaluator(feeds)


class _Asset:
    """An asset in Apple's runtime, in a process that ends with the stack."""

    def __init__(self, path, stack):
        self._asset = stack.enter_context(loaded(path))
        self.told = {"functions": sorted(self._asset.signatures)}

    def run(self, feeds, function):
        return self._asset.function(int(function.removeprefix("length_")))(feeds)


def _shapes(kind):
    """The shapes that an input takes, as Core ML enforces them."""
    enumerated = [tuple(shape.shape) for shape in kind.enumeratedShapes.shapes]
    return enumerated or [tuple(kind.shape)]


def _encoded(value, error):
    if isinstance(value, str):
        return {"string": value}
    if isinstance(value, dict):
        return {"dictionary": {key: float(p) + error for key, p in value.items()}}
    array = np.asarray(value, float) + error
    data = [x if np.isfinite(x) else None for x in array.ravel().tolist()]
    return {"shape": list(array.shape), "data": data}
