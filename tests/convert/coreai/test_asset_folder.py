"""The folder of an asset: what an export replaces there, and what is read of a changed asset."""

import json

import pytest

pytest.importorskip("coreai", reason='needs pip install "mlx-finbert[coreai]"')

from mlx_finbert.convert import coreml
from mlx_finbert.convert.asset_classifier import AssetClassifier
from mlx_finbert.convert.coreai import AssetOptions, export
from mlx_finbert.errors import InputError
from mlx_finbert.files import folder_commit

pytestmark = pytest.mark.usefixtures("few_texts")

OPTIONS = AssetOptions(lengths=[7, 13], precision="fp32")


def test_an_export_that_was_killed_among_its_moves_is_replaced(classifier, tmp_path, monkeypatch):
    asset, model = tmp_path / "app" / "T.aimodel", classifier("bert")
    true, left = folder_commit._put, [2]

    def killed(new, place):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        true(new, place)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder_commit, "_put", killed)
        export(*model, asset, OPTIONS)
    assert (asset.parent / ".committed").is_dir()
    report = export(*model, asset, OPTIONS)
    assert report.passed and not (asset.parent / ".committed").exists()
    with pytest.raises(InputError, match="exists: choose another folder, or add"):
        export(*model, asset, OPTIONS)


def test_an_asset_whose_moves_were_cut_short_can_be_measured(classifier, tmp_path, monkeypatch):
    asset = tmp_path / "app" / "T.aimodel"

    def killed(new, place):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder_commit, "_put", killed)
        export(*classifier("bert"), asset, OPTIONS)
    assert not asset.exists()
    assert AssetClassifier.open(str(asset)).labels == ["negative", "neutral", "positive"]


def test_files_of_another_kind_of_vocabulary_are_not_left_there(classifier, tmp_path):
    (tmp_path / "merges.txt").write_text("")
    options = AssetOptions(lengths=[7], precision="fp32", overwrite=True)
    with pytest.raises(InputError, match=r"merges\.txt is from an earlier export, .* remove it"):
        export(*classifier("bert"), tmp_path / "T.aimodel", options)


def test_an_export_to_core_ml_leaves_an_asset_its_golden_rows(classifier, tmp_path):
    (tmp_path / "T.aimodel").mkdir()
    options = coreml.ExportOptions(lengths=[7], overwrite=True)
    with pytest.raises(InputError, match=r"T\.aimodel is from an earlier export"):
        coreml.export(*classifier("bert"), tmp_path / "T.mlpackage", options)


def test_a_name_that_is_too_long_is_refused_before_the_work(classifier, tmp_path):
    with pytest.raises(InputError, match="bytes too long: shorten it"):
        export(*classifier("bert"), tmp_path / f"{'x' * 240}.aimodel", OPTIONS)


def test_metadata_that_do_not_fit_the_functions(classifier, tmp_path):
    asset = tmp_path / "T.aimodel"
    export(*classifier("bert"), asset, OPTIONS)
    told = json.loads((asset / "metadata.json").read_text())

    def changed(name, value):
        custom = told["creatorDefinedMetadata"] | {f"mlx_finbert.{name}": json.dumps(value)}
        text = json.dumps(told | {"creatorDefinedMetadata": custom})
        (asset / "metadata.json").write_text(text)

    for name, value in (("lengths", [7]), ("labels", ["down", "up"])):
        changed(name, value)
        with pytest.raises(InputError, match=r"cannot be run \(its functions are .*export it"):
            AssetClassifier.open(str(asset)).logits([(2, 3)])
    for lengths in ([], None, 7, ["7"], "7"):
        changed("lengths", lengths)
        with pytest.raises(InputError, match=r"T\.aimodel .*export it"):
            AssetClassifier.open(str(asset))
