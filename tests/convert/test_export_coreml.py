"""`mlx_finbert.export_coreml`: the command `to_coreml` as a function."""

import inspect

import pytest

import mlx_finbert
from mlx_finbert.convert.to_coreml import main
from mlx_finbert.errors import InputError

pytestmark = pytest.mark.usefixtures("few_texts")

ROWS = ["profit rose", "sales fell"], ["positive", "negative"]


def test_it_writes_what_the_command_writes(checkpoint, tmp_path):
    folder, output = checkpoint(), tmp_path / "hand" / "T.mlpackage"
    report = mlx_finbert.export_coreml(folder, output, lengths=(8,), validate=ROWS)
    assert report.passed
    assert report.validation.rows == 2
    argv = ["--model", str(folder), "--output", str(tmp_path / "T.mlpackage"), "--lengths", "8"]
    assert main(argv) == 0
    names = {p.name for p in tmp_path.iterdir()} - {"hand", folder.name}
    assert {p.name for p in output.parent.iterdir()} == names
    model = "T-8.mlpackage/Data/com.apple.CoreML/model.mlmodel"
    assert (output.parent / model).read_bytes() == (tmp_path / model).read_bytes()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"quantize": "int8"}, "there is no parameter `quantize`; did you mean `compress`"),
        ({"lengths": 8}, "`lengths` is 8: a list of int"),
        ({"precision": "fp8"}, "`precision` is fp8: one of fp16, fp32"),
        ({"validate": True}, "does not record what data it was trained on; .* `validate`"),
        ({"validate": (["a"], ["great"])}, "labels of the data .* are not those of the model"),
        ({"validate": 3}, "`validate` is a int"),
    ],
)
def test_errors_name_parameters(checkpoint, tmp_path, more, words):
    with pytest.raises(InputError, match=words) as caught:
        mlx_finbert.export_coreml(checkpoint(), tmp_path / "T.mlpackage", **more)
    assert "--" not in str(caught.value)
    assert not (tmp_path / "T.mlpackage").exists()


def test_the_signature_shows_the_options():
    shown = [*inspect.signature(mlx_finbert.export_coreml).parameters]
    assert shown[:3] == ["model", "output", "validate"]
    assert "compress" in shown
