"""The readers of the package: for each, a file, how it is damaged, and what reads it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import results
from json_mutants import JSON, JSON_LINES, YAML
from mutants import BYTES, Mutations
from table_mutants import CSV_BZIP2, CSV_GZIP, CSV_XZ, CSV_ZIP, PARQUET, TEXT, ZIP
from weights_mutants import INDEX, SAFETENSORS, TORCH_LEGACY, TORCH_ZIP

Read = Callable[[Path, Path], Any]


@dataclass(frozen=True)
class Reader:
    """A file of one of the folders of `materials`, and what reads it."""

    name: str
    material: str
    read: Read
    file: str
    """Its path in the folder; a pattern stands for the first that matches."""
    mutations: Mutations
    sealed: bool = False
    """Whether a checksum must show any damage to the bytes: the result is then the right one."""
    is_slow: bool = False
    """Whether a case takes seconds."""

    def path(self, folder: Path) -> Path:
        return min(folder.glob(self.file))


def readers(
    material: str, read: Read, files: Mapping[str, tuple[str, Mutations]], **more: bool
) -> Iterator[Reader]:
    """The readers of some files of one folder, by name."""
    for name, (file, mutations) in files.items():
        yield Reader(name, material, read, file, mutations, **more)


SHARDS = {"model.safetensors.index.json": ("*.index.json", INDEX)}
ADAPTERS = {
    "adapter_config.json": ("adapter_config.json", JSON),
    "adapters.safetensors": ("adapters.safetensors", SAFETENSORS),
}
MODEL = {name: (name, JSON) for name in ("config.json", "tokenizer.json", "tokenizer_config.json")}
BYTE_PAIRS = {"vocab.json": ("vocab.json", JSON), "merges.txt": ("merges.txt", TEXT)}

CHECKPOINT = "out/checkpoints/step-*"
SEALED_CHECKPOINT = {
    "state.json": (f"{CHECKPOINT}/state.json", JSON),
    "optimizer.safetensors": (f"{CHECKPOINT}/optimizer.safetensors", SAFETENSORS),
}
RESUMED = {"best.json": ("out/best.json", JSON), "log.jsonl": ("out/log.jsonl", JSON_LINES)}

TABLES = {
    "CSV": ("news.csv", TEXT),
    "TSV": ("news.tsv", TEXT),
    "JSON Lines": ("news.jsonl", JSON_LINES),
    "JSON table": ("news.json", JSON),
    "Parquet": ("news.parquet", PARQUET),
}
SCORED = {f"predict: {name}": files for name, files in TABLES.items()}
SCORED |= {"predict: text": ("news.txt", TEXT)}
PACKED = {
    "CSV, gzip": ("news.csv.gz", CSV_GZIP),
    "CSV, bzip2": ("news.csv.bz2", CSV_BZIP2),
    "CSV, xz": ("news.csv.xz", CSV_XZ),
    "CSV, zip": ("news.csv.zip", CSV_ZIP),
}
PARTS = {
    "parts of predict": ("part-00000.jsonl", JSON_LINES),
    "manifest of predict": ("manifest.json", JSON),
}
OPENED_PACKAGE = {
    "package: Manifest.json": (f"{results.PACKAGE}/Manifest.json", JSON),
    "package: model": (f"{results.PACKAGE}/Data/*/model.mlmodel", BYTES),
}
VERIFIED_PACKAGE = {
    "package: weights": (f"{results.PACKAGE}/Data/*/*/weight.bin", BYTES),
    "golden.json": ("out/golden.json", JSON),
    "export.json": ("out/export.json", JSON),
}

READERS = (
    *readers("model", results.whole_model, MODEL),
    *readers("vocabulary_model", results.whole_model, {"vocab.txt": ("vocab.txt", TEXT)}),
    *readers("byte_pairs", results.whole_model, BYTE_PAIRS),
    *readers(
        "vocabulary_model",
        results.weights,
        {"model.safetensors": ("model.safetensors", SAFETENSORS)},
    ),
    *readers("shards", results.weights, SHARDS),
    *readers("torch_zip", results.weights, {"pytorch_model.bin": ("pytorch_model.bin", TORCH_ZIP)}),
    *readers(
        "torch_legacy",
        results.weights,
        {"pytorch_model.bin (old)": ("pytorch_model.bin", TORCH_LEGACY)},
    ),
    *readers("adapters", results.whole_model, ADAPTERS),
    *readers("settings", results.config_file, {"config of train": ("train.yaml", YAML)}),
    *readers("run", results.training_record, {"config.yaml of a run": ("out/config.yaml", YAML)}),
    *readers(
        "run",
        results.training_record,
        {"seen_texts.tsv": ("out/seen_texts.tsv", TEXT)},
        sealed=True,
    ),
    *readers("run", results.card_facts, {"card.json": ("out/card.json", JSON)}),
    *readers("run", results.checkpoint, SEALED_CHECKPOINT, sealed=True),
    *readers("run", results.checkpoint, {"checksums.json": (f"{CHECKPOINT}/checksums.json", JSON)}),
    *readers("run", results.resumed, RESUMED, is_slow=True),
    *readers("tables", results.labelled_texts, TABLES),
    *readers("tables", results.records, SCORED),
    *readers("tables", results.labelled_texts, PACKED, sealed=True),
    *readers(
        "phrasebank", results.labelled_texts, {"PhraseBank, zip": ("news.zip", ZIP)}, sealed=True
    ),
    *readers("phrasebank", results.labelled_texts, {"PhraseBank, text": ("Sentences*.txt", BYTES)}),
    *readers("fiqa", results.fiqa, {"FiQA": ("task1_headline*", JSON)}),
    *readers("parts", results.parts, PARTS, sealed=True),
    *readers(
        "logits", results.teacher_logits, {"teacher's logits": ("*.safetensors", SAFETENSORS)}
    ),
    *readers("tokens", results.token_stores, {"tokens of pretrain": ("tokens/store.json", JSON)}),
    *readers("package", results.package, OPENED_PACKAGE),
    *readers("package", results.package_with_side_files, VERIFIED_PACKAGE),
)
"""In the order of the table."""
