"""What an export can be asked for."""

import pytest

from mlx_finbert.convert.coreml import ExportOptions
from mlx_finbert.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lengths": [7, 9, 7]}, "--lengths names 7 twice"),
        ({"batch": 2}, "--batch is 2: .* add --outputs arrays"),
        ({"batch": 0}, "--batch is 0"),
        ({"batch": 2.0}, "--batch is 2.0: of type int"),
        ({"lengths": []}, "--lengths is empty"),
        ({"lengths": ["7"]}, "--lengths is .*: a list of int"),
        ({"author": None}, "--author is None: of type str"),
        ({"license": "\ud800"}, "--license is .* half a character"),
        ({"multifunction": True, "outputs": "arrays"}, "--target is iOS16: .* --target iOS18"),
        ({"multifunction": True, "target": "iOS18"}, "add --outputs arrays"),
        ({"compress": "palette6", "precision": "fp32"}, "--compress palette6 with --precision"),
        ({"layout": "gpu"}, "--layout is gpu: one of ane, plain"),
        ({"target": "iOS15"}, "--target is iOS15: one of iOS16"),
    ],
)
def test_options_that_do_not_go_together(options, words):
    with pytest.raises(InputError, match=words):
        ExportOptions(**options)


def test_default_lengths_are_those_that_the_model_was_trained_for():
    assert ExportOptions().lengths_for(512, 512) == [32, 64, 128]
    assert ExportOptions().lengths_for(100, 512) == [32, 64]
    assert ExportOptions().lengths_for(20, 512) == [20]
    assert ExportOptions().lengths_for(512, 40) == [32]
    assert ExportOptions(lengths=[9, 7]).lengths_for(8, 40) == [7, 9]
    with pytest.raises(InputError, match="--lengths 2: from 3 to 512"):
        ExportOptions().lengths_for(2, 512)
