"""Explanations for a folder in which no checkpoint was found."""

import re
from contextlib import suppress
from pathlib import Path

from mlx_finbert.files.formats import SAFETENSORS, TORCH, format_of, start_of
from mlx_finbert.files.json_text import read_json

WEIGHT_NAMES = {SAFETENSORS: "model.safetensors", TORCH: "pytorch_model.bin"}
"""The name of a file with all weights, by format, in the order in which they are looked for."""

OTHER_FRAMEWORKS = {
    "tf_model*.h5": "TensorFlow",
    "*.ckpt*.index": "TensorFlow",
    "saved_model.pb": "TensorFlow",
    "flax_model*.msgpack": "Flax",
    "*.onnx": "ONNX",
    "onnx/*.onnx": "ONNX",
    "openvino_*.xml": "OpenVINO",
    "*.gguf": "llama.cpp",
    "rust_model.ot": "rust-bert",
}
"""File patterns and the framework that reads them."""

TAKE_WEIGHTS = "use the same model's model.safetensors or pytorch_model.bin"

CHECKPOINT = r"checkpoint-\d+"
"""Folder names of the checkpoints of transformers' Trainer."""

TRAINER_STATES = ("training_args", "optimizer", "scheduler", "scaler", "rng_state", "random_states")
"""Name prefixes of files by Trainer or accelerate that look like weights but are training state."""

MOST_NAMES = 5
"""Most folders that a message lists."""

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".7z")


def explain_missing(folder: Path, lacking: str) -> str:
    """Say what a folder without a checkpoint is and what to do, as a predicate: "is a ...".

    Args:
        folder: the folder given as a checkpoint.
        lacking: what is missing, in words.
    """
    for recognise in (
        core_ml,
        no_files,
        old_config,
        training_run,
        subfolders,
        part_of_another,
        no_adapter_config,
        other_framework,
        misnamed,
        packed,
    ):
        # A file nearby that cannot be read says nothing about this folder.
        with suppress(OSError):
            if said := recognise(folder):
                return said
    return f"has no {lacking}; it is not a checkpoint folder, or is incomplete"


def core_ml(folder: Path) -> str | None:
    """Recognise a Core ML package or a Core AI asset."""
    if folder.suffix in (".mlpackage", ".mlmodelc"):
        return "is a Core ML model; give the folder of the checkpoint that it was made from"
    if folder.suffix == ".aimodel":
        return "is a Core AI asset; give the folder of the checkpoint that it was made from"
    return None


def no_files(folder: Path) -> str | None:
    """Recognise expected file names that are folders or broken links."""
    for name in ("config.json", *WEIGHT_NAMES.values()):
        path = folder / name
        if path.is_dir():
            return f"has a folder named {name} where a file should be; put the file there"
        if path.is_symlink() and not path.exists():
            return f"has a link {name} to a file that no longer exists; download it again"
    return None


def old_config(folder: Path) -> str | None:
    """Recognise BERT's first release and its first port to PyTorch."""
    if not (folder / "bert_config.json").is_file() or (folder / "config.json").exists():
        return None
    if has_weights(folder):
        return "has its config under an old name; rename bert_config.json to config.json"
    return f"is a TensorFlow checkpoint in Google's layout (bert_config.json); {TAKE_WEIGHTS}"


def training_run(folder: Path) -> str | None:
    """Recognise a training run of this package without a model yet, and a saved training state."""
    state = re.fullmatch(r"step-\d+", folder.absolute().name)
    run = folder.absolute().parent.parent if state else folder
    if not (run / "config.yaml").is_file() or not (run / "checkpoints").is_dir():
        return None
    if has_config(run):
        return f"is a saved training state, not a model; give the run's folder, {run}"
    return (
        "belongs to a training run that has no model yet; continue it with"
        f" python -m mlx_finbert.train --resume-from-checkpoint {run}"
    )


def subfolders(folder: Path) -> str | None:
    """Recognise checkpoints in subfolders."""
    places = [path for depth in ("*", "*/*") for path in folder.glob(depth)]
    inner = [path for path in places if has_config(path) and has_weights(path)]
    steps = {int(p.name.split("-")[1]): p for p in inner if re.fullmatch(CHECKPOINT, p.name)}
    if steps:
        return f"holds a Trainer's checkpoints; give one of them (newest: {steps[max(steps)]})"
    if len(inner) == 1:
        return f"has its model in a subfolder; give {inner[0]}"
    if inner:
        names = ", ".join(map(str, sorted(inner)[:MOST_NAMES]))
        return f"holds {len(inner)} models; give one of them, such as {names}"
    return None


def part_of_another(folder: Path) -> str | None:
    """Recognise a subfolder of a checkpoint, such as `1_Pooling`."""
    parent = folder.absolute().parent
    return f"is part of the checkpoint {parent}; give that folder" if has_config(parent) else None


def no_adapter_config(folder: Path) -> str | None:
    """Recognise adapter weights without the file that names their base model."""
    for name in ("adapters.safetensors", "adapter_model.safetensors", "adapter_model.bin"):
        if (folder / name).is_file():
            return f"has {name} without its adapter_config.json; download that too"
    return None


def other_framework(folder: Path) -> str | None:
    """Recognise weights of a framework that is not PyTorch."""
    for pattern, framework in OTHER_FRAMEWORKS.items():
        if any(folder.glob(pattern)) and not has_weights(folder):
            return f"has weights for {framework} only; {TAKE_WEIGHTS}"
    return None


def misnamed(folder: Path) -> str | None:
    """Recognise weights under an unusual name by their content."""
    if has_weights(folder):
        return None
    found = {path.name: kind for path in folder.iterdir() if (kind := kind_of_weights(path))}
    shards = sorted(name for name in found if re.search(r"-\d{5}-of-\d{5}\.", name))
    if shards:
        return f"has shards of weights ({shards[0]}) without their .index.json; download that too"
    if len(found) == 1:
        ((name, kind),) = found.items()
        return f"has weights under another name; rename {name} to {WEIGHT_NAMES[kind]}"
    if found:
        names = " or ".join(sorted({WEIGHT_NAMES[kind] for kind in found.values()}))
        return (
            f"has several weight files under other names ({', '.join(sorted(found))});"
            f" rename the one to use to {names}"
        )
    return None


def packed(folder: Path) -> str | None:
    """Recognise a checkpoint that is still in an archive."""
    names = (p.name for p in sorted(folder.iterdir()) if p.name.endswith(ARCHIVE_SUFFIXES))
    name = next(names, None)
    return name and f"holds the archive {name}; unpack it and give the folder with the checkpoint"


def kind_of_weights(path: Path) -> str | None:
    """SAFETENSORS or TORCH if a file may hold a model's weights, else None."""
    if not path.is_file() or path.name.startswith(TRAINER_STATES):
        return None
    kind = format_of(start_of(path), path)
    return kind if kind in WEIGHT_NAMES else None


def has_weights(folder: Path) -> bool:
    """Whether a folder has weights under a name that `load` reads."""
    names = (*WEIGHT_NAMES.values(), "adapters.safetensors", "adapter_model.safetensors")
    return any((folder / end).is_file() for name in names for end in (name, f"{name}.index.json"))


def has_config(folder: Path) -> bool:
    """Whether a folder has the config of a model or of adapters, not another tool's."""
    if (folder / "adapter_config.json").is_file():
        return True
    try:
        config = read_json(folder / "config.json")
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and bool(config.keys() & {"model_type", "vocab_size"})
