"""Random damage to FSDP rank files: each gives the right bytes or an error, never wrong ones.

Not among it is what nothing in the files could tell: elements that were changed where they lie, and two tensors of one
shape whose names were exchanged.
"""
import dataclasses
import random
import shutil
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN
from mutations import OF_FILES, copy_over, lengthen, outcomes_of, shift
from torch.distributed.tensor import DTensor, Replicate, Shard

GOLDENS = ["fsdp-qwen3-7ranks-uneven", "fsdp1-llama-4ranks", "hsdp-qwen2-2x2"]

# --- of files


def swap(files: list[Path]) -> None:
    one, other = random.sample(files, 2)
    data = one.read_bytes()
    shutil.copyfile(other, one)
    other.write_bytes(data)


def copy_anything_over(files: list[Path]) -> None:
    source, target = random.sample(files, 2)
    shutil.copyfile(source, target)


def add_a_rank(files: list[Path]) -> None:
    shutil.copyfile(random.choice(files), str(files[0]).replace("rank_0", f"rank_{len(files)}"))


def rename_the_world(files: list[Path]) -> None:
    """A file less, and names that know of no more."""
    files.pop().unlink()
    for file in files:
        file.rename(str(file).replace(f"size_{len(files) + 1}_", f"size_{len(files)}_"))
    (files[0].parent / "fsdp_config.json").unlink(missing_ok=True)


# --- of what one rank saved


def any_placed(state: dict, dims: int = 1) -> tuple[str, DTensor]:
    return random.choice([(name, t) for name, t in state.items() if isinstance(t, DTensor) and t.dim() >= dims])


def with_local(tensor: DTensor, local: torch.Tensor) -> DTensor:
    return DTensor(local, tensor._spec, requires_grad=False)


def with_spec(tensor: DTensor, **changes) -> DTensor:
    return DTensor(tensor._local_tensor, dataclasses.replace(tensor._spec, **changes), requires_grad=False)


def forget_tensor(state: dict) -> None:
    del state[any_placed(state)[0]]


def rename_tensor(state: dict) -> None:
    name, tensor = any_placed(state)
    del state[name]
    state[name + "s"] = tensor


def cut_rows(state: dict) -> None:
    name, tensor = any_placed(state)
    local = tensor._local_tensor
    state[name] = with_local(tensor, local[:-1].clone() if len(local) else torch.zeros(1, *local.shape[1:], dtype=local.dtype))


def add_rows(state: dict) -> None:
    name, tensor = any_placed(state)
    local = tensor._local_tensor
    state[name] = with_local(tensor, torch.cat([local, torch.zeros(1, *local.shape[1:], dtype=local.dtype)]))


def turn(state: dict) -> None:
    name, tensor = any_placed(state, dims=2)
    local = tensor._local_tensor
    turned = local.t().contiguous()
    if turned.shape == local.shape:
        turned = torch.zeros(local.shape[0] + 1, local.shape[1], dtype=local.dtype)
    state[name] = with_local(tensor, turned)


def change_dtype(state: dict) -> None:
    name, tensor = any_placed(state)
    state[name] = with_local(tensor, tensor._local_tensor.to(torch.float16))


def make_plain(state: dict) -> None:
    name, tensor = any_placed(state)
    state[name] = tensor._local_tensor


def resize_whole(state: dict) -> None:
    name, tensor = any_placed(state)
    meta = tensor._spec.tensor_meta
    shape = list(meta.shape)
    shape[0] += random.choice([-1, 1])
    state[name] = with_spec(tensor, tensor_meta=meta._replace(shape=torch.Size(shape)))


def change_placement(state: dict) -> None:
    name, tensor = any_placed(state)
    placements = list(tensor._spec.placements)
    placements[-1] = random.choice([Replicate(), *(Shard(dim) for dim in range(1, tensor.dim()))])
    state[name] = with_spec(tensor, placements=tuple(placements), shard_order=None)


def exchange_ranks(state: dict) -> None:
    ranks = any_placed(state)[1]._spec.mesh._rank_map
    ranks[[0, -1]] = ranks[[-1, 0]]


def lose_a_rank(state: dict) -> None:
    any_placed(state)[1]._spec.mesh._rank_map[-1] = 99


OF_RANKS = [swap, copy_anything_over, add_a_rank, rename_the_world]
OF_STATES = [forget_tensor, rename_tensor, cut_rows, add_rows, turn, change_dtype, make_plain, resize_whole,
             change_placement, exchange_ranks, lose_a_rank]


def damage(mutation, files: list[Path]) -> None:
    if mutation in OF_STATES:
        file = random.choice(files)
        state = torch.load(file, weights_only=False)
        mutation(state)
        torch.save(state, file)
    else:
        mutation(files)


@pytest.mark.parametrize("mutation", OF_FILES + OF_RANKS + OF_STATES)
@pytest.mark.parametrize("golden", GOLDENS)
def test_damaged_rank_files_give_the_right_bytes_or_an_error(golden, mutation, tmp_path):
    outcomes = outcomes_of(GOLDEN / golden, f"{golden} {mutation.__name__}", 3,
                           lambda checkpoint: damage(mutation, sorted(checkpoint.glob("*.pt"))), tmp_path)
    assert mutation in {lengthen, shift, copy_over} or not any(outcomes), "no damage was noticed"
