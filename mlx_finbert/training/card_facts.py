"""What the model card of a run says of it."""

from typing import Any

from mlx_finbert.checkpoints.hub import PACKAGED, PACKAGED_HUB_ID
from mlx_finbert.data.sources import hub_id
from mlx_finbert.models import ClassifierArgs
from mlx_finbert.publishing.card import METRICS
from mlx_finbert.publishing.facts import CardFacts, Measured
from mlx_finbert.publishing.private import is_local_model, public_data, public_model
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.state import Record


def facts_of_run(
    settings: TrainSettings,
    args: ClassifierArgs,
    train_rows: int,
    unlabelled_rows: int,
    licence: str,
    best: Record,
    test: dict[str, Any],
    temperature: float,
) -> CardFacts:
    """The facts of a run, without places on this machine; `test` is what metrics.json holds."""
    return CardFacts(
        labels=args.labels,
        model_type=args.model_type,
        is_adapters=settings.lora() is not None,
        model=public_model(settings.model),
        base_model=base_model(settings.model),
        data=public_data(settings.data),
        dataset=hub_id(settings.data),
        data_licence=licence or None,
        train_rows=train_rows,
        teacher=settings.teacher and public_model(settings.teacher),
        unlabelled_rows=unlabelled_rows,
        epoch=best.epoch,
        chosen_by=settings.metric_for_best_model,
        temperature=temperature,
        measured=measured_rows(best, test),
    )


def base_model(model: str) -> str | None:
    """The id on the hub of the model that a run started from; None for a local folder."""
    if is_local_model(model):
        return None
    return PACKAGED_HUB_ID if model == PACKAGED else model


def measured_rows(best: Record, test: dict[str, Any]) -> list[Measured]:
    """The figures of the validation rows, then those of the test rows if there are any.

    Of a run without test rows, the validation rows were measured again at the end, calibrated and
    with intervals.
    """
    found = {"validation": Measured("validation", best.validation)}
    if test:
        found[test["split"]] = Measured(
            test["split"],
            {name: test[name] for name in METRICS},
            {name: test["intervals_95"][name] for name in METRICS},
            test["rows"],
            test["rows_in_all"],
        )
    return list(found.values())
