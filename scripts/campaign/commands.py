"""The commands that the campaign kills: what they do, and what a user does afterwards."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from materials import SHORT_RUN

Work = Callable[[Path], Any]


@dataclass(frozen=True)
class Command:
    """A command that works in a copy of one of the folders of `materials`."""

    name: str
    material: str
    work: Work
    result: Callable[[Path], str]
    """A value that is the same for the same result."""
    again: Work | None = None
    """What a user does after a kill; None for the same command once more."""
    whole: Callable[[Path], str] | None = None
    """A value of the target that a reader sees at any time: that of before, or of afterwards."""
    is_slow: bool = False
    """Whether it takes many seconds."""


def model_in(name: str) -> Callable[[Path], str]:
    """The hash of the model in a subfolder."""

    def result(folder: Path) -> str:
        import mlx_finbert
        from mlx_finbert.inference.manifest import model_sha256

        return model_sha256(*mlx_finbert.load(folder / name))

    return result


def files_in(*names: str) -> Callable[[Path], str]:
    """The hash of files that are the same after every run."""

    def result(folder: Path) -> str:
        contents = [(folder / name).read_bytes() for name in names]
        return hashlib.sha256(b"\0".join(contents)).hexdigest()

    return result


def save(folder: Path) -> None:
    """Save another model over one."""
    import mlx.core as mx

    import mlx_finbert

    model, tokenizer = mlx_finbert.load(folder / "start")
    model.output_layer.weight = mx.ones_like(model.output_layer.weight)
    tokenizer.model_max_length = 20
    mlx_finbert.save(model, tokenizer, folder / "start")


def to_mlx(folder: Path) -> None:
    from mlx_finbert.convert.checkpoints import convert
    from mlx_finbert.convert.settings import ToMlxSettings

    convert(ToMlxSettings(model=str(folder), output=str(folder / "out"), dtype="float16"))


def fuse(folder: Path) -> None:
    from mlx_finbert.convert.adapters import fuse_adapters
    from mlx_finbert.convert.settings import FuseSettings

    fuse_adapters(FuseSettings(model=str(folder), output=str(folder / "out")))


def shrink(folder: Path) -> None:
    from mlx_finbert.convert.fewer_layers import shrink
    from mlx_finbert.convert.settings import ShrinkSettings

    shrink(ShrinkSettings(model=str(folder / "start"), output=str(folder / "small")))


def evaluate(folder: Path) -> None:
    import mlx_finbert

    mlx_finbert.evaluate_classifier(folder / "out", output=str(folder / "measured"))


def predict(folder: Path, **more: Any) -> None:
    from mlx_finbert.inference.config import PredictSettings
    from mlx_finbert.inference.run import run

    files = {"input": str(folder / "many.csv"), "output": str(folder / "scored.csv")}
    settings = PredictSettings(model=str(folder), **files, **more)
    for _ in run(settings):
        pass


def predict_sentences(folder: Path) -> None:
    predict(folder, by_sentence=True, sentences=str(folder / "sentences.jsonl"))


def train(folder: Path, **more: Any) -> None:
    import mlx_finbert

    out = str(folder / "new")
    start, data = str(folder / "start"), str(folder / "news.csv")
    mlx_finbert.fine_tune(start, data, output_dir=out, **SHORT_RUN | {"save_steps": 3} | more)


def train_lora(folder: Path) -> None:
    train(folder, lora_rank=2)


def train_again(folder: Path) -> None:
    """Resume, or start once more where there is no checkpoint yet."""
    _resumed(folder, train)


def train_lora_again(folder: Path) -> None:
    _resumed(folder, train_lora)


def _resumed(folder: Path, start: Work) -> None:
    import mlx_finbert

    new = folder / "new"
    if any((new / "checkpoints").glob("step-*")):
        mlx_finbert.fine_tune(resume_from_checkpoint=str(new))
    else:
        start(folder)


def resume(folder: Path) -> None:
    """Resume a run from its first checkpoint, which removes the later ones."""
    import mlx_finbert

    first = min((folder / "out" / "checkpoints").glob("step-*"))
    mlx_finbert.fine_tune(resume_from_checkpoint=str(first))


def resume_again(folder: Path) -> None:
    import mlx_finbert

    mlx_finbert.fine_tune(resume_from_checkpoint=str(folder / "out"))


def pretrain(folder: Path, **more: Any) -> None:
    from mlx_finbert.pretraining.run import complete, run

    given = more or {
        "model": str(folder / "start"), "data": str(folder / "news.csv"),
        "output_dir": str(folder / "new"), "overwrite": True, "num_train_epochs": 2,
        "batch_size": 8, "max_length": 16, "save_steps": 3,
    }  # fmt: skip
    run(complete(given))


def pretrain_again(folder: Path) -> None:
    new = folder / "new"
    has_checkpoint = any((new / "checkpoints").glob("step-*"))
    pretrain(folder, **{"resume_from_checkpoint": str(new)} if has_checkpoint else {})


def to_coreml(folder: Path) -> None:
    import mlx_finbert

    target = folder / "new" / "Small.mlpackage"
    mlx_finbert.export_coreml(folder / "model", target, lengths=[8])


def to_coreai(folder: Path) -> None:
    from mlx_finbert.convert.assets import export_asset
    from mlx_finbert.convert.settings import ToCoreaiSettings

    target, model = folder / "new" / "Small.aimodel", folder / "model"
    export_asset(ToCoreaiSettings(model=str(model), output=str(target), lengths=[8]))


def labels_of_package(folder: Path) -> str:
    """What a package computes for rows of 8 tokens; its other files as they are."""
    from mlx_finbert.convert.packages import verify_package
    from mlx_finbert.convert.settings import VerifySettings

    # A package of one length has it in its name.
    package, model = folder / "new" / "Small-8.mlpackage", folder / "model"
    report = verify_package(VerifySettings(package=str(package), model=str(model)))
    return str(report.passed)


def folder_at(name: str) -> Callable[[Path], str]:
    """The hash of every file of a subfolder."""

    def result(folder: Path) -> str:
        files = sorted(p for p in (folder / name).rglob("*") if p.is_file())
        return files_in(*(str(file.relative_to(folder)) for file in files))(folder)

    return result


RUN_RESULTS = "history.csv", "model.safetensors", "seen_texts.tsv", "metrics.json"
LORA_RESULTS = "history.csv", "adapters.safetensors", "seen_texts.tsv", "metrics.json"
PRETRAINED = "history.csv", "model.safetensors", "metrics.json", "tokens/store.json"
MEASURED = "measured/metrics.json", "measured/predictions.csv", "measured/report.html"


def of_run(name: str, files: tuple[str, ...] = RUN_RESULTS) -> Callable[[Path], str]:
    """The hash of the figures and the weights of a run in a subfolder."""
    return files_in(*(f"{name}/{file}" for file in files))


COMMANDS = {
    command.name: command
    for command in (
        Command("save", "run", save, model_in("start"), whole=model_in("start")),
        Command("to_mlx", "torch_zip", to_mlx, model_in("out")),
        Command("fuse", "adapters", fuse, model_in("out")),
        Command("shrink", "run", shrink, model_in("small")),
        Command("evaluate", "run", evaluate, files_in(*MEASURED)),
        Command("predict", "scoring", predict, files_in("scored.csv")),
        Command(
            "predict --sentences",
            "scoring",
            predict_sentences,
            files_in("scored.csv", "sentences.jsonl"),
        ),
        Command("train", "run", train, of_run("new"), train_again),
        Command(
            "train --lora-rank", "run", train_lora, of_run("new", LORA_RESULTS), train_lora_again
        ),
        Command("train --resume-from-checkpoint", "run", resume, of_run("out"), resume_again),
        Command("pretrain", "run", pretrain, of_run("new", PRETRAINED), pretrain_again),
        Command("to_coreai", "package", to_coreai, folder_at("new/Small.aimodel"), is_slow=True),
        Command("to_coreml", "package", to_coreml, labels_of_package, is_slow=True),
    )
}
