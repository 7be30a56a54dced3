"""`python -m mlx_finbert.push`, with the hub replaced at the methods of HfApi."""

import inspect
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
import yaml
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import (
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from small_adapters import adapter_folder

import mlx_finbert
from mlx_finbert.checkpoints import adapters
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.models.quantization import Quantization, quantize
from mlx_finbert.push import main
from mlx_finbert.train import main as train

TEXT = "a secret sentence that must stay here, profit rose"
COMMIT = "https://huggingface.co/me/news/commit/1"


@dataclass
class Hub:
    """What the hub was asked for; `files` are those of the last commit."""

    calls: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    private: bool = False
    branches: tuple = ("main",)
    failure: Exception | None = None

    def create_repo(self, api, repo_id, **more):
        if self.failure:
            raise self.failure
        self.calls["create_repo"] = {"repo_id": repo_id, **more}

    def repo_info(self, api, repo_id, revision="main"):
        if revision not in self.branches:
            raise RevisionNotFoundError("no such branch", response=answer(404))
        return SimpleNamespace(private=self.private)

    def create_branch(self, api, repo_id, *, branch):
        self.calls["create_branch"] = branch

    def upload_folder(self, api, *, folder_path, **more):
        self.calls["upload_folder"] = more
        self.files = {p.name: p.read_bytes() for p in Path(folder_path).iterdir()}
        return SimpleNamespace(commit_url=COMMIT)

    @property
    def card(self):
        return ModelCard(self.files["README.md"].decode())


def answer(status):
    request = SimpleNamespace(method="POST", url="https://huggingface.co")
    return SimpleNamespace(status_code=status, headers={}, request=request)


def with_signature(true, replaced):
    """Refuse arguments that the true method does not have."""
    signature = inspect.signature(true)

    def method(api, *values, **more):
        signature.bind(api, *values, **more)
        return replaced(api, *values, **more)

    return method


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    for name in ("create_repo", "repo_info", "create_branch", "upload_folder"):
        monkeypatch.setattr(HfApi, name, with_signature(getattr(HfApi, name), getattr(hub, name)))
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    return hub


@pytest.fixture(scope="module")
def trained(checkpoint_in, tmp_path_factory):
    """A run on a local file, from a local model, with a folder of its own data in it."""
    place = tmp_path_factory.mktemp("a secret place")
    table, out = place / "news of us.csv", place / "run"
    verbs = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
    rows = [
        f'"{TEXT} and then {verbs[label]} by {i} percent",{label}'
        for i in range(30)
        for label in verbs
    ]
    table.write_text("\n".join(["text,label", *rows]))
    base = checkpoint_in(place / "base")
    argv = ["--model", str(base), "--data", str(table), "--output-dir", str(out)]
    assert train([*argv, "--num-train-epochs", "1", "--max-length", "32"]) == 0
    (out / "notes.txt").write_text(TEXT)
    (out / "data.csv").write_text(TEXT)
    return out


GOES = {
    "README.md", "config.json", "config.yaml", "confusion.png", "curves.png", "history.csv",
    "metrics.json", "model.safetensors", "reliability.csv", "seen_texts.tsv", "tokenizer.json",
    "tokenizer_config.json",
}  # fmt: skip
STAYS = {
    "best.json", "card.json", "checkpoints", "checksums.json", "data.csv", "history.json",
    "log.jsonl", "mistakes.csv", "notes.txt", "report.html",
}  # fmt: skip


def test_a_run_is_pushed(trained, hub, capsys):
    argv = [str(trained), "me/news", "--license", "mit", "--language", "en,de", "--tags", "news"]
    assert main([*argv, "--commit-message", "first"]) == 0
    out = capsys.readouterr().out
    assert f"pushed: {COMMIT}\n" in out
    assert "leaves out datasets, base_model" in out and "give --datasets, --base-model" in out
    assert hub.calls["create_repo"] == {"repo_id": "me/news", "private": None, "exist_ok": True}
    call = hub.calls["upload_folder"]
    assert (call["repo_id"], call["revision"], call["commit_message"]) == ("me/news", None, "first")
    assert {"adapters.safetensors", "pytorch_model.bin"} <= set(call["delete_patterns"])
    assert set(hub.files) == GOES
    data = hub.card.data
    assert (data.license, data.language, data.base_model) == ("mit", ["en", "de"], None)
    assert data.tags == ["mlx", "mlx-finbert", "bert", "news"]
    assert 'load("me/news")' in hub.card.text


def test_the_figures_are_those_of_the_run(trained, hub):
    assert main([str(trained), "me/news"]) == 0
    metrics = json.loads((trained / "metrics.json").read_text())
    names = {"accuracy": "accuracy", "f1": "macro_f1", "matthews_correlation": "mcc"}
    results = {result.metric_type: result for result in hub.card.data.eval_results}
    for kind, name in names.items():
        assert results[kind].metric_value == metrics[name]
        interval = results[kind].metric_args["confidence_interval_95"]
        assert interval == metrics["intervals_95"][name]
    assert results["f1"].dataset_args == {"rows": metrics["rows"]}
    own, pushed = ModelCard((trained / "README.md").read_text()), hub.card
    assert own.data.model_name == "run" and pushed.data.model_name == "news"
    assert own.data.eval_results == pushed.data.eval_results


def test_nothing_private_leaves(trained, hub):
    """Neither a path of this machine nor a text of the data is in any file, pictures included."""
    assert main([str(trained), "me/news"]) == 0
    assert str(trained.parent) in (trained / "config.yaml").read_text()
    assert str(trained.parent) not in (trained / "README.md").read_text()
    for name, content in hub.files.items():
        for private in (str(trained.parent), "secret", str(Path.home()), "/tmp/"):
            assert private.encode() not in content, (name, private)
    settings = yaml.safe_load(hub.files["config.yaml"])
    assert (settings["data"], settings["model"]) == ("news of us.csv", "base")
    assert settings["num_train_epochs"] == 1


def test_what_was_pushed_is_the_model(trained, hub, tmp_path, capsys):
    """It opens, and `evaluate` on the same file leaves out the rows that it was trained on."""
    assert main([str(trained), "me/news"]) == 0
    again = tmp_path / "again"
    again.mkdir()
    for name, content in hub.files.items():
        (again / name).write_bytes(content)
    texts = ["sales rose", "sales fell"]
    expected = mlx_finbert.predict_proba(*mlx_finbert.load(trained), texts)
    found = mlx_finbert.predict_proba(*mlx_finbert.load(again), texts)
    np.testing.assert_array_equal(found, expected)
    capsys.readouterr()
    data = str(trained.parent / "news of us.csv")
    assert evaluate(["--model", str(again), "--data", data, "--json"]) == 0
    metrics = json.loads((trained / "metrics.json").read_text())
    found = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert found["accuracy"] == metrics["accuracy"]


def test_the_hashes_of_the_texts_can_stay(trained, hub):
    assert main([str(trained), "me/news", "--no-seen-texts"]) == 0
    assert set(hub.files) == GOES - {"seen_texts.tsv"}
    assert "seen_texts.tsv" not in hub.card.text


def test_a_dry_run_shows_all_and_asks_nothing(trained, hub, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    before = sorted(trained.rglob("*"))
    assert main([str(trained), "me/news", "--dry-run", "--license", "mit"]) == 0
    out = capsys.readouterr().out
    assert not hub.calls and sorted(trained.rglob("*")) == before
    goes, _, rest = out.partition("stays here:\n")
    stays, _, card = rest.partition("the card:\n\n")
    assert {line.split()[2] for line in goes.splitlines() if line.startswith(" ")} == GOES
    assert {line.split()[2] for line in stays.splitlines()} == STAYS
    size = (trained / "history.csv").stat().st_size
    assert f"{size} B  history.csv\n" in goes
    assert "checkpoints (states of the training, to resume it)" in stays
    assert "seen_texts.tsv (hashes of the training and validation texts" in goes
    assert ModelCard(card).data.license == "mit"


def test_a_private_repository_and_a_branch(trained, hub):
    hub.private = True
    assert main([str(trained), "me/news", "--private", "--revision", "june"]) == 0
    assert hub.calls["create_repo"]["private"] is True
    assert hub.calls["create_branch"] == hub.calls["upload_folder"]["revision"] == "june"
    hub.calls.clear()
    assert main([str(trained), "me/news", "--revision", "main"]) == 0
    assert "create_branch" not in hub.calls


def test_a_public_repository_is_not_taken_for_a_private_one(trained, hub, capsys):
    assert main([str(trained), "me/news", "--private"]) == 2
    assert "me/news is on the hub already and public, so --private" in capsys.readouterr().err
    assert "upload_folder" not in hub.calls


def test_a_checkpoint_of_another_tool(checkpoint, hub, tmp_path, capsys):
    """Paths that transformers wrote are cut; weights in a second format stay."""
    config = {"_name_or_path": "/home/ann/models/bert base"}
    folder = checkpoint(labels=["a/b", "/c/d"], **config)
    (folder / "pytorch_model.bin").write_bytes(b"other weights")
    (folder / "training_args.bin").write_bytes(b"/home/ann")
    (folder / "LICENSE").write_text("MIT")
    assert main([str(folder), "me/news"]) == 0
    assert set(hub.files) == {
        "README.md", "LICENSE", "config.json", "model.safetensors", "vocab.txt",
    }  # fmt: skip
    config = json.loads(hub.files["config.json"])
    assert config["_name_or_path"] == "bert base"
    assert config["id2label"] == {"0": "a/b", "1": "/c/d"}
    assert hub.card.data.eval_results is None
    assert hub.card.data.base_model is None and "/c/d" in hub.card.text
    assert "the card has no figures" in capsys.readouterr().out


CARD = """\
---
license: apache-2.0
tags: [mine]
pipeline_tag: text-classification
custom: {a: 1}
---

# My model

Written by *me*.
"""


def test_a_card_of_ones_own_is_completed(trained, hub, tmp_path):
    folder = copy_of(trained, tmp_path / "mine")
    (folder / "README.md").write_text(CARD)
    assert main([str(folder), "me/news", "--language", "en"]) == 0
    data = hub.card.data
    assert (data.license, data.language, data.tags) == ("apache-2.0", "en", ["mine"])
    assert data.custom == {"a": 1} and data.eval_results
    assert hub.card.text.strip() == "# My model\n\nWritten by *me*."
    assert main([str(folder), "me/news", "--license", "mit", "--tags", "more"]) == 0
    assert hub.card.data.license == "mit"
    assert {"mine", "more"} <= set(hub.card.data.tags)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (CARD + "\nfrom `/home/ann/news.csv`\n", "names /home/ann/news.csv, a path of this"),
        ("---\n- license\n---\n", "has a header that cannot be read"),
        ("---\na: [\n---\n", "has a header that cannot be read"),
        (b"\xff\xfe", "is not in UTF-8"),
    ],
)
def test_a_card_that_cannot_go(trained, hub, tmp_path, capsys, card, message):
    folder = copy_of(trained, tmp_path / "mine")
    (folder / "README.md").write_bytes(card if isinstance(card, bytes) else card.encode())
    assert main([str(folder), "me/news"]) == 2
    assert f"{folder}/README.md {message}" in one_error(capsys)
    assert not hub.calls


