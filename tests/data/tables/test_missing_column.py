"""The sentence about a column that is not there."""

from mlx_finbert.data.tables.records import listed, missing_column


def test_a_few_columns_are_all_listed():
    error = missing_column(["id", "title"], "text", "news.csv", "text_column")
    assert str(error) == (
        "news.csv has no column 'text'; its columns are 'id', 'title': choose one with"
        " `text_column`"
    )


def test_a_long_list_is_cut_and_so_are_long_names():
    assert listed([f"c{i}" for i in range(1_020)]).endswith("'c18', 'c19' and 1,000 more")
    assert len(listed(["x" * 10_000] * 10_000)) < 1_000
