"""Compare an exported model with its own: `python -m mlx_finbert.convert.verify`."""

import sys
from typing import TYPE_CHECKING

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse
from mlx_finbert.cli.messages import told

if TYPE_CHECKING:
    from mlx_finbert.convert.settings import VerifySettings

DESCRIPTION = """\
Run a saved Core ML package, on any machine, and compare it with the model that it was made from.
A Core AI asset, NAME.aimodel, runs in Apple's own runtime: pip install ".[coreai]".

  python -m mlx_finbert.convert.verify --package app/FinBERT-32.mlpackage --model runs/finbert
"""


@command
def main(argv: list[str] | None = None) -> int:
    # Imported here because they import MLX, for which `command` prepares the process.
    from mlx_finbert.convert.settings import VerifySettings
    from mlx_finbert.convert.without_torch import torch_hidden

    settings = parse(VerifySettings, "mlx_finbert.convert.verify", DESCRIPTION, argv)
    with torch_hidden():
        passed, text = verified(settings)
    print(told(text))
    return 0 if passed else 1


def verified(settings: "VerifySettings") -> tuple[bool, str]:
    """Verify a package or an asset; returns whether it passed, and the report."""
    if settings.package.rstrip("/").endswith(".aimodel"):
        from mlx_finbert.convert.assets import verify_asset

        asset = verify_asset(settings)
        return asset.passed, str(asset)
    from mlx_finbert.convert.packages import verify_package

    package = verify_package(settings)
    return package.passed, str(package)


if __name__ == "__main__":
    sys.exit(main())
