"""Checkpoints of torch.distributed.checkpoint: every way to save a model, alone or within a training state."""
import io

import torch
import torch.distributed.checkpoint as checkpoint
from model_scenarios import causal_lm, fsdp1_state, shard_fsdp2, write_model_truth
from parallel_scenarios import tensor_parallel
from safetensors.torch import load_file
from scenarios import Job, mesh_of, scenario, write_truth
from state_scenarios import as_dtensor, every_dtype, local_part
from torch.distributed.checkpoint._extension import StreamTransformExtension, ZStandard
from torch.distributed.checkpoint.filesystem import SerializationFormat
from torch.distributed.checkpoint.state_dict import get_state_dict
from torch.distributed.tensor import Shard, distribute_tensor
from trainer_names import torchtitan


def sharded_model(job: Job, kind: str = "Llama", mesh: tuple[int, ...] = (), names: tuple[str, ...] = ("fsdp",), **config):
    """A model under FSDP2 on the mesh dimensions but "tp", along which it is tensor parallel."""
    model = causal_lm(job, kind, **config)
    write_model_truth(model, job)
    whole = mesh_of(*(mesh or (job.world,)), names=names)
    if "tp" in names:
        tensor_parallel(model, whole["tp"])
    shard_fsdp2(model, whole[tuple(name for name in names if name != "tp")])
    return model


def training_state(model) -> dict:
    """Model and optimizer after a step of size nothing, which fills the optimizer and leaves the weights alone."""
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.param_groups[0].update(lr=0.0, weight_decay=0.0)
    optimizer.step()
    model_state, optimizer_state = get_state_dict(model, optimizer)
    return {"model": model_state, "optimizer": optimizer_state}


def save(state: dict, job: Job, folder: str = "dcp", **options) -> None:
    checkpoint.save(state, checkpoint_id=None if options else job.ckpt / folder, **options)


def file_writer(job: Job, **options) -> checkpoint.FileSystemWriter:
    return checkpoint.FileSystemWriter(job.ckpt / "dcp", **options)


@scenario(4)
def dcp(job: Job) -> None:
    """FSDP x TP, so that chunks are two-dimensional boxes."""
    model = sharded_model(job, mesh=(2, 2), names=("fsdp", "tp"))
    save(training_state(model) | {"step": 186}, job)


@scenario(8)
def dcp_hsdp_tp(job: Job) -> None:
    model = sharded_model(job, mesh=(2, 2, 2), names=("ddp", "fsdp", "tp"))
    save({"model": model.state_dict()}, job)


@scenario(7)
def dcp_uneven(job: Job) -> None:
    """Short last chunks and empty ones."""
    save({"state_dict": sharded_model(job, "Qwen3").state_dict()}, job)


@scenario(4)
def dcp_hsdp_tied(job: Job) -> None:
    model = sharded_model(job, "Qwen2", mesh=(2, 2), names=("ddp", "fsdp"), tie_word_embeddings=True)
    save({"model": model.state_dict()}, job)


@scenario(4)
def dcp_fsdp1_sharded_tensor(job: Job) -> None:
    model = causal_lm(job, "Llama")
    write_model_truth(model, job)
    save({"model": fsdp1_state(model)}, job, "pytorch_model_fsdp_0")


@scenario(2)
def dcp_async(job: Job) -> None:
    state = {"model": sharded_model(job).state_dict()}
    checkpoint.async_save(state, checkpoint_id=job.ckpt / "dcp").result()


@scenario(2)
def dcp_several_files_a_rank(job: Job) -> None:
    save(training_state(sharded_model(job)), job, storage_writer=file_writer(job, thread_count=4))


@scenario(2)
def dcp_a_file_a_tensor(job: Job) -> None:
    save({"model": sharded_model(job).state_dict()}, job, storage_writer=file_writer(job, single_file_per_rank=False))


@scenario(2)
def dcp_of_safetensors(job: Job) -> None:
    """The step is bytes at the beginning of a file, so that safetensors begin behind it."""
    state = {"model": sharded_model(job).state_dict(), "step": 186}
    save(state, job, storage_writer=file_writer(job, serialization_format=SerializationFormat.SAFETENSORS))


@scenario(4)
def dcp_metadata_of_each_rank(job: Job) -> None:
    """Saved without collectives: nothing is shared, so replicas are there once a rank."""
    model = sharded_model(job, mesh=(2, 2), names=("ddp", "fsdp"))
    save({"model": model.state_dict(), "step": 186}, job, storage_writer=file_writer(job), use_collectives=False)


@scenario(2)
def dcp_top_level(job: Job) -> None:
    """As torchtitan does: the model's names at the top, everything else below names of its own."""
    state = training_state(sharded_model(job))
    rest = {"optimizer": flat(state["optimizer"]), "lr_scheduler": {"last_epoch": 186}, "dataloader": {"dp_rank_0": b"x"},
            "train_state": {"step": torch.tensor(186, dtype=torch.int32), "losses": io.BytesIO(b"x")}}
    save(state["model"] | rest, job)


def flat(optimizer: dict) -> dict:
    """FSDP.flatten-style optimizer state: one level, its keys joined by dots."""
    flattened = {f"state.{name}.{key}": value for name, state in optimizer["state"].items()
                 for key, value in state.items()}
    return flattened | {"param_groups.0.lr": 0.0}


class Stateful:
    def __init__(self, state: dict):
        self.state = state

    def state_dict(self) -> dict:
        return self.state

    def load_state_dict(self, state: dict) -> None:
        self.state = state


