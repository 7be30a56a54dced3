"""What each reader makes of a folder: a value that is the same for the same content.

A function takes the folder and the file in it that was changed. It raises what the package raises,
and `Silent` for a result that cannot be right.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from materials import TEXTS
from outcomes import Silent

PACKAGE = "out/Small-8.mlpackage"
SHORTEST = 3
"""Tokens of the shortest row that holds any of a text."""


def whole_model(folder: Path, file: Path) -> str:
    """Load a model and its tokenizer, and score two texts."""
    import mlx_finbert
    from mlx_finbert.inference.manifest import model_sha256

    model, tokenizer = mlx_finbert.load(folder)
    require_probabilities(np.array(mlx_finbert.predict_proba(model, tokenizer, TEXTS)), model)
    if tokenizer.model_max_length < SHORTEST:
        raise Silent(f"rows of {tokenizer.model_max_length} tokens hold no text")
    return model_sha256(model, tokenizer)


def require_probabilities(found: np.ndarray, model: Any) -> None:
    """Refuse scores that are not probabilities of the model's labels."""
    if found.shape != (len(TEXTS), len(model.args.labels)):
        raise Silent(f"probabilities of shape {found.shape} for {len(model.args.labels)} labels")
    if not (np.isfinite(found).all() and np.allclose(found.sum(axis=1), 1, atol=1e-3)):
        raise Silent(f"probabilities of {found.sum(axis=1)}")


def weights(folder: Path, file: Path) -> str:
    """Load a model, without its tokenizer; refuse weights that are not finite."""
    import mlx.core as mx

    from mlx_finbert.checkpoints.load import load_with_report
    from mlx_finbert.models.parameters import named_parameters, weights_sha256

    model, _, _ = load_with_report(str(folder))
    named = named_parameters(model)
    if not all(mx.isfinite(value.astype(mx.float32)).all().item() for value in named.values()):
        raise Silent("weights that are not finite")
    return weights_sha256(named)


def labelled_texts(folder: Path, file: Path) -> str:
    """Load labelled texts as for `train --data`."""
    from mlx_finbert.data import load_texts

    return _told(load_texts(str(file)))


def fiqa(folder: Path, file: Path) -> str:
    """Load FiQA's folder."""
    from mlx_finbert.data.sources.fiqa import FILES, load_fiqa, scores_in

    found = load_fiqa(folder)
    if not all(-1 <= score <= 1 for name in FILES for _, score in scores_in(folder / name)):
        raise Silent("a score that is not from -1 to 1")
    return _told(found)


def _told(texts: Any) -> str:
    named = [texts.label_names[i] for i in texts.label_ids]
    return sha256([*zip(texts.texts, named, strict=True)])


def records(folder: Path, file: Path) -> str:
    """Read every row of a table, as `predict --input` does before it scores."""
    from mlx_finbert.data.tables.writers import make_writer
    from mlx_finbert.inference.table import Table

    table = Table(file, "text")
    table.checked_rows(make_writer(folder / "scored.csv", {"predicted_label": str}, None))
    return table.sha256


def config_file(folder: Path, file: Path) -> str:
    """Parse `train --config`."""
    from mlx_finbert.cli.flags import parse
    from mlx_finbert.training.config import TrainSettings

    return repr(parse(TrainSettings, "mlx_finbert.train", "", ["--config", str(file)]))


def training_record(folder: Path, file: Path) -> str:
    """Read what a model's folder records of its training."""
    from mlx_finbert.checkpoints.training_run import TrainingRun

    found = TrainingRun.of(str(folder / "out"))
    return sha256([repr(found.settings), sorted(found.seen.rows) if found.seen else None])


def checkpoint(folder: Path, file: Path) -> str:
    """Open the checkpoint that holds the file, to resume from it."""
    from mlx_finbert.models.parameters import weights_sha256
    from mlx_finbert.training.checkpoints import find_checkpoint
    from mlx_finbert.training.state import RunState

    found = find_checkpoint(file.parent)
    state = RunState.from_dict(found.state["run_state"])
    named = {
        f"{part}/{name}": array
        for part, arrays in found.optimizer_state().items()
        for name, array in arrays.items()
    }
    return sha256([state.to_dict(), weights_sha256(named)])


