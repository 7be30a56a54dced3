"""The report of a run: an HTML page, two pictures and the tables behind them."""

from mlx_finbert.report.contents import Predictions, Report
from mlx_finbert.report.files import FILES, metrics_of, write_report

__all__ = ["FILES", "Predictions", "Report", "metrics_of", "write_report"]
