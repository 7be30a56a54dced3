"""Every flag reaches the training step, and rows are tokenized when needed."""

import logging
import re
import threading

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.cli.flags import parse
from mlx_finbert.data import LabelledTexts, Splits
from mlx_finbert.data.grouping import Grouping
from mlx_finbert.data.tokens import Tokens, tokenize
from mlx_finbert.errors import InputError
from mlx_finbert.prefetch import background
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.optimizer import Adam
from mlx_finbert.training.prepare import (
    Loaders,
    load_model,
    make_loaders,
    make_trainer,
    width_of,
)


class SomeLoader:
    label_ids = np.array([0, 0, 1, 2])
    tokens = Tokens(np.array([5, 9, 7, 9], np.int32), np.arange(5), np.zeros(4, bool))

    def __len__(self):
        return 30


def trainer_of(model, **settings):
    loaders = Loaders(SomeLoader(), SomeLoader())
    settings = TrainSettings(**settings).for_model(width_of(model), is_fresh=False)
    trainer, vocabulary = make_trainer(settings, model, loaders, mx.distributed.init())
    if vocabulary:
        vocabulary.restore()
    return trainer


def test_the_step(tiny):
    model, _ = tiny
    step = trainer_of(
        model, optimizer="adam", weight_decay=0.2, adam_beta1=0.8, adam_beta2=0.9,
        adam_epsilon=1e-5, max_grad_norm=3.0, dtype="bfloat16", seed=7, label_smoothing_factor=0.2,
        class_weights=["balanced"],
    ).step  # fmt: skip
    assert step.optimizer == Adam(0.2, False, (0.8, 0.9), 1e-5)
    assert (step.max_grad_norm, step.precision, step.seed) == (3.0, "bfloat16", 7)
    assert step.objective.label_smoothing == 0.2
    np.testing.assert_allclose(step.objective.class_weights, [2 / 3, 4 / 3, 4 / 3], rtol=1e-6)


def test_the_groups(tiny):
    model, _ = tiny
    groups = trainer_of(
        model, learning_rate=1e-4, head_learning_rate=1e-3, layer_decay=0.5, freeze_layers=1,
        gradual_unfreezing=True,
    ).step.groups  # fmt: skip
    assert [(g.name, g.start) for g in groups] == [("embeddings", 30), ("layer.1", 10), ("head", 0)]
    assert [g.rate for g in groups] == pytest.approx([0.125, 0.5, 10])
    assert trainer_of(model, freeze_embeddings=True).step.groups[0].name == "layer.0"


@pytest.mark.parametrize(
    ("flags", "fresh", "trained"),
    [
        ({"learning_rate": 1e-4}, 1e-3, None),
        ({"learning_rate": 2e-3}, 2e-3, None),
        ({"learning_rate": 1e-4, "head_learning_rate": 5e-5}, 5e-5, 5e-5),
    ],
)
def test_a_fresh_head_learns_faster(checkpoint, flags, fresh, trained):
    labels, folder = ["negative", "neutral", "positive"], str(checkpoint())
    for new_head, rate in ((True, fresh), (False, trained)):
        settings = TrainSettings(model=folder, new_head=new_head, **flags)
        _, _, is_fresh = load_model(settings, labels)
        assert is_fresh == new_head
        assert settings.for_model(32, is_fresh).head_learning_rate == rate


def test_the_course(tiny):
    model, _ = tiny
    args = trainer_of(
        model, num_train_epochs=3, eval_steps=4, lr_scheduler_type="constant", warmup_steps=10,
        save_epochs=2, metric_for_best_model="val_loss", early_stopping_patience=2,
        plateau_monitor="loss", plateau_cooldown=3,
    ).args  # fmt: skip
    assert (args.total_steps, args.eval_steps, args.save_steps) == (90, 4, 60)
    assert [args.schedule(step) for step in (0, 5, 10, 80)] == [0, 0.5, 1, 1]
    assert (args.stopping.patience, args.stopping.best.higher_is_better) == (2, False)
    assert (args.plateau.monitor, args.plateau.cooldown) == ("loss", 3)
    assert trainer_of(model, max_steps=7, save_steps=5).args.save_steps == 5
    assert trainer_of(model, max_steps=7).args.total_steps == 7


