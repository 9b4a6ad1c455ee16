"""Geometries of readers and mergers that are still to come: made the same way, converted by no test yet."""
import re

from model_scenarios import causal_lm, fsdp1_state, shard_fsdp2, write_model_truth
from scenarios import Job, mesh_of, save_rank, scenario
from state_scenarios import local_part
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module


def tensor_parallel(model, mesh: DeviceMesh) -> None:
    plan = {f"self_attn.{p}_proj": ColwiseParallel() for p in "qkv"} | {"self_attn.o_proj": RowwiseParallel()}
    plan |= {"mlp.gate_proj": ColwiseParallel(), "mlp.up_proj": ColwiseParallel(), "mlp.down_proj": RowwiseParallel()}
    for layer in model.model.layers:
        parallelize_module(layer, mesh, plan)


@scenario(4, is_later=True)
def fsdp1_sharded_tensor(job: Job) -> None:
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    save_rank(fsdp1_state(model), job, fsdp_version=1)


@scenario(4, is_later=True)
def fsdp_tp(job: Job) -> None:
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    mesh = mesh_of(2, 2, names=("fsdp", "tp"))
    tensor_parallel(model, mesh["tp"])
    shard_fsdp2(model, mesh["fsdp"])
    save_rank(model.state_dict(), job)


@scenario(8, is_later=True)
def hsdp_tp(job: Job) -> None:
    """Three mesh dimensions; norm weights live on the two-dimensional half of the ranks that shares a tp coordinate."""
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    mesh = mesh_of(2, 2, 2, names=("ddp", "fsdp", "tp"))
    tensor_parallel(model, mesh["tp"])
    shard_fsdp2(model, mesh["ddp", "fsdp"])
    save_rank(model.state_dict(), job)


@scenario(2, is_later=True)
def tp_plain(job: Job) -> None:
    """Plain tensors, one tensor-parallel part a rank and no placements: only rules can merge it."""
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    state = {}
    for name, tensor in model.state_dict().items():
        if re.search(r"(q|k|v|gate|up)_proj", name):
            tensor = local_part(tensor, job, 0)
        elif re.search(r"(o|down)_proj", name):
            tensor = local_part(tensor, job, 1)
        state["module." + name] = tensor.clone()
    save_rank(state, job)
