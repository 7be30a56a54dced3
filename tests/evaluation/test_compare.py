"""`python -m mlx_finbert.compare` with models in MLX."""

import csv
import json
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest
from scipy.stats import binomtest
from small_adapters import adapter_folder

import mlx_finbert
from mlx_finbert.checkpoints import hub
from mlx_finbert.compare import main
from mlx_finbert.data import LabelledTexts
from mlx_finbert.data.text_hashes import SeenTexts
from mlx_finbert.evaluate import main as evaluate
from mlx_finbert.evaluation import evaluate as measuring
from mlx_finbert.models.quantization import Quantization, quantize

LABELS = ["negative", "neutral", "positive"]
TEXTS = [f"profit {verb} by {i} percent" for i in range(30) for verb in ("rose", "fell")]
WIDE = {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 4}


def with_other_head(folder, seed):
    """Give a checkpoint a head that answers with all labels, differently for each seed."""
    weights = mx.load(str(folder / "model.safetensors"))
    random = np.random.default_rng(seed)
    for name in ("classifier.weight", "classifier.bias"):
        values = random.normal(0, 2.0, weights[name].shape).astype(np.float32)
        weights[name] = mx.array(values)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    return folder


@pytest.fixture
def models(checkpoint):
    """Factory of folders of models: `models("a", seed, labels=...)`."""
    return lambda name, seed, **more: with_other_head(checkpoint(name=name, **more), seed)


@pytest.fixture
def table(tmp_path):
    """A file of TEXTS with labels, a source and a column named as one of ours."""
    path = tmp_path / "news.csv"
    labels = np.random.default_rng(0).integers(0, 3, len(TEXTS))
    with open(path, "w", newline="") as file:
        rows = zip(TEXTS, labels, range(len(TEXTS)), strict=True)
        csv.writer(file).writerows(
            [("text", "label", "source", "row"), *((t, LABELS[k], "wire", i) for t, k, i in rows)]
        )
    return path


