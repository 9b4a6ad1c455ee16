"""Random tensors on random meshes, split by PyTorch itself: what no model is odd enough for."""
import math
import random
from collections.abc import Iterator

import torch
from scenarios import Job, mesh_of, register, save_rank, scenario, write_truth
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard

SIZES = [0, 1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 16, 17, 24]
NAMES = ("a", "b", "c")
TENSORS_A_MESH = 12


def meshes(world: int) -> Iterator[tuple[int, ...]]:
    """All shapes of one to three dimensions with so many ranks, and one with a dimension of size 1."""
    divisors = [d for d in range(1, world + 1) if world % d == 0]
    yield (world,)
    yield from ((a, world // a) for a in divisors)
    yield from ((a, b, world // (a * b)) for a in divisors[1:] for b in divisors[1:]
                if world % (a * b) == 0 and a * b < world)


def random_placements(chance: random.Random, mesh: tuple[int, ...], shape: list[int]) -> list:
    """A strided shard's factor is the number of parts that later mesh dimensions make, as FSDP has it. Where these do
    not divide, distribute_tensor gives other rows than FSDP: see left_to_right."""
    placements = [Replicate()] * len(mesh)
    parts = [1] * len(shape)
    for m in reversed(range(len(mesh))):
        if chance.random() < 0.25:
            continue
        dim = chance.randrange(len(shape))
        can_stride = parts[dim] > 1 and shape[dim] % (parts[dim] * mesh[m]) == 0
        is_strided = can_stride and chance.random() < 0.7
        placements[m] = _StridedShard(dim, split_factor=parts[dim]) if is_strided else Shard(dim)
        parts[dim] *= mesh[m]
    return placements


def random_shape(chance: random.Random) -> list[int]:
    while True:
        shape = [chance.choice(SIZES) for _ in range(chance.randint(1, 4))]
        if math.prod(shape) <= 4000:
            return shape


def distributed_tensors(job: Job, truth: dict, state: dict) -> None:
    """distribute_tensor, with the same tensor on every rank."""
    chance = random.Random(job.world)
    for shape in meshes(job.world):
        mesh = mesh_of(*shape, names=NAMES[:len(shape)])
        for number in range(TENSORS_A_MESH):
            whole = torch.randn(random_shape(chance)).to(chance.choice([torch.float32, torch.bfloat16]))
            placements = random_placements(chance, shape, list(whole.shape))
            name = f"distributed.{'x'.join(map(str, shape))}.{number}"
            truth[name], state[name] = whole, distribute_tensor(whole, mesh, placements, src_data_rank=None)


class Layer(nn.Module):
    """Linear layers of odd sizes, a norm, and a parameter of three dimensions."""
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width, bias=False)
        self.norm, self.cube = nn.LayerNorm(width), nn.Parameter(torch.randn(3, width, 2))


def parallel_module(job: Job, mesh: DeviceMesh, width: int, inner: int, truth: dict, state: dict) -> None:
    """parallelize_module over a mesh dimension called c, fully_shard over the others."""
    module, shape = nn.Sequential(Layer(width, inner), Layer(width, inner)), tuple(mesh.shape)
    prefix = f"module.{'x'.join(map(str, shape))}.{width}.{inner}."
    truth.update({prefix + name: tensor.detach().clone() for name, tensor in module.state_dict().items()})
    for layer in module:
        if "c" in mesh.mesh_dim_names:
            parallelize_module(layer, mesh["c"], {"up": ColwiseParallel(), "down": RowwiseParallel()})
    data = [name for name in mesh.mesh_dim_names if name != "c"]
    for part in (*module, module):
        if data:
            fully_shard(part, mesh=mesh[tuple(data)] if len(data) > 1 else mesh[data[0]])
    state.update({prefix + name: tensor for name, tensor in module.state_dict().items()})


def parallel_modules(job: Job, truth: dict, state: dict) -> None:
    chance = random.Random(job.world)
    for shape in meshes(job.world):
        for names in {1: [("a",), ("c",)], 2: [("a", "c"), ("a", "b")], 3: [("a", "b", "c")]}[len(shape)]:
            mesh = mesh_of(*shape, names=names)
            width, inner = chance.choice([1, 2, 5, 7, 12, 13]), chance.choice([1, 3, 6, 8, 11, 17])
            prefix = f"{'.'.join(names)}."
            inner_truth, inner_state = {}, {}
            parallel_module(job, mesh, width, inner, inner_truth, inner_state)
            truth.update({prefix + name: tensor for name, tensor in inner_truth.items()})
            state.update({prefix + name: tensor for name, tensor in inner_state.items()})


def register_random(world: int) -> None:
    def make(job: Job) -> None:
        torch.manual_seed(job.world)
        truth, state = {}, {}
        distributed_tensors(job, truth, state)
        parallel_modules(job, truth, state)
        write_truth(truth, job)
        save_rank(state, job)
    register(f"random_{world}ranks", world, make, is_model=False)


@scenario(12, is_model=False, is_refused=True)
def left_to_right(job: Job) -> None:
    """FSDP over two dimensions of tensor parallelism would give each rank as many rows, but not these."""
    placements = [_StridedShard(0, split_factor=6), Shard(0), Shard(0)]
    save_rank({"w": distribute_tensor(torch.arange(9.), mesh_of(2, 2, 3, names=NAMES), placements,
                                     src_data_rank=None)}, job)


for world in range(1, 13):
    register_random(world)
