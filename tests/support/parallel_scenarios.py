"""Tensor parallelism, alone and with FSDP, and FSDP1 that says nothing of a mesh."""
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


@scenario(4)
def fsdp1_sharded_tensor(job: Job) -> None:
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    save_rank(fsdp1_state(model), job, fsdp_version=1)


@scenario(4)
def fsdp_tp(job: Job) -> None:
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    mesh = mesh_of(2, 2, names=("fsdp", "tp"))
    tensor_parallel(model, mesh["tp"])
    shard_fsdp2(model, mesh["fsdp"])
    save_rank(model.state_dict(), job)


@scenario(8)
def hsdp_tp(job: Job) -> None:
    """Three mesh dimensions; norm weights live on the two-dimensional half of the ranks that shares a tp coordinate."""
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    mesh = mesh_of(2, 2, 2, names=("ddp", "fsdp", "tp"))
    tensor_parallel(model, mesh["tp"])
    shard_fsdp2(model, mesh["ddp", "fsdp"])
    save_rank(model.state_dict(), job)


def save_plain_parts(model, job: Job) -> None:
    """One part a rank, as plain tensors without placements."""
    write_model_truth(model, job)
    state = {}
    for name, tensor in model.state_dict().items():
        if re.search(r"(q|k|v|gate|up)_proj", name):
            tensor = local_part(tensor, job, 0)
        elif re.search(r"(o|down)_proj", name):
            tensor = local_part(tensor, job, 1)
        state["module." + name] = tensor.clone()
    save_rank(state, job)


@scenario(2, needs_rules=True)
def tp_plain(job: Job) -> None:
    save_plain_parts(causal_lm(job, "Llama"), job)


@scenario(2, needs_rules=True)
def tp_plain_qwen3(job: Job) -> None:
    save_plain_parts(causal_lm(job, "Qwen3"), job)
