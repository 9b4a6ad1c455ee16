"""What a scenario is, and what every one needs: a job, the truth, rank files, a mesh."""
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh


@dataclass(frozen=True)
class Job:
    """What one rank of one scenario is asked to make."""
    rank: int
    world: int
    out: Path
    sizes: dict
    with_tokenizer: bool

    @property
    def ckpt(self) -> Path:
        return self.out / "ckpt"


@dataclass(frozen=True)
class Scenario:
    name: str
    world: int
    make: Callable[[Job], None]
    is_model: bool     # transformers can load what it converts to
    is_refused: bool   # its ranks contradict each other: no output is right
    needs_rules: bool  # nothing in it says how it was split


SCENARIOS: dict[str, Scenario] = {}


def register(name: str, world: int, make: Callable[[Job], None], is_model: bool = True, is_refused: bool = False,
             needs_rules: bool = False) -> None:
    SCENARIOS[name] = Scenario(name, world, make, is_model, is_refused, needs_rules)


def scenario(world: int, **marks):
    def add(make):
        register(make.__name__, world, make, **marks)
        return make
    return add


def write_truth(tensors: dict[str, torch.Tensor], job: Job) -> None:
    if job.rank == 0:
        whole = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
        save_file(whole, job.out / "truth.safetensors", metadata={"format": "pt"})


def save_rank(state: dict, job: Job, fsdp_version: int = 2) -> None:
    """The files and the names that verl's FSDP checkpoint manager writes."""
    torch.save(state, job.ckpt / f"model_world_size_{job.world}_rank_{job.rank}.pt")
    if job.rank == 0:
        config = {"FSDP_version": fsdp_version, "world_size": job.world}
        (job.ckpt / "fsdp_config.json").write_text(json.dumps(config, indent=4))


def mesh_of(*shape: int, names: tuple[str, ...] = ("fsdp",)) -> DeviceMesh:
    return init_device_mesh("cpu", shape, mesh_dim_names=names)
