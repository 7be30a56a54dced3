"""The space on disks that an export and a verification need."""

from mlx_finbert.convert.coreai.child import temporary_folder
from mlx_finbert.convert.coreai.description import AssetDescription
from mlx_finbert.convert.coreai.form import exact
from mlx_finbert.convert.coreml.exporter import BYTES
from mlx_finbert.files.space import require_space
from mlx_finbert.models.parameters import named_parameters


def size_of_export(description: AssetDescription) -> int:
    """The bytes of an asset and of its temporary files, while it is written and verified.

    These are a twin and what the runtime makes of it, or of the asset.
    """
    asset = description.asset
    stored = round(_weights(description) * BYTES[asset.compress or asset.precision])
    return stored + (2 * size_of_twin(description) or stored)


def require_space_for_twin(description: AssetDescription) -> None:
    """Refuse a verification whose twin does not fit on the disk of temporary files.

    What the runtime makes of it is as large.
    """
    needed = 2 * size_of_twin(description)
    if needed:
        require_space(temporary_folder(), needed, "TMPDIR", "temporary files")


def size_of_twin(description: AssetDescription) -> int:
    """The bytes of the largest twin, which is written to be run in float32; 0 if none is needed."""
    return 0 if description.asset.form == exact() else 4 * _weights(description)


def _weights(description: AssetDescription) -> int:
    return sum(value.size for value in named_parameters(description.reference.model).values())
