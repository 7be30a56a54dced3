import numpy as np

from mlx_finbert.evaluation.text import confusion_lines, short_names


def test_names_of_wide_characters_line_up():
    lines = list(confusion_lines(np.diag([1, 2]), ["上昇", "down"]))
    assert lines == [
        "true        上昇     down",
        "上昇           1        0",
        "down           0        2",
    ]


def test_names_are_cut_where_they_stay_apart():
    long = "a name that is far too long for one line"
    assert short_names([long, "b\nc"]) == ["a name that is far too long for…", "b c"]
    assert short_names([f"{long} 1", f"{long} 2"]) == [f"{long} 1", f"{long} 2"]


def test_no_confusions():
    names = [str(i) for i in range(13)]
    assert list(confusion_lines(np.eye(13, dtype=int), names)) == ["no row is wrong"]
