"""A batch that no machine can hold is refused before training."""

import numpy as np
import pytest

from mlx_finbert.data.masking import Masking
from mlx_finbert.errors import InputError
from mlx_finbert.models.masked_lm import build_masked_lm
from mlx_finbert.training.batch_memory import (
    least_masked_memory,
    least_memory,
    require_batch_fits,
    require_masked_batch_fits,
)

LENGTHS = np.full(1000, 30)


def test_a_batch_that_cannot_fit_names_one_that_does(tiny):
    model, _ = tiny
    needed = least_memory(30 * 1000, model, 0)
    assert needed == 30 * 1000 * 2 * 15 * 2
    require_batch_fits(LENGTHS, 10**6, 1, model, 0, memory=needed)
    with pytest.raises(
        InputError, match=r"`batch_size` is 1,000,000: .* `batch_size=64` with"
    ) as told:
        require_batch_fits(LENGTHS, 10**6, 1, model, 0, memory=needed - 1)
    assert "`gradient_accumulation_steps=15625`" in str(told.value)
    require_batch_fits(LENGTHS, 64, 1, model, 0, memory=needed - 1)


def test_what_a_batch_is_divided_among_needs_its_share(tiny):
    model, _ = tiny
    memory = least_memory(30 * 1000, model, 0) // 4
    require_batch_fits(LENGTHS, 1000, 4, model, 0, memory=memory)
    with pytest.raises(InputError, match="batch_size"):
        require_batch_fits(LENGTHS, 1000, 3, model, 0, memory=memory)


def test_frozen_layers_keep_nothing(tiny):
    model, _ = tiny
    memory = least_memory(30 * 1000, model, 1)
    require_batch_fits(LENGTHS, 1000, 1, model, 1, memory=memory)
    with pytest.raises(InputError, match="batch_size"):
        require_batch_fits(LENGTHS, 1000, 1, model, 0, memory=memory)


def test_masked_tokens_also_need_their_logits(tiny):
    classifier, tokenizer = tiny
    model = build_masked_lm(classifier.args.to_config())
    states = least_memory(1000 * 30, classifier, 0)
    needed = least_masked_memory(1000 * 30, 1000 * 4, model, 0)
    assert needed == states + 1000 * 4 * len(tokenizer) * 2 * 2
    masking = Masking.of(tokenizer)
    assert masking.places(30) == 4
    require_masked_batch_fits(1000, 30, masking, 1000, 1, model, 0, memory=needed)
    with pytest.raises(InputError, match=r"`batch_size` is 1,000: .* `batch_size=64` with"):
        require_masked_batch_fits(1000, 30, masking, 1000, 1, model, 0, memory=needed - 1)
    require_masked_batch_fits(1000, 30, masking, 1000, 2, model, 0, memory=needed // 2)
