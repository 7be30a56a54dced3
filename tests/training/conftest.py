"""What the tests of training share."""

from blank_charts import blank_charts, charts  # noqa: F401
