"""What the tests of pretraining share."""

import pytest
from blank_charts import blank_charts, charts  # noqa: F401


@pytest.fixture
def news(tmp_path):
    """A text file whose words tell each other."""
    path = tmp_path / "news.txt"
    verbs = {"sales": "rose", "profit": "fell", "margin": "unchanged"}
    lines = [
        f"the company said {n} {v} by {i} percent" for i in range(80) for n, v in verbs.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
