"""Tensors of classes that other packages define, and values of any class beside them, as torch.save writes them."""
import random
import sys
import types
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from conftest import convert
from tensors import assert_same_tensors, read_tensors


def saved(state, folder: Path) -> Path:
    checkpoint = folder / "ckpt"
    checkpoint.mkdir()
    torch.save(state, checkpoint / "model_world_size_1_rank_0.pt")
    return checkpoint


@pytest.fixture
def module(monkeypatch):
    """A name -> an empty module of it, which pickles can name."""
    def make(name: str) -> types.ModuleType:
        made = types.ModuleType(name)
        for part in range(1, name.count(".") + 2):
            package = ".".join(name.split(".")[:part])
            monkeypatch.setitem(sys.modules, package, made if package == name else types.ModuleType(package))
        return made
    return make


class Wrapper(torch.Tensor):
    """As torchao's float8 training wraps weights: another tensor inside, and how to compute with it."""

    @staticmethod
    def __new__(cls, tensor: torch.Tensor):
        return torch.Tensor._make_wrapper_subclass(cls, tensor.size(), strides=tensor.stride(), dtype=tensor.dtype)

    def __init__(self, tensor: torch.Tensor):
        self._tensor = tensor
        self._linear_mm_config = random.Random(1)  # an object of a class that is not known

    @classmethod
    def __torch_dispatch__(cls, function, types, args, kwargs=None):
        if function is torch.ops.aten.detach.default:
            return cls(args[0]._tensor)
        raise NotImplementedError(function)


def test_a_weight_that_is_wrapped_to_compute_in_float8_is_the_weight_inside(module, monkeypatch, tmp_path):
    home = module("torchao.float8.fsdp_utils")
    kind = type("WeightWithDynamicFloat8CastTensor", (Wrapper,), {"__module__": home.__name__})
    setattr(home, kind.__name__, kind)
    weight = torch.randn(3, 4).to(torch.bfloat16)
    checkpoint = saved({"w": torch.nn.Parameter(kind(weight)), "v": kind(weight.t())}, tmp_path)
    assert_same_tensors(read_tensors(convert(checkpoint, tmp_path / "out")), {"w": weight, "v": weight.t()})


class OnNpu:
    """Pickles as torch_npu pickles a tensor on an Ascend device."""

    def __init__(self, tensor: torch.Tensor, rebuild):
        self.tensor, self.rebuild = tensor, rebuild

    def __reduce__(self):
        tensor = self.tensor
        return self.rebuild, (tensor._typed_storage(), tensor.storage_offset(), tuple(tensor.size()), tensor.stride(),
                              tensor.requires_grad, OrderedDict(), 29)


def test_tensors_of_ascend_devices_are_read(module, tmp_path):
    home = module("torch_npu.utils.storage")

    def _rebuild_npu_tensor(*args):
        raise NotImplementedError
    _rebuild_npu_tensor.__module__, _rebuild_npu_tensor.__qualname__ = home.__name__, "_rebuild_npu_tensor"
    home._rebuild_npu_tensor = _rebuild_npu_tensor
    weight = torch.randn(5, 2)
    checkpoint = saved({"w": OnNpu(weight.t(), _rebuild_npu_tensor)}, tmp_path)
    assert_same_tensors(read_tensors(convert(checkpoint, tmp_path / "out")), {"w": weight.t()})


def test_what_is_not_on_the_way_to_a_tensor_needs_no_permission(tmp_path):
    model = {"w": torch.ones(2), "generators": (random.Random(1), [random.Random(2)])}
    checkpoint = saved({"model": model, "rng": random.Random(3), "deep": {"rng": {1: random.Random(4)}}}, tmp_path)
    output = convert(checkpoint, tmp_path / "out")
    assert_same_tensors(read_tensors(output), {"w": torch.ones(2)})
