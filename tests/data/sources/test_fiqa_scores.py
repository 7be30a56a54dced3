"""FiQA's scores: numbers from -1 to 1."""

import json

import pytest

from mlx_finbert.data.sources.fiqa import FILES, load_fiqa
from mlx_finbert.errors import InputError


def write(folder, score, sentence="profit rose"):
    for number, name in enumerate(FILES):
        info = {"sentence": f"the other {number}", "info": [{"sentiment_score": "0.5"}]}
        (folder / name).write_text(json.dumps({"1": info}))
    info = {"sentence": sentence, "info": [{"sentiment_score": score}]}
    (folder / FILES[1]).write_text(json.dumps({"2": info}))


@pytest.mark.parametrize("score", ["1", "-1", "-0.3", 0, 0.0, 1])
def test_a_score_from_minus_1_to_1(tmp_path, score):
    write(tmp_path, score)
    assert len(load_fiqa(tmp_path)) == 2


@pytest.mark.parametrize(
    "score", ["NaN", "inf", 7, "-1.01", "7" * 5000, float("nan"), 10**400, [], None, True]
)
def test_another_score_is_named(tmp_path, score):
    write(tmp_path, score)
    with pytest.raises(
        InputError, match=f"{FILES[1]} has the sentiment score .* from -1 to 1"
    ) as e:
        load_fiqa(tmp_path)
    assert len(str(e.value)) < 1000


def test_a_sentence_that_is_not_text(tmp_path):
    write(tmp_path, 0.5, sentence=["profit"])
    with pytest.raises(InputError, match=f"{FILES[1]} is not FiQA's file .*not text"):
        load_fiqa(tmp_path)