@scenario(2)
def dcp_train_state(job: Job) -> None:
    """The example of PyTorch's own tutorial: an application's state with model and optimizer in it."""
    state = training_state(sharded_model(job))
    random = {"rng": torch.get_rng_state(), "scheduler": {"last_epoch": 186, "lr": [0.1]}}
    save({"app": Stateful({"model": state["model"], "optim": state["optimizer"]}), **random}, job)


@scenario(3, is_model=False)
def dcp_dtypes(job: Job) -> None:
    torch.manual_seed(0)
    truth, state = {}, {}
    every_dtype(truth, state, mesh_of(job.world), job)
    whole = torch.randn(6, 10)
    truth |= {"empty": torch.empty(0, 5), "view": whole.t()[1::2], "repeated": torch.randn(3).expand(4, 3)}
    state |= {name: truth[name] for name in ("empty", "view", "repeated")}
    truth["layer.scale"] = state["layer.scale"] = torch.nn.Parameter(torch.randn(3))
    state["layer._extra_state"] = io.BytesIO(b"x")
    write_truth(truth, job)
    save({"model": state}, job)


@scenario(2, is_model=False, is_refused=True)
def dcp_two_models(job: Job) -> None:
    model = {"a.weight": torch.randn(3, 4), "b.weight": torch.randn(5)}
    write_truth(model, job)
    save({"model": model, "ema": {name: tensor * 2 for name, tensor in model.items()}, "step": 186}, job)


class Unchanged(StreamTransformExtension):
    """Stands for an extension of a program's own."""
    @staticmethod
    def registry_name() -> str:
        return "my.cipher"

    @staticmethod
    def from_descriptor(version: str) -> "Unchanged":
        return Unchanged()

    def get_descriptor(self) -> str:
        return "my.cipher/1"

    def transform_to(self, output):
        return output

    def transform_from(self, source):
        return source


@scenario(2, is_model=False, is_refused=True)
def dcp_extension(job: Job) -> None:
    save({"model": {"a.weight": torch.ones(3, 4)}}, job, storage_writer=file_writer(job, _extensions=[Unchanged()]))


@scenario(4)
def dcp_zstd(job: Job) -> None:
    """FSDP x TP, every blob a zstd stream; the step is no tensor and packed too."""
    model = sharded_model(job, mesh=(2, 2), names=("fsdp", "tp"))
    save({"model": model.state_dict(), "step": 186}, job, storage_writer=file_writer(job, _extensions=[ZStandard()]))


@scenario(3, is_model=False)
def dcp_zstd_dtypes(job: Job) -> None:
    """Several blocks a frame, tensors that are larger than the ends of the archive that are kept, and tiny ones."""
    torch.manual_seed(0)
    truth, state = {}, {}
    every_dtype(truth, state, mesh_of(job.world), job)
    truth["large"] = state["large"] = torch.randn(1000, 1001)
    truth["zeros"] = state["zeros"] = torch.zeros(3_000_000, dtype=torch.int8)
    whole = torch.randn(3000, 300)
    truth["wide"], state["wide"] = whole, as_dtensor(local_part(whole, job, 1).clone(), whole, mesh_of(job.world), Shard(1))
    write_truth(truth, job)
    save({"model": state}, job, storage_writer=file_writer(job, _extensions=[ZStandard()]))


def save_hf(state: dict, job: Job, **options) -> None:
    writer = checkpoint.HuggingFaceStorageWriter(str(job.ckpt / "dcp"), save_distributed=True, **options)
    checkpoint.save(state, storage_writer=writer)


@scenario(2)
def dcp_hf(job: Job) -> None:
    state = sharded_model(job, "Qwen3").state_dict()
    save_hf(state, job, fqn_to_index_mapping=dict.fromkeys(state, 1))


@scenario(7)
def dcp_hf_several_files(job: Job) -> None:
    """Uneven, and two files of names, so that each rank writes two."""
    state = sharded_model(job, "Llama").state_dict()
    save_hf(state, job, fqn_to_index_mapping={name: 1 + ("layers.1" in name) for name in state})


@scenario(4)
def dcp_hf_fsdp_tp(job: Job) -> None:
    save_hf(sharded_model(job, mesh=(2, 2), names=("fsdp", "tp")).state_dict(), job)


@scenario(2)
def dcp_hf_consolidated(job: Job) -> None:
    """The shards in sharded/, the whole tensors beside it."""
    save_hf(sharded_model(job).state_dict(), job, enable_consolidation=True)


def save_torchtitan(job: Job, kind: str, dim_of_experts: int, **config) -> None:
    """Rows split over three ranks, which cuts through heads; experts along another dimension. The truth is what
    save_pretrained writes."""
    model = causal_lm(job, kind, **config)
    write_model_truth(model, job)
    if job.rank == 0:
        model.save_pretrained(job.out / "saved")
    torch.distributed.barrier()
    tensors = load_file(job.out / "saved/model.safetensors")
    write_truth(tensors, job)
    state = torchtitan(tensors, model.config.to_dict() | {"architectures": [type(model).__name__]}, "new")
    mesh = mesh_of(job.world)
    save({name: distribute_tensor(tensor, mesh, [Shard(dim_of_experts if tensor.dim() == 3 else 0)])
          for name, tensor in state.items()}, job)


@scenario(3)
def dcp_torchtitan(job: Job) -> None:
    save_torchtitan(job, "Llama", 0)


@scenario(3)
def dcp_torchtitan_experts(job: Job) -> None:
    save_torchtitan(job, "Qwen3Moe", 1, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24)
