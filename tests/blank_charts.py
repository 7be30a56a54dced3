"""Fixtures for tests of whole runs: charts are drawn only on request."""

import pytest

from mlx_finbert.report import pictures

BLANK = {"svg": b'<svg viewBox="0 0 1 1"/>', "png": b"\x89PNG\r\n\x1a\n"}


@pytest.fixture
def charts():
    """The charts of this test's runs are drawn."""


@pytest.fixture(autouse=True)
def blank_charts(request, monkeypatch):
    """No charts elsewhere: matplotlib takes half the time of a small run."""
    if "charts" not in request.fixturenames:
        monkeypatch.setattr(pictures, "saved", lambda *_, format, **more: BLANK[format])
