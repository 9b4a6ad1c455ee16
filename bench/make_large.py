"""A checkpoint of the size that people wait for: Qwen3-1.7B's shapes, bf16, sharded over 4 ranks, 3.4 GB.

    make_large.py OUT                OUT/model_world_size_4_rank_{0..3}.pt, fsdp_config.json, huggingface/

The names and shapes come from a model on the meta device. The ranks take turns to fill and save their quarter, so that
no more than that is ever in memory. The files have FSDP2's form: DTensors, Shard(0), one storage for tied weights.
"""
import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tiny_tokenizer import tiny_tokenizer
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

WORLD = 4
CONFIG = Qwen3Config(vocab_size=151936, hidden_size=2048, intermediate_size=6144, num_hidden_layers=28,
                     num_attention_heads=16, num_key_value_heads=8, head_dim=128, max_position_embeddings=40960,
                     tie_word_embeddings=True, dtype=torch.bfloat16, architectures=["Qwen3ForCausalLM"])


def shapes_on_meta() -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in Qwen3ForCausalLM(CONFIG).state_dict().items()}


def local_state(shapes: dict[str, torch.Size], rank: int, mesh) -> dict[str, DTensor]:
    generator = torch.Generator().manual_seed(rank)
    state = {}
    for name, shape in shapes.items():
        assert shape[0] % WORLD == 0, f"{name}: {shape[0]} rows do not divide by {WORLD}"
        local = torch.empty(shape[0] // WORLD, *shape[1:], dtype=torch.bfloat16)
        if name == "lm_head.weight":
            state[name] = state["model.embed_tokens.weight"]
            continue
        local.normal_(std=0.02, generator=generator)
        stride = torch.empty(shape, device="meta").stride()
        state[name] = DTensor.from_local(local, mesh, [Shard(0)], run_check=False, shape=shape, stride=stride)
    return state


def run_rank(rank: int, shapes: dict[str, torch.Size], out: Path, rendezvous: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=WORLD)
    mesh = init_device_mesh("cpu", (WORLD,), mesh_dim_names=("fsdp",))
    for turn in range(WORLD):
        if turn == rank:
            torch.save(local_state(shapes, rank, mesh), out / f"model_world_size_{WORLD}_rank_{rank}.pt")
        dist.barrier()
    dist.destroy_process_group()


def make_large(out: Path) -> None:
    assets = out / "huggingface"
    assets.mkdir(parents=True, exist_ok=True)
    CONFIG.save_pretrained(assets)
    GenerationConfig.from_model_config(CONFIG).save_pretrained(assets)
    tiny_tokenizer().save_pretrained(assets)
    with tempfile.TemporaryDirectory() as scratch:
        mp.start_processes(run_rank, args=(shapes_on_meta(), out.absolute(), f"{scratch}/rendezvous"), nprocs=WORLD,
                           start_method="fork")
    (out / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": WORLD}, indent=4))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    make_large(parser.parse_args().out)