def test_the_card_of_an_earlier_model_does_not_go(trained, hub, checkpoint, tmp_path, capsys):
    folder = copy_of(trained, tmp_path / "mine")
    mlx_finbert.save(*mlx_finbert.load(checkpoint(name="other")), folder)
    assert main([str(folder), "me/news"]) == 2
    assert "card.json and README.md are of an earlier model" in one_error(capsys)


def test_a_quantized_model(checkpoint, hub, tmp_path):
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 4}
    model, tokenizer = mlx_finbert.load(checkpoint(**sizes))
    quantize(model, Quantization(bits=8, group_size=64))
    folder = mlx_finbert.save(model, tokenizer, tmp_path / "quantized")
    assert main([str(folder), "me/news"]) == 0
    assert "are quantized" in hub.card.text


def copy_of(folder, place):
    place.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            os.link(path, place / path.name)
    (place / "README.md").unlink()
    return place


def test_adapters_go_with_a_base_model_that_others_can_get(
    checkpoint, hub, tmp_path, capsys, monkeypatch
):
    base = checkpoint()
    folder, _ = adapter_folder(base, tmp_path / "adapters")
    assert main([str(folder), "me/news"]) == 2
    error = one_error(capsys)
    assert "need their base model, tiny, which is a folder of this machine" in error
    assert "with --base-model" in error and f"convert.fuse --model {folder} --output DIR" in error
    true = adapters.resolve
    monkeypatch.setattr(
        adapters, "resolve", lambda name, *more: base if name == "org/bert" else true(name, *more)
    )
    assert main([str(folder), "me/news", "--base-model", "org/bert"]) == 0
    assert {"adapters.safetensors", "adapter_config.json"} < set(hub.files)
    assert "config.json" not in hub.files and "model.safetensors" not in hub.files
    assert json.loads(hub.files["adapter_config.json"])["base_model"] == "org/bert"
    assert hub.card.data.base_model == "org/bert"
    assert hub.card.data.base_model_relation == "adapter"
    assert not any(str(tmp_path).encode() in content for content in hub.files.values())


