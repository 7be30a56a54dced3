"""Messages of unusable input."""

import pickle

import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.settings import require


@pytest.mark.parametrize("value", ["a" * 201, "a'" * 300, 'a"' * 300, "\n\\" * 300, "ö" * 10**6])
def test_a_long_value_is_quoted_in_part(value):
    message = str(InputError(f"news.csv, row 3: {value!r} is no label, so remove it"))
    assert len(message) < 260 and "...", message
    assert message.startswith(f"news.csv, row 3: {value!r:.201}...")
    assert message.endswith(" is no label, so remove it")


@pytest.mark.parametrize(
    "message",
    [
        "short 'quotes' stay",
        f"{'a' * 200!r} stays",
        "the model's labels" + ", and so on" * 30 + ", are not the data's labels",
        "/a" * 300 + " is a path",
    ],
)
def test_other_messages_stay(message):
    assert str(InputError(message)) == message


def test_a_long_setting_is_shown_in_part():
    with pytest.raises(InputError) as caught:
        require(False, "dtype", "a" * 10**6, "one of b, c")
    assert str(caught.value) == f"`dtype` is {'a' * 200}...: one of b, c"


def test_it_can_be_sent_to_another_process():
    error = pickle.loads(pickle.dumps(InputError("why")))
    assert type(error) is InputError and str(error) == "why"
