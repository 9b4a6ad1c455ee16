"""A checkpoint of the size that people wait for: Qwen3-1.7B's shapes, bf16, FSDP rank files, 3.4 GB.

    checkpoints.py OUT [--ranks 4] [--dim 0] [--small]

OUT/model_world_size_N_rank_{0..N-1}.pt, fsdp_config.json, huggingface/. The names and shapes come from a model on the
meta device; ranks are filled and saved one after another, in one process that is each of them in turn, so that no more
than a rank's part is ever in memory. The files have FSDP2's form: DTensors, Shard(DIM) (norms, of one dimension, are
replicated when DIM is 1), one storage for tied weights. --small: the same names, a thousandth of the elements.
"""
import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import torch
import torch.distributed as dist
from tiny_tokenizer import tiny_tokenizer
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

SIZES = dict(vocab_size=151936, hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16,
             num_key_value_heads=8, head_dim=128)
SMALL_SIZES = dict(vocab_size=1024, hidden_size=64, intermediate_size=192, num_hidden_layers=28, num_attention_heads=16,
                   num_key_value_heads=8, head_dim=64)


def config_of(sizes: dict) -> Qwen3Config:
    return Qwen3Config(**sizes, max_position_embeddings=40960, tie_word_embeddings=True, dtype=torch.bfloat16,
                       architectures=["Qwen3ForCausalLM"])


def shapes_on_meta(config: Qwen3Config) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in Qwen3ForCausalLM(config).state_dict().items()}


def local_state(shapes: dict[str, torch.Size], rank: int, mesh, dim: int) -> dict[str, DTensor]:
    generator = torch.Generator().manual_seed(rank)
    state = {}
    for name, shape in shapes.items():
        if name == "lm_head.weight":
            state[name] = state["model.embed_tokens.weight"]
            continue
        is_split = dim < len(shape)
        local_shape = list(shape)
        if is_split:
            assert shape[dim] % mesh.size() == 0, f"{name}: {shape[dim]} does not divide by {mesh.size()}"
            local_shape[dim] //= mesh.size()
        local = torch.empty(local_shape, dtype=torch.bfloat16)
        local.normal_(std=0.02, generator=generator if is_split else torch.Generator().manual_seed(len(state)))
        stride = torch.empty(shape, device="meta").stride()
        placement = Shard(dim) if is_split else Replicate()
        state[name] = DTensor.from_local(local, mesh, [placement], run_check=False, shape=shape, stride=stride)
    return state


def save_rank(shapes: dict[str, torch.Size], out: Path, rank: int, ranks: int, dim: int) -> None:
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=ranks)
    mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("fsdp",))
    torch.save(local_state(shapes, rank, mesh, dim), out / f"model_world_size_{ranks}_rank_{rank}.pt")
    dist.destroy_process_group()


def make(out: Path, ranks: int, dim: int, sizes: dict) -> None:
    config, assets = config_of(sizes), out / "huggingface"
    assets.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(assets)
    GenerationConfig.from_model_config(config).save_pretrained(assets)
    tiny_tokenizer().save_pretrained(assets)
    shapes = shapes_on_meta(config)
    for rank in range(ranks):
        save_rank(shapes, out, rank, ranks, dim)
    (out / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": ranks}, indent=4))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--dim", type=int, default=0, choices=(0, 1))
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    make(args.out, args.ranks, args.dim, SMALL_SIZES if args.small else SIZES)
