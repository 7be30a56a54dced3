"""Exports an MLX classifier to a verified Core AI asset."""

import logging
from collections.abc import Collection
from pathlib import Path

from mlx_finbert.checkpoints.files import ADAPTER_CONFIG
from mlx_finbert.checkpoints.tokenizer import Tokenizer
from mlx_finbert.convert.coreai.asset import SUFFIX, SavedAsset
from mlx_finbert.convert.coreai.child import ChildError, require_core_ai
from mlx_finbert.convert.coreai.description import AssetDescription, describe_asset
from mlx_finbert.convert.coreai.figures import AssetReport
from mlx_finbert.convert.coreai.options import AssetOptions
from mlx_finbert.convert.coreai.record import write_export_json
from mlx_finbert.convert.coreai.space import size_of_export
from mlx_finbert.convert.coreai.verification import AssetVerifier, write_asset
from mlx_finbert.convert.coreml.golden import write_golden
from mlx_finbert.convert.coreml.side_files import SIDE_FILES, set_aside, write_app_files
from mlx_finbert.convert.coreml.temporary_files import temporary_files_in
from mlx_finbert.convert.coreml.vocabulary import BYTE_PAIR_FILES
from mlx_finbert.errors import InputError
from mlx_finbert.files.folder_commit import finish, replacing
from mlx_finbert.files.folder_lock import claimed
from mlx_finbert.files.paths import require_room
from mlx_finbert.files.space import require_space
from mlx_finbert.models import Classifier

log = logging.getLogger(__name__)


def export(
    model: Classifier, tokenizer: Tokenizer, path: Path, options: AssetOptions, source: str
) -> AssetReport:
    """Export a classifier; see `mlx_finbert.convert.coreai.export`."""
    require_core_ai()
    if path.suffix != SUFFIX:
        raise InputError(f"`output={path}` must end in {SUFFIX}: give NAME{SUFFIX}")
    require_room(path, "output", len(".rejected-99"))
    lengths = options.as_core_ml().lengths_for(tokenizer.model_max_length, model.args.max_length)
    description = describe_asset(model, tokenizer, options, lengths, source)
    with claimed(path.parent, "choose another folder for `output`") as folder:
        # An export that was killed among its moves is only now complete: nobody has seen it.
        unseen = finish(folder)
        refuse_existing(folder, path.name, description, unseen)
        needed = size_of_export(description)
        require_space(folder, needed, "output", "the asset and temporary copies of it")
        with replacing(folder) as part, temporary_files_in(part, needed):
            write_app_files(part, description, tokenizer)
            log.info(f"building {path.name}")
            try:
                write_asset(part / path.name, description, options.form)
            except ChildError as error:
                raise InputError(
                    f"{path.name} cannot be written ({error}): export this model to Core ML"
                ) from None
            log.info("verifying in Apple's runtime")
            verifier = AssetVerifier(description, tokenizer)
            report = verifier.verify(SavedAsset(part / path.name))
            report.faults += verifier.tokenizer_check.file_faults(part, description.max_length)
            report.folder = folder
            if report.passed:
                write_golden(part, description, tokenizer, report.figures.golden_error)
                write_export_json(part, report)
            else:
                reject(part, report)
    return report


def refuse_existing(
    folder: Path, name: str, description: AssetDescription, unseen: Collection[str] = ()
) -> None:
    """Refuse to replace files without `overwrite`, or to mix the files of two exports.

    Args:
        folder: the folder of the asset.
        name: the asset's name.
        description: the export.
        unseen: names of files that may be replaced in any case.
    """
    if any((folder / other).exists() for other in ("config.json", ADAPTER_CONFIG)):
        raise InputError(f"`output`: {folder} holds a model: choose another folder")
    for found in sorted([*folder.glob("*.mlpackage"), *folder.glob(f"*{SUFFIX}")]):
        if found.name != name:
            raise InputError(
                f"`output`: {found} is from another export, whose golden.json this one would"
                " replace: choose another folder"
            )
    for other in (name, *SIDE_FILES):
        may = description.asset.overwrite or other in unseen
        if (folder / other).exists() and not may:
            raise InputError(
                f"`output`: {folder / other} exists: choose another folder, or add `overwrite=True`"
            )
    for other in BYTE_PAIR_FILES:
        if other not in description.vocabulary.files and (folder / other).exists():
            raise InputError(
                f"`output`: {folder / other} is from an earlier export, which this one does not"
                " replace: remove it, or choose another folder"
            )


def reject(part: Path, report: AssetReport) -> None:
    """Rename the asset to `.rejected`, next to earlier rejected ones."""
    for name in SIDE_FILES:
        (part / name).unlink(missing_ok=True)
    report.name = set_aside(part, report.name, report.folder)
