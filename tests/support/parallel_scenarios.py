"""Tensor parallelism, alone and with FSDP, and FSDP1 that says nothing of a mesh."""
import re

import torch
from model_scenarios import causal_lm, fsdp1_state, shard_fsdp2, write_model_truth
from scenarios import Job, mesh_of, register, save_rank, scenario
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


def plain_parts(model, job: Job, prefix: str = "module.", tp: int | None = None) -> dict:
    """One part a rank, as plain tensors without placements; ranks next to each other are parts of one copy."""
    write_model_truth(model, job)
    parts, state = tp or job.world, {}
    for name, tensor in model.state_dict().items():
        if re.search(r"(q|k|v|gate|up)_proj", name):
            tensor = tensor.chunk(parts, 0)[job.rank % parts]
        elif re.search(r"(o|down)_proj", name):
            tensor = tensor.chunk(parts, 1)[job.rank % parts]
        state[prefix + name] = tensor.clone()
    return state


@scenario(2, needs_rules=True)
def tp_plain(job: Job) -> None:
    save_rank(plain_parts(causal_lm(job, "Llama"), job), job)


@scenario(2, needs_rules=True)
def tp_plain_qwen3(job: Job) -> None:
    save_rank(plain_parts(causal_lm(job, "Qwen3"), job), job)


@scenario(2, needs_rules=True)
def tp_plain_of_a_critic(job: Job) -> None:
    """Names of its own, and two tensors that no rule knows: one split, one on a single rank."""
    state = plain_parts(causal_lm(job, "Llama"), job, "module.backbone.")
    state["module.value_head.weight"] = torch.randn(3 + job.rank, 5)
    if job.rank == 1:
        state["module.value_head.bias"] = torch.randn(4)
    save_rank(state, job)


def stage_of(name: str, stages: int) -> int:
    """The pipeline stage that has a tensor of a model of as many layers as stages."""
    layer = re.search(r"layers\.(\d+)\.", name)
    return int(layer[1]) if layer else (0 if "embed" in name else stages - 1)


def register_plain_mesh(name: str, dp: int, pp: int, tp: int) -> None:
    def make(job: Job) -> None:
        stage = job.rank // tp % pp
        state = plain_parts(causal_lm(job, "Llama", num_hidden_layers=pp), job, tp=tp)
        save_rank({key: part for key, part in state.items() if stage_of(key, pp) == stage}, job)
    register(name, dp * pp * tp, make, needs_rules=True)


register_plain_mesh("tp_plain_dp2_tp2", 2, 1, 2)
register_plain_mesh("tp_plain_pp2_tp2", 1, 2, 2)
register_plain_mesh("tp_plain_dp2_pp3_tp2", 2, 3, 2)
