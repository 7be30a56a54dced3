"""`--dropout`, `--attention-dropout` and `--head-dropout`, from the flag to the saved config."""

import json

import pytest
import yaml

from mlx_finbert.errors import InputError
from mlx_finbert.models import FAMILIES, family_of
from mlx_finbert.train import main
from mlx_finbert.training.checkpoints import checkpoints_of
from mlx_finbert.training.config import TrainSettings

SHORT = ["--max-steps", "4", "--batch-size", "8", "--max-length", "16", "--learning-rate", "1e-2"]
SETTINGS = {"dropout": 0.0, "attention_dropout": 0.3, "head_dropout": 0.4}
FLAGS = ["--dropout", "0", "--attention-dropout", "0.3", "--head-dropout", "0.4"]


@pytest.fixture
def table(tmp_path, write_news):
    return write_news(tmp_path / "news.csv", 20)


def trained(model, table, out, *more):
    argv = ["--model", str(model), "--data", str(table), "--output-dir", str(out), *SHORT, *more]
    assert main(argv) == 0
    return out


@pytest.mark.parametrize("family", FAMILIES)
def test_the_flags_train_as_a_checkpoint_with_these_rates(checkpoint, table, tmp_path, family):
    kind, _ = family_of({"model_type": family})
    rates = dict(zip(kind.dropout_keys, SETTINGS.values(), strict=True))
    plain = checkpoint(family)
    flags = trained(plain, table, tmp_path / "flags", *FLAGS)
    written = trained(checkpoint(family, name="own", **rates), table, tmp_path / "written")
    neither = trained(plain, table, tmp_path / "neither")
    for name in ("model.safetensors", "history.json", "config.json"):
        assert (flags / name).read_bytes() == (written / name).read_bytes(), name
    assert (flags / "history.json").read_bytes() != (neither / "history.json").read_bytes()
    assert rates.items() <= json.loads((flags / "config.json").read_text()).items()
    recorded = yaml.safe_load((flags / "config.yaml").read_text())
    assert SETTINGS.items() <= recorded.items()


def test_a_resumed_run_and_a_run_from_it_keep_the_rates(checkpoint, table, tmp_path, capsys):
    run = trained(checkpoint(), table, tmp_path / "run", "--save-steps", "2", *FLAGS)
    before = [(run / name).read_bytes() for name in ("model.safetensors", "config.json")]
    assert main(["--resume-from-checkpoint", str(checkpoints_of(run)[0])]) == 0
    assert [(run / name).read_bytes() for name in ("model.safetensors", "config.json")] == before
    assert main(["--resume-from-checkpoint", str(run), "--dropout", "0.2"]) == 2
    assert "--dropout is 0.2: the run to resume has 0.0" in capsys.readouterr().err
    longer = trained(run, table, tmp_path / "longer")
    assert (longer / "config.json").read_bytes() == before[1]


def test_adapters_train_with_the_rates(checkpoint, table, tmp_path):
    run = trained(checkpoint(), table, tmp_path / "run", "--lora-rank", "2", *FLAGS)
    config = json.loads((run / "adapter_config.json").read_text())["config"]
    assert (config["hidden_dropout_prob"], config["classifier_dropout"]) == (0.0, 0.4)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(name, rate):
    with pytest.raises(InputError, match=rf"^`{name}` is .*: must be from 0 to below 1$"):
        TrainSettings(**{name: rate})
