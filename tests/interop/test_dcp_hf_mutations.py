"""Random damage to sharded safetensors: each gives the right bytes or an error, never wrong ones."""
import json
import random
from pathlib import Path

import pytest
from conftest import GOLDEN
from mutations import OF_FILES, edit_safetensors, lengthen, outcomes_of

NAME = "dcp-hf-2ranks"


def tensors_of(header: dict) -> list[str]:
    return sorted(name for name in header if name != "__metadata__")


def edit_offsets(header: dict, edit) -> None:
    """What DCP_SHARDING_INFO says about one tensor."""
    info = json.loads(header["__metadata__"]["DCP_SHARDING_INFO"])
    edit(info, random.choice(sorted(info)))
    header["__metadata__"]["DCP_SHARDING_INFO"] = json.dumps(info)


def move_chunk(header: dict) -> None:
    def move(info: dict, name: str) -> None:
        offsets = info[name]["saved_offsets"]
        dim = random.randrange(len(offsets))
        offsets[dim] = max(0, offsets[dim] + random.choice([-7, -1, 1, 1 << 40]))
    edit_offsets(header, move)


def forget_offsets(header: dict) -> None:
    edit_offsets(header, lambda info, name: info.pop(name))


def lengthen_offsets(header: dict) -> None:
    edit_offsets(header, lambda info, name: info[name]["saved_offsets"].append(0))


def forget_tensor(header: dict) -> None:
    del header[random.choice(tensors_of(header))]


def forget_tensor_and_offsets(header: dict) -> None:
    name = random.choice(tensors_of(header))
    del header[name]
    info = json.loads(header["__metadata__"]["DCP_SHARDING_INFO"])
    del info[name]
    header["__metadata__"]["DCP_SHARDING_INFO"] = json.dumps(info)


def rename_tensor(header: dict) -> None:
    name = random.choice(tensors_of(header))
    header[name + "s"] = header.pop(name)


def resize_tensor(header: dict) -> None:
    shape = header[random.choice(tensors_of(header))]["shape"]
    dim = random.randrange(len(shape))
    shape[dim] = max(0, shape[dim] + random.choice([-1, 1]))


def change_dtype(header: dict) -> None:
    header[random.choice(tensors_of(header))]["dtype"] = random.choice(["F16", "F32", "I8"])


def move_bytes(header: dict) -> None:
    offsets = header[random.choice(tensors_of(header))]["data_offsets"]
    shift = random.choice([-2, 2, 64])
    offsets[:] = [max(0, offset + shift) for offset in offsets]


OF_HEADERS = [move_chunk, forget_offsets, lengthen_offsets, forget_tensor, forget_tensor_and_offsets, rename_tensor,
              resize_tensor, change_dtype, move_bytes]


@pytest.mark.parametrize("mutation", OF_FILES + OF_HEADERS)
def test_damaged_sharded_safetensors_give_the_right_bytes_or_an_error(mutation, tmp_path):
    def damage(checkpoint: Path) -> None:
        files = sorted(checkpoint.glob("dcp/*.safetensors"))
        if mutation in OF_FILES:
            mutation(files)
        else:
            edit_safetensors(random.choice(files), mutation)

    outcomes = outcomes_of(GOLDEN / NAME, mutation.__name__, 8, damage, tmp_path)
    assert mutation is lengthen or not any(outcomes), "no damage was noticed"
