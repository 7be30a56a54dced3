"""The checks by name, in their order."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

from mlx_finbert.backend.ways import Way
from mlx_finbert.self_check import against_numpy, dropout, layers, two_ways
from mlx_finbert.self_check.against_numpy import SIGNIFICANT_BITS
from mlx_finbert.self_check.core_ml import core_ml
from mlx_finbert.self_check.outcome import Check, Measure, NotRun
from mlx_finbert.self_check.resume import resume
from mlx_finbert.self_check.subjects import Subject, minilm_subject, small_subjects

minilm = cache(minilm_subject)


def checks_against_numpy(quick: bool) -> Iterator[Check]:
    """Layers, models and their training, in the way in which this machine computes.

    `quick` leaves out MiniLM, here and below.
    """
    small = small_subjects()
    bert = small[0]
    yield Check("attention", partial(layers.attention, small))
    yield Check("layer norm", partial(layers.layer_norm, small))
    yield Check("activations", layers.activations)
    yield Check("loss", layers.loss)
    yield Check("dropout", partial(dropout.dropout, bert))
    yield Check("gradient checkpointing", partial(dropout.computed_again, bert))
    for subject in small:
        yield Check(f"{subject.name}, logits", partial(against_numpy.logits, subject))
        yield Check(f"{subject.name}, gradients", partial(against_numpy.gradients, subject))
    yield Check("Adam", against_numpy.optimizer)
    yield Check("training steps", partial(against_numpy.training_steps, bert))
    for precision in SIGNIFICANT_BITS:
        yield Check(precision, partial(against_numpy.half_precision, small, precision))
    if not quick:
        yield Check("MiniLM, logits", lambda: against_numpy.logits(minilm()))


def checks_of_two_ways(own: Way, other: Way | None, quick: bool) -> Iterator[Check]:
    """The same models in two ways."""
    groups = {"small models": small_subjects, "MiniLM": lambda: [minilm()]}
    for name, subjects in list(groups.items())[: 1 if quick else None]:
        for what, measure in (
            ("logits", two_ways.logits),
            ("gradients", two_ways.gradients),
            ("ten steps", two_ways.training_steps),
        ):
            yield Check(
                f"{name}, {what} both ways", partial(in_two_ways, measure, subjects, own, other)
            )


def in_two_ways(
    measure: Callable[[list[Subject], two_ways.Ways], Iterable[Measure]],
    subjects: Callable[[], list[Subject]],
    own: Way,
    other: Way | None,
) -> Iterable[Measure]:
    """Compare the two ways, if this machine has two."""
    if other is None:
        raise NotRun("not run: this machine has only one way to compute")
    return measure(subjects(), (own, other))


def checks_of_files(quick: bool) -> Iterator[Check]:
    """What is written and read again; `quick` exports a small model."""
    yield Check("resume", resume)
    yield Check("Core ML", partial(core_ml, quick), shows_all=True)
