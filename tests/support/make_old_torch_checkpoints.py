"""Rank files as older releases of PyTorch write them; run it with the release that is wanted (2.1 and later work).

    make_old_torch_checkpoints.py {fsdp1,fsdp1-chunks,fsdp2} OUT        OUT/ckpt and OUT/truth.safetensors, 4 ranks

Needs torch, safetensors and numpy<2 only: the transformers that fit these releases are gone, so the model is a stack of
bare layers under the names and in the shapes that transformers gives a small Llama.
"""
import argparse
import json
import os
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path

os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import save_file
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel, ShardedStateDictConfig, StateDictType
from torch.distributed.fsdp.wrap import ModuleWrapPolicy

WORLD = 4
# 42 rows leave a short last shard; torch 2.1 would state a wrong size for such a tensor.
VOCABULARY = 40 if torch.__version__.startswith("2.1.") else 42
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_act": "silu",
    "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
}


class Norm(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))


def linear(rows: int, columns: int) -> nn.Linear:
    return nn.Linear(columns, rows, bias=False)


class Layer(nn.Module):
    def __init__(self, hidden: int, inner: int):
        super().__init__()
        self.self_attn = nn.ModuleDict({"q_proj": linear(hidden, hidden), "k_proj": linear(hidden // 2, hidden),
                                        "v_proj": linear(hidden // 2, hidden), "o_proj": linear(hidden, hidden)})
        self.mlp = nn.ModuleDict({"gate_proj": linear(inner, hidden), "up_proj": linear(inner, hidden),
                                  "down_proj": linear(hidden, inner)})
        self.input_layernorm = Norm(hidden)
        self.post_attention_layernorm = Norm(hidden)


class Llama(nn.Module):
    def __init__(self, vocabulary: int, hidden: int, inner: int):
        super().__init__()
        self.model = nn.ModuleDict({"embed_tokens": nn.Embedding(vocabulary, hidden),
                                    "layers": nn.ModuleList([Layer(hidden, inner)]), "norm": Norm(hidden)})
        self.lm_head = linear(vocabulary, hidden)


def random_llama() -> Llama:
    model = Llama(CONFIG["vocab_size"], CONFIG["hidden_size"], CONFIG["intermediate_size"]).to(torch.bfloat16)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    return model


def fsdp1_state(model: nn.Module) -> dict:
    from torch.distributed.device_mesh import init_device_mesh
    wrapped = FullyShardedDataParallel(model, auto_wrap_policy=ModuleWrapPolicy({Layer}),
                                       device_mesh=init_device_mesh("cpu", (WORLD,), mesh_dim_names=("fsdp",)),
                                       device_id=torch.device("cpu"))
    with FullyShardedDataParallel.state_dict_type(wrapped, StateDictType.SHARDED_STATE_DICT, ShardedStateDictConfig()):
        return wrapped.state_dict()


def fsdp1_chunks(model: nn.Module) -> dict:
    """FSDP1 of torch 2.1 does not run on CPU: its own function that makes the shards, as its state dict calls it."""
    from torch.distributed._tensor.device_mesh import DeviceMesh
    from torch.distributed.fsdp._shard_utils import _create_chunk_dtensor
    mesh = DeviceMesh("cpu", torch.arange(WORLD), _validate_mesh=False)
    return OrderedDict((name, _create_chunk_dtensor(tensor.detach(), dist.get_rank(), mesh))
                       for name, tensor in model.state_dict().items())


def fsdp2_state(model: nn.Module) -> dict:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    mesh = init_device_mesh("cpu", (WORLD,), mesh_dim_names=("fsdp",))
    for layer in model.model["layers"]:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model.state_dict()


VERSIONS = {"fsdp1": fsdp1_state, "fsdp1-chunks": fsdp1_chunks, "fsdp2": fsdp2_state}


def run_rank(rank: int, version: str, out: Path, rendezvous: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=WORLD)
    model = random_llama()
    if rank == 0:
        truth = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        save_file(truth, out / "truth.safetensors", metadata={"format": "pt"})
        (out / "ckpt/huggingface/config.json").write_text(json.dumps(CONFIG, indent=2))
    state = VERSIONS[version](model)
    torch.save(state, out / f"ckpt/model_world_size_{WORLD}_rank_{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", choices=VERSIONS)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    out = args.out.absolute()
    shutil.rmtree(out, ignore_errors=True)
    (out / "ckpt/huggingface").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = (args.version, out, f"{scratch}/rendezvous")
        mp.start_processes(run_rank, args=arguments, nprocs=WORLD, start_method="fork")


if __name__ == "__main__":
    main()
