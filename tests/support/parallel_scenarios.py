"""Tensor parallelism, alone and with FSDP, and FSDP1 that says nothing of a mesh."""
import re
from collections.abc import Iterable

import torch
import torch.distributed as dist
from model_scenarios import causal_lm, fsdp1_state, shard_fsdp2, write_model_truth
from moe_scenarios import mixture
from safetensors.torch import load_file
from scenarios import Job, mesh_of, register, save_rank, scenario, write_truth
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.placement_types import _StridedShard
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


@scenario(4, is_model=False)
def packed_columns(job: Job) -> None:
    """Tensor parallelism of weights that hold [gate; up], as transformers 5 does it: each rank has its part of both."""
    torch.manual_seed(0)
    whole = {"experts.gate_up_proj": torch.randn(4, 12, 6), "gate_up_proj.weight": torch.randn(14, 3),
             "thirds": torch.randn(6, 9)}
    placements = {"experts.gate_up_proj": [Shard(0), _StridedShard(1, split_factor=2)],
                  "gate_up_proj.weight": [Shard(1), _StridedShard(0, split_factor=2)],
                  "thirds": [_StridedShard(1, split_factor=3), Replicate()]}
    mesh = mesh_of(2, 2, names=("fsdp", "tp"))
    write_truth(whole, job)
    state = {name: distribute_tensor(tensor, mesh, placements[name], src_data_rank=None)
             for name, tensor in whole.items()}
    assert all(torch.equal(tensor.full_tensor(), whole[name]) for name, tensor in state.items())
    save_rank(state, job)


def plain_parts(model, job: Job, prefix: str = "module.", tp: int | None = None) -> dict:
    """One part a rank, as plain tensors without placements; ranks next to each other are parts of one copy."""
    write_model_truth(model, job)
    parts = tp or job.world
    return {prefix + name: plain_part(name, tensor, job.rank % parts, parts).clone()
            for name, tensor in model.state_dict().items()}


def plain_part(name: str, whole: torch.Tensor, rank: int, parts: int) -> torch.Tensor:
    if re.search(r"\.((q|k|v|gate|up)_proj|w1|w3)\.", name):
        return share(whole, rank, parts, 0)
    if re.search(r"\.((o|down)_proj|w2)\.", name):
        return share(whole, rank, parts, 1)
    return whole


def share(whole: torch.Tensor, rank: int, parts: int, dim: int = 0) -> torch.Tensor:
    return whole.chunk(parts, dim)[rank]


def share_of_each(sections: Iterable[torch.Tensor], rank: int, parts: int) -> torch.Tensor:
    return torch.cat([share(section, rank, parts) for section in sections])


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


def register_plain_experts(name: str, distributed: bool) -> None:
    """Stacked experts: each rank some whole ones, or its share of each."""
    def make(job: Job) -> None:
        model = mixture(job, "Qwen3Moe")
        state = plain_parts(model, job, prefix="")
        for key, whole in model.state_dict().items():
            if "experts.gate_up" in key and not distributed:
                state[key] = torch.cat([share(half, job.rank, job.world, 1) for half in whole.chunk(2, 1)], 1)
            elif "experts." in key:
                state[key] = share(whole, job.rank, job.world, 0 if distributed else 2).clone()
        save_rank(state, job)
    register(name, 2, make, needs_rules=True)


def register_plain_family(kind: str, world: int, **config) -> None:
    """What no scenario above has: other names, four norms a layer, sizes of heads that no quotient gives."""
    def make(job: Job) -> None:
        save_rank(plain_parts(causal_lm(job, kind, **config), job), job)
    register(f"tp_plain_{kind.lower()}", world, make, needs_rules=True)


@scenario(2, needs_rules=True)
def tp_plain_phi3(job: Job) -> None:
    """The model itself has q, k, v and gate, up in one weight; of each a rank holds its share."""
    model = causal_lm(job, "Phi3")
    state = plain_parts(model, job, prefix="")
    config = model.config
    key_rows = config.num_key_value_heads * config.hidden_size // config.num_attention_heads
    for name, whole in model.state_dict().items():
        if "qkv_proj" in name:
            state[name] = share_of_each(whole.split([config.hidden_size, key_rows, key_rows]), job.rank, job.world)
        elif "gate_up_proj" in name:
            state[name] = share_of_each(whole.chunk(2), job.rank, job.world)
    save_rank(state, job)


@scenario(2, needs_rules=True)
def tp_plain_mixtral(job: Job) -> None:
    """Each expert a module of its own, as in the published files."""
    model = mixture(job, "Mixtral")
    dist.barrier()  # until rank 0 saved it
    state = {name: plain_part(name, whole, job.rank, job.world).clone()
             for file in sorted((job.out / "saved").glob("*.safetensors")) for name, whole in load_file(file).items()}
    save_rank(state, job)


