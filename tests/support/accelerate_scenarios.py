"""The files that accelerate's save_fsdp_model writes; accelerate itself only chooses the state dict and the name."""
import torch
from model_scenarios import causal_lm, fsdp1_state, shard_fsdp2, write_model_truth
from scenarios import Job, mesh_of, scenario, write_truth
from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType
from torch.distributed.tensor import Replicate, Shard, distribute_tensor


def save_rank_file(state: dict, job: Job, model: str = "_0") -> None:
    torch.save(state, job.ckpt / f"pytorch_model_fsdp{model}_rank{job.rank}.bin")


@scenario(4)
def accelerate_fsdp1_sharded_tensor(job: Job) -> None:
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    save_rank_file(fsdp1_state(model), job)


@scenario(7)
def accelerate_fsdp2(job: Job) -> None:
    model = causal_lm(job, "Qwen3")
    write_model_truth(model, job)
    shard_fsdp2(model, mesh_of(job.world))
    save_rank_file(model.state_dict(), job)


@scenario(4)
def accelerate_hsdp(job: Job) -> None:
    model = causal_lm(job, "Qwen2", tie_word_embeddings=True)
    write_model_truth(model, job)
    shard_fsdp2(model, mesh_of(2, 2, names=("ddp", "fsdp")))
    save_rank_file(model.state_dict(), job, model="")


@scenario(2)
def accelerate_full(job: Job) -> None:
    """FULL_STATE_DICT: one rank saves the whole model."""
    model = causal_lm(job, "Qwen2", tie_word_embeddings=True)
    write_model_truth(model, job)
    if job.rank == 0:
        torch.save(model.state_dict(), job.ckpt / "pytorch_model_fsdp.bin")


def full_of(job: Job, placement) -> None:
    """Tensor parallelism beside FSDP, say, of which FULL_STATE_DICT knows nothing: rank 0 saves DTensors."""
    torch.manual_seed(0)
    whole = {"w": torch.randn(6, 2)}
    write_truth(whole, job)
    state = {"w": distribute_tensor(whole["w"], mesh_of(job.world), [placement], src_data_rank=None)}
    if job.rank == 0:
        torch.save(state, job.ckpt / "pytorch_model_fsdp.bin")


@scenario(2, is_model=False)
def accelerate_full_of_copies(job: Job) -> None:
    full_of(job, Replicate())


@scenario(2, is_model=False, is_refused=True)
def accelerate_full_of_parts(job: Job) -> None:
    full_of(job, Shard(0))


@scenario(2, is_refused=True)
def accelerate_two_models(job: Job) -> None:
    for number, seed_dtype in enumerate((torch.bfloat16, torch.float32)):
        model = causal_lm(job, "Llama", dtype=seed_dtype)
        write_model_truth(model, job)
        shard_fsdp2(model, mesh_of(job.world))
        save_rank_file(model.state_dict(), job, model=f"_{number}")


def flat_parameters(job: Job, use_orig_params: bool) -> dict:
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    wrapped = FullyShardedDataParallel(module, device_id=torch.device("cpu"), use_orig_params=use_orig_params)
    with FullyShardedDataParallel.state_dict_type(wrapped, StateDictType.LOCAL_STATE_DICT):
        return wrapped.state_dict()


@scenario(2, is_model=False, is_refused=True)
def accelerate_local(job: Job) -> None:
    save_rank_file(flat_parameters(job, use_orig_params=False), job, model="")


@scenario(2, is_model=False, is_refused=True)
def accelerate_local_orig_params(job: Job) -> None:
    """The parameters are there too, as what this rank's part of the flat one holds of each."""
    save_rank_file(flat_parameters(job, use_orig_params=True), job, model="")
