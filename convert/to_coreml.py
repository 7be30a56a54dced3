"""Export to Core ML: `python -m mlx_finbert.convert.to_coreml`."""

import sys

from mlx_finbert.cli.command import command
from mlx_finbert.cli.flags import parse_values
from mlx_finbert.cli.messages import notes_to_stderr, told

DESCRIPTION = """\
Export a fine-tuned classifier to Core ML packages, and verify each against the model. There is one
package per length, or one for all lengths with --shapes enumerated or with functions (the default
from --target iOS18 on). A package that fails verification is not left at --output:

  python -m mlx_finbert.convert.to_coreml --model runs/finbert --output app/FinBERT.mlpackage

The flags for columns, labels and encoding say how to read the data of --validate. Without a value,
--validate uses the data of the model's training run and reads it in the same way.
"""


@command
def main(argv: list[str] | None = None) -> int:
    # Imported here because they import MLX, for which `command` prepares the process.
    from mlx_finbert.convert.settings import ToCoremlSettings, complete
    from mlx_finbert.convert.without_torch import torch_hidden

    settings = complete(
        parse_values(ToCoremlSettings, "mlx_finbert.convert.to_coreml", DESCRIPTION, argv)
    )
    notes_to_stderr()
    with torch_hidden():
        from mlx_finbert.convert.packages import export_model

        report = export_model(settings)
    print(told(report))
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
