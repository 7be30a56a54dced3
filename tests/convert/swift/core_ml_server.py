"""Core ML for Swift on Linux: runs saved packages for the stand-in of `convert/swift/Stubs/CoreML`.

A model of the stand-in is a connection to a Unix socket. It sends a line of JSON for each question
and gets a line back: first the model's inputs and metadata, then the outputs of each prediction.
"""

import json
import os
import shutil
import socketserver
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mlx_finbert.convert.coreml.evaluate import Evaluator
from mlx_finbert.convert.coreml.saved import SavedPackage


class CoreMLServer(socketserver.ThreadingUnixStreamServer):
    """A context in which models can be run, by threads of this process."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="core-ml-")
        super().__init__(f"{self._folder}/socket", _Model)
        self.loads = []
        """Of each model that was loaded: the compiled package's name, its function, its units."""
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
            "CORE_ML_EVALUATOR": self.server_address,
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
        self._run = None
        for line in self.rfile:
            question = json.loads(line)
            try:
                answer = self._load(**question) if self._run is None else self._predict(**question)
            except Exception as error:
                answer = {"error": str(error)}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _load(self, package, computeUnits, function=None):
        package = SavedPackage(Path(package))
        description = package.spec.description
        name = function or description.defaultFunctionName or "main"
        self._run = Evaluator(package.functions[name])
        self._units = computeUnits
        self.server.loads.append((package.path.name, name, computeUnits))
        told = next((f for f in description.functions if f.name == name), description)
        self._shapes = {f.name: _shapes(f.type.multiArrayType) for f in told.input}
        return {
            "inputs": {f.name: list(f.type.multiArrayType.shape) for f in told.input},
            "metadata": package.metadata,
        }

    def _predict(self, inputs):
        feeds = {
            name: np.array(value["data"], np.int32).reshape(value["shape"])
            for name, value in inputs.items()
        }
        for name, shapes in self._shapes.items():
            if feeds[name].shape not in shapes:
                raise ValueError(f"the input {name} is of shape {feeds[name].shape}")
        if self.server.fails:
            raise RuntimeError("the device is busy")
        time.sleep(self.server.delay)
        self.server.predictions += 1
        error = self.server.off.get(self._units, 0.0)
        return {name: _encoded(value, error) for name, value in self._run(feeds).items()}


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
