"""Tensor parallelism, alone and with FSDP, and FSDP1 that says nothing of a mesh."""
import re

import torch
from model_scenarios import causal_lm, fsdp1_state, shard_fsdp2, write_model_truth
from moe_scenarios import mixture
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


def share(whole: torch.Tensor, rank: int, parts: int, dim: int = 0) -> torch.Tensor:
    return whole.chunk(parts, dim)[rank]


def fuse(state: dict, target: str, parts: list[str]) -> None:
    state[target] = torch.cat([state.pop(part) for part in parts])


@scenario(4, needs_rules=True)
def tp_plain_fused(job: Job) -> None:
    """As serving engines keep it: [q; k; v] and [gate; up] in one, each of two key/value heads on two ranks, 16 rows of
    padding behind the vocabulary."""
    model = causal_lm(job, "Llama")
    state = plain_parts(model, job, prefix="")
    for layer in range(model.config.num_hidden_layers):
        name = f"model.layers.{layer}."
        for kind in "kv":
            whole = model.state_dict()[f"{name}self_attn.{kind}_proj.weight"]
            state[f"{name}self_attn.{kind}_proj.weight"] = share(whole, job.rank // 2, 2)
        fuse(state, f"{name}self_attn.qkv_proj.weight", [f"{name}self_attn.{kind}_proj.weight" for kind in "qkv"])
        fuse(state, f"{name}mlp.gate_up_proj.weight", [f"{name}mlp.{kind}_proj.weight" for kind in ("gate", "up")])
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        padding = torch.randn(16, state[name].shape[1]).to(state[name].dtype)
        state[name] = share(torch.cat([state[name], padding]), job.rank, job.world).clone()
    save_rank(state, job)


@scenario(2, needs_rules=True)
def tp_plain_qwen2(job: Job) -> None:
    """Biases of q, k and v are split with the weights."""
    save_rank(plain_parts(causal_lm(job, "Qwen2"), job), job)


def register_plain_experts(name: str, dealt_out: bool) -> None:
    """Stacked experts: each rank some whole ones, or its share of each."""
    def make(job: Job) -> None:
        model = mixture(job, "Qwen3Moe")
        state = plain_parts(model, job, prefix="")
        for key, whole in model.state_dict().items():
            if "experts.gate_up" in key and not dealt_out:
                gate, up = whole.chunk(2, 1)
                state[key] = torch.cat([share(gate, job.rank, job.world, 1), share(up, job.rank, job.world, 1)], 1)
            elif "experts." in key:
                state[key] = share(whole, job.rank, job.world, 0 if dealt_out else 2).clone()
        save_rank(state, job)
    register(name, 2, make, needs_rules=True)


register_plain_experts("tp_plain_experts", dealt_out=False)
register_plain_experts("tp_plain_experts_dealt_out", dealt_out=True)
register_plain_mesh("tp_plain_dp2_tp2", 2, 1, 2)
register_plain_mesh("tp_plain_pp2_tp2", 1, 2, 2)
register_plain_mesh("tp_plain_dp2_pp3_tp2", 2, 3, 2)
