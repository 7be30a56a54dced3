"""What an export can be asked for."""

import pytest

from mlx_finbert.convert.coreml import ExportOptions
from mlx_finbert.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lengths": [7, 9, 7]}, "`lengths` has 7 twice"),
        ({"batch": 2, "outputs": "classifier"}, "`batch` is 2: .* add `outputs=arrays`"),
        ({"batch": 0}, "`batch` is 0"),
        ({"batch": 2.0}, "`batch` is 2.0: of type int"),
        ({"lengths": []}, "`lengths` is empty"),
        ({"lengths": ["7"]}, "`lengths` is .*: a list of int"),
        ({"author": None}, "`author` is None: of type str"),
        ({"license": "\ud800"}, "`license` is .* half a character"),
        ({"multifunction": True, "outputs": "arrays"}, "`target` is iOS16: .* `target=iOS18`"),
        (
            {"multifunction": True, "target": "iOS18", "outputs": "classifier"},
            "`multifunction=True` with `outputs=classifier`: .* add `outputs=arrays`",
        ),
        (
            {"multifunction": True, "target": "iOS18", "shapes": "enumerated"},
            "`multifunction=True` with `shapes=enumerated`: .* leave out one of the two",
        ),
        ({"shapes": "flexible"}, "`shapes` is flexible: one of fixed, enumerated"),
        ({"shapes": "enumerated", "lengths": [7]}, "`shapes=enumerated` needs from 2 to 128 .* 1:"),
        ({"shapes": "enumerated", "lengths": list(range(3, 132))}, "from 2 to 128 .* 129:"),
        ({"compress": "palette6", "precision": "fp32"}, "`compress=palette6` with `precision="),
        ({"layout": "gpu"}, "`layout` is gpu: one of ane, plain"),
        ({"target": "iOS15"}, "`target` is iOS15: one of iOS16"),
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
    with pytest.raises(InputError, match="`lengths=2`: it must be from 3 to 512"):
        ExportOptions().lengths_for(2, 512)


@pytest.mark.parametrize(
    ("options", "count", "multifunction", "outputs"),
    [
        ({}, 3, False, "classifier"),
        ({"batch": 2}, 3, False, "arrays"),
        ({"target": "iOS17"}, 3, False, "classifier"),
        ({"target": "iOS18"}, 3, True, "arrays"),
        ({"target": "iOS26"}, 2, True, "arrays"),
        ({"target": "iOS18"}, 1, False, "classifier"),
        ({"target": "iOS18", "outputs": "arrays"}, 1, False, "arrays"),
        ({"target": "iOS18", "outputs": "classifier"}, 3, False, "classifier"),
        ({"target": "iOS18", "multifunction": False}, 3, False, "classifier"),
        ({"target": "iOS18", "multifunction": True}, 1, True, "arrays"),
        ({"target": "iOS18", "shapes": "enumerated"}, 3, False, "classifier"),
        ({"target": "iOS18", "shapes": "enumerated", "batch": 2}, 3, False, "arrays"),
    ],
    ids=str,
)
def test_defaults_that_depend_on_other_options(options, count, multifunction, outputs):
    lengths = [7, 9, 11][:count]
    found = ExportOptions(**options).with_defaults(lengths)
    assert (found.multifunction, found.outputs) == (multifunction, outputs)
    assert found.lengths == lengths
    # What a wish was made of is left as it is, and what is filled in stays.
    assert found.with_defaults(lengths) == found
    assert all(getattr(found, name) == value for name, value in options.items())


def test_one_length_alone_is_not_enumerated():
    """The default lengths of a model with few positions."""
    with pytest.raises(InputError, match="`shapes=enumerated` needs from 2 to 128 lengths, not 1:"):
        ExportOptions(shapes="enumerated").with_defaults([32])