def test_adapters_of_another_base_model_are_refused(checkpoint, hub, tmp_path, capsys, monkeypatch):
    folder, _ = adapter_folder(checkpoint(), tmp_path / "adapters")
    other = checkpoint(name="other")
    weights = mx.load(str(other / "model.safetensors"))
    mx.save_safetensors(
        str(other / "model.safetensors"), {name: value + 1 for name, value in weights.items()}
    )
    monkeypatch.setattr(adapters, "resolve", lambda *name: other)
    assert main([str(folder), "me/news", "--base-model", "org/bert"]) == 2
    assert "differ from those that the adapters" in one_error(capsys)
    assert not hub.calls


def one_error(capsys):
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize("name", ["news", "me/news/2", "me/", "/news", "me/a--b", "me/a b", "."])
def test_a_name_that_is_not_on_the_hub(trained, hub, capsys, name):
    assert main([str(trained), name]) == 2
    assert f"{name!r} is not a name on the hub: give USER/NAME" in one_error(capsys)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--base-model", "/home/ann/bert"], "--base-model is '/home/ann/bert': give an id"),
        (["--datasets", "org/a,./b.csv"], "--datasets is './b.csv': give an id"),
    ],
)
def test_a_path_is_no_id(trained, hub, capsys, flags, message):
    assert main([str(trained), "me/news", *flags]) == 2
    assert message in one_error(capsys)


