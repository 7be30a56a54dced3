"""Default learning rates, which follow the model."""

import json
import re
from pathlib import Path

import pytest
import yaml

import mlx_finbert
from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES
from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of
from mlx_finbert.training.config import TrainSettings
from mlx_finbert.training.learning_rates import default_rate
from mlx_finbert.training.prepare import load_model, width_of
from mlx_finbert.training.run import complete

SHORT = ["--max-steps", "3", "--batch-size", "8", "--max-length", "16", "--save-steps", "1"]


@pytest.mark.parametrize(
    ("width", "rate"),
    [(32, 1e-4), (384, 1e-4), (512, 5.1e-5), (543, 4.5e-5), (768, 2e-5), (1024, 2e-5)],
)
def test_the_rate_falls_with_the_width(width, rate):
    assert default_rate(width, has_adapters=False) == rate
    assert default_rate(width, has_adapters=True) == pytest.approx(5 * rate, rel=0.03)


def test_between_the_widths_it_is_geometric():
    halfway = default_rate(round((384 * 768) ** 0.5), has_adapters=False)
    assert halfway == pytest.approx((1e-4 * 2e-5) ** 0.5, rel=0.01)
    rates = [default_rate(width, has_adapters=False) for width in range(384, 769, 32)]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == len(rates)


def test_what_is_given_stays():
    given = TrainSettings(learning_rate=3e-4, head_learning_rate=2e-4)
    assert given.for_model(768, is_fresh=True) == given
    chosen = TrainSettings(learning_rate=3e-3).for_model(768, is_fresh=True)
    assert (chosen.learning_rate, chosen.head_learning_rate) == (3e-3, 3e-3)


def test_the_head_follows_the_rate_of_the_model():
    for width, is_fresh, rank, rates in (
        (768, True, None, (2e-5, 1e-3)),
        (768, False, None, (2e-5, None)),
        (384, True, 8, (5e-4, 1e-3)),
        (768, False, 8, (1e-4, None)),
    ):
        chosen = TrainSettings(lora_rank=rank).for_model(width, is_fresh)
        assert (chosen.learning_rate, chosen.head_learning_rate) == rates


@pytest.mark.parametrize("family", FAMILIES)
def test_the_width_of_every_family(checkpoint, family):
    model, _, _ = load_model(TrainSettings(model=str(checkpoint(family))), ["a", "b", "c"])
    config = model.args.to_config()
    assert width_of(model) == config.get("hidden_size", config.get("dim"))


def test_a_rate_that_was_not_chosen_is_not_used():
    with pytest.raises(ValueError, match="call `for_model` first"):
        TrainSettings().lr_schedule(steps_per_epoch=10)
    # A value out of range is found before the model is.
    with pytest.raises(InputError, match=r"`learning_rate` is 0\.0: must be above 0"):
        TrainSettings(learning_rate=0.0)
    with pytest.raises(InputError, match="`num_cycles` has no effect without"):
        TrainSettings(num_cycles=2)


@pytest.fixture
def wide(monkeypatch):
    """The small models of the tests pass for wide ones."""
    monkeypatch.setattr("mlx_finbert.training.learning_rates.NARROW", (2, 1e-4))
    monkeypatch.setattr("mlx_finbert.training.learning_rates.WIDE", (4, 2e-5))


@pytest.fixture
def trained(checkpoint, tmp_path):
    """Factory of runs on the sample: `trained(*flags)`."""

    def make(*flags):
        out = tmp_path / "out"
        argv = ["--model", str(checkpoint()), "--max-train-rows", "48", "--max-eval-rows", "16"]
        assert main([*argv, "--output-dir", str(out), *SHORT, *flags]) == 0
        return out

    return make


@pytest.mark.usefixtures("wide")
def test_a_run_uses_records_and_says_the_default(trained, capsys):
    out = trained("--new-head", "--lr-scheduler-type", "constant", "--warmup-ratio", "0")
    said = capsys.readouterr().out
    assert re.search(r"learning rate 2e-05, the default for a model \d+ wide", said)
    assert "learning rate of the fresh head 0.001" in said
    assert {
        record["learning_rate"] for record in json.loads((out / "history.json").read_text())
    } == {2e-5}
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (float(config["learning_rate"]), config["head_learning_rate"]) == (2e-5, 1e-3)


@pytest.mark.usefixtures("wide")
def test_the_page_lists_a_default_as_a_default(trained):
    page = (trained("--new-head") / "report.html").read_text().replace("<wbr>", "")
    changed, _, others = page.partition("<ul class=defaults>")
    for name, value in (("learning_rate", "2e-05"), ("head_learning_rate", "0.001")):
        assert f"<code>{name}</code>" not in changed
        assert f"<code>{name}</code> <code>{value}</code>" in others


@pytest.mark.usefixtures("wide")
def test_the_page_lists_a_rate_that_was_given_next_to_the_default(trained):
    page = (trained("--learning-rate", "0.003") / "report.html").read_text().replace("<wbr>", "")
    changed, _, _ = page.partition("<ul class=defaults>")
    row = re.search(r">learning_rate</code>.*?</tr>", changed, re.DOTALL)
    assert re.findall(r"<code>([^<]*)</code>", row[0]) == ["0.003", "2e-05"]


def test_a_resumed_run_keeps_the_rate_that_was_chosen(trained, monkeypatch, capsys):
    out = trained("--new-head")
    before = (out / "model.safetensors").read_bytes()
    monkeypatch.setattr("mlx_finbert.training.learning_rates.NARROW", (8, 3e-5))
    capsys.readouterr()
    assert main(["--resume-from-checkpoint", str(checkpoints_of(out)[0])]) == 0
    assert (out / "model.safetensors").read_bytes() == before
    assert "the default for" not in capsys.readouterr().out
    # From Python, None is what was chosen, not another rate.
    given = {"resume_from_checkpoint": str(out), "learning_rate": None, "head_learning_rate": None}
    assert complete(given).learning_rate == 1e-4
    with pytest.raises(InputError, match=r"`learning_rate` is 0\.5: the run to resume has 0\.0001"):
        complete({"resume_from_checkpoint": str(out), "learning_rate": 0.5})


@pytest.mark.usefixtures("wide")
def test_fine_tune_and_its_callbacks_see_the_rate(checkpoint, tmp_path):
    seen = {}

    class Watch(mlx_finbert.Callback):
        def on_start(self, settings, total_steps, resumed_at):
            seen.update(settings)

    result = mlx_finbert.fine_tune(
        checkpoint(), "sample", max_train_rows=48, max_eval_rows=16, max_steps=2, lora_rank=2,
        output_dir=tmp_path / "out", callbacks=[Watch()],
    )  # fmt: skip
    assert seen["learning_rate"] == 1e-4
    config = yaml.safe_load((Path(result.folder) / "config.yaml").read_text())
    assert float(config["learning_rate"]) == 1e-4
