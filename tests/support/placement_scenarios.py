"""Tensors that PyTorch's distribute_tensor splits, on meshes of any shape, order and name, of all ranks or of some."""
import torch
from scenarios import Job, mesh_of, save_rank, scenario, write_truth
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor


class Saved:
    """Whole tensors, random and the same on every rank, and what this rank holds of each."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.truth, self.state = {}, {}

    def add(self, name: str, shape: tuple[int, ...], mesh: DeviceMesh, *placements) -> None:
        self.truth[name] = whole = torch.randn(shape)
        # Each rank takes its own part: PyTorch's scatter follows the ranks' numbers and not a mesh that orders them else.
        self.state[name] = distribute_tensor(whole, mesh, list(placements), src_data_rank=None)

    def write(self, job: Job) -> None:
        write_truth(self.truth, job)
        save_rank(self.state, job)


@scenario(12, is_model=False)
def placements_on_three_dimensions(job: Job) -> None:
    """Uneven everywhere; the same tensor dimension split once, twice and three times."""
    saved, mesh = Saved(), mesh_of(2, 3, 2, names=("pp", "ep", "cp"))
    for number, placements in enumerate([
            (Shard(0), Shard(0), Shard(0)), (Shard(1), Shard(0), Shard(1)), (Replicate(), Shard(1), Shard(0)),
            (Shard(2), Replicate(), Shard(2)), (Replicate(), Replicate(), Replicate()), (Shard(0), Shard(1), Shard(2))]):
        saved.add(f"cube.{number}", (7, 5, 3), mesh, *placements)
        saved.add(f"small.{number}", (1, 2, 1), mesh, *placements)
    for number, dims in enumerate([("pp",), ("ep", "cp"), ("pp", "cp"), ("cp",)]):
        saved.add(f"slice.{number}", (11, 5), mesh[dims], *[Shard(i % 2) for i in range(len(dims))])
    saved.write(job)


@scenario(6, is_model=False)
def placements_on_some_ranks(job: Job) -> None:
    """Meshes in no order, and ranks that hold nothing of a tensor."""
    saved = Saved()
    turned = DeviceMesh("cpu", [[5, 3, 1], [0, 4, 2]], mesh_dim_names=("tp", "dp"))
    saved.add("turned.rows", (7, 4), turned, Replicate(), Shard(0))
    saved.add("turned.both", (7, 4), turned, Shard(1), Shard(0))
    saved.add("turned.columns", (5, 9), turned, Shard(0), Shard(1))
    for name, ranks in (("pair", [4, 1]), ("one", [3]), ("rest", [0, 2, 5])):
        saved.add(name, (5, 3), DeviceMesh("cpu", ranks, mesh_dim_names=("stage",)), Shard(0))
    saved.add("unnamed", (13,), DeviceMesh("cpu", [5, 4, 3, 2, 1, 0]), Shard(0))
    saved.write(job)


@scenario(2, is_model=False)
def mesh_turned(job: Job) -> None:
    """Rank 1 has the first rows."""
    saved = Saved()
    saved.add("w", (4, 2), DeviceMesh("cpu", [1, 0]), Shard(0))
    saved.write(job)


def partial_state(job: Job, *operations: str) -> tuple[dict, dict]:
    """Small whole numbers, so that no sum is rounded."""
    mesh = mesh_of(2, 2, names=("tp", "fsdp"))
    torch.manual_seed(job.rank)
    state = {}
    for operation in operations:
        local = torch.randint(-8, 8, (3, 5)).float() * 2
        state[operation] = DTensor.from_local(local, mesh, [Partial(operation), Shard(0)], run_check=False)
    return state, {name: tensor.full_tensor() for name, tensor in state.items()}


@scenario(4, is_model=False)
def partial_sums(job: Job) -> None:
    state, truth = partial_state(job, "sum", "avg")
    write_truth(truth, job)
    save_rank(state, job)


@scenario(4, is_model=False, is_refused=True)
def partial_maximum(job: Job) -> None:
    state, _ = partial_state(job, "max")
    save_rank(state, job)
