"""Real sharded checkpoints, made by PyTorch itself (gloo, CPU), each beside the whole tensors it was sharded from.

    make_checkpoints.py --list               the scenarios: name, ranks
    make_checkpoints.py OUT NAME...          OUT/NAME/ckpt (rank files, huggingface/) and OUT/NAME/truth.safetensors
    make_checkpoints.py --golden tests/golden [NAME...]    the committed fixtures

torch and transformers are imported once; the ranks of each scenario are forked from that process, so that a scenario
costs a fraction of a second. The parent therefore never computes with tensors: a forked OpenMP pool would hang.
"""
import argparse
import os
import shutil
import tempfile
import warnings
from datetime import timedelta
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

import accelerate_scenarios  # noqa: F401  (these register what they define)
import dcp_scenarios  # noqa: F401
import parallel_scenarios  # noqa: F401
import model_scenarios  # noqa: F401
import moe_scenarios  # noqa: F401
import old_release_scenarios  # noqa: F401
import placement_scenarios  # noqa: F401
import random_scenarios  # noqa: F401
import state_scenarios  # noqa: F401
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from scenarios import SCENARIOS, Job

# No two dimensions are alike, and on seven or twelve ranks some shards are short and some are empty.
TINY = dict(vocab_size=320, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64)
MINIMAL = dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
               num_key_value_heads=1, max_position_embeddings=64)


def run_rank(rank: int, name: str, out: Path, job: dict, rendezvous: str) -> None:
    os.chdir(out)  # DCP notes the path that it saves to
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    chosen = SCENARIOS[name]
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=chosen.world,
                            timeout=timedelta(seconds=60))
    chosen.make(Job(rank=rank, world=chosen.world, out=Path(), **job))
    dist.barrier()
    dist.destroy_process_group()


def make_checkpoint(name: str, out: Path, sizes: dict = TINY, with_tokenizer: bool = True) -> None:
    shutil.rmtree(out, ignore_errors=True)
    (out / "ckpt" / "huggingface").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        job = dict(sizes=sizes, with_tokenizer=with_tokenizer)
        mp.start_processes(run_rank, args=(name, out, job, f"{scratch}/rendezvous"), nprocs=SCENARIOS[name].world,
                           start_method="fork")
    if not any((out / "ckpt" / "huggingface").iterdir()):
        (out / "ckpt" / "huggingface").rmdir()


# Fixture -> scenario, model sizes, whether it carries a tokenizer, which is larger than a minimal model.
GOLDEN = {
    "fsdp-qwen3-4ranks": ("fsdp2_4ranks_qwen3", TINY, True),
    "fsdp-qwen2-tied-4ranks": ("fsdp2_4ranks_qwen2_tied", MINIMAL, False),
    "fsdp-qwen3-7ranks-uneven": ("fsdp2_7ranks_qwen3", MINIMAL, False),
    "fsdp-llama-1rank": ("fsdp2_1rank_llama", MINIMAL, False),
    "fsdp1-qwen2-1rank": ("fsdp1_1rank_qwen2", MINIMAL, False),
    "fsdp1-llama-4ranks": ("fsdp1_4ranks_llama", MINIMAL, False),
    "hsdp-qwen2-2x2": ("hsdp2_2x2_qwen2", MINIMAL, False),
    "fsdp-buffers-4ranks": ("fsdp2_buffers", MINIMAL, False),
    "dtypes-and-views-3ranks": ("dtypes_and_views", MINIMAL, False),
    "dcp-hsdp-tp-2x2x2": ("dcp_hsdp_tp", MINIMAL, False),
    "dcp-metadata-of-each-rank": ("dcp_metadata_of_each_rank", MINIMAL, False),
    "dcp-zstd": ("dcp_zstd", MINIMAL, False),
    "dcp-of-safetensors": ("dcp_of_safetensors", MINIMAL, False),
    "dcp-hf-2ranks": ("dcp_hf", MINIMAL, False),
}


def make_goldens(folder: Path, names: list[str]) -> None:
    for golden in names or GOLDEN:
        name, sizes, with_tokenizer = GOLDEN[golden]
        make_checkpoint(name, folder / golden, sizes, with_tokenizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--golden", action="store_true")
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if args.list:
        for chosen in SCENARIOS.values():
            print(chosen.name, chosen.world)
    elif args.out is None:
        parser.error("OUT is missing")
    elif args.golden:
        make_goldens(args.out, args.names)
    else:
        for name in args.names or SCENARIOS:
            make_checkpoint(name, args.out / name)


if __name__ == "__main__":
    main()
