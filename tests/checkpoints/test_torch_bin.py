"""`pytorch_model.bin` read without PyTorch, against what PyTorch wrote."""

import os
import pickle
import zipfile
from collections import OrderedDict

import mlx.core as mx
import numpy as np
import pytest

from mlx_finbert.checkpoints.torch_bin import read_torch_file
from mlx_finbert.errors import InputError

torch = pytest.importorskip("torch", reason="needs PyTorch, which writes the files")

FORMATS = [True, False]


def save(obj, path, zip_format=True):
    torch.save(obj, path, _use_new_zipfile_serialization=zip_format)
    return path


@pytest.mark.parametrize("zip_format", FORMATS)
def test_every_dtype_shape_and_view(tmp_path, zip_format):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = OrderedDict(
        plain=base,
        transposed=base.T,
        part=base[1:3, 2:],
        every_second=base[::2],
        scalar=torch.tensor(7.5),
        empty=torch.zeros(0, 3),
        expanded=torch.arange(3.0).expand(2, 3),
        parameter=torch.nn.Parameter(torch.randn(2, 3)),
        half=torch.randn(5).half(),
        bfloat=torch.randn(5).bfloat16(),
        position_ids=torch.arange(9).reshape(1, 9),
        int32=torch.arange(4, dtype=torch.int32),
        int16=torch.arange(4, dtype=torch.int16),
        int8=torch.arange(-2, 2, dtype=torch.int8),
        uint8=torch.arange(4, dtype=torch.uint8),
        flag=torch.tensor([True, False]),
    )
    tensors["tied"] = tensors["plain"]
    found, _ = read_torch_file(save(tensors, tmp_path / "w.bin", zip_format))
    assert found.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert found[key].shape == tuple(tensor.shape), key
        assert str(found[key].dtype).split(".")[-1].rstrip("_") == str(tensor.dtype).split(".")[-1]
        expected = tensor.detach().float().numpy()
        np.testing.assert_array_equal(np.array(found[key].astype(mx.float32)), expected, key)


@pytest.mark.parametrize("zip_format", FORMATS)
def test_a_state_dict_with_metadata_and_wrapped(tmp_path, zip_format):
    state = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)).state_dict()
    for obj, expected in ((state, ""), ({"state_dict": state}, "['state_dict']")):
        found, entry = read_torch_file(save(obj, tmp_path / "w.bin", zip_format))
        assert entry == expected
        for key, tensor in state.items():
            np.testing.assert_array_equal(np.array(found[key]), tensor.numpy())


def test_float64_becomes_float32(tmp_path):
    found, _ = read_torch_file(save({"w": torch.tensor([1.5, 2.5]).double()}, tmp_path / "w.bin"))
    assert found["w"].dtype == mx.float32
    assert found["w"].tolist() == [1.5, 2.5]


class Attack:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zip_format", FORMATS)
def test_code_in_the_file_is_refused_by_name_and_not_run(tmp_path, zip_format):
    marker = tmp_path / "ran"
    path = save({"w": torch.ones(2), "x": Attack(marker)}, tmp_path / "w.bin", zip_format)
    with pytest.raises(InputError, match=r"posix\.system"):
        read_torch_file(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["builtins.eval", "torch.load", "numpy.testing.runstring"])
def test_other_names_are_refused(tmp_path, name):
    module, function = name.rsplit(".", 1)
    path = tmp_path / "w.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", f"c{module}\n{function}\n.".encode())
    with pytest.raises(InputError, match=name):
        read_torch_file(path)


def tensor_pickle(numel, size, stride, offset=0, then=None):
    """A pickle of one tensor of chosen geometry; `then` overwrites its fields afterwards."""

    class Reference:
        def __init__(self, *saved_id):
            self.saved_id = saved_id

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return obj.saved_id if isinstance(obj, Reference) else None

        def reducer_override(self, obj):
            if isinstance(obj, Fake):
                storage = Reference("storage", torch.FloatStorage, "0", "cpu", numel)
                args = (storage, offset, size, stride, False, OrderedDict())
                return torch._utils._rebuild_tensor_v2, args, then
            return NotImplemented

    class Fake:
        pass

    import io

    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump({"w": Fake()})
    return stream.getvalue()


@pytest.mark.parametrize(
    "geometry",
    [
        {"numel": 4, "size": (5,), "stride": (1,)},
        {"numel": 4, "size": (2,), "stride": (1,), "offset": 3},
        {"numel": 4, "size": (2, 2), "stride": (1000000, 1)},
        {"numel": 4, "size": (2,), "stride": (-1,), "offset": 1},
        {"numel": 4, "size": (2,), "stride": (1,), "offset": -1},
        {"numel": 400, "size": (400,), "stride": (1,)},
        {"numel": 4, "size": (4,), "stride": (1,), "then": {"size": (4000,)}},
        {"numel": 4, "size": (4,), "stride": (1,), "then": {"storage": None}},
        {"numel": 4, "size": (10**15,), "stride": (0,)},
    ],
)
def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path, geometry):
    path = tmp_path / "w.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", tensor_pickle(**geometry))
        archive.writestr("archive/data/0", np.arange(4, dtype="<f4").tobytes())
    with pytest.raises(InputError, match="damaged"):
        read_torch_file(path)


@pytest.mark.parametrize("zip_format", FORMATS)
@pytest.mark.parametrize("kept", [0, 10, 200, 0.5, 0.99])
def test_a_truncated_file_is_one_sentence(tmp_path, zip_format, kept):
    path = save({"w": torch.randn(300)}, tmp_path / "w.bin", zip_format)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else kept])
    with pytest.raises(InputError, match=r"w\.bin"):
        read_torch_file(path)


def test_what_is_not_a_dictionary_of_tensors(tmp_path):
    with pytest.raises(InputError, match="holds a list"):
        read_torch_file(save([torch.ones(1)], tmp_path / "w.bin"))
    with pytest.raises(InputError, match="'epoch' is a int"):
        read_torch_file(save({"epoch": 3}, tmp_path / "w.bin"))
