"""Model cards, read back as the hub reads them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from mlx_finbert.errors import InputError
from mlx_finbert.publishing.card import FILES, body, header, text_of_card, write_card
from mlx_finbert.publishing.facts import FACTS, CardFacts, Measured, read_facts, sha256

HOSTILE = '"x": [y] # |z| *a*\n---\nlicense: mit'
FACTS_OF_A_RUN = CardFacts(
    labels=["negative", HOSTILE],
    model_type="bert",
    model="org/bert",
    base_model="org/bert",
    data="org/news:small",
    dataset="org/news",
    data_licence="CC BY 4.0",
    train_rows=1234,
    epoch=2.5,
    chosen_by="val_loss",
    temperature=1.5,
    measured=[
        Measured("validation", {"loss": 0.5, "accuracy": 0.75, "macro_f1": math.nan}),
        Measured(
            "test",
            {"loss": 0.25, "accuracy": 0.875, "macro_f1": 0.8, "mcc": math.inf, "brier": 0.1},
            {"accuracy": [0.8, 0.9], "macro_f1": [0.7, 0.85], "loss": [None, None]},
            rows=50,
            rows_in_all=60,
        ),
    ],
)


def card_of(facts, title="model", **more):
    text = text_of_card(header(facts, title, **more), body(facts, title, "me/model", FILES))
    return ModelCard(text)


def test_the_header_of_a_run():
    data = card_of(FACTS_OF_A_RUN, license="mit", language="en").data
    assert data.to_dict() | {"model-index": None} == {
        "library_name": "mlx",
        "pipeline_tag": "text-classification",
        "tags": ["mlx", "mlx-finbert", "bert"],
        "base_model": "org/bert",
        "base_model_relation": "finetune",
        "datasets": ["org/news"],
        "license": "mit",
        "language": "en",
        "model-index": None,
    }


def test_the_figures_of_the_header():
    data = card_of(FACTS_OF_A_RUN).data
    assert data.model_name == "model"
    results = {result.metric_type: result for result in data.eval_results}
    assert {kind: result.metric_value for kind, result in results.items()} == {
        "loss": 0.25, "accuracy": 0.875, "f1": 0.8, "brier_score": 0.1,
    }  # fmt: skip
    assert results["accuracy"].metric_args["confidence_interval_95"] == [0.8, 0.9]
    assert results["f1"].metric_args["average"] == "macro"
    assert results["f1"].metric_args["confidence_interval_95"] == [0.7, 0.85]
    assert results["loss"].metric_args is None and results["brier_score"].metric_args is None
    for result in data.eval_results:
        assert (result.task_type, result.dataset_split) == ("text-classification", "test")
        assert (result.dataset_type, result.dataset_name) == ("org/news", "org/news:small")
        assert result.dataset_args == {"rows": 50, "rows_in_all": 60}


def test_what_is_not_known_is_left_out():
    data = card_of(CardFacts(labels=["a", "b"], model_type="roberta")).data
    assert data.to_dict() == {
        "library_name": "mlx",
        "pipeline_tag": "text-classification",
        "tags": ["mlx", "mlx-finbert", "roberta"],
    }


def test_adapters_name_their_base_model():
    facts = replace(FACTS_OF_A_RUN, is_adapters=True)
    card = card_of(facts)
    assert card.data.base_model_relation == "adapter"
    assert "convert.fuse --model me/model --output DIR" in card.text
    assert "transformers.pipeline" not in card.text


def test_no_value_becomes_markup_or_a_field():
    facts = replace(
        FACTS_OF_A_RUN, data=HOSTILE, dataset=None, model=HOSTILE, base_model=HOSTILE,
        chosen_by=HOSTILE, measured=[Measured(HOSTILE, {"loss": 0.5})],
    )  # fmt: skip
    card = card_of(facts, HOSTILE)
    assert card.data.license is None and card.data.base_model == HOSTILE
    assert card.data.model_name == HOSTILE.replace("\n", " ")
    assert {r.dataset_name for r in card.data.eval_results} == {HOSTILE.replace("\n", " ")}
    assert not any(line.startswith(("---", "license")) for line in card.text.splitlines())
    assert card.text.count("\\|z\\| \\*a\\*") >= 5 and '\n| "x": \\[y' in card.text


def test_characters_that_no_file_can_hold():
    """A path may hold them, and the end of a run must not fail because of it."""
    facts = replace(FACTS_OF_A_RUN, data="a\ud800.csv", dataset=None, labels=["a\x00", "b\ud800"])
    card = card_of(facts, "run\udc80")
    assert card.data.model_name == "run "
    card.text.encode()


def test_a_quantized_model_is_not_said_to_open_elsewhere():
    text = body(replace(FACTS_OF_A_RUN, is_quantized=True), "model", "me/model", [])
    assert "transformers.pipeline" not in text and "are quantized" in text


def test_the_table():
    text = body(FACTS_OF_A_RUN, "model", "me/model", [])
    assert "| validation | 0.5000 | 0.7500 | - |" in text
    assert (
        "| test (50 of 60) | 0.2500 | 0.8750 (0.8000 to 0.9000) | 0.8000 (0.7000 to 0.8500) |"
        in text
    )
    assert "seen_texts.tsv" not in text


def test_a_run_records_what_its_card_says(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_card(tmp_path, FACTS_OF_A_RUN, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert read_facts(tmp_path) == (FACTS_OF_A_RUN, sha256(text))
    assert ModelCard(text).data.model_name == tmp_path.name
    assert f'load("{tmp_path.name}")' in text and str(tmp_path.parent) not in text
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(InputError, match="of an earlier model than the weights"):
        read_facts(tmp_path)


def test_a_run_in_the_current_folder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_card(tmp_path, FACTS_OF_A_RUN, Path("."))
    assert ModelCard((tmp_path / "README.md").read_text()).data.model_name == tmp_path.name


TOO_LARGE = '{"split": "test", "figures": {"accuracy": 1' + "0" * 400 + "}}"


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", "{}", '{"readme_sha256": "", "measured": [1]}',
        f'{{"readme_sha256": "", "weights_sha256": "", "measured": [{TOO_LARGE}]}}',
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(tmp_path, content):
    (tmp_path / FACTS).write_text(content)
    with pytest.raises(InputError, match=FACTS):
        read_facts(tmp_path)
