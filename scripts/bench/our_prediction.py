"""This library as a contender of predict.py."""

import sys
from pathlib import Path

from job import Job
from our_training import device, threads
from rounds import OURS
from scoring import Scoring
from workers import serve

import mlx_finbert


def our_scoring(folder: Path) -> Scoring:
    """The predictor of `mlx_finbert.predict`, over the whole list of texts."""
    job = Job.read(folder)
    model, tokenizer = mlx_finbert.load(folder)
    predictor = mlx_finbert.Predictor(model, tokenizer, job.batch_size, job.max_length)
    return Scoring(OURS, folder, job, predictor, device(), threads())


if __name__ == "__main__":
    serve(lambda: our_scoring(Path(sys.argv[1])))
