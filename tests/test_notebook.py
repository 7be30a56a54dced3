"""docs/finbert_in_a_notebook.ipynb runs, with a small model in FinBERT's place."""

import os
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

from mlx_finbert.data import load_texts

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "finbert_in_a_notebook.ipynb"
HUB_ID = "ProsusAI/finbert"
FINBERT_LABELS = ("positive", "negative", "neutral")
TEST_ROWS = load_texts("sample").splits.count("test")
# Parts of what each cell of code shows.
SHOWN = {
    "load": ["appointed a new auditor", *FINBERT_LABELS],
    "data": ["text", "label", "split"],
    "train": ["<table><caption>runs/news: finished after 126 steps", "<th>test</th>"],
    "curve": ["image/png"],
    "measure": [
        f"(test): {TEST_ROWS} rows</caption>",
        "95% interval",
        "<caption>by label</caption>",
    ],
    "confusion": ["predicted", "true", *FINBERT_LABELS],
    "sentences": ["The plant in Oulu will close.", "all sentences"],
    "save": [],
    "compare": [f"{TEST_ROWS} rows", f"runs/news minus {HUB_ID}", "McNemar's exact test: p = "],
    "export": ["FinBERT-32.mlpackage", "verified"],
}


@pytest.fixture(scope="module")
def book():
    """The notebook as it is stored."""
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


@pytest.fixture(scope="module")
def place(checkpoint_in, tmp_path_factory):
    """A folder to run in; what the notebook takes for a hub id is the path of a small model."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / HUB_ID).parent.mkdir()
    checkpoint_in(folder / HUB_ID, labels=FINBERT_LABELS)
    return folder


@pytest.fixture(scope="module")
def ran(book, place):
    """What each cell of code shows, by the cell's id."""
    copy = nbformat.from_dict(book)
    in_place = {"metadata": {"path": str(place)}}
    with pytest.MonkeyPatch.context() as patch:
        # This checkout, and nothing of the user's Jupyter.
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(place / "jupyter"))
        client = nbclient.NotebookClient(copy, timeout=300, startup_timeout=120, resources=in_place)
        client.execute()
    return {cell.id: shown(cell.outputs) for cell in code_of(copy)}


def code_of(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def shown(outputs):
    """Return the text of outputs, and the types of the pictures among them."""
    parts = []
    for output in outputs:
        data = output.get("data", {})
        parts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
        parts += [kind for kind in data if kind.startswith("image/")]
    return "\n".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_a_cell_shows(ran, name):
    assert [part for part in SHOWN[name] if part not in ran[name]] == []


@pytest.mark.slow
@pytest.mark.usefixtures("ran")
def test_what_the_notebook_leaves(place):
    runs = place / "runs"
    for name in ("news/report.html", "finbert-news/model.safetensors", "app/FinBERT-32.mlpackage"):
        assert (runs / name).exists(), name
    # Git ignores docs/runs, where a notebook that is run in place works.
    assert {path.name for path in place.iterdir()} == {"ProsusAI", "jupyter", "runs"}
    assert "/docs/runs/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_every_cell_of_code_is_tested(book):
    assert [cell.id for cell in code_of(book)] == [*SHOWN]


def test_one_or_two_sentences_come_before_each_cell_of_code(book):
    nbformat.validate(book)
    kinds = [cell.cell_type for cell in book.cells]
    assert kinds == ["markdown", *["markdown", "code"] * (len(kinds) // 2)]
    for cell in book.cells[1::2]:
        words = re.sub(r"`[^`]*`", "", cell.source.split("\n\n")[-1])
        assert 1 <= len(re.findall(r"[.!?](?=\s|$)", words)) <= 2, cell.source


def test_the_notebook_is_stored_without_outputs(book):
    """Those of FinBERT cannot be checked here, and hold times and versions of one machine."""
    for cell in code_of(book):
        assert (cell.outputs, cell.execution_count, cell.metadata) == ([], None, {})
    assert {*book.metadata} == {"kernelspec", "language_info"}
    assert book.metadata.language_info == {"name": "python"}


def test_links_of_the_notebook_lead_somewhere(book):
    links = re.findall(r"\]\(([^)]+)\)", "".join(cell.source for cell in book.cells))
    assert links
    for link in links:
        assert (NOTEBOOK.parent / link).exists(), link
