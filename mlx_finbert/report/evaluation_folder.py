"""The folder that `evaluate` leaves: the files of a report, all predictions and the figures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path

from mlx_finbert.errors import InputError
from mlx_finbert.evaluation.config import EvaluateSettings
from mlx_finbert.evaluation.differing_rows import renamed
from mlx_finbert.evaluation.evaluate import Evaluation
from mlx_finbert.files.atomic import write_bytes, write_text
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.folder_lock import claimed
from mlx_finbert.files.paths import local_path
from mlx_finbert.inference.scored_rows import prediction, text_columns
from mlx_finbert.report.contents import Predictions, Report, flat
from mlx_finbert.report.files import FILES, table, write_report

PREDICTIONS = "predictions.csv"
METRICS = "metrics.json"

WRITTEN = (*FILES, PREDICTIONS, METRICS)
"""All files that an evaluation writes."""

ROWS_OF = {"all": "labelled", "train": "training"}
"""How the page calls the rows of a split, if not by its name."""


@contextmanager
def evaluation_folder(settings: EvaluateSettings) -> Iterator[Path | None]:
    """Hold the output folder of the settings while its evaluation runs; None if there is none.

    Raises:
        FolderInUse: if another process uses the folder; names that process.
        InputError: if the folder holds something else than an evaluation, see `require_free`.
    """
    if settings.output is None:
        yield None
        return
    folder = local_path(settings.output)
    with claimed(folder, "name another `output`"):
        finish(folder)
        require_free(folder, settings)
        yield folder


def require_free(folder: Path, settings: EvaluateSettings) -> None:
    """Refuse a folder with other files unless `overwrite`, and to replace what is measured."""
    model = local_path(settings.model)
    if model.is_dir() and folder.samefile(model):
        raise InputError(f"`output` {folder} is the folder of the `model`: name another folder")
    data = local_path(settings.named_data)
    if data.name in WRITTEN and data.resolve().parent == folder.resolve():
        raise InputError(f"`output` {folder} holds the `data` {data.name}: name another folder")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    others = [name for name in names if name not in WRITTEN]
    if others and not settings.overwrite:
        raise InputError(
            f"`output` {folder} holds {others[0]}, which is not from an evaluation: name another"
            " folder, or add `overwrite=True`, which keeps other files"
        )


def write_evaluation(folder: Path, evaluation: Evaluation, settings: EvaluateSettings) -> None:
    """Write the report, `predictions.csv` and `metrics.json` in one atomic step.

    `metrics.json` holds what `json` prints.
    """
    report = report_of(folder.resolve().name, evaluation, settings)
    with replacing(folder, WRITTEN) as part:
        write_report(part, report)
        write_bytes(part / PREDICTIONS, predictions_table(report))
        figures = json.dumps(evaluation.to_dict(), indent=2, allow_nan=False)
        write_text(part / METRICS, figures + "\n")


def report_of(title: str, evaluation: Evaluation, settings: EvaluateSettings) -> Report:
    """Build the report of an evaluation, which has no history."""
    rows, measured = evaluation.rows, evaluation.measured
    split = measured.split if measured else "all"
    return Report(
        title=title,
        model=evaluation.model,
        data=settings.named_data,
        ending=evaluation.heading,
        settings={f.name: getattr(settings, f.name) for f in fields(settings)},
        defaults={f.name: None if f.default is MISSING else f.default for f in fields(settings)},
        history=[],
        best_step=None,
        label_names=evaluation.labels,
        predictions=Predictions(
            split=ROWS_OF.get(split, split),
            texts=rows.texts,
            label_ids=rows.ids_in(evaluation.labels),
            logits=evaluation.logits,
            numbers=rows.numbers,
            others=rows.others,
            rows_in_all=evaluation.rows_in_all,
            truncated=evaluation.truncated,
        ),
        notes=rows.notes,
    )


def predictions_table(report: Report) -> bytes:
    """One line per row, in the order of the data: its columns, both labels and probabilities.

    A column of the data with the same name as one of ours is renamed to `data_NAME`.

    Raises:
        ValueError: for a report without predictions.
    """
    if not (results := report.results):
        raise ValueError("the report has no predictions")
    found, labels = results.predictions, report.label_names
    ours = ["true_label", *text_columns(labels), "text"]
    others = [flat(row) for row in found.others or [{}] * len(found.texts)]
    names = renamed([*dict.fromkeys(name for row in others for name in row)], ["row", *ours])
    lines = (
        [
            int(found.numbers[i]),
            *(others[i].get(name) for name in names),
            labels[found.label_ids[i]],
            *prediction(results.probabilities[i], labels).values(),
            found.texts[i],
        ]
        for i in range(len(found.texts))
    )
    return table(("row", *names.values(), *ours), lines)
