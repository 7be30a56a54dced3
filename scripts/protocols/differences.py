"""Figures of several ways to train, each with several seeds, and their paired differences."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mlx_finbert.evaluation.metrics import interval
from mlx_finbert.evaluation.paired import FIGURES, difference_intervals, drawn_figures
from protocols.series import Outcome

Ways = Mapping[str, Sequence[Outcome]]
"""The outcomes of each way by name, in the order of the seeds."""
Drawn = dict[str, np.ndarray]

WIDTH = 40
NOTE = (
    "95% intervals: the mean over the seeds on 2,000 draws of the test rows, the same draws for all"
    " ways; std is over the seeds"
)


def figures_table(ways: Ways, seeds: Sequence[int]) -> Iterator[str]:
    """A line for each way and seed, then the mean and the standard deviation of each way."""
    yield row("", FIGURES)
    for name, outcomes in ways.items():
        values = values_of(outcomes)
        for seed, found in zip(seeds, values, strict=True):
            yield row(f"{name}, seed {seed}", map("{:.4f}".format, found))
        yield row(f"{name}, mean", map("{:.4f}".format, values.mean(axis=0)))
        if len(outcomes) > 1:
            yield row(f"{name}, std", map("{:.4f}".format, values.std(axis=0, ddof=1)))


def run_lines(ways: Ways) -> Iterator[str]:
    """The updates and the time of the runs of each way, on average over the seeds."""
    for name, outcomes in ways.items():
        steps = np.mean([one.more["steps"] for one in outcomes])
        minutes = np.mean([one.more["seconds"] for one in outcomes]) / 60
        yield f"{name}: {steps:,.0f} updates, {minutes:.1f} minutes a run, with its measurement"


def difference_rows(ways: Ways, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """For each pair of ways, the second minus the first, with intervals."""
    drawn, means = mean_draws(ways), mean_figures(ways)
    for first, other in pairs:
        bounds = difference_intervals(drawn[first], drawn[other])
        cells = (
            f"{means[other][name] - means[first][name]:+z.4f} ({low:+z.4f}, {high:+z.4f})"
            for name, (low, high) in bounds.items()
        )
        yield row(f"{other} minus {first}", cells)


def closed_gap(ways: Ways, low: str, middle: str, high: str) -> Iterator[str]:
    """The share of the way from `low` to `high` at which `middle` is, with intervals."""
    drawn, means = mean_draws(ways), mean_figures(ways)
    cells = []
    for name in FIGURES:
        gap = means[high][name] - means[low][name]
        part = means[middle][name] - means[low][name]
        if not gap:
            cells.append("-")
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = (drawn[middle][name] - drawn[low][name]) / (
                drawn[high][name] - drawn[low][name]
            )
        first, last = interval(np.where(np.isfinite(shares), shares, np.nan))
        cells.append(f"{part / gap:.0%} ({first:.0%}, {last:.0%})")
    yield row(f"gap to {high} closed", cells)


def values_of(outcomes: Sequence[Outcome]) -> np.ndarray:
    """The figures (outcomes, figures)."""
    return np.array([[getattr(one.metrics, name) for name in FIGURES] for one in outcomes])


def mean_figures(ways: Ways) -> dict[str, dict[str, float]]:
    """The figures of each way, averaged over the seeds."""
    return {
        name: dict(zip(FIGURES, values_of(outcomes).mean(axis=0).tolist(), strict=True))
        for name, outcomes in ways.items()
    }


def mean_draws(ways: Ways) -> dict[str, Drawn]:
    """The figures of each way on draws of the test rows, averaged over the seeds."""
    drawn = iter(drawn_figures([one.answers for outcomes in ways.values() for one in outcomes]))
    found = {}
    for name, outcomes in ways.items():
        own = [next(drawn) for _ in outcomes]
        found[name] = {figure: np.mean([one[figure] for one in own], axis=0) for figure in FIGURES}
    return found


def row(name: str, cells: Sequence[str] | Iterator[str]) -> str:
    """A line of a table."""
    return f"{name:<{WIDTH}}" + "".join(f"{cell:<28}" for cell in cells).rstrip()
