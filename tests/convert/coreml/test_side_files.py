"""What a package says of itself, and the files beside it."""

import hashlib
import json

from small_models import export_as, read_json

from mlx_finbert.convert.coreml.saved import SavedPackage


def test_metadata_and_the_files_beside(classifier, tmp_path):
    words = {"author": "A", "license": "MIT", "model_version": "2.1", "description": "D"}
    model, _, report = export_as(classifier, tmp_path, **words)
    package = SavedPackage(report.paths[0])
    metadata = package.spec.description.metadata
    found = (metadata.author, metadata.license, metadata.versionString, metadata.shortDescription)
    assert found == ("A", "MIT", "2.1", "D")
    description = package.spec.description
    assert [f.name for f in description.input] == ["input_ids", "attention_mask"]
    assert [f.name for f in description.output] == ["label", "probabilities", "logits"]
    assert all(f.shortDescription for f in (*description.input, *description.output))

    own = {k.removeprefix("mlx_finbert."): v for k, v in package.metadata.items()}
    vocabulary = (tmp_path / "vocab.txt").read_bytes()
    assert own["vocabulary"].encode() == vocabulary
    assert own["vocabulary_sha256"] == hashlib.sha256(vocabulary).hexdigest()
    assert vocabulary.decode().splitlines()[2:4] == ["[CLS]", "[SEP]"]
    assert json.loads(own["labels"]) == read_json(tmp_path / "labels.json") == model.args.labels
    assert (own["source"], own["max_length"]) == ("tiny", "40")
    rules = json.loads(own["tokenizer"])
    assert (rules["kind"], rules["lowercase"], rules["strip_accents"]) == ("wordpiece", True, True)
    assert rules["special_tokens"]["sep"] == {"token": "[SEP]", "id": 3}
    assert not any("date" in key for key in package.metadata)

    record = read_json(tmp_path / "export.json")
    (entry,) = record["packages"].values()
    for name, digest in entry["sha256"].items():
        data = (report.paths[0] / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
    assert entry["functions"][0]["exact_error"] < 1e-5
    assert record["source_sha256"] == own["source_sha256"]
    assert set(record["versions"]) == {"mlx-finbert", "mlx", "coremltools", "numpy"}


def test_a_byte_pair_vocabulary_comes_with_its_merges(classifier, tmp_path):
    _, tokenizer, report = export_as(classifier, tmp_path, "roberta")
    metadata = SavedPackage(report.paths[0]).metadata
    assert json.loads(metadata["mlx_finbert.tokenizer"])["kind"] == "byte_pair"
    tokens = (tmp_path / "vocab.txt").read_text().removesuffix("\n").split("\n")
    assert tokens == tokenizer.convert_ids_to_tokens(range(len(tokens)))