MEGATRON_NAMES = {
    "model.embed_tokens.weight": "embedding.word_embeddings.weight",
    "model.layers.{layer}.input_layernorm.weight": "decoder.layers.{layer}.self_attention.linear_qkv.layer_norm_weight",
    "model.layers.{layer}.self_attn.q_norm.weight": "decoder.layers.{layer}.self_attention.q_layernorm.weight",
    "model.layers.{layer}.self_attn.k_norm.weight": "decoder.layers.{layer}.self_attention.k_layernorm.weight",
    "model.layers.{layer}.self_attn.qkv_proj.weight": "decoder.layers.{layer}.self_attention.linear_qkv.weight",
    "model.layers.{layer}.self_attn.qkv_proj.bias": "decoder.layers.{layer}.self_attention.linear_qkv.bias",
    "model.layers.{layer}.self_attn.o_proj.weight": "decoder.layers.{layer}.self_attention.linear_proj.weight",
    "model.layers.{layer}.post_attention_layernorm.weight": "decoder.layers.{layer}.mlp.linear_fc1.layer_norm_weight",
    "model.layers.{layer}.mlp.gate_up_proj.weight": "decoder.layers.{layer}.mlp.linear_fc1.weight",
    "model.layers.{layer}.mlp.down_proj.weight": "decoder.layers.{layer}.mlp.linear_fc2.weight",
    "model.norm.weight": "decoder.final_layernorm.weight",
    "lm_head.weight": "output_layer.weight",
}


def register_megatron(kind: str, world: int, **config) -> None:
    """Megatron-Core's names and layouts: query heads, key and value of one group behind each other, a padded vocabulary."""
    def make(job: Job) -> None:
        model = causal_lm(job, kind, **config)
        whole, state = model.state_dict(), plain_parts(model, job, prefix="")
        for layer in range(model.config.num_hidden_layers):
            name = f"model.layers.{layer}."
            for end in [end for end in ("weight", "bias") if f"{name}self_attn.q_proj.{end}" in state]:
                sections = [whole[f"{name}self_attn.{part}_proj.{end}"] for part in "qkv"]
                groups = zip(*(section.chunk(model.config.num_key_value_heads) for section in sections))
                interleaved = torch.cat([part for group in groups for part in group])
                state[f"{name}self_attn.qkv_proj.{end}"] = share(interleaved, job.rank, job.world).clone()
                for part in "qkv":
                    del state[f"{name}self_attn.{part}_proj.{end}"]
            fuse(state, f"{name}mlp.gate_up_proj.weight", [f"{name}mlp.{part}_proj.weight" for part in ("gate", "up")])
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            padded = torch.cat([whole[name], torch.randn(64, whole[name].shape[1]).to(whole[name].dtype)])
            state[name] = share(padded, job.rank, job.world).clone()
        save_rank({megatron_name(name): part for name, part in state.items()}, job)
    register(f"tp_megatron_{kind.lower()}", world, make, needs_rules=True)


def megatron_name(name: str) -> str:
    layer = re.search(r"layers\.(\d+)\.", name)
    number = layer[1] if layer else ""
    return MEGATRON_NAMES[name.replace(f"layers.{number}.", "layers.{layer}.")].format(layer=number)


@scenario(2, is_model=False, needs_rules=True)
def whole_copies(job: Job) -> None:
    """As DDP and FSDP's NO_SHARD save it: all of the model on each rank."""
    torch.manual_seed(0)
    state = {"first": torch.randn(7, 5), "second": torch.arange(3)}
    write_truth(state, job)
    save_rank(state, job)


@scenario(4, is_model=False, is_refused=True)
def fsdp_inside_parts(job: Job) -> None:
    """Split by hand over pairs of ranks, FSDP over those that hold the same part: no word of the former in the files."""
    torch.manual_seed(0)
    part = torch.randn(2, 1024, 512)[job.rank % 2]
    meshes = [DeviceMesh("cpu", [tp, tp + 2], mesh_dim_names=("fsdp",)) for tp in range(2)]
    save_rank({"weight": distribute_tensor(part, meshes[job.rank % 2], [Shard(0)])}, job)


register_plain_family("Mistral", 2)
register_plain_family("Gemma2", 2)
register_plain_family("Gemma3", 2, num_hidden_layers=6)
# More groups than ranks: of one group each, both layouts of a fused QKV are the same.
register_megatron("Llama", 2, num_key_value_heads=4)
register_megatron("Qwen2", 2, num_attention_heads=8, num_key_value_heads=4)
register_megatron("Qwen3", 4, num_attention_heads=16, num_key_value_heads=8)
register_plain_experts("tp_plain_experts", distributed=False)
register_plain_experts("tp_plain_experts_distributed", distributed=True)
register_plain_mesh("tp_plain_dp2_tp2", 2, 1, 2)
register_plain_mesh("tp_plain_pp2_tp2", 1, 2, 2)
register_plain_mesh("tp_plain_dp2_pp3_tp2", 2, 3, 2)
