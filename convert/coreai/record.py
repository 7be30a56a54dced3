"""`export.json` of an asset: what was exported, how, with which tools, and its errors."""

from dataclasses import asdict
from pathlib import Path

from mlx_finbert.convert.coreai.child import PACKAGE
from mlx_finbert.convert.coreai.figures import AssetReport
from mlx_finbert.convert.coreml.side_files import (
    file_hashes,
    package_hashes,
    rounded,
    versions,
    write_record,
)


def write_export_json(folder: Path, report: AssetReport) -> None:
    """Write the record, with the keys of an export to Core ML."""
    record = {
        "source": report.source,
        "source_sha256": report.source_sha256,
        "labels": report.labels,
        "embedding_rows_left_out": report.rows_left_out,
        "options": report.options.program(),
        "bytes": report.bytes,
        "packages": {
            report.name: {
                "bytes": report.bytes,
                "sha256": package_hashes(folder / report.name),
                "lengths": report.lengths,
                "figures": rounded(asdict(report.figures)),
            }
        },
        "files": file_hashes(folder),
        "versions": versions("mlx-finbert", "mlx", PACKAGE, "numpy"),
    }
    write_record(folder, record)
