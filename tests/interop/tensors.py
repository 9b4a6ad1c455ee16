"""Tensors of safetensors files, compared as bits."""
import json
from pathlib import Path

import torch
from safetensors import safe_open


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Of one file, or of all that a model directory names."""
    if path.is_dir():
        index = path / "model.safetensors.index.json"
        files = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
        return {name: tensor for file in files for name, tensor in read_tensors(path / file).items()}
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        return {name: file.get_tensor(name) for name in file.keys()}


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def assert_same_tensors(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (actual[name].dtype, actual[name].shape) == (tensor.dtype, tensor.shape), name
        assert torch.equal(bits(actual[name]), bits(tensor)), name


def assert_same_values(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """As above, but any NaN equals any other: which one a conversion yields differs between processors."""
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        if tensor.dtype.is_floating_point:
            assert torch.equal(actual[name].isnan(), tensor.isnan()), name
            same = ~tensor.isnan()
            assert torch.equal(bits(actual[name][same]), bits(tensor[same])), name
        else:
            assert torch.equal(bits(actual[name]), bits(tensor)), name
