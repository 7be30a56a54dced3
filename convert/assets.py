"""Implementation of the commands on Core AI assets, from settings to a report."""

from mlx_finbert.checkpoints.load import require_plain
from mlx_finbert.convert.coreai import export
from mlx_finbert.convert.coreai.asset import SavedAsset
from mlx_finbert.convert.coreai.child import require_core_ai
from mlx_finbert.convert.coreai.description import describe_asset
from mlx_finbert.convert.coreai.figures import AssetReport
from mlx_finbert.convert.coreai.space import require_space_for_twin
from mlx_finbert.convert.coreai.verification import AssetVerifier
from mlx_finbert.convert.coreml.side_files import (
    irregular_files,
    missing_side_files,
    record_faults,
)
from mlx_finbert.convert.coreml.swift_package import SwiftPackage
from mlx_finbert.convert.packages import require_lengths
from mlx_finbert.convert.settings import ToCoreaiSettings, VerifySettings
from mlx_finbert.files.folder_commit import finish
from mlx_finbert.files.paths import local_path


def export_asset(settings: ToCoreaiSettings) -> AssetReport:
    """Load a model, export it and verify the asset.

    Raises:
        InputError: if the model or the output cannot be used, or Apple's library is missing.
    """
    require_core_ai()
    package = SwiftPackage.checked(settings.swift_package, settings.output, settings.overwrite)
    model, tokenizer = settings.load_model()
    require_plain(model, settings.model)
    # Only the folder's name: a shipped file must not contain paths of this machine.
    source = local_path(settings.model)
    name = source.resolve().name if source.is_dir() else settings.model
    report = export(model, tokenizer, settings.output, settings, source=name)
    if package and report.passed:
        package.write(report)
    return report


def verify_asset(settings: VerifySettings) -> AssetReport:
    """Compare an asset with the model that it was made from.

    Raises:
        InputError: if the model or the asset cannot be read, or Apple's library is missing.
    """
    require_core_ai()
    path = local_path(settings.package)
    if path.parent.is_dir():
        finish(path.parent)
    asset = SavedAsset(path)
    options = asset.options()
    model, tokenizer = settings.load_model()
    require_plain(model, settings.model)
    lengths = require_lengths(path, options.lengths or [], model.args.max_length)
    # From the asset's own metadata, only its options are trusted.
    description = describe_asset(model, tokenizer, options, lengths, source="")
    require_space_for_twin(description)
    verifier = AssetVerifier(description, tokenizer)
    report = verifier.verify(asset)
    report.source = settings.model
    folder = path.parent
    report.faults += irregular_files(folder) or [
        *verifier.tokenizer_check.file_faults(folder, description.max_length),
        *record_faults(asset, description, tokenizer, report.figures.golden_error),
    ]
    report.missing = missing_side_files(folder, description)
    return report
