"""What training scripts write with `torch.save` around weights, read without PyTorch."""

import argparse
import collections
import datetime
import io
import itertools
import pathlib
import pickle
import random
import sys
import types
import zipfile

import mlx.core as mx
import numpy as np
import pytest
from small_adapters import logits

import mlx_finbert
from mlx_finbert.checkpoints.torch_bin import read_torch_file
from mlx_finbert.convert.to_mlx import main as to_mlx
from mlx_finbert.errors import InputError

torch = pytest.importorskip("torch", reason="needs PyTorch, which writes the files")

FORMATS = [True, False]


@pytest.fixture
def state_of(checkpoint):
    """A checkpoint without weights, its state_dict, and its logits."""
    folder = checkpoint()
    expected = logits(*mlx_finbert.load(folder))
    weights = mx.load(str(folder / "model.safetensors"))
    state = {k: torch.tensor(np.array(v)) for k, v in weights.items()}
    (folder / "model.safetensors").unlink()
    return folder, state, expected


def optimizer_state(state):
    parameters = [torch.nn.Parameter(v.clone()) for v in state.values()]
    optimizer = torch.optim.AdamW(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    optimizer.step()
    scheduler.step()
    return optimizer.state_dict(), scheduler.state_dict()


def script(state):
    optimizer, scheduler = optimizer_state(state)
    return {
        "epoch": 3, "best": 0.87, "done": False, "name": "finbert", "nothing": None,
        "model_state_dict": state, "optimizer_state_dict": optimizer, "scheduler": scheduler,
        "history": [{"loss": torch.tensor(0.3)}, {"loss": np.float64(0.2)}],
        "args": argparse.Namespace(lr=1e-5, output=pathlib.Path("out")),
        "rng": {"torch": torch.get_rng_state(), "numpy": np.random.get_state(),
                "python": random.getstate()},
        "labels": {"positive", "negative"}, "counts": collections.Counter("aab"),
        "by_class": collections.defaultdict(list, {1: [2]}), "last": collections.deque([1, 2]),
        "when": datetime.datetime(2026, 1, 2), "took": datetime.timedelta(seconds=3),
        "confusion": np.eye(3), "device": torch.device("cpu"), "dtype": torch.float32,
        "shape": torch.Size([2, 3]), "class_weights": torch.ones(3),
    }  # fmt: skip


def lightning(state):
    optimizer, scheduler = optimizer_state(state)
    state = {f"model.{k}": v for k, v in state.items()}
    return {
        "epoch": 3, "global_step": 40, "pytorch-lightning_version": "2.5.0",
        "state_dict": state | {"loss_fct.weight": torch.ones(3)},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {
            "best_model_score": torch.tensor(0.1), "best_k_models": {}}},
        "optimizer_states": [optimizer], "lr_schedulers": [scheduler],
        "hparams_name": "kwargs", "hyper_parameters": {"lr": 1e-5, "labels": ["a", "b"]},
    }  # fmt: skip


def deepspeed(state):
    return {
        "module": collections.OrderedDict((f"module.{k}", v.half()) for k, v in state.items()),
        "buffer_names": [], "optimizer": None, "lr_scheduler": None, "sparse": set(),
        "param_shapes": [collections.OrderedDict((k, v.shape) for k, v in state.items())],
        "ds_version": "0.17.0", "ds_config": {"train_batch_size": 8}, "global_steps": 100,
    }  # fmt: skip


WRAPPED = {
    "state_dict": lambda state: {"state_dict": state},
    "model": lambda state: {"model": state, "epoch": 1},
    "net": lambda state: {"net": collections.OrderedDict(state)},
    "nested": lambda state: {"checkpoint": {"model": state}, "step": 7},
    "one twice": lambda state: {"model": state, "state_dict": state},
    "compiled": lambda state: {"model": {f"_orig_mod.module.{k}": v for k, v in state.items()}},
    "script": script,
    "lightning": lightning,
}


ENTRIES = {
    "state_dict": "['state_dict']",
    "model": "['model']",
    "net": "['net']",
    "nested": "['checkpoint']['model']",
    "one twice": "['model']",
    "compiled": "['model']",
    "script": "['model_state_dict']",
    "lightning": "['state_dict']",
}


@pytest.mark.parametrize("zip_format", FORMATS)
@pytest.mark.parametrize("form", WRAPPED)
def test_wrapped_weights_are_found(state_of, tmp_path, capsys, form, zip_format):
    folder, state, expected = state_of
    path = folder / "pytorch_model.bin"
    torch.save(WRAPPED[form](state), path, _use_new_zipfile_serialization=zip_format)
    np.testing.assert_array_equal(logits(*mlx_finbert.load(folder)), expected)
    assert to_mlx(["--model", str(folder), "--output", str(tmp_path / "out"), "--verify"]) == 0
    said = capsys.readouterr().out
    assert "within 1e-04" in said
    assert f"(pytorch_model.bin{ENTRIES[form]}) -> " in said
    assert f"dropped: {'loss_fct.weight' if form == 'lightning' else 'nothing'}\n" in said


