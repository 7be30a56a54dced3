"""Prepare a pretraining run: load the model and build the trainer."""

import logging

import mlx.core as mx

from mlx_finbert.backend.interface import pad_multiple, refuse_wrong_gradients
from mlx_finbert.checkpoints.add_tokens import add_tokens, read_words
from mlx_finbert.checkpoints.masked_lm import load_masked_lm
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.data.masked_loader import MaskedLoader
from mlx_finbert.data.masking import Masking
from mlx_finbert.data.tokens import SPECIAL
from mlx_finbert.models.masked_lm import MaskedLM
from mlx_finbert.models.parameters import trainable_parameters
from mlx_finbert.pretraining.config import PretrainSettings
from mlx_finbert.pretraining.texts import Rows
from mlx_finbert.training.batch_memory import require_masked_batch_fits, rows_at_once
from mlx_finbert.training.masked_lm import MaskedLMLoss, MaskedLMValidation
from mlx_finbert.training.optimizer import make_groups
from mlx_finbert.training.prepare import freeze_schedule_of
from mlx_finbert.training.step import TrainStep
from mlx_finbert.training.trainer import Trainer

log = logging.getLogger(__name__)


def load_model(settings: PretrainSettings) -> tuple[MaskedLM, Tokenizer]:
    """Load the model in float32, and its tokenizer."""
    model, tokenizer, report = load_masked_lm(
        settings.model, settings.revision, dropout=settings.dropout_rates()
    )
    refuse_wrong_gradients(model.table.shape[-1])
    if report.new:
        log.info("%s", report)
    if settings.add_tokens:
        log.info("%s", add_tokens(model, tokenizer, read_words(settings.add_tokens)))
    model.encoder.gradient_checkpointing = settings.gradient_checkpointing
    return model, tokenizer


def require_full_batch_fits(
    settings: PretrainSettings,
    model: MaskedLM,
    tokenizer: Tokenizer,
    length: int,
    processes: mx.distributed.Group,
) -> None:
    """Refuse a batch that cannot fit in memory, before the texts are tokenized.

    They are taken to fill it with rows of `length` tokens, or of one word with `line_by_line`.

    Raises:
        InputError: names a batch size that fits.
    """
    least = SPECIAL + 1 if settings.line_by_line else length
    require_fits(settings, settings.batch_size, least, model, tokenizer, processes)


def require_fits(
    settings: PretrainSettings,
    rows: int,
    length: int,
    model: MaskedLM,
    tokenizer: Tokenizer,
    processes: mx.distributed.Group,
) -> None:
    """Refuse batches of these rows, of this many tokens each, that cannot fit in memory."""
    require_masked_batch_fits(
        rows,
        length,
        masking_of(settings, tokenizer),
        settings.batch_size,
        processes.size(),
        model,
        settings.freeze_layers,
    )


def masking_of(settings: PretrainSettings, tokenizer: Tokenizer) -> Masking:
    """The masking that the settings choose."""
    return Masking.of(tokenizer, settings.mask_probability, settings.whole_words)


def make_trainer(
    settings: PretrainSettings,
    model: MaskedLM,
    tokenizer: Tokenizer,
    rows: Rows,
    processes: mx.distributed.Group,
) -> Trainer:
    """Build the loaders and the trainer."""
    masking = masking_of(settings, tokenizer)
    lengths = rows.train.lengths
    of_batch = rows_at_once(lengths, settings.batch_size)
    require_fits(settings, of_batch, int(lengths.mean()), model, tokenizer, processes)
    share = {"rank": processes.rank(), "ranks": processes.size(), "multiple": pad_multiple()}
    train = MaskedLoader(
        rows.train,
        settings.batch_size,
        settings.seed,
        masking,
        accumulation=settings.gradient_accumulation_steps,
        **share,
    )
    validation = MaskedLoader(rows.validation, settings.batch_size, None, masking, **share)
    steps_per_epoch, num_layers = len(train), len(model.encoder.layer)
    groups = make_groups(
        trainable_parameters(model),
        num_layers,
        freeze_schedule_of(settings, num_layers, steps_per_epoch),
    )
    step = TrainStep(
        model,
        groups,
        settings.adam(),
        MaskedLMLoss(),
        max_grad_norm=settings.max_grad_norm,
        precision=settings.dtype,
        seed=settings.seed,
        processes=processes,
    )
    save_steps = settings.steps_between_checkpoints(steps_per_epoch)
    args = settings.training_args(steps_per_epoch, save_steps)
    return Trainer(step, train, MaskedLMValidation(model, validation, processes), args)
