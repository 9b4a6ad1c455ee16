"""State dicts made by hand: what PyTorch can save but a small model does not hold."""
import torch
from scenarios import Job, mesh_of, save_rank, scenario, write_truth
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard

FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]
# What safetensors can name and PyTorch can read back from it.
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, *FLOAT8, torch.float8_e8m0fnu, torch.int64,
          torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool, torch.complex64]


def random_tensor(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """Random bits; fp8, floats and complex numbers come from random values so that NaN stays rare."""
    if dtype == torch.bool:
        return torch.rand(shape) < 0.5
    if dtype.is_floating_point or dtype.is_complex:
        return (torch.randn(shape, dtype=dtype) if dtype.is_complex else torch.randn(shape)).to(dtype)
    raw = torch.randint(0, 256, (*shape[:-1], shape[-1] * dtype.itemsize), dtype=torch.uint8)
    return raw.view(dtype)


def local_part(whole: torch.Tensor, job: Job, dim: int = 0) -> torch.Tensor:
    """This rank's part by the torch.chunk rule: trailing ranks may get nothing."""
    parts = whole.chunk(job.world, dim)
    return parts[job.rank] if job.rank < len(parts) else whole.narrow(dim, 0, 0)


def as_dtensor(local: torch.Tensor, whole: torch.Tensor, mesh: DeviceMesh, placement=Shard(0)) -> DTensor:
    return DTensor.from_local(local, mesh, [placement], run_check=False, shape=whole.shape,
                              stride=torch.empty(whole.shape, device="meta").stride())


def every_dtype(truth: dict, state: dict, mesh: DeviceMesh, job: Job) -> None:
    for dtype in DTYPES:
        name = str(dtype).removeprefix("torch.")
        truth[f"sharded.{name}"] = whole = random_tensor(dtype, 7, 3)
        state[f"sharded.{name}"] = as_dtensor(local_part(whole, job).clone(), whole, mesh)
        truth[f"plain.{name}"] = state[f"plain.{name}"] = random_tensor(dtype, 5)
        truth[f"scalar.{name}"] = state[f"scalar.{name}"] = random_tensor(dtype, 1)[0].clone()


def inside_larger(local: torch.Tensor) -> torch.Tensor:
    """The same values as the first columns of a wider storage. Not the last: PyTorch cannot save a DTensor whose local
    tensor starts at an offset."""
    return torch.cat([local, torch.randn(local.shape).to(local.dtype)], dim=1)[:, :local.shape[1]]


def every_stride(truth: dict, state: dict, mesh: DeviceMesh, job: Job) -> None:
    """Saved tensors are views: transposed, every other column, part of a larger storage, one row repeated."""
    def keep(name: str, whole: torch.Tensor, local: torch.Tensor, placement=Shard(0)) -> None:
        truth[name], state[name] = whole, as_dtensor(local, whole, mesh, placement)

    wide = torch.randn(10, 6)
    keep("view.transposed", wide, local_part(wide, job).t().contiguous().t())
    keep("view.every_other", wide[:, ::2], local_part(wide, job).clone()[:, ::2])
    keep("view.columns", wide, inside_larger(local_part(wide, job, 1)), Shard(1))
    uneven = torch.randn(3, 7).to(torch.bfloat16)
    keep("view.uneven_columns", uneven, local_part(uneven, job, 1).clone(), Shard(1))
    cube = torch.randn(4, 3, 5).to(torch.float16)
    keep("view.middle", cube, local_part(cube, job, 1).permute(2, 0, 1).contiguous().permute(1, 2, 0), Shard(1))
    keep("view.replicated", wide + 1, wide + 1, Replicate())
    truth["view.repeated"] = state["view.repeated"] = torch.randn(3).expand(4, 3)
    truth["view.column"] = state["view.column"] = wide[:, 4]
    truth["view.empty"] = state["view.empty"] = torch.empty(0, 5)


def shared_storages(truth: dict, state: dict, mesh: DeviceMesh, job: Job) -> None:
    flat = torch.randn(24)
    state["shared.first"], state["shared.second"] = flat[:10].view(5, 2), flat[8:].view(4, 4)
    state["shared.same"] = state["shared.second"]
    state["shared.parameter"] = torch.nn.Parameter(flat[3:9])
    truth.update({name: tensor for name, tensor in state.items() if name.startswith("shared.")})
    tall = torch.randn(9, 2)
    local = local_part(tall, job).clone()
    for name in ("shared.shards", "shared.shards_again"):
        truth[name], state[name] = tall, as_dtensor(local, tall, mesh)


@scenario(3, is_model=False)
def dtypes_and_views(job: Job) -> None:
    torch.manual_seed(0)
    truth, state, mesh = {}, {}, mesh_of(job.world)
    for part in (every_dtype, every_stride, shared_storages):
        part(truth, state, mesh, job)
    write_truth(truth, job)
    save_rank(state, job)


@scenario(3, is_model=False)
def many_tiles(job: Job) -> None:
    """Tensors of several MiB, so that the work is cut into tiles within rows, between rows and across shards."""
    torch.manual_seed(0)
    tall, wide, cube = torch.randn(1501, 700), torch.randn(601, 1999).to(torch.bfloat16), torch.randn(70, 90, 211)
    mesh = mesh_of(job.world)
    write_truth({"tall": tall, "tall.turned": tall + 1, "tall.odd": tall[:, 1::3], "wide": wide, "cube": cube}, job)
    save_rank({"tall": as_dtensor(local_part(tall, job).clone(), tall, mesh),
               "tall.turned": as_dtensor(local_part(tall + 1, job).t().contiguous().t(), tall, mesh),
               "tall.odd": tall[:, 1::3],
               "wide": as_dtensor(local_part(wide, job, 1).clone(), wide, mesh, Shard(1)),
               "cube": as_dtensor(local_part(cube, job, 1).clone(), cube, mesh, Shard(1))}, job)


def special_values(dtype: torch.dtype) -> torch.Tensor:
    """Infinities, NaN, zeros, subnormals, the edges of every smaller type, ties to round, and then random bits."""
    bits = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}[dtype.itemsize]
    edges = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 65504.0, 65519.99, 65520.0, -65520.0, 1e38, 3.4e38,
             3.3961776e38, 2.0**-14, 2.0**-24, 2.0**-25, 2.0**-25 * 1.0001, 3 * 2.0**-25, 2.0**-126, 2.0**-133,
             2.0**-134, 2.0**-149, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-8 + 2.0**-20, 1 + 2.0**-11, 1 + 3 * 2.0**-11,
             # PyTorch rounds f64 to f32 first, which makes ties of these two.
             1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-11 + 2.0**-40]
    # Of an 8-bit type every value; of a larger one bits at random, which reach its NaNs and subnormals.
    info = torch.iinfo(bits)
    raw = torch.arange(info.min, info.max + 1, dtype=bits) if dtype.itemsize == 1 else torch.cat(
        [torch.randint(info.min, info.max, (4000,), dtype=bits), torch.arange(-64, 64, dtype=bits)])
    return torch.cat([torch.tensor(edges, dtype=torch.float64).to(dtype).view(bits), raw]).view(dtype)


