"""Mixtures of experts, whose weights transformers keeps stacked in memory and writes one by one."""
from model_scenarios import causal_lm, shard_fsdp2, write_model_truth
from scenarios import Job, mesh_of, register, save_rank
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

# Six experts are not a multiple of four ranks. Grouped matrix products want rows of whole 16 bytes.
SIZES = {
    "Qwen3Moe": dict(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24),
    "Qwen2Moe": dict(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24,
                     shared_expert_intermediate_size=28, mlp_only_layers=[0]),
    "Mixtral": dict(num_local_experts=6, num_experts_per_tok=2),
}


def mixture(job: Job, kind: str):
    model = causal_lm(job, kind, **SIZES[kind])
    write_model_truth(model, job)
    if job.rank == 0:
        model.save_pretrained(job.out / "saved")
    return model


def register_moe(name: str, kind: str, world: int, expert_dim: int = 0, replicas: int = 1) -> None:
    """Each parameter split along its first dimension, those of all experts along `expert_dim`."""
    def make(job: Job) -> None:
        model = mixture(job, kind)
        mesh = mesh_of(world) if replicas == 1 else mesh_of(replicas, world // replicas, names=("ddp", "fsdp"))
        shard_fsdp2(model, mesh, shard_placement_fn=lambda p: Shard(expert_dim if p.dim() == 3 else 0))
        save_rank(model.state_dict(), job)
    register(name, world, make)


def register_expert_parallel(name: str, kind: str, experts: int, inside: int) -> None:
    """Experts distributed over one mesh dimension and split inside over the other."""
    def make(job: Job) -> None:
        model = mixture(job, kind)
        mesh = mesh_of(experts, inside, names=("ep", "tp"))
        state = {}
        for key, tensor in model.state_dict().items():
            placements = [Shard(0), Shard(1)] if tensor.dim() == 3 else [Replicate(), Shard(0)]
            state[key] = distribute_tensor(tensor, mesh, placements)
        save_rank(state, job)
    register(name, experts * inside, make)


for kind in SIZES:
    register_moe(f"moe_{kind.lower()}", kind, 4)
    register_moe(f"moe_{kind.lower()}_dim1", kind, 4, expert_dim=1)
register_moe("moe_qwen3moe_dim2", "Qwen3Moe", 4, expert_dim=2)
register_moe("moe_mixtral_hsdp", "Mixtral", 6, replicas=2)
register_expert_parallel("moe_qwen3moe_expert_parallel", "Qwen3Moe", 2, 3)