def compared(capsys, *argv):
    assert main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def evaluated(capsys, folder, data, *more):
    assert evaluate(["--model", str(folder), "--data", str(data), *more, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def predicted(folder):
    """The names of the labels that a model gives to TEXTS."""
    model, tokenizer = mlx_finbert.load(folder)
    ids = mlx_finbert.predict_proba(model, tokenizer, TEXTS).argmax(axis=1)
    return [model.args.labels[i] for i in ids]


def test_figures_are_those_of_evaluate_for_every_kind_of_folder(models, table, tmp_path, capsys):
    plain = models("plain", 1, **WIDE)
    adapted, _ = adapter_folder(models("base", 2), tmp_path / "adapted")
    model, tokenizer = mlx_finbert.load(models("whole", 3, **WIDE))
    quantize(model, Quantization(8, 32))
    quantized = mlx_finbert.save(model, tokenizer, tmp_path / "quantized")
    folders = [plain, adapted, quantized]
    found = compared(capsys, *folders, "--data", table)
    assert found["rows"] == 60
    for folder, entry in zip(folders, found["models"], strict=True):
        expected = evaluated(capsys, folder, table)
        own = [note for note in expected.pop("notes") if note not in found["notes"]]
        assert own == entry.pop("notes")
        assert entry == expected
    assert len({entry["loss"] for entry in found["models"]}) == 3


def test_a_model_of_the_hub(models, table, monkeypatch, capsys):
    one, other = models("one", 1), models("other", 2)
    monkeypatch.setattr(hub, "download", lambda repo, revision: {"them/their-model": other}[repo])
    found = compared(capsys, one, "them/their-model", "--data", table)
    expected = evaluated(capsys, other, table)
    assert found["models"][1]["loss"] == expected["loss"]


def test_differences_from_the_first_model(models, table, capsys):
    folders = [models(name, seed) for name, seed in (("a", 1), ("b", 2), ("c", 4))]
    found = compared(capsys, *folders, "--data", table)
    with open(table, newline="") as file:
        true = [row["label"] for row in csv.DictReader(file)]
    answers = [predicted(folder) for folder in folders]
    first = found["models"][0]
    right = [np.array(names) == true for names in answers]
    for i, difference in enumerate(found["differences"], 1):
        assert difference["first"] == str(folders[0]) and difference["model"] == str(folders[i])
        for name in ("accuracy", "macro_f1", "loss", "ece"):
            assert difference[name] == found["models"][i][name] - first[name]
        alone = [int((right[0] & ~right[i]).sum()), int((right[i] & ~right[0]).sum())]
        keys = "right_by_first_alone", "right_by_model_alone"
        assert [difference[key] for key in keys] == alone and sum(alone)
        p = binomtest(alone[0], sum(alone)).pvalue
        assert difference["mcnemar_p"] == pytest.approx(p)
        others = sum(a != b for a, b in zip(answers[0], answers[i], strict=True))
        assert difference["rows_with_another_label"] == others > 0
        for name, (low, high) in difference["intervals_95"].items():
            assert low <= difference[name] <= high and low < high
    assert found["rows_that_differ"] == sum(len(set(row)) > 1 for row in zip(*answers, strict=True))


def test_a_model_and_its_copy_with_the_labels_in_another_order(models, table, capsys):
    one = models("one", 1)
    other = models("other", 1, labels=["Bullish", "neutral", "NEG"])
    weights = mx.load(str(other / "model.safetensors"))
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name][mx.array([2, 1, 0])]
    mx.save_safetensors(str(other / "model.safetensors"), weights)
    found = compared(capsys, one, other, "--data", table)
    (difference,) = found["differences"]
    assert found["rows_that_differ"] == difference["rows_with_another_label"] == 0
    for name in ("accuracy", "macro_f1", "loss"):
        assert difference[name] == pytest.approx(0, abs=1e-6)
        assert difference["intervals_95"][name] == pytest.approx([0, 0], abs=1e-6)
    assert (difference["mcnemar_p"], difference["right_by_first_alone"]) == (1.0, 0)


def test_the_file_holds_the_rows_that_differ(models, table, tmp_path, capsys):
    folders = [models("a", 1), models("b", 2, labels=["NEG", "neutral", "Bullish"])]
    target = tmp_path / "out" / "differ.csv"
    found = compared(capsys, *folders, "--data", table, "--output", target)
    with open(target, newline="") as file:
        rows = list(csv.DictReader(file))
    spelled = {"NEG": "negative", "Bullish": "positive"}
    answers = [[spelled.get(name, name) for name in predicted(folder)] for folder in folders]
    differ = [i for i in range(len(TEXTS)) if answers[0][i] != answers[1][i]]
    assert len(rows) == len(differ) == found["rows_that_differ"] > 5
    assert [int(row["row"]) - 1 for row in rows] == differ
    columns = ["row", "source", "data_row", "text", "true_label"]
    for folder in folders:
        columns += [f"label_{folder}", f"probability_{folder}"]
    assert [*rows[0]] == columns
    for i, row in zip(differ, rows, strict=True):
        assert (row["text"], row["source"], row["data_row"]) == (TEXTS[i], "wire", str(i))
        assert [row[f"label_{folder}"] for folder in folders] == [names[i] for names in answers]
    model, tokenizer = mlx_finbert.load(folders[1])
    highest = mlx_finbert.predict_proba(model, tokenizer, TEXTS).max(axis=1)[differ]
    told = [float(row[f"probability_{folders[1]}"]) for row in rows]
    assert told == pytest.approx(highest.tolist(), abs=2e-6)


@pytest.mark.parametrize("ending", [".tsv", ".jsonl"])
def test_other_formats_of_the_file(models, table, tmp_path, capsys, ending):
    target = tmp_path / f"differ{ending}"
    argv = [models("a", 1), models("b", 2), "--data", table, "--output", target]
    count = compared(capsys, *argv)["rows_that_differ"]
    lines = target.read_text().splitlines()
    assert len(lines) == count + (ending == ".tsv")
    if ending == ".jsonl":
        assert json.loads(lines[0])["true_label"] in LABELS


def test_rows_that_any_model_has_seen_are_left_out(models, table, capsys):
    folders = [models("a", 1), models("b", 2)]
    for folder, texts in zip(folders, (TEXTS[:7], TEXTS[5:20]), strict=True):
        rows = LabelledTexts(texts, np.zeros(len(texts), np.int32), LABELS, "old")
        (folder / "seen_texts.tsv").write_bytes(SeenTexts.of(rows, rows).to_bytes())
    found = compared(capsys, *folders, "--data", table)
    assert found["rows"] == 40 and [m["rows"] for m in found["models"]] == [40, 40]
    assert [m["seen_rows_left_out"] for m in found["models"]] == [7, 13]
    assert all(m["seen_rows_checked"] for m in found["models"])
    for folder, note in zip(folders, found["notes"], strict=True):
        assert f"because {folder} saw their texts in training" in note
    kept = compared(capsys, *folders, "--data", table, "--include-seen")
    assert kept["rows"] == 60 and len(kept["notes"]) == 2


def test_without_data_the_rows_of_the_first_run_that_records_some(models, table, capsys):
    one, other = models("a", 1), models("b", 2)
    (other / "config.yaml").write_text(f"data: {table}\ntext_column: text\nsplit_seed: 4\n")
    rows = LabelledTexts(["other"], np.zeros(1, np.int32), LABELS, "old")
    for folder in (one, other):
        (folder / "seen_texts.tsv").write_bytes(SeenTexts.of(rows, rows).to_bytes())
    found = compared(capsys, one, other)
    # None of its texts was seen: the file is other data now, and is measured whole.
    assert found["rows"] == 60 and found["data"] == str(table)


def test_names_for_the_outputs_of_a_head_without(models, table, capsys):
    one, other = models("a", 1), models("b", 2, labels=["LABEL_0", "LABEL_1", "LABEL_2"])
    assert main([str(one), str(other), "--data", str(table)]) == 2
    assert "--model-labels" in capsys.readouterr().err
    found = compared(capsys, one, other, "--data", table, "--model-labels", ",".join(LABELS))
    assert [*found["models"][1]["labels"]] == LABELS
    argv = [one, models("c", 3), "--data", table, "--model-labels", ",".join(LABELS)]
    assert main([*map(str, argv)]) == 2
    assert "--model-labels has no effect: every model names its labels" in capsys.readouterr().err


def test_the_text_is_short(models, table, capsys, monkeypatch):
    folders = [models("a", 1), models("b", 2)]
    monkeypatch.chdir(table.parent)
    figures = compared(capsys, "a", "b", "--data", "news.csv")
    assert main(["a", "b", "--data", "news.csv"]) == 0
    heading, *notes, empty, columns, first, second = capsys.readouterr().out.splitlines()[:7]
    assert heading == "news.csv: 60 rows" and empty == "" and len(notes) == 2
    assert columns.split() == ["accuracy", "macro_f1", "loss", "ece"]
    for line, entry in zip((first, second), figures["models"], strict=True):
        name, *told = line.split()
        values = [entry[column] for column in columns.split()]
        assert told == [f"{value:.4f}" for value in values] and name in ("a", "b")
    assert len(folders) == 2


def test_a_difference_in_text(models, table, capsys, monkeypatch):
    models("a", 1), models("b", 2)
    monkeypatch.chdir(table.parent)
    (figures,) = compared(capsys, "a", "b", "--data", "news.csv")["differences"]
    assert main(["a", "b", "--data", "news.csv"]) == 0
    text = capsys.readouterr().out.split("\n\n")[2].splitlines()
    assert text[0] == "b minus a" and len(text) == 8
    for line, name in zip(text[2:5], ("accuracy", "macro_f1", "loss"), strict=True):
        low, high = figures["intervals_95"][name]
        assert line.split() == [
            name, f"{figures[name]:+z.4f}", f"{low:+z.4f}", "to", f"{high:+z.4f}"
        ]  # fmt: skip
    assert text[5].split() == ["ece", f"{figures['ece']:+z.4f}", "15", "bins"]
    assert text[7] == f"McNemar's exact test: p = {figures['mcnemar_p']:.4f}"


def test_ctrl_c_ends_without_a_result(models, table, tmp_path, monkeypatch, capsys):
    def interrupted(*argv, **more):
        return replace(measure(*argv, **more), rows_in_all=100)

    measure = measuring.evaluate
    monkeypatch.setattr(measuring, "evaluate", interrupted)
    target = tmp_path / "differ.csv"
    argv = [models("a", 1), models("b", 2), "--data", table, "--output", target]
    assert main([*map(str, argv)]) == 130
    assert capsys.readouterr().out == "" and not target.exists()


def test_a_length_that_one_model_lacks_is_refused_before_the_work(
    models, table, monkeypatch, capsys
):
    monkeypatch.setattr(measuring, "evaluate", None)
    folders = [models("a", 1), models("b", 2, max_position_embeddings=20)]
    assert main([*map(str, folders), "--data", str(table), "--max-length", "30"]) == 2
    assert "max-length is 30: from 3 to 20" in capsys.readouterr().err.replace("_", "-")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["A"], "`models`: give at least two to compare"),
        (["A", "A"], "`models` has A twice: give it once"),
        (["A", "--data", "x.csv", "B"], "'B' is apart from 'A': put them next to each other"),
        (["A", "B"], "none of A, B records what data it was trained on; give the data to"),
        (["A", "B", "--data", "D", "--output", "x.txt"], "--output is x.txt: its name must end"),
        (["A", "B", "--data", "D", "--output", "D"], "--output D is the --data file: give"),
        (["A", "B", "--data", "D", "--batch-size", "0"], "--batch-size is 0: at least 1"),
        (["A", "C", "--data", "D"], "the labels of the data (negative, neutral, positive) are not"),
        (["A", "D.mlpackage", "--data", "D"], "D.mlpackage: there is no such package; check"),
    ],
)
def test_bad_input_is_one_sentence(models, table, capsys, monkeypatch, argv, words):
    models("A", 1), models("B", 2), models("C", 3, labels=["up", "down", "flat"])
    monkeypatch.chdir(table.parent)
    table.rename("D.csv")
    before = (table.parent / "D.csv").read_bytes()
    assert main([word.replace("D", "D.csv") if word == "D" else word for word in argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.replace("D.csv", "D").startswith(f"error: {words}")
    assert (table.parent / "D.csv").read_bytes() == before
