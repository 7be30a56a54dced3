"""The Swift in README.md, in docs/ and in an exported package's README compiles."""

import re

import pytest
from swift_tools import PACKAGE, ROOT
from typechecked import typecheck

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), PACKAGE / "Export/README.md"]
BLOCK = re.compile(r"^```swift\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets():
    """Each block with the name of its page; placeholders of templates are filled in."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("$name", '"FinBERT"')
        for i, block in enumerate(BLOCK.findall(text), start=1):
            yield f"{page.stem}{i}".replace("-", "_"), block


def as_function(name, block):
    """A file with the block in a function that is given a classifier and texts.

    Names that a block leaves unused are the reader's to use.
    """
    imports = "\n".join(
        {"import TextClassifierKit", *re.findall(r"^import .*", block, re.MULTILINE)}
    )
    body = re.sub(r"^import .*\n", "", block, flags=re.MULTILINE)
    made = re.findall(r"^let (\w+)", body, flags=re.MULTILINE)
    used = "".join(f"_ = {name}\n" for name in made)
    return (
        f"import Foundation\n{imports}\n"
        "func " + name + "(classifier: TextClassifier, texts: [String], model: URL)"
        " async throws {\n" + body + used + "}\n"
    )


def test_there_are_snippets():
    found = [name for name, _ in snippets()]
    assert {"README1", "app1"} <= set(found) and len(found) >= 4


@pytest.mark.slow
def test_every_snippet_compiles(tmp_path):
    files = {f"{name}.swift": as_function(name, block) for name, block in snippets()}
    said = typecheck(files, tmp_path / "snippets")
    assert said is None, said
