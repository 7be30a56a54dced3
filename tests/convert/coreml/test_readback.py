"""Stored weights against the model's: what compression may do to them, and no more."""

import numpy as np
import pytest

from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.readback import spoiled


def palettized(seed, bits=4):
    """Weights right at the middles between a palette's entries, and as the palette stores them."""
    random = np.random.default_rng(seed)
    entries = np.sort(random.normal(0, 0.04, 2**bits))
    middles = (entries[:-1] + entries[1:]) / 2
    around = np.concatenate([middles * (1 - 1e-7), middles * (1 + 1e-7), entries])
    exact = np.resize(around, (50, 40)).astype(np.float32)
    nearest = np.abs(exact[..., None] - entries).argmin(axis=-1)
    return exact, entries.astype(np.float16)[nearest], entries, nearest


@pytest.mark.parametrize("seed", range(9))
def test_a_value_between_two_entries_may_have_either(seed):
    exact, stored, *_ = palettized(seed)
    assert spoiled(stored, exact, ExportOptions(compress="palette4"), compressed=True) is None


def test_an_entry_that_is_not_the_nearest_is_found():
    exact, stored, entries, nearest = palettized(0)
    stored[7, 3] = entries[(nearest[7, 3] + 2) % len(entries)]
    fault = spoiled(stored, exact, ExportOptions(compress="palette4"), compressed=True)
    assert fault == "a value is not the nearest one in the palette"
