"""Saved packages for the tests of the export."""

import pytest
from small_packages import LENGTH

from mlx_finbert.convert.coreml.graph import build
from mlx_finbert.convert.coreml.network import describe
from mlx_finbert.convert.coreml.options import ExportOptions
from mlx_finbert.convert.coreml.package import convert, write
from mlx_finbert.convert.coreml.saved import SavedPackage


@pytest.fixture
def saved(tmp_path):
    """Factory of a saved package, not verified and without metadata."""

    def make(model, length=LENGTH, **options):
        lengths = options.pop("lengths", [length])
        options = ExportOptions(**options).with_defaults(lengths)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.mlpackage"
        program = build(describe(model), length, options)
        write(convert(program, options, model.args.labels), path, lambda spec: None)
        return SavedPackage(path)

    return make
