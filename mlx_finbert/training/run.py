"""A whole training run: data, model, loop, and the folder that it leaves."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlx_finbert.atomic import write_text
from mlx_finbert.checkpoint import load_with_report, save
from mlx_finbert.data import LabelledTexts, Splits, make_splits
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens, tokenize
from mlx_finbert.errors import InputError
from mlx_finbert.forward import all_logits, make_forward
from mlx_finbert.labels import match_labels
from mlx_finbert.metrics import Metrics, measure
from mlx_finbert.models import Classifier
from mlx_finbert.settings import write_config_file
from mlx_finbert.tokenizer import Tokenizer
from mlx_finbert.training.card import model_card
from mlx_finbert.training.fit import Outcome, Record, fit
from mlx_finbert.training.history import draw_confusion, draw_curves, write_history
from mlx_finbert.training.optimizer import AdamW, linear_schedule
from mlx_finbert.training.progress import Progress
from mlx_finbert.training.settings import TrainSettings

INTERRUPTED = "interrupted"
"""Subfolder for the weights of the last step after Ctrl-C; the folder itself keeps the best."""

UNKNOWN_SHARE = 0.02
"""More unknown tokens than this are worth a sentence: often the vocabulary is another model's."""

Say = Callable[[str], None]


@dataclass
class Result:
    """What a run leaves."""

    folder: Path
    outcome: Outcome
    test: Metrics | None
    """Of the best evaluation's weights on the test rows."""


def run(settings: TrainSettings, say: Say = print) -> Result:
    """Fine-tune as the settings say and write everything to their output folder.

    Args:
        settings: complete; the folder is chosen where they name none.
        say: takes the sentences that tell what happens.

    Raises:
        InputError: before anything is written, for input that cannot be used.
    """
    settings = replace(settings, output_dir=str(output_folder(settings)))
    folder = Path(settings.output_dir)
    mx.random.seed(settings.seed)
    texts = settings.load_texts()
    splits = make_splits(texts, settings.split_seed)
    for note in splits.notes:
        say(note)
    model, tokenizer = load_model(settings, texts.label_names, say)
    train, validation, test = make_loaders(settings, splits, model, tokenizer, say)

    total_steps = settings.epochs * len(train)
    schedule = linear_schedule(settings.learning_rate, total_steps, settings.warmup_ratio)
    optimizer = AdamW(schedule, settings.weight_decay)
    history: list[Record] = []

    def on_evaluation(record: Record, is_best: bool) -> None:
        history.append(record)
        progress.on_evaluation(record, is_best)
        if is_best:
            save(model, tokenizer, folder)
            write_config_file(settings, folder / "config.yaml")
        write_history(history, folder)

    say(f"{total_steps:,} steps of {settings.batch_size} rows; the first ones compile")
    progress = Progress(total_steps, settings.epochs)
    with closing(progress):
        outcome = fit(
            model,
            optimizer,
            train,
            validation,
            settings.epochs,
            settings.max_grad_norm,
            settings.eval_every,
            progress.on_step,
            on_evaluation,
        )
    say(f"{outcome.steps:,} steps: {progress.speed_and_memory()}")
    if outcome.end == "interrupted":
        save(model, tokenizer, folder / INTERRUPTED)
    for sentence in how_it_ended(outcome, folder):
        say(sentence)
    # After Ctrl-C nobody waits for a test set.
    if outcome.best is None or outcome.end == "interrupted":
        return Result(folder, outcome, None)
    return Result(folder, outcome, finish(settings, splits, outcome, model, validation, test))


def output_folder(settings: TrainSettings) -> Path:
    """The folder to write to, which must not hold a run unless `--overwrite` is given."""
    if settings.output_dir is None:
        return next(path for path in default_folders(settings) if not path.exists())
    folder = Path(settings.output_dir).expanduser()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output-dir {folder} is a file: name a folder")
    if (folder / "config.json").exists() and not settings.overwrite:
        raise InputError(
            f"--output-dir {folder} holds a model already: name another folder, or add --overwrite"
        )
    return folder


def default_folders(settings: TrainSettings) -> Iterator[Path]:
    model, data = Path(settings.model).name, Path(settings.data).name
    name = f"runs/{model}-{data}".replace(":", "-").replace(".", "-")
    yield Path(name)
    yield from (Path(f"{name}-{i}") for i in count(2))


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
        fresh_labels=label_names,
    )
    if report.new:
        say(str(report))
    if settings.max_length is not None and settings.max_length > model.args.max_length:
        raise InputError(
            f"--max-length is {settings.max_length}, but {settings.model} has positions for"
            f" {model.args.max_length} tokens"
        )
    return model, tokenizer


def make_loaders(
    settings: TrainSettings, splits: Splits, model: Classifier, tokenizer: Tokenizer, say: Say
) -> tuple[Loader, Loader, Loader | None]:
    """Loaders of the three parts, their labels in the order of the model's logits."""
    max_length = settings.max_length or model.args.max_length

    def loader(part: LabelledTexts, seed: int | None = None) -> Loader:
        tokens = tokenize(tokenizer, part.texts, max_length)
        for note in token_notes(tokens, part.name, max_length, tokenizer.unk_token_id):
            say(note)
        labels = match_labels(part.label_names, model.args.labels)[part.labels]
        return Loader(tokens, labels, settings.batch_size, tokenizer.pad_token_id, max_length, seed)

    train = loader(splits.train, settings.seed)
    say(
        f"{len(train.tokens.ids):,} training tokens; padding is"
        f" {train.padding_waste():.0%} of what a training epoch computes"
    )
    return train, loader(splits.validation), loader(splits.test) if splits.test else None


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


def how_it_ended(outcome: Outcome, folder: Path) -> list[str]:
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
            f"the loss of step {outcome.steps:,} is not finite: stopped; {best};"
            " try a lower --learning-rate"
        ]
    return [best]


def finish(
    settings: TrainSettings,
    splits: Splits,
    outcome: Outcome,
    model: Classifier,
    validation: Loader,
    test: Loader | None,
) -> Metrics | None:
    """Measure the best weights on the test rows; write metrics, pictures and the model card."""
    folder = Path(settings.output_dir)
    model.load_weights(str(folder / "model.safetensors"))
    shown = test or validation
    metrics = measure(all_logits(make_forward(model), shown, model.args.num_labels), shown.labels)
    labels = model.args.labels
    report = {"split": "test" if test else "validation", **metrics.to_dict(labels)}
    write_text(folder / "metrics.json", json.dumps(report, indent=2) + "\n")
    draw_curves(outcome.history, folder / "curves.png")
    draw_confusion(metrics.confusion, labels, folder / "confusion.png")
    card = model_card(
        settings,
        model.args.model_type,
        labels,
        len(splits.train),
        splits.train.licence,
        outcome.best,
        metrics if test else None,
    )
    write_text(folder / "README.md", card)
    return metrics if test else None
