"""What a push would publish."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_finbert.checkpoints.adapters import is_adapted, read_adapter_config
from mlx_finbert.checkpoints.files import ADAPTER_CONFIG, RUN_CONFIG, read_json
from mlx_finbert.checkpoints.hub import PACKAGED, PACKAGED_HUB_ID, named_file
from mlx_finbert.checkpoints.load import load_trained
from mlx_finbert.errors import InputError
from mlx_finbert.files.paths import local_path
from mlx_finbert.files.yaml_text import read_yaml
from mlx_finbert.models.quantization import quantization_of
from mlx_finbert.publishing.card import body, header, text_of_card
from mlx_finbert.publishing.config import PushSettings
from mlx_finbert.publishing.contents import Content, Staying, contents_of, size_of, staying
from mlx_finbert.publishing.facts import CardFacts, read_facts, sha256
from mlx_finbert.publishing.own_card import completed, read_card
from mlx_finbert.publishing.private import is_local_model, public_data, public_model

log = logging.getLogger(__name__)

README = "README.md"

WANTED = {
    "license": "`license`",
    "language": "`language`",
    "datasets": "`datasets`",
    "base_model": "`base_model`",
    "eval_results": "",
}
"""The fields that a reader of the hub looks for, and the parameter of each."""

UNITS = ("B", "kB", "MB", "GB")


@dataclass
class Plan:
    """What a push publishes."""

    repo_id: str
    files: dict[str, Content]
    """By their names on the hub, the card last."""
    stays: list[Staying]
    card: str
    unknown: list[str]
    """The fields of `WANTED` that the card does not have."""

    def __str__(self) -> str:
        total = sum(map(size_of, self.files.values()))
        lines = [f"to {self.repo_id}: {len(self.files)} files, {amount(total)}"]
        lines += [
            f"  {amount(size_of(content)):>9}  {name}{remark(name, content)}"
            for name, content in self.files.items()
        ]
        if self.stays:
            lines += ["stays here:"]
            lines += [f"  {amount(s.size):>9}  {s.name} ({s.why})" for s in self.stays]
        return "\n".join([*lines, "the card:", "", self.card])


def remark(name: str, content: Content) -> str:
    """What is special about a file that goes."""
    if name == "seen_texts.tsv":
        return " (hashes of the training and validation texts, and their labels)"
    changed = isinstance(content, bytes) and name != README
    return " (without paths of this machine)" if changed else ""


def plan_of(settings: PushSettings) -> Plan:
    """Decide what to publish of a folder, which must hold a model that opens.

    Raises:
        InputError: if there is no trained model in the folder, or it cannot be published.
    """
    folder = folder_of(settings)
    adapters = is_adapted(folder)
    base = settings.base_model if adapters else None
    if adapters:
        require_public_base(folder, base)
    model, _ = load_trained(folder, base_model=base)
    facts, readme_sha256 = read_facts(folder)
    if facts is None:
        facts = CardFacts(
            labels=model.args.labels,
            model_type=model.args.model_type,
            is_adapters=adapters,
            is_quantized=quantization_of(model) is not None,
        )
    if settings.datasets and len(settings.datasets) == 1:
        facts.dataset = facts.dataset or settings.datasets[0]
    known = names_of_paths(folder, base)
    config = published_adapter_config(folder, base) if adapters else None
    if config and facts.base_model is None:
        named = config["base_model"]
        facts.base_model = PACKAGED_HUB_ID if named == PACKAGED else named
    files = contents_of(folder, known, config, settings.seen_texts)
    card, unknown = card_of(folder, settings, facts, readme_sha256, files)
    files[README] = card.encode("utf-8")
    return Plan(settings.repo_id, files, staying(folder, files), card, unknown)


def folder_of(settings: PushSettings) -> Path:
    """The model's folder.

    Raises:
        InputError: if there is no such folder.
    """
    folder = local_path(settings.folder)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{folder} {named_file(folder)}")
    raise InputError(f"{folder}: there is no such folder; give the folder of the model to push")


def require_public_base(folder: Path, base_model: str | None) -> None:
    """Refuse adapters of a local base model, which nobody else could open."""
    named = read_adapter_config(folder).base_model
    if base_model is None and is_local_model(named):
        raise InputError(
            f"the adapters in {folder} need their base model, {public_model(named)}, which is a"
            " folder of this machine: give its id on the hub with `base_model`, or merge both with"
            f" python -m mlx_finbert.convert.fuse --model {folder} --output DIR and push DIR"
        )


def published_adapter_config(folder: Path, base_model: str | None) -> dict[str, Any]:
    """The content of the adapters' config, with the base model that others can get."""
    config = read_json(folder / ADAPTER_CONFIG)
    return config if base_model is None else {**config, "base_model": base_model, "revision": None}


def names_of_paths(folder: Path, base_model: str | None) -> dict[str, str]:
    """The paths that a run recorded, and what to call them instead."""
    values = read_yaml(folder / RUN_CONFIG) if (folder / RUN_CONFIG).is_file() else {}
    model, data = str(values.get("model", "")), str(values.get("data", ""))
    teacher, unlabelled = str(values.get("teacher", "")), values.get("unlabelled") or []
    names = {
        teacher: public_model(teacher) if teacher else "",
        **{str(file): public_data(str(file)) for file in unlabelled},
        data: public_data(data) if data else "",
        model: (base_model or public_model(model)) if model and is_local_model(model) else model,
        str(folder.absolute()): folder.name,
    }
    return {path: name for path, name in names.items() if path and path != name}


def card_of(
    folder: Path,
    settings: PushSettings,
    facts: CardFacts,
    readme_sha256: str | None,
    files: dict[str, Content],
) -> tuple[str, list[str]]:
    """The card, and the wanted fields that it lacks.

    A README.md that is not the run's own keeps its text and its fields; it gets those that it
    lacks, and those of the settings.
    """
    title = settings.repo_id.partition("/")[2]
    given = {k: v for k, v in settings.card_fields().items() if v is not None}
    data = header(facts, title, **given)
    for tag in settings.tags or []:
        data.tags = [*(data.tags or []), tag]
    path = folder / README
    text = read_card(path) if path.is_file() else ""
    if text and sha256(text) != readme_sha256:
        data, card = completed(path, text, data, {*given, *(["tags"] if settings.tags else [])})
    else:
        card = text_of_card(data, body(facts, title, settings.repo_id, files))
    return card, [name for name in WANTED if not data.get(name)]


def report_unknown(unknown: list[str]) -> None:
    """Say what the card leaves out."""
    if fields := [name for name in unknown if WANTED[name]]:
        flags = ", ".join(WANTED[name] for name in fields)
        log.info(
            f"the card leaves out {', '.join(fields)}, which nothing in the folder records; give"
            f" {flags}"
        )
    if "eval_results" in unknown:
        log.info(
            "the card has no figures: the folder does not record any, as a run of"
            " mlx_finbert.train does"
        )


def amount(size: float) -> str:
    """A size in words: 1.2 MB."""
    for unit in UNITS[:-1]:
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {UNITS[-1]}"
