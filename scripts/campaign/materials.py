"""The right folders that the campaign damages: small models, tables, a run, a package.

Each function fills one empty folder. They compute with MLX, and so run in copies of the process.
"""

import bz2
import gzip
import json
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from table_mutants import RIGHT, parquet_of, zipped
from weights_mutants import header_of, safetensors_of, torch_file

LABELS = ["negative", "neutral", "positive"]
VERBS = {"negative": "fell", "neutral": "unchanged", "positive": "rose"}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sales", "by", "percent", *VERBS.values()]

BERT = {
    "model_type": "bert", "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 16, "max_position_embeddings": 32, "id2label": dict(enumerate(LABELS)),
    "architectures": ["BertForSequenceClassification"],
}  # fmt: skip

TEXTS = ["sales rose by 5 percent", "sales fell"]

Make = Callable[[Path], Any]


def rows(count: int) -> list[tuple[str, str]]:
    """Texts and labels; the label follows from one word."""
    return [(f"sales {VERBS[LABELS[i % 3]]} by {i} percent", LABELS[i % 3]) for i in range(count)]


def csv_of(count: int) -> bytes:
    lines = [f"{text},{label}" for text, label in rows(count)]
    return "\n".join(["text,label", *lines, ""]).encode()


def vocabulary_model(folder: Path) -> None:
    """A model with `vocab.txt` alone."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    from mlx_finbert.models import build

    pieces = [*PIECES, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    mx.random.seed(0)
    config = BERT | {"vocab_size": len(pieces)}
    (folder / "config.json").write_text(json.dumps(config))
    weights = dict(tree_flatten(build(config).parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def model(folder: Path) -> None:
    """A model as `save` writes it."""
    import mlx_finbert

    with_source(folder, vocabulary_model, lambda source: mlx_finbert.load(source))


def scoring(folder: Path) -> None:
    """A model, and rows to score in three parts."""
    model(folder)
    (folder / "many.csv").write_bytes(csv_of(2_500))


def with_source(folder: Path, make: Make, load: Callable[[Path], Any]) -> None:
    """Save the model that is loaded from a folder of another form."""
    import mlx_finbert

    source = folder / "source"
    source.mkdir()
    make(source)
    mlx_finbert.save(*load(source), folder)
    shutil.rmtree(source)


def byte_pairs(folder: Path) -> None:
    """A RoBERTa model with `vocab.json` and `merges.txt`."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    from mlx_finbert.models import build

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *bytes_to_unicode().values(), "sa"]
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\ns a\n")
    config = BERT | {"model_type": "roberta", "type_vocab_size": 1, "vocab_size": len(pieces)}
    (folder / "config.json").write_text(json.dumps(config))
    mx.random.seed(0)
    weights = dict(tree_flatten(build(config).parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def shards(folder: Path) -> None:
    """A model in two shards and their index."""
    vocabulary_model(folder)
    path = folder / "model.safetensors"
    header, data = header_of(path.read_bytes())
    names = sorted(header.keys() - {"__metadata__"})
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, kept in parts.items():
        own: dict[str, Any] = {}
        content = b""
        for name in kept:
            start, end = header[name]["data_offsets"]
            own[name] = header[name] | {"data_offsets": [len(content), len(content) + end - start]}
            content += data[start:end]
        (folder / file).write_bytes(safetensors_of(json.dumps(own).encode(), content))
    index = {name: file for file, kept in parts.items() for name in kept}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    path.unlink()


def torch_zip(folder: Path) -> None:
    _torch(folder, is_zip=True)


def torch_legacy(folder: Path) -> None:
    _torch(folder, is_zip=False)


def _torch(folder: Path, is_zip: bool) -> None:
    """A model in one of the layouts of `torch.save`."""
    vocabulary_model(folder)
    path = folder / "model.safetensors"
    (folder / "pytorch_model.bin").write_bytes(torch_file(path.read_bytes(), is_zip))
    path.unlink()


def adapters(folder: Path) -> None:
    """Adapters, and their base model in a folder inside."""
    import mlx_finbert
    from mlx_finbert.checkpoints.adapters import save_adapters
    from mlx_finbert.models.lora import LoraConfig, add_lora

    base = folder / "base"
    base.mkdir()
    model(base)
    network, tokenizer = mlx_finbert.load(base)
    lora = LoraConfig(rank=2, alpha=4.0)
    add_lora(network, lora)
    save_adapters(network, tokenizer, folder, lora, str(base))


def tables(folder: Path) -> None:
    """The same rows in every format."""
    content = csv_of(12)
    (folder / "news.csv").write_bytes(content)
    (folder / "news.tsv").write_bytes(content.replace(b",", b"\t"))
    (folder / "news.txt").write_bytes(b"\n".join(text.encode() for text, _ in rows(12)))
    records = [{"text": text, "label": label, "data": {"n": 1}} for text, label in rows(12)]
    (folder / "news.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))
    (folder / "news.json").write_text(json.dumps(records))
    (folder / "news.parquet").write_bytes(parquet_of(RIGHT))
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}
    for ending, pack in packers.items():
        (folder / f"news.csv.{ending}").write_bytes(pack(content))


def phrasebank(folder: Path) -> None:
    """An archive in the layout of Financial PhraseBank, and one of its files unpacked."""
    lines = "".join(f"{text}@{label}\n" for text, label in rows(12)).encode("latin-1")
    name = "Sentences_AllAgree.txt"
    (folder / name).write_bytes(lines)
    (folder / "news.zip").write_bytes(zipped(lines, f"FinancialPhraseBank-v1.0/{name}"))


def fiqa(folder: Path) -> None:
    """The two files of FiQA."""
    for part in ("headline", "post"):
        records = {
            text: {"sentence": f"{part} {text}", "info": [{"sentiment_score": str(i / 20 - 0.3)}]}
            for i, (text, _) in enumerate(rows(12))
        }
        (folder / f"task1_{part}_ABSA_train.json").write_text(json.dumps(records))


def settings(folder: Path) -> None:
    """A file for `train --config`."""
    (folder / "train.yaml").write_text(
        "model: minilm\ndata: sample\nlearning_rate: 5.0e-05\nnum_train_epochs: 3\n"
        "batch_size: 16\ncalibration: true\nmodel_labels: [a, b]\nlr_scheduler_type: linear\n"
    )


SHORT_RUN: dict[str, Any] = {
    "num_train_epochs": 2, "batch_size": 8, "max_length": 16, "lr_scheduler_type": "constant",
    "calibration": False, "overwrite": True,
}  # fmt: skip


def run(folder: Path) -> None:
    """A run of two epochs on 60 rows, with checkpoints; its model and data are inside."""
    import mlx_finbert

    start = folder / "start"
    start.mkdir()
    model(start)
    (folder / "news.csv").write_bytes(csv_of(60))
    mlx_finbert.fine_tune(
        str(start), str(folder / "news.csv"), output_dir=str(folder / "out"), **SHORT_RUN
    )


def parts(folder: Path) -> None:
    """Two scored parts of an unfinished prediction."""
    from results import parts_in, scored

    kept = parts_in(folder)
    kept.claim()
    kept.write(0, scored(1024), 0)
    kept.write(1, scored(1), 3)


def logits(folder: Path) -> None:
    """A teacher's logits."""
    import numpy as np

    from mlx_finbert.distillation.logits import write

    write(folder / "teacher_logits-1.safetensors", np.ones((4, 3), np.float32))


def tokens(folder: Path) -> None:
    """The tokens of a pretraining."""
    import mlx_finbert
    from mlx_finbert.data.corpus import Corpus
    from mlx_finbert.data.sources.plain_texts import plain_texts
    from mlx_finbert.data.token_store import make_stores

    model(folder)
    (folder / "news.csv").write_bytes(csv_of(30))
    _, tokenizer = mlx_finbert.load(folder)
    make_stores(Corpus(plain_texts(str(folder / "news.csv")), ratio=0.2), tokenizer, folder)


def package(folder: Path) -> None:
    """An export to Core ML for rows of 8 tokens, and its model."""
    import mlx_finbert

    start = folder / "model"
    start.mkdir()
    model(start)
    mlx_finbert.export_coreml(str(start), folder / "out" / "Small.mlpackage", lengths=[8])


MATERIALS: dict[str, Make] = {
    make.__name__: make
    for make in (
        model, scoring, vocabulary_model, byte_pairs, shards, torch_zip, torch_legacy,
        adapters, tables, phrasebank, fiqa, settings, run, parts, logits, tokens, package,
    )
}  # fmt: skip
"""Functions that fill an empty folder, by name."""