def resumed(folder: Path, file: Path) -> str:
    """Resume a run from its first checkpoint to its end."""
    import mlx_finbert

    first = min((folder / "out" / "checkpoints").glob("step-*"))
    result = mlx_finbert.fine_tune(resume_from_checkpoint=str(first))
    return hashlib.sha256((result.folder / "history.csv").read_bytes()).hexdigest()


def card_facts(folder: Path, file: Path) -> str:
    """Read the facts behind a run's model card, as `push` does."""
    from mlx_finbert.publishing.facts import read_facts

    return repr(read_facts(folder / "out"))


def parts_in(folder: Path) -> Any:
    """The parts of a table of 1,025 rows."""
    from mlx_finbert.inference.parts import Parts

    return Parts(folder, 1025, {"input": "0", "model": "1", "max_length": 8})


def scored(count: int) -> Any:
    """Rows as scoring makes them."""
    from mlx_finbert.inference.scored_rows import ScoredRow

    return [ScoredRow({"predicted_label": "a", "probability_a": i / 2048}) for i in range(count)]


def parts(folder: Path, file: Path) -> str:
    """Take up the parts of an unfinished prediction; score again those that are damaged."""
    kept = parts_in(folder)
    kept.claim(overwrite=True)
    for number in kept.missing(range(len(kept))):
        kept.write(number, scored(kept.size(number)), 3 * number)
    found = [kept.read(number) for number in range(len(kept))]
    return sha256([[[vars(row) for row in rows], num_long] for rows, num_long in found])


def teacher_logits(folder: Path, file: Path) -> str:
    """Read a teacher's logits; None has them computed again."""
    from mlx_finbert.distillation.logits import read

    found = read(file, (4, 3))
    if found is not None and not np.isfinite(found).all():
        raise Silent("logits that are not finite")
    return sha256(None if found is None else found.tolist())


def token_stores(folder: Path, file: Path) -> str:
    """Read the tokens of a pretraining as its rows; None has them made again."""
    from mlx_finbert.data.token_rows import JoinedRows
    from mlx_finbert.data.token_store import read_stores
    from mlx_finbert.pretraining.texts import Rows, notes_on

    if (found := read_stores(folder)) is None:
        return sha256(None)
    parts = [JoinedRows(part, 16, (2, 3)) for part in (found.train, found.validation)]
    ids = [[part[row].tolist() for row in range(len(part))] for part in parts]
    return sha256([found.digest, notes_on(Rows(*parts, found)), ids])


def package(folder: Path, file: Path) -> str:
    """Open a Core ML package as `compare` does."""
    from mlx_finbert.convert.package_classifier import PackageClassifier

    found = PackageClassifier.open(str(folder / PACKAGE))
    ids = found.tokenizer(TEXTS[0])
    return sha256([found.labels, sorted(found.runners), repr(ids)])


def package_with_side_files(folder: Path, file: Path) -> str:
    """Compare a package with golden.json and export.json next to it, as `verify` does."""
    import mlx_finbert
    from mlx_finbert.convert.coreml.exporter import describe_export
    from mlx_finbert.convert.coreml.saved import SavedPackage
    from mlx_finbert.convert.coreml.side_files import record_faults
    from mlx_finbert.convert.packages import options_of
    from mlx_finbert.errors import InputError

    package = SavedPackage(folder / PACKAGE)
    model, tokenizer = mlx_finbert.load(folder / "model")
    description = describe_export(model, tokenizer, options_of(package), [8], source="")
    if faults := [*record_faults(package, description, tokenizer, largest_error=0.0)]:
        raise InputError(f"{package.path}: {faults[0]}")
    return "passed"


def sha256(value: Any) -> str:
    """A hash of a value that JSON can hold; other values by their repr."""
    text = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
