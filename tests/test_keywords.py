"""Keyword arguments of Python functions as settings."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mlx_finbert.errors import InputError
from mlx_finbert.keywords import from_keywords, takes_settings
from mlx_finbert.settings import setting


@dataclass(kw_only=True)
class Some:
    steps: int | None = setting(None, "steps")
    rate: float = setting(0.1, "rate")
    way: Literal["fast", "slow"] = setting("fast", "way")
    names: list[str] | None = setting(None, "names")
    lengths: list[int] | None = setting(None, "lengths")
    label_map: str | None = setting(None, "map")
    folder: str | None = setting(None, "folder")
    on: bool = setting(False, "on")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"steps": np.int32(3)}, 3),
        ({"steps": None}, None),
        ({"rate": 1}, 1.0),
        ({"rate": np.float64(0.5)}, 0.5),
        ({"names": "a, b"}, ["a", "b"]),
        ({"names": ("a", "b")}, ["a", "b"]),
        ({"names": {"a": 2, "b": 0.5}}, ["a=2", "b=0.5"]),
        ({"lengths": (8, 16)}, [8, 16]),
        ({"label_map": {0: "a", "x,y": 'b="c"'}}, '0=a,"x,y"="b=""c"""'),
        ({"folder": Path("a/b")}, "a/b"),
        ({"on": True}, True),
    ],
)
def test_values_become_those_of_the_settings(given, expected):
    (found,) = from_keywords(Some, given).values()
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"step": 1}, "there is no parameter `step`; did you mean `steps`"),
        ({"zzz": 1}, "there is no parameter `zzz`$"),
        ({"folder": "x"}, "there is no parameter `folder`"),
        ({"steps": True}, "`steps` is True: of type int"),
        ({"steps": 1.0}, r"`steps` is 1\.0: of type int"),
        ({"rate": None}, "`rate` is None: of type float"),
        ({"rate": "1e-5"}, "`rate` is 1e-5: of type float"),
        ({"way": "quick"}, "`way` is quick: one of fast, slow"),
        ({"lengths": [8.0]}, r"`lengths` is \[8\.0\]: a list of int"),
        ({"on": 1}, "`on` is 1: of type bool"),
    ],
)
def test_wrong_names_and_types(given, words):
    with pytest.raises(InputError, match=words):
        from_keywords(Some, given, without=["folder"])


def test_a_signature_shows_the_settings_that_a_function_does_not_name():
    @takes_settings(Some, without=["on"])
    def function(data, *, steps=None, **settings):
        return data, steps, settings

    shown = inspect.signature(function).parameters
    assert [*shown] == ["data", "steps", "rate", "way", "names", "lengths", "label_map", "folder"]
    assert shown["rate"].default == 0.1
    assert function(1, steps=2, rate=3) == (1, 2, {"rate": 3})
