"""Small causal language models under FSDP2, FSDP1 and HSDP."""
from functools import partial

import torch
import transformers
from scenarios import Job, mesh_of, register, save_rank, scenario, write_truth
from tiny_tokenizer import tiny_tokenizer
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import (FullyShardedDataParallel, ShardedStateDictConfig, ShardingStrategy, StateDictType,
                                    fully_shard)
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy
from torch.distributed.tensor import Shard

# Looked up here because transformers imports a model's module on first use, which would then be once a rank.
MODELS = {kind: (getattr(transformers, f"{kind}{'Text' if kind == 'Gemma3' else ''}Config"),
                 getattr(transformers, f"{kind}ForCausalLM"))
          for kind in ("Llama", "Mistral", "Qwen2", "Qwen3", "Qwen2Moe", "Qwen3Moe", "Mixtral", "Gemma2", "Gemma3", "Phi3")}
# Sizes that a class does not work out from the others, and token ids that its small vocabulary does not have.
OF_CLASS = {"Qwen3": dict(head_dim=8), "Qwen3Moe": dict(head_dim=8), "Gemma2": dict(head_dim=8),
            "Gemma3": dict(head_dim=8), "Phi3": dict(pad_token_id=None)}


def causal_lm(job: Job, kind: str, dtype: torch.dtype = torch.bfloat16, **config):
    """The same random model on every rank; norm weights are random too, so that no two tensors are alike."""
    make_config, make_model = MODELS[kind]
    torch.manual_seed(0)
    model = make_model(make_config(**job.sizes | OF_CLASS.get(kind, {}) | config)).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    return model


def write_model_truth(model, job: Job) -> None:
    tensors = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    write_truth(tensors, job)
    if job.rank == 0:
        model.config.architectures = [type(model).__name__]
        model.config.dtype = next(model.parameters()).dtype
        model.config.save_pretrained(job.ckpt / "huggingface")
        model.generation_config.save_pretrained(job.ckpt / "huggingface")
        if job.with_tokenizer:
            tiny_tokenizer().save_pretrained(job.ckpt / "huggingface")


def shard_fsdp2(model, mesh: DeviceMesh, **options) -> None:
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, **options)
    fully_shard(model, mesh=mesh, **options)


def fsdp1_state(model, strategy: str = "FULL_SHARD", mesh: DeviceMesh | None = None) -> dict:
    """As verl does it: one flat parameter a decoder layer, and a state dict of shards."""
    policy = partial(transformer_auto_wrap_policy, transformer_layer_cls={type(model.model.layers[0])})
    wrapped = FullyShardedDataParallel(model, auto_wrap_policy=policy, device_mesh=mesh, device_id=torch.device("cpu"),
                                       sharding_strategy=ShardingStrategy[strategy])
    config = ShardedStateDictConfig(offload_to_cpu=False)
    with FullyShardedDataParallel.state_dict_type(wrapped, StateDictType.SHARDED_STATE_DICT, config):
        return wrapped.state_dict()


def register_fsdp2(name: str, kind: str, world: int, **config) -> None:
    def make(job: Job) -> None:
        model = causal_lm(job, kind, **config)
        write_model_truth(model, job)
        shard_fsdp2(model, mesh_of(job.world))
        save_rank(model.state_dict(), job)
    register(name, world, make)


def register_hsdp2(name: str, kind: str, replicas: int, parts: int) -> None:
    def make(job: Job) -> None:
        model = causal_lm(job, kind)
        write_model_truth(model, job)
        shard_fsdp2(model, mesh_of(replicas, parts, names=("ddp", "fsdp")))
        save_rank(model.state_dict(), job)
    register(name, replicas * parts, make)


def register_fsdp1(name: str, kind: str, world: int, **config) -> None:
    def make(job: Job) -> None:
        model = causal_lm(job, kind, **config)
        write_model_truth(model, job)
        save_rank(fsdp1_state(model, mesh=mesh_of(job.world)), job, fsdp_version=1)
    register(name, world, make)


register_fsdp2("fsdp2_1rank_llama", "Llama", 1)
register_fsdp2("fsdp2_4ranks_qwen3", "Qwen3", 4)
register_fsdp2("fsdp2_4ranks_qwen2_tied", "Qwen2", 4, tie_word_embeddings=True)
register_fsdp2("fsdp2_4ranks_llama_f32", "Llama", 4, dtype=torch.float32)
register_fsdp2("fsdp2_7ranks_qwen3", "Qwen3", 7)
register_fsdp2("fsdp2_7ranks_llama_tied", "Llama", 7, tie_word_embeddings=True)
register_fsdp2("fsdp2_12ranks_qwen2", "Qwen2", 12)
register_fsdp2("fsdp2_12ranks_qwen3_tied", "Qwen3", 12, tie_word_embeddings=True)
register_hsdp2("hsdp2_2x2_qwen2", "Qwen2", 2, 2)
register_hsdp2("hsdp2_2x3_llama", "Llama", 2, 3)
register_fsdp1("fsdp1_1rank_qwen2", "Qwen2", 1)
register_fsdp1("fsdp1_4ranks_llama", "Llama", 4)
register_fsdp1("fsdp1_7ranks_qwen3_tied", "Qwen3", 7, tie_word_embeddings=True)


@scenario(4)
def hsdp1_2x2_qwen3(job: Job) -> None:
    model = causal_lm(job, "Qwen3")
    write_model_truth(model, job)
    save_rank(fsdp1_state(model, "HYBRID_SHARD", mesh_of(2, 2, names=("ddp", "fsdp"))), job, fsdp_version=1)


@scenario(4)
def fsdp2_shard_dim1(job: Job) -> None:
    """A placement function is how people split tall matrices by column."""
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    shard_fsdp2(model, mesh_of(job.world), shard_placement_fn=lambda p: Shard(1) if p.dim() == 2 else Shard(0))
    save_rank(model.state_dict(), job)


@scenario(4, is_model=False)
def fsdp2_buffers(job: Job) -> None:
    """Buffers are plain tensors on every rank; one of them sorts before every parameter."""
    model = causal_lm(job, "Qwen2")
    model.register_buffer("a_step", torch.tensor(186))
    model.model.register_buffer("ema_scale", torch.randn(7, 3))
    model.model.layers[0].register_buffer("expert_counts", torch.arange(-5, 6, dtype=torch.int32))
    write_model_truth(model, job)
    shard_fsdp2(model, mesh_of(job.world))
    save_rank(model.state_dict(), job)


# For refusals: each of the others differs from the first in one thing.
register_fsdp2("fsdp2_4ranks_llama", "Llama", 4)
register_fsdp2("fsdp2_4ranks_llama_longer", "Llama", 4, vocab_size=324)
register_fsdp2("fsdp2_4ranks_llama_deeper", "Llama", 4, num_hidden_layers=3)
register_hsdp2("hsdp2_2x2_llama", "Llama", 2, 2)
