"""`mlx_finbert.export_coreml`: the command `to_coreml` as a function."""

import os
from typing import TYPE_CHECKING, Any

from mlx_finbert.checkpoints.data_at_hand import load_for_model
from mlx_finbert.convert.settings import ToCoremlSettings, complete
from mlx_finbert.data.sources.at_hand import is_at_hand
from mlx_finbert.keywords import from_keywords, takes_settings

if TYPE_CHECKING:
    from mlx_finbert.convert.coreml.report import ExportReport


@takes_settings(ToCoremlSettings)
def export_coreml(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    validate: Any = None,
    **settings: Any,
) -> "ExportReport":
    """Export a classifier to Core ML packages, and verify each against the model.

    A step can take a minute for a large model; a note is logged at the start of each.

    Args:
        model: folder or hub id of a fine-tuned model, or the result of `fine_tune`.
        output: `NAME.mlpackage`; for several lengths, `NAME-32.mlpackage` and so on, unless one
            package holds them. The files of the tokenizer, `labels.json`, `golden.json` and
            `export.json` are written to its folder.
        validate: data to measure what the export costs in accuracy, as for `evaluate_classifier`;
            True for the test rows of the model's training run.
        settings: the flags of `python -m mlx_finbert.convert.to_coreml`, as parameters.

    Returns:
        Figures of every package; `str` gives what the command prints. If `passed` is False, the
        packages were renamed to `.rejected` and `output` was left unchanged.

    Raises:
        InputError: if the model, the data or a setting cannot be used; names the parameter.
    """
    # coremltools takes a second to import.
    from mlx_finbert.convert.packages import export_model

    at_hand = is_at_hand(validate) and not isinstance(validate, bool | None)
    named = {"model": model, "output": output}
    if validate is not None and validate is not False and not at_hand:
        named["validate"] = "" if validate is True else validate
    given = from_keywords(ToCoremlSettings, settings | named)
    if at_hand:
        return export_model(*load_for_model(validate, given, ToCoremlSettings, "validate"))
    return export_model(complete(given))