def test_no_model(trained, checkpoint, hub, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder, message in (
        (tmp_path / "gone", "there is no such folder; give the folder of the model to push"),
        (tmp_path / "empty", "has no config.json; it is not a checkpoint folder"),
        (trained / "config.json", "is a file; give the folder of the checkpoint"),
        (trained.parent, "holds 2 models; give one of them"),
    ):
        assert main([str(folder), "me/news"]) == 2
        assert message in one_error(capsys)
    folder = checkpoint()
    weights = mx.load(str(folder / "model.safetensors"))
    weights = {name: value for name, value in weights.items() if "classifier" not in name}
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    assert main([str(folder), "me/news"]) == 2
    assert "has no trained classifier" in one_error(capsys)
    assert not hub.calls


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "are required: FOLDER, USER/NAME"),
        (["run", "--private"], "are required: USER/NAME"),
        (["run", "--private", "me/news", "more"], "'more' does not belong to any flag"),
        (["run", "--private", "yes", "me/news"], "'me/news' does not belong to any flag"),
    ],
)
def test_words_that_lack_or_are_too_many(hub, capsys, argv, message):
    assert main(argv) == 2
    assert message in one_error(capsys)


def test_no_login(trained, hub, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main([str(trained), "me/news"]) == 2
    assert "there is no login to the hub: run `hf auth login`" in one_error(capsys)
    assert not hub.calls


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (HTTPError("no route\nto host"), "the hub cannot be reached (no route): check the conn"),
        (ConnectionError("refused"), "the hub cannot be reached (refused): check the connection"),
        (OfflineModeIsEnabled("offline"), "unset HF_HUB_OFFLINE"),
        (HfHubHTTPError("no", response=answer(401)), "(401): the login is not valid"),
        (HfHubHTTPError("no", response=answer(403)), "(403): the login may not write there"),
        (HfHubHTTPError("all\nbad", response=answer(500)), "refused to push me/news (500): all\n"),
        (ValueError("Invalid metadata\n- license"), "the card of me/news: Invalid metadata - lic"),
    ],
)
def test_a_failure_of_the_hub_is_one_sentence(trained, hub, capsys, failure, message):
    hub.failure = failure
    assert main([str(trained), "me/news"]) == 2
    assert message in one_error(capsys)