@scenario(2, is_model=False)
def float_values(job: Job) -> None:
    """For --dtype: every kind of float value in every float type, and integers that no option may cast."""
    torch.manual_seed(0)
    truth, state, mesh = {}, {}, mesh_of(job.world)
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, *FLOAT8):
        name = str(dtype).removeprefix("torch.")
        truth[name] = whole = special_values(dtype)
        state[name] = as_dtensor(local_part(whole, job).clone(), whole, mesh)
    for dtype in (torch.int64, torch.uint16, torch.int8, torch.bool):
        name = str(dtype).removeprefix("torch.")
        truth[name] = state[name] = random_tensor(dtype, 33)
    write_truth(truth, job)
    save_rank(state, job)


@scenario(3, is_model=False, is_refused=True)
def buffers_differ(job: Job) -> None:
    torch.manual_seed(0)
    weight = torch.randn(7, 3)
    save_rank({"weight": as_dtensor(local_part(weight, job).clone(), weight, mesh_of(job.world)),
               "same": torch.arange(5), "counts": torch.tensor([186, job.rank // 2])}, job)


@scenario(4, is_model=False, is_refused=True)
def replicas_differ(job: Job) -> None:
    """The second replica drifted in one element."""
    torch.manual_seed(0)
    mesh = mesh_of(2, 2, names=("ddp", "fsdp"))
    replica, part = divmod(job.rank, 2)
    same, drifted = torch.randn(6, 4), torch.randn(6, 4)
    drifted[5, 3] += replica
    save_rank({name: DTensor.from_local(whole.chunk(2)[part].clone(), mesh, [Replicate(), Shard(0)], run_check=False)
               for name, whole in (("same", same), ("drifted", drifted))}, job)