@pytest.mark.parametrize(
    "module",
    [
        "pytorch_lightning.utilities.parsing",
        "lightning_fabric.utilities.data",
        "lightning.fabric.utilities.data",
    ],
)
def test_hyper_parameters_of_lightning(state_of, monkeypatch, module):
    folder, state, expected = state_of
    attributes = type("AttributeDict", (dict,), {"__module__": module})
    stand_in = types.ModuleType(module)
    stand_in.AttributeDict = attributes
    for parents in itertools.accumulate(module.split("."), "{}.{}".format):
        monkeypatch.setitem(sys.modules, parents, stand_in)
    found = lightning(state) | {"hyper_parameters": attributes(lr=1e-5, layers=[1, 2])}
    torch.save(found, folder / "pytorch_model.bin")
    np.testing.assert_array_equal(logits(*mlx_finbert.load(folder)), expected)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle(state_of, protocol):
    folder, state, expected = state_of
    torch.save(script(state), folder / "pytorch_model.bin", pickle_protocol=protocol)
    np.testing.assert_array_equal(logits(*mlx_finbert.load(folder)), expected)


def test_the_file_of_deepspeed(state_of):
    folder, state, expected = state_of
    torch.save(deepspeed(state), folder / "pytorch_model.bin")
    model, tokenizer = mlx_finbert.load(folder)
    assert model.classifier.weight.dtype == mx.float16
    np.testing.assert_allclose(logits(model, tokenizer), expected, atol=1e-2)


def test_several_sets_of_weights_are_named(state_of):
    folder, state, _ = state_of
    average = {k: v * 0.5 for k, v in state.items()}
    torch.save({"model": state, "ema": {"model": average}}, folder / "pytorch_model.bin")
    words = r"several sets of weights \(\['model'\], \['ema'\]\['model'\]\); save one of them alone"
    with pytest.raises(InputError, match=words):
        mlx_finbert.load(folder)


class Config:
    """A class of a training script."""


class Wrapper(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 2)


def reference(folder):
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(BertConfig.from_pretrained(folder))


@pytest.mark.parametrize("zip_format", FORMATS)
@pytest.mark.parametrize("own_class", [True, False])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_whole_model_is_said_to_be_one(state_of, tmp_path, capsys, zip_format, own_class):
    folder, _, _ = state_of
    model = Wrapper() if own_class else reference(folder)
    path = folder / "pytorch_model.bin"
    torch.save(model, path, _use_new_zipfile_serialization=zip_format)
    name = rf"{type(model).__module__}.{type(model).__name__}".replace(".", r"\.")
    words = rf"is a whole model pickled by torch\.save \({name}\).*model\.save_pretrained\(FOLDER"
    with pytest.raises(InputError, match=words):
        mlx_finbert.load(folder)
    assert to_mlx(["--model", str(folder), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("zip_format", FORMATS)
def test_classes_of_a_script_are_refused_by_name(state_of, zip_format):
    folder, state, _ = state_of
    found = {"state_dict": state, "hyper_parameters": Config()}
    torch.save(found, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zip_format)
    words = r"asks for \S+\.Config, .* was not run; .*torch\.save\(model\.state_dict\(\), 'pyt"
    with pytest.raises(InputError, match=words):
        mlx_finbert.load(folder)


def test_a_torchscript_program_is_said_to_be_one(state_of):
    folder, _, _ = state_of
    archive = folder / "pytorch_model.bin"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02}.")
        file.writestr("archive/code/__torch__/model.py", "")
    with pytest.raises(InputError, match=r"is a TorchScript program; save the weights"):
        mlx_finbert.load(folder)


def test_tensors_of_another_kind_are_said_to_be_so(tmp_path):
    torch.save({"w": torch.ones(2).to(torch.float8_e4m3fn)}, tmp_path / "w.bin")
    with pytest.raises(InputError, match=r"tensors of an unsupported kind .*float32"):
        read_torch_file(tmp_path / "w.bin")


def test_ignored_names_are_never_called(tmp_path):
    """Whatever a pickle does with the names that are let through, nothing comes of it."""
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return pathlib.Path, (str(marker),), {"x": 1}

    stream = io.BytesIO()
    pickle.Pickler(stream, protocol=2).dump({"w": Attack()})
    with zipfile.ZipFile(tmp_path / "w.bin", "w") as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
    with pytest.raises(InputError, match=r"'w' is a (Posix)?Path, not a tensor"):
        read_torch_file(tmp_path / "w.bin")


def test_values_beside_weights_are_named(tmp_path):
    torch.save({"w": torch.ones(2), "lr": np.float64(0.1)}, tmp_path / "w.bin")
    with pytest.raises(InputError, match="'lr' is a scalar, not a tensor"):
        read_torch_file(tmp_path / "w.bin")
