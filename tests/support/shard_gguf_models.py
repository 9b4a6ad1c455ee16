"""Checkpoints of tiny models that several ranks saved with FSDP.

    shard_gguf_models.py OUT NAME...    OUT/NAME/fsdp (a file of each rank) and OUT/NAME/dcp, of models in gguf_models.py
"""
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

import gguf_models
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.multiprocessing as mp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

RANKS = 3  # divides none of the sizes


def save_shards(rank: int, out: Path, names: list[str], rendezvous: str) -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=RANKS)
    mesh = init_device_mesh("cpu", (RANKS,), mesh_dim_names=("fsdp",))
    for name in names:
        model = gguf_models.make_model(name).to(torch.bfloat16)
        fully_shard(model, mesh=mesh)
        fsdp = out / name / "fsdp"
        fsdp.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), fsdp / f"model_world_size_{RANKS}_rank_{rank}.pt")
        (fsdp / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": RANKS}))
        dcp.save(model.state_dict(), checkpoint_id=out / name / "dcp")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        arguments = (Path(sys.argv[1]), sys.argv[2:], f"{scratch}/rendezvous")
        mp.start_processes(save_shards, args=arguments, nprocs=RANKS, start_method="fork")
