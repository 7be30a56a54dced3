"""Runs that differ by their seed alone."""

from dataclasses import dataclass, replace
from pathlib import Path

from mlx_finbert.data.texts import LabelledTexts
from mlx_finbert.distributed import ranks
from mlx_finbert.errors import InputError
from mlx_finbert.settings import setting
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.result import Result
from mlx_finbert.training.run import run


@dataclass(kw_only=True)
class SeedSettings(TrainSettings):
    """Seeds."""

    seeds: list[int] | None = setting(
        None, "seeds, with one run each (default: only --seed)", recorded=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resume_from_checkpoint or self.folds or ranks().size() > 1:
            raise InputError(
                "each seed is one complete run in a single process: leave out"
                " --resume-from-checkpoint, --folds"
                " and the launcher"
            )

    @property
    def all_seeds(self) -> list[int]:
        """The seeds of the runs."""
        return self.seeds or [self.seed]

    def folder(self, name: str) -> Path:
        """The folder of a protocol's runs."""
        return Path(self.output_dir or f"runs/{name}-{Path(self.model).name}")


def run_seeds(
    settings: SeedSettings, folder: Path, texts: LabelledTexts | None = None
) -> list[Result]:
    """Train once with every seed, in subfolders of `folder`.

    Args:
        settings: The settings of all runs.
        folder: Where the runs go.
        texts: The texts of `settings.data`; loaded if not given.

    Raises:
        InputError: If a run ends without figures of its test rows.
    """
    results = []
    for seed in settings.all_seeds:
        own = replace(settings, seed=seed, output_dir=str(folder / f"seed-{seed}"))
        results.append(run(own, texts=texts))
        if results[-1].test is None or results[-1].predictions.interrupted:
            raise InputError(f"seed {seed}: there are no figures (end of run: {results[-1].end})")
    return results
