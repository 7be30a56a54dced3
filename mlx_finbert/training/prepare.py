"""Prepare a run: load the model, tokenize the data and build the trainer."""

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_finbert.backend.interface import adapt, pad_multiple, refuse_wrong_gradients
from mlx_finbert.checkpoints.load import load_with_report, require_plain
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.data import LabelledTexts, Splits
from mlx_finbert.data.loader import Loader
from mlx_finbert.data.tokens import Tokens, checked_max_length, tokenize, tokenize_in, unknown_notes
from mlx_finbert.distillation.lesson import Lesson
from mlx_finbert.errors import InputError
from mlx_finbert.labels import match_labels, require_all_labels
from mlx_finbert.models import Classifier
from mlx_finbert.models.config import HeadOptions
from mlx_finbert.models.lora import add_lora
from mlx_finbert.models.parameters import trainable_parameters
from mlx_finbert.settings import require
from mlx_finbert.training.batch_memory import require_batch_fits
from mlx_finbert.training.config import FittingSettings, StepSettings, TrainSettings
from mlx_finbert.training.distillation_loss import distillation_loss
from mlx_finbert.training.loss import Loss, class_weights
from mlx_finbert.training.objective import Objective
from mlx_finbert.training.optimizer import FreezeSchedule, make_groups
from mlx_finbert.training.step import TrainStep
from mlx_finbert.training.trainer import Trainer
from mlx_finbert.training.trimmed_vocabulary import TrimmedVocabulary, trim
from mlx_finbert.training.validation import ClassifierValidation

log = logging.getLogger(__name__)


@dataclass
class Loaders:
    """Loaders of the parts of the data, with labels in the order of the model's logits."""

    train: Loader
    validation: Loader
    make_test: Callable[[], Loader | None] = lambda: None

    @cached_property
    def test(self) -> Loader | None:
        """The test rows; made, with messages about them, at the first access."""
        return self.make_test()


def load_model(
    settings: TrainSettings, label_names: list[str]
) -> tuple[Classifier, Tokenizer, bool]:
    """Load the model in float32, with LoRA adapters if requested.

    A fresh head gets the labels of the data.

    Returns:
        The model, its tokenizer, and whether its head is fresh.
    """
    head = HeadOptions(
        labels=settings.model_labels, labels_if_fresh=label_names, is_new=settings.new_head
    )
    model, tokenizer, report = load_with_report(
        settings.model, head, mx.float32, settings.revision, dropout=settings.dropout_rates()
    )
    require_plain(model, settings.model)
    refuse_wrong_gradients(width_of(model))
    if report.new:
        log.info("%s", report)
    model.encoder.gradient_checkpointing = settings.gradient_checkpointing
    if lora := settings.lora():
        add_lora(model, lora)
        learning = sum(value.size for value in trainable_parameters(model).values())
        log.info(
            f"adapters of rank {lora.rank}: {learning:,} trainable parameters, including the head"
        )
        adapt(model)
    return model, tokenizer, bool(report.new)


def width_of(model: Classifier) -> int:
    """The hidden size of a model."""
    return model.output_layer.weight.shape[-1]


def make_loaders(
    settings: TrainSettings,
    splits: Splits,
    model: Classifier,
    tokenizer: Tokenizer,
    processes: mx.distributed.Group,
    thread: Executor,
) -> Loaders:
    """Check the labels and tokenize the parts.

    The thread tokenizes the test rows in the background, as they are needed only after training.
    """
    ids = match_labels(splits.train.label_names, model.args.labels)
    require_all_labels(splits.train.label_names, model.args.labels)
    max_length = checked_max_length(
        settings.max_length, tokenizer.model_max_length, model.args.max_length
    )
    # Saved with the tokenizer, so that evaluation and prediction use the same length.
    tokenizer.model_max_length = max_length
    loader = partial(make_loader, settings, tokenizer, ids)
    learned = splits.learned
    tokens = tokenize(tokenizer, learned.texts, max_length)
    options = training_options(settings, len(learned), processes)
    at_once = processes.size() * options["grouping"].parts
    require_batch_fits(tokens.lengths, settings.batch_size, at_once, model, settings.freeze_layers)
    train = loader(learned, tokens, **options)
    train.choose_lengths()
    log.info(
        f"{len(train.tokens.ids):,} training tokens;"
        f" {train.padding_waste():.0%} of the positions in a training epoch are padding"
    )
    validation = loader(splits.validation, tokenize(tokenizer, splits.validation.texts, max_length))
    test = splits.test
    if test is None:
        return Loaders(train, validation)
    test_tokens = tokenize_in(thread, tokenizer, test.texts, max_length)
    return Loaders(train, validation, lambda: loader(test, test_tokens()))


