"""The options of an export to Core AI, and what it says without Apple's library."""

import pytest

from mlx_finbert.convert.coreai import AssetOptions, child, export
from mlx_finbert.convert.coreai.form import in_int8, shipped
from mlx_finbert.convert.to_coreai import main
from mlx_finbert.errors import InputError


@pytest.mark.parametrize(
    ("compress", "words"),
    [("int4", "wrong sums"), ("palette4", "crashes"), ("palette6", "crashes"), ("x", "must be")],
)
def test_other_forms_of_weights_are_refused_with_the_reason(compress, words):
    with pytest.raises(InputError, match=words):
        AssetOptions(compress=compress)


def test_wrong_lengths_are_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="`lengths` has 7 twice"):
        AssetOptions(lengths=[7, 7])


def test_without_the_library_there_is_one_sentence(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(child, "find_spec", lambda name: None)
    argv = ["--model", str(checkpoint()), "--output", str(tmp_path / "T.aimodel")]
    assert main(argv) == 2
    said = 'error: Core AI needs Apple\'s package coreai-core: pip install ".[coreai]"\n'
    assert capsys.readouterr().err == said
    assert not (tmp_path / "T.aimodel").exists()


def test_the_name_must_end_in_aimodel(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "find_spec", lambda name: "there")
    with pytest.raises(InputError, match=r"must end in \.aimodel"):
        export(*tiny, tmp_path / "T.mlpackage")


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_steps_of_8_bits(precision):
    import numpy as np

    form = shipped(precision, "int8")
    matrix = np.random.default_rng(0).normal(0, 1, (20, 8)).astype(np.float32)
    matrix[:, 3], matrix[:, 4] = 0, 1e-9
    found = in_int8(matrix, 0, form)
    assert found.values.dtype == np.int8 and found.steps.shape == (1, 8)
    error = np.abs(found.values * found.steps.astype(np.float32) - matrix)
    assert (error <= 0.57 * np.abs(matrix).max(axis=0) / 127 + 1e-8).all()