def test_gradient_checkpointing_is_switched_on(checkpoint):
    settings = TrainSettings(model=str(checkpoint()), gradient_checkpointing=True)
    model, _, _ = load_model(settings, ["negative", "neutral", "positive"])
    assert model.encoder.gradient_checkpointing


def part_of(name, texts):
    labels = np.arange(len(texts), dtype=np.int32) % 3
    return LabelledTexts(texts, labels, ["negative", "neutral", "positive"], name)


class Slow:
    """A tokenizer that waits before the rows of a part."""

    def __init__(self, tokenizer, rows):
        self.tokenizer, self.rows = tokenizer, rows
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __call__(self, texts, **options):
        if texts == self.rows:
            self.begun.set()
            assert self.go_on.wait(60)
        return self.tokenizer(texts, **options)


def test_the_test_rows_are_tokenized_by_another_thread(tiny, caplog):
    caplog.set_level(logging.INFO, "mlx_finbert")
    model, tokenizer = tiny
    train, validation, test = (
        part_of("train", ["profit rose"] * 4),
        part_of("validation", ["sales fell"] * 3),
        part_of("test", ["profit rose and sales fell"] * 5),
    )
    slow = Slow(tokenizer, test.texts)
    with background() as thread:
        loaders = make_loaders(
            TrainSettings(max_length=5), Splits(train, validation, test, []), model, slow,
            mx.distributed.init(), thread,
        )  # fmt: skip
        assert slow.begun.wait(60)
        assert (len(loaders.train.tokens), len(loaders.validation.tokens)) == (4, 3)
        assert "were cut" not in caplog.text
        slow.go_on.set()
        np.testing.assert_array_equal(
            loaders.test.tokens.ids, tokenize(tokenizer, test.texts, 5).ids
        )
    assert loaders.test is loaders.test and len(loaders.test.label_ids) == 5
    said = caplog.messages
    assert said.count("test: 5 of 5 rows have more than 5 tokens and were cut") == 1


@pytest.mark.parametrize(
    ("flags", "grouping"),
    [
        ({}, Grouping("packed", epochs=4)),
        ({"group_by_length": "no"}, Grouping("no", epochs=4)),
        ({"group_by_length": "parts", "group_parts": 3}, Grouping("parts", 3, epochs=4)),
        (
            {"group_by_length": "at-first", "group_window": 7, "max_steps": 11},
            Grouping("at-first", window=7, epochs=3),
        ),
    ],
)
def test_how_batches_are_made(tiny, flags, grouping):
    rows = part_of("train", ["profit rose"] * 30)
    settings = TrainSettings(batch_size=4, gradient_accumulation_steps=2, **flags)
    splits = Splits(rows, rows, None, [])
    with background() as thread:
        loaders = make_loaders(settings, splits, *tiny, mx.distributed.init(), thread)
    assert loaders.train.grouping == grouping
    assert loaders.validation.grouping == Grouping("no")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--group-parts", "3"], "`group_parts` has no effect without `group_by_length=parts`"),
        (
            ["--group-by-length", "parts", "--group-window", "9"],
            "`group_window` has no effect without `group_by_length=windows`, jittered, dealt or"
            " at-first",
        ),
        (
            ["--group-by-length", "parts", "--group-parts", "0"],
            "`group_parts` is 0: must be at least 1",
        ),
        (["--group-by-length", "window"], "did you mean windows?"),
    ],
)
def test_flags_of_batches_that_cannot_be_used(argv, words):
    with pytest.raises(InputError, match=re.escape(words)):
        parse(TrainSettings, "mlx_finbert.train", "", argv)


def test_a_file_says_no_as_a_flag_does(tmp_path):
    (tmp_path / "run.yaml").write_text("group_by_length: no\n")
    argv = ["--config", str(tmp_path / "run.yaml")]
    assert parse(TrainSettings, "mlx_finbert.train", "", argv).group_by_length == "no"


def test_the_flag_alone_groups_as_the_trainer_does():
    found = parse(TrainSettings, "mlx_finbert.train", "", ["--group-by-length"])
    assert (found.group_by_length, found.group_window) == ("windows", 50)


def test_without_test_rows_there_is_no_loader_of_them(tiny):
    rows = part_of("train", ["profit rose"] * 3)
    splits = Splits(rows, rows, None, [])
    with background() as thread:
        loaders = make_loaders(TrainSettings(), splits, *tiny, mx.distributed.init(), thread)
    assert loaders.test is None
