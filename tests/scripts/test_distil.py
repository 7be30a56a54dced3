"""The protocol `distil` of `scripts/reproduce.py`, on the real archive with a small model."""

import json
import shlex

import pytest
from protocols import distil
from protocols.data_sets import ARCHIVE, FIQA

from mlx_finbert.cli.flags import parse_values
from mlx_finbert.convert.coreml.tokenizer import random_texts
from mlx_finbert.convert.settings import ShrinkSettings, ToCoremlSettings
from mlx_finbert.errors import InputError
from mlx_finbert.training.config import TrainSettings


@pytest.mark.slow
def test_distil(real_data, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(random_texts, "COUNT", 100)
    output = tmp_path / "out"
    settings = distil.Settings(
        model=str(checkpoint(num_hidden_layers=4)),
        seeds=[0, 1],
        archive=str(real_data / ARCHIVE),
        fiqa=str(real_data / FIQA),
        output_dir=str(output),
        max_steps=2,
        max_train_rows=300,
        max_eval_rows=100,
        student_learning_rate=2e-4,
        distill_temperature=3.0,
    )
    said = distil.reproduce(settings)
    for line in ("teacher, seed 0", "student alone, mean", "student distilled, std"):
        assert line in said
    assert "student distilled minus student alone" in said and "gap to teacher closed" in said
    assert "times as fast" in said and "verified again from the saved file" in said
    kept = json.loads((output / "results.json").read_text())["results"]
    assert len(kept) == 7
    compared = kept["distilled/seed-0"]["compared"]
    assert compared["student"]["parameters"] < compared["teacher"]["parameters"]
    assert len(list((output / "export").glob("DistilFinBERT*.mlpackage"))) > 0
    assert "student distilled: 2 updates" in said

    commands = [shlex.split(line) for line in said.splitlines() if line.startswith("python -m")]
    kinds = {"train": TrainSettings, "shrink": ShrinkSettings, "to_coreml": ToCoremlSettings}
    modules = [words[2].rpartition(".")[2] for words in commands]
    assert modules == ["train", "shrink", "train", "train", "to_coreml"]
    values = [
        kinds[name](**parse_values(kinds[name], "", "", words[3:]))
        for name, words in zip(modules, commands, strict=True)
    ]
    teacher, student, alone, distilled, _ = values
    assert student.model == teacher.output_dir == distilled.teacher
    assert alone.model == distilled.model == student.output
    assert (teacher.teacher, alone.teacher) == (None, None)
    assert distilled.distill_temperature == 3.0
    assert teacher.learning_rate is None and alone.learning_rate == 2e-4
    # All of PhraseBank was offered; what is in a part of the run was left out.
    log = (output / "distilled" / "seed-0" / "metrics.json").read_text()
    assert "of validation or test rows" in log

    monkeypatch.setattr(distil, "run", lambda settings: pytest.fail("trained again"))
    assert distil.reproduce(settings).splitlines()[:20] == said.splitlines()[:20]


def test_what_is_the_protocols_own():
    with pytest.raises(InputError, match="leave out --teacher"):
        distil.Settings(teacher="x")
    with pytest.raises(InputError, match="leave out --data"):
        distil.Settings(data="x.csv")
