"""A whole training run: data, model, loop, and the folder that it leaves."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_finbert.checkpoint import load_with_report
from mlx_finbert.data import LabelledTexts, Splits, make_splits
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens, checked_max_length, tokenize
from mlx_finbert.forward import Forward
from mlx_finbert.labels import match_labels
from mlx_finbert.metrics import Metrics, measure
from mlx_finbert.models import Classifier
from mlx_finbert.tokenizer import Tokenizer
from mlx_finbert.training.fit import Outcome, Record, fit
from mlx_finbert.training.folder import INTERRUPTED, RunFolder, check_output, claim_folder
from mlx_finbert.training.optimizer import AdamW, linear_schedule
from mlx_finbert.training.progress import Progress
from mlx_finbert.training.settings import TrainSettings

UNKNOWN_SHARE = 0.02
"""More unknown tokens than this are worth a sentence: often the vocabulary is another model's."""

Say = Callable[[str], None]


@dataclass
class Result:
    """What a run leaves."""

    folder: Path
    outcome: Outcome
    test: Metrics | None
    """Of the best evaluation's weights on the test rows; None after Ctrl-C or without such rows."""


@dataclass
class Loaders:
    """The three parts, tokenized, their labels in the order of the model's logits."""

    train: Loader
    validation: Loader
    test: Loader | None


def run(settings: TrainSettings, say: Say = print) -> Result:
    """Fine-tune as the settings say and write everything to their output folder.

    Args:
        settings: complete; the folder is chosen where they name none.
        say: takes the sentences that tell what happens.

    Raises:
        InputError: before anything is written, for input that cannot be used.
    """
    check_output(settings)
    mx.random.seed(settings.seed)
    texts = settings.load_texts()
    splits = make_splits(
        texts, settings.split_seed, settings.test_fraction, settings.validation_fraction
    )
    for note in splits.notes:
        say(note)
    model, tokenizer = load_model(settings, texts.label_names, say)
    loaders = make_loaders(settings, splits, model, tokenizer, say)
    path = claim_folder(settings)
    folder = RunFolder(path, settings, model, tokenizer)
    outcome = train(settings, model, loaders, folder, say)
    if outcome.end == "interrupted":
        folder.keep_interrupted()
    for sentence in how_it_ended(outcome, path):
        say(sentence)
    if outcome.best is None:
        return Result(path, outcome, None)

    folder.load_best()
    # After Ctrl-C nobody waits for a test set.
    test = None if outcome.end == "interrupted" else loaders.test
    figures = measure(Forward(model).all_logits(test), test.labels) if test else None
    folder.report(outcome.best, len(splits.train), texts.licence, figures)
    return Result(path, outcome, figures)


def load_model(
    settings: TrainSettings, label_names: list[str], say: Say
) -> tuple[Classifier, Tokenizer]:
    """The model in float32; a fresh head takes the data's labels."""
    model, tokenizer, report = load_with_report(
        settings.model,
        labels=settings.model_labels,
        dtype=mx.float32,
        revision=settings.revision,
        new_head=settings.new_head,
        labels_if_fresh=label_names,
    )
    if report.new:
        say(str(report))
    # An earlier run's calibration says nothing about what this one makes of the weights.
    model.args.calibration_temperature = 1.0
    return model, tokenizer


def make_loaders(
    settings: TrainSettings, splits: Splits, model: Classifier, tokenizer: Tokenizer, say: Say
) -> Loaders:
    """Tokenize the parts; labels that do not match are refused before that."""
    ids = match_labels(splits.train.label_names, model.args.labels)
    max_length = checked_max_length(
        settings.max_length, tokenizer.model_max_length, model.args.max_length
    )
    # Saved with the tokenizer, so that the model is evaluated and used as it was trained.
    tokenizer.model_max_length = max_length

    def loader(part: LabelledTexts, seed: int | None = None) -> Loader:
        tokens = tokenize(tokenizer, part.texts, max_length)
        for note in token_notes(tokens, part.name, max_length, tokenizer.unk_token_id):
            say(note)
        return Loader(
            tokens, ids[part.labels], settings.batch_size, tokenizer.pad_token_id, max_length, seed
        )

    train = loader(splits.train, settings.seed)
    say(
        f"{len(train.tokens.ids):,} training tokens; padding is"
        f" {train.padding_waste():.0%} of what a training epoch computes"
    )
    return Loaders(train, loader(splits.validation), loader(splits.test) if splits.test else None)


def token_notes(tokens: Tokens, name: str, max_length: int, unk_token_id: int) -> list[str]:
    """Sentences on rows that were cut and on tokens that the vocabulary does not know."""
    notes = []
    if tokens.truncated:
        notes.append(
            f"{name}: {tokens.truncated:,} of {len(tokens):,} rows have more than {max_length}"
            " tokens and were cut"
        )
    unknown = float(np.mean(tokens.ids == unk_token_id))
    if unknown > UNKNOWN_SHARE:
        notes.append(
            f"{name}: {unknown:.0%} of the tokens are unknown to the vocabulary: does it belong to"
            " this model, and does lower-casing match?"
        )
    return notes


def train(
    settings: TrainSettings, model: Classifier, loaders: Loaders, folder: RunFolder, say: Say
) -> Outcome:
    """Run the loop under a progress bar."""
    total_steps = settings.epochs * len(loaders.train)
    schedule = linear_schedule(settings.learning_rate, total_steps, settings.warmup_ratio)
    say(f"{total_steps:,} steps of {settings.batch_size} rows; the first ones compile")
    with closing(Progress(total_steps, settings.epochs)) as progress:

        def on_evaluation(record: Record, is_best: bool) -> None:
            progress.on_evaluation(record, is_best)
            folder.record(record, is_best)

        outcome = fit(
            model,
            AdamW(schedule, settings.weight_decay),
            loaders.train,
            loaders.validation,
            settings.epochs,
            settings.max_grad_norm,
            settings.eval_every,
            progress.on_step,
            on_evaluation,
        )
        say(f"{outcome.steps:,} steps: {progress.speed_and_memory()}")
    return outcome


def how_it_ended(outcome: Outcome, folder: Path) -> list[str]:
    """Sentences on the end of the run and on where its weights are."""
    best = (
        f"the best model, of epoch {outcome.best.epoch:g}, is in {folder}"
        if outcome.best
        else "there was no evaluation yet, so there is no best model"
    )
    if outcome.end == "interrupted":
        return [
            f"stopped after step {outcome.steps:,}: its weights are in"
            f" {folder / INTERRUPTED}; {best}"
        ]
    if outcome.end == "diverged":
        return [
            f"the loss is not finite after step {outcome.steps:,}: stopped; {best};"
            " try a lower --learning-rate"
        ]
    return [best]
