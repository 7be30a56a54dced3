"""A check of Core ML itself: one package on every choice of compute units. Not tested on a Mac."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlx_finbert.checkpoints.load import load_with_report
from mlx_finbert.errors import first_line
from mlx_finbert.models.config import HeadOptions
from mlx_finbert.self_check.outcome import Measure, NotRun
from mlx_finbert.self_check.resume import quiet, write_small_checkpoint
from mlx_finbert.self_check.subjects import NUM_LABELS, minilm_folder

LENGTH = 32
"""Tokens of a row."""


def core_ml(small: bool) -> Iterator[Measure]:
    """Export a model and compare Core ML's probabilities with the model's, unit by unit.

    Args:
        small: whether to export a small model even if MiniLM is on this machine.
    """
    if sys.platform != "darwin":
        raise NotRun("not run: Core ML exists only on macOS")
    # coremltools takes a second to import.
    from mlx_finbert.convert.coreml.compute_units import UNITS, run_on
    from mlx_finbert.convert.coreml.exporter import describe_export, write_package
    from mlx_finbert.convert.coreml.inference import (
        Inference,
        padded_batches,
        token_rows,
        verification_texts,
    )
    from mlx_finbert.convert.coreml.on_mac import LEAST_PSNR
    from mlx_finbert.convert.coreml.options import ExportOptions

    with tempfile.TemporaryDirectory() as root:
        folder = None if small else minilm_folder()
        folder = folder or write_small_checkpoint(Path(root) / "small")
        with quiet():
            model, tokenizer, _ = load_with_report(folder, HeadOptions(NUM_LABELS))
        options = ExportOptions(lengths=[LENGTH])
        description = describe_export(model, tokenizer, options, [LENGTH], source="check")
        path = Path(root) / "Check.mlpackage"
        write_package(path, description)
        rows = token_rows(tokenizer, list(verification_texts(tokenizer, LENGTH).values()), LENGTH)
        reference = description.reference
        expected = reference.probabilities(reference.logits(rows))
        pad = description.vocabulary.special_id("pad")
        infer = Inference(description.options.batch, reference.labels, pad)
        feeds, _ = next(padded_batches(rows, description.options.batch, LENGTH, pad))
        for unit in UNITS:
            try:
                figures = run_on(
                    unit,
                    path,
                    lambda runner: infer(runner, rows, LENGTH).probabilities,
                    feeds,
                    expected,
                )
            except Exception as error:
                # coremltools raises bare Exceptions for all errors of Core ML.
                yield Measure(f"{unit}: {first_line(error)}", float("inf"), 0.0)
                continue
            # The PSNR as rms error by largest probability.
            yield Measure(str(figures), 10 ** (-figures.psnr / 20), 10 ** (-LEAST_PSNR / 20))
