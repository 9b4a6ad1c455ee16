"""Checkpoints in the form of PyTorch 2.3, whose FSDP2 wrote (Shard, Shard) where later releases write (_StridedShard, Shard).

PyTorch 2.13 makes them; what differs is renamed or taken away in the files. make_old_torch_checkpoints.py makes real ones."""
import pickle
import zipfile
from pathlib import Path

import torch
import torch.distributed as dist
from dcp_scenarios import save, sharded_model
from scenarios import Job, mesh_of, save_rank, scenario, write_truth
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.placement_types import _StridedShard

RENAMED = {b"ctorch.distributed.tensor\nDTensor": b"ctorch.distributed._tensor.api\nDTensor",
           b"ctorch.distributed.tensor.placement_types\n": b"ctorch.distributed._tensor.placement_types\n",
           b"ctorch.distributed.tensor._dtensor_spec\n": b"ctorch.distributed._tensor.placement_types\n"}


def with_old_names(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            for new, old in RENAMED.items() if name.endswith("/data.pkl") else ():
                data = data.replace(new, old)
            archive.writestr(name, data)


def save_old_rank(state: dict, job: Job, fsdp_version: int) -> None:
    save_rank(state, job, fsdp_version)
    with_old_names(job.ckpt / f"model_world_size_{job.world}_rank_{job.rank}.pt")


def with_plain_shards(tensor):
    """The same piece; PyTorch 2.3 says only which dimensions it was split along."""
    if not isinstance(tensor, DTensor):
        return tensor
    placements = [Shard(p.dim) if isinstance(p, _StridedShard) else p for p in tensor.placements]
    return DTensor.from_local(tensor.to_local(), tensor.device_mesh, placements, run_check=False, shape=tensor.shape,
                              stride=tensor.stride())


def plain_shards(model) -> dict:
    return {name: with_plain_shards(tensor) for name, tensor in model.state_dict().items()}


@scenario(4)
def fsdp2_tp_of_2_3(job: Job) -> None:
    save_old_rank(plain_shards(sharded_model(job, mesh=(2, 2), names=("fsdp", "tp"))), job, fsdp_version=2)


@scenario(4, is_model=False)
def fsdp1_tp_of_2_3(job: Job) -> None:
    """Left to right, as distribute_tensor splits."""
    torch.manual_seed(0)
    whole = {"w": torch.randn(20, 3), "rows": torch.randn(6, 8)}
    mesh = mesh_of(2, 2, names=("fsdp", "tp"))
    write_truth(whole, job)
    save_old_rank({"w": distribute_tensor(whole["w"], mesh, [Shard(0), Shard(0)], src_data_rank=None),
                   "rows": distribute_tensor(whole["rows"], mesh, [Shard(0), Shard(1)], src_data_rank=None)}, job, 1)


@scenario(6, is_model=False)
def uneven_fsdp2_tp_of_2_3(job: Job) -> None:
    """Seven rows on (2, 3): the ranks' numbers of rows tell the order, for the even tensor too. No fsdp_config.json."""
    torch.manual_seed(0)
    whole = {"uneven": torch.randn(7, 2), "even": torch.randn(12, 2)}
    mesh = mesh_of(2, 3, names=("fsdp", "tp"))
    fsdp, tp = divmod(job.rank, 3)
    state = {}
    for name, tensor in whole.items():
        column = tensor.chunk(3)[tp].chunk(2)
        local = column[fsdp] if fsdp < len(column) else tensor[:0]
        state[name] = DTensor.from_local(local.clone(), mesh, [Shard(0), Shard(0)], run_check=False, shape=tensor.shape,
                                         stride=tensor.stride())
    write_truth(whole, job)
    save_old_rank(state, job, fsdp_version=2)
    if job.rank == 0:
        (job.ckpt / "fsdp_config.json").unlink()


@scenario(4, needs_rules=True)
def dcp_fsdp2_tp_of_2_3(job: Job) -> None:
    """The boxes in the metadata are those of left to right, the rows in them are not."""
    save({"model": plain_shards(sharded_model(job, mesh=(2, 2), names=("fsdp", "tp")))}, job)
    dist.barrier()
    if job.rank == 0:
        file = job.ckpt / "dcp/.metadata"
        metadata = pickle.loads(file.read_bytes())
        del metadata.storage_meta, metadata.version
        file.write_bytes(pickle.dumps(metadata))


def hsdp_state(job: Job, drift: float) -> tuple[dict, dict]:
    torch.manual_seed(0)
    whole = {"w": torch.randn(10, 3)}
    mesh = mesh_of(2, 2, names=("ddp", "fsdp"))
    local = whole["w"].chunk(2)[job.rank % 2] + drift
    tensor = DTensor.from_local(local, mesh, [Replicate(), Shard(0)], run_check=False, shape=(10, 3), stride=(3, 1))
    tensor._spec.placements, tensor._spec.shard_order = (Shard(0),), None
    return whole, {"w": tensor}


@scenario(4, is_model=False)
def hsdp2_of_2_3(job: Job) -> None:
    """Placements for the last mesh dimension alone."""
    whole, state = hsdp_state(job, 0)
    write_truth(whole, job)
    save_old_rank(state, job, fsdp_version=2)


@scenario(4, is_model=False, is_refused=True)
def hsdp2_of_2_3_drifted(job: Job) -> None:
    _, state = hsdp_state(job, job.rank // 2)
    save_old_rank(state, job, fsdp_version=2)