def require_shared(batch_size: int, processes: mx.distributed.Group) -> None:
    """Refuse a batch that the processes cannot share equally."""
    size = processes.size()
    divides, rule = batch_size % size == 0, f"must be a multiple of the {size} processes"
    require(divides, "batch_size", batch_size, rule)


def make_loader(
    settings: TrainSettings,
    tokenizer: Tokenizer,
    ids: np.ndarray,
    part: LabelledTexts,
    tokens: Tokens,
    **options: Any,
) -> Loader:
    """Make the loader of one part, and say what was cut or is unknown to the vocabulary.

    Args:
        tokenizer: the tokenizer, with the run's maximum length.
        ids: int (num_labels,), the model's id of each label of the data.
        options: further options of `Loader`.
    """
    max_length = tokenizer.model_max_length
    for note in token_notes(tokens, part.name, max_length, tokenizer.unk_token_id):
        log.info(note)
    return Loader(
        tokens,
        np.where(part.label_ids < 0, part.label_ids, ids[part.label_ids]),
        settings.batch_size,
        tokenizer.pad_token_id,
        max_length,
        multiple=pad_multiple(),
        numbers=part.numbers,
        **options,
    )


def training_options(
    settings: TrainSettings, num_rows: int, processes: mx.distributed.Group
) -> dict[str, Any]:
    """The options of `Loader` for the training rows only: order, updates and processes."""
    rows_per_step = settings.batch_size * settings.gradient_accumulation_steps
    epochs = settings.epochs_of(steps_per_epoch=-(-num_rows // rows_per_step))
    return {
        "seed": settings.seed,
        "accumulation": settings.gradient_accumulation_steps,
        "rank": processes.rank(),
        "ranks": processes.size(),
        "grouping": settings.grouping(epochs),
    }


def token_notes(tokens: Tokens, name: str, max_length: int, unk_token_id: int) -> list[str]:
    """Messages about rows that were cut and about unknown tokens."""
    notes = []
    if tokens.truncated:
        notes.append(
            f"{name}: {tokens.truncated:,} of {len(tokens):,} rows have more than {max_length}"
            " tokens and were cut"
        )
    return notes + unknown_notes(float(np.mean(tokens.ids == unk_token_id)), name)


def make_trainer(
    settings: TrainSettings,
    model: Classifier,
    loaders: Loaders,
    processes: mx.distributed.Group,
    lesson: Lesson | None = None,
) -> tuple[Trainer, TrimmedVocabulary | None]:
    """Build the trainer, and trim the vocabulary of the model and the loaders if possible."""
    steps_per_epoch, num_layers = len(loaders.train), len(model.encoder.layer)
    trainable = trainable_parameters(model)
    groups = make_groups(
        trainable, num_layers, freeze_schedule_of(settings, num_layers, steps_per_epoch)
    )
    adam = settings.adam()
    labelled = loaders.train.label_ids[loaders.train.label_ids >= 0]
    weights = class_weights(settings.class_weights, model.args.labels, labelled)
    vocabulary = trim(model, [loaders.train, loaders.validation], groups, adam)
    of_labels = Loss(weights, settings.label_smoothing_factor)
    objective: Objective = of_labels
    if lesson:
        original_ids = vocabulary.ids if vocabulary else None
        objective = distillation_loss(settings, of_labels, lesson, loaders.train, original_ids)
    step = TrainStep(
        model,
        groups,
        adam,
        objective,
        max_grad_norm=settings.max_grad_norm,
        precision=settings.dtype,
        seed=settings.seed,
        processes=processes,
    )
    save_steps = settings.steps_between_checkpoints(steps_per_epoch)
    args = settings.training_args(steps_per_epoch, save_steps)
    validation = ClassifierValidation(model, loaders.validation, processes)
    return Trainer(step, loaders.train, validation, args), vocabulary


def freeze_schedule_of(
    settings: FittingSettings, num_layers: int, steps_per_epoch: int
) -> FreezeSchedule:
    """The freeze schedule that the settings describe.

    Raises:
        InputError: for more frozen layers than the model has.
    """
    if settings.freeze_layers > num_layers:
        raise InputError(
            f"`freeze_layers` is {settings.freeze_layers}: the model has only {num_layers} layers"
        )
    head = settings.head_learning_rate or settings.peak_rate
    gradual = isinstance(settings, StepSettings) and settings.gradual_unfreezing
    return FreezeSchedule(
        layer_decay=settings.layer_decay,
        head_rate=head / settings.peak_rate,
        freeze_embeddings=settings.freeze_embeddings,
        freeze_layers=settings.freeze_layers,
        unfreeze_every=max(1, steps_per_epoch // 3) if gradual else 0,
    )
