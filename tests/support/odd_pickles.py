"""State dicts that are odd but valid pickles, and pickles that were damaged op by op.

An archive is the bytes of the pickle and of each storage, in the form of zip or the one before PyTorch 1.6, "legacy". Everything
is drawn from one random generator, so a seed says it all.
"""
import io
import pickle
import pickletools
import random
import re
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import torch

FORMS = ["zip", "legacy"]


@dataclass(frozen=True)
class Archive:
    form: str
    data: bytes
    storages: dict[str, bytes]
    counts: dict[str, int]  # of elements

STORAGES = {"FloatStorage": 4, "IntStorage": 4, "BFloat16Storage": 2, "LongStorage": 8, "BoolStorage": 1}
DTYPES = {"float32": 4, "int32": 4, "bfloat16": 2, "uint16": 2, "float8_e4m3fn": 1}


def save(archive: Archive, file: Path) -> None:
    if archive.form == "legacy":
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        pickles = [torch.serialization.MAGIC_NUMBER, 1001, system, archive.data, sorted(archive.storages)]
        whole = b"".join(part if part is archive.data else pickle.dumps(part, protocol=2) for part in pickles)
        for key in sorted(archive.storages):
            whole += struct.pack("<q", archive.counts[key]) + archive.storages[key]
        file.write_bytes(whole)
        return
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as target:
        target.writestr("archive/data.pkl", archive.data)
        for key, content in archive.storages.items():
            target.writestr(f"archive/data/{key}", content)
        target.writestr("archive/version", "3\n")


# --- opcodes


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def boolean(value: bool) -> bytes:
    return b"\x88" if value else b"\x89"


def named(name: str) -> bytes:
    module, _, local = name.rpartition(".")
    return b"c" + module.encode() + b"\n" + local.encode() + b"\n"


def row(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def array(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def call(name: str, *args: bytes) -> bytes:
    return named(name) + row(*args) + b"R"


def new(name: str, *args: bytes) -> bytes:
    return named(name) + row(*args) + b"\x81"


def items(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"(" + b"".join(key + value for key, value in pairs) + b"u"


class OddStateDict:
    """One in a few choices is something that PyTorch would not write, and that Python nevertheless makes sense of."""

    def __init__(self, seed: int, form: str):
        self.random = random.Random(seed)
        self.form = form
        self.storages: dict[str, tuple[str, int, bytes]] = {}
        self.numbers = 0  # of the memo that are used
        self.known: list[int] = []  # memo entries that are tensors
        self.storages["aside"] = "FloatStorage", 4, self.random.randbytes(16)
        for key in "012":
            kind = self.random.choice(list(STORAGES))
            count = self.random.randrange(1, 9)
            content = self.random.randbytes(count * STORAGES[kind]) if kind != "BoolStorage" else bytes(count)
            self.storages[key] = kind, count, content

    def archive(self) -> Archive:
        pairs = [(self.name(), self.value()) for _ in range(self.random.randrange(1, 5))]
        data = b"\x80\x02" + self.mapping(pairs) + b"."
        storages = {key: content + (self.seldom(b"?" * 8, b"") if key != "aside" else b"")
                    for key, (_, _, content) in self.storages.items()}
        if self.form == "legacy":  # has none that the pickle does not name
            named_here = re.findall(rb"X....(0|1|2|aside)X....(?:cpu|meta)", data, re.DOTALL)
            storages = {key: storages[key] for key in {name.decode() for name in named_here}}
        return Archive(self.form, data, storages, {key: count for key, (_, count, _) in self.storages.items()})

    def persistent(self, *id: bytes) -> bytes:
        view = [b"N"] if self.form == "legacy" else []
        return self.seldom(array(*id, *view), row(*id, *view), 0.01) + b"Q"

    def seldom(self, odd, usual, chance: float = 0.02):
        return odd if self.random.random() < chance else usual

    def name(self) -> bytes:
        return text(self.random.choice("abcdefg"))

    def value(self) -> bytes:
        if self.random.random() < 0.8:
            return self.tensor()
        return self.random.choice([integer(3), b"N", boolean(True), text("x"), array(integer(1)), row(),
                                   b"}" + items([(text("deep"), self.aside())]), array(self.aside()),
                                   call("torch.Size", row(integer(2))), call("torch.device", text("cpu"))])

    # --- dictionaries

    def mapping(self, pairs: list[tuple[bytes, bytes]]) -> bytes:
        lost = array(row(self.name(), self.aside()))
        made = self.random.choice([b"}", call("collections.OrderedDict"), new("collections.OrderedDict"),
                                   self.seldom(call("collections.OrderedDict", lost), b"}", 0.3),
                                   self.seldom(new("collections.OrderedDict", lost), b"}", 0.3),
                                   self.seldom(call("collections.defaultdict", b"N", b"}" + items(pairs)), b"}", 0.3),
                                   self.seldom(call("collections.Counter"), b"}", 0.3)])
        half = self.random.randrange(len(pairs) + 1)
        code = made + items(pairs[:half])
        if made != b"}" and self.random.random() < 0.3:
            code += b"}" + items([(text(self.seldom("a", "_metadata")), call("collections.OrderedDict"))]) + b"b"
        return code + items(pairs[half:])

    # --- tensors

    def tensor(self) -> bytes:
        if self.known and self.random.random() < 0.15:
            return b"h" + bytes([self.random.choice(self.known)])
        code = self.wrapped(self.strided())
        if self.random.random() < 0.5 and self.numbers < 200:
            self.numbers += self.seldom(3, 1)
            self.known.append(self.numbers)
            code += b"q" + bytes([self.numbers])
            code += self.seldom(self.aside() + b"q" + bytes([self.numbers]) + b"0", b"", 0.1)
            code += self.seldom(self.aside() + b"\x94" + b"0", b"", 0.1)
        return code

    def storage(self) -> tuple[bytes, str, int]:
        key = self.random.choice("012")
        kind, count, content = self.storages[key]
        kind = self.seldom(self.random.choice(list(STORAGES)), kind, 0.02)
        untyped = self.form == "zip" and self.seldom(True, False, 0.02)  # torch.load cannot read it of the legacy form
        stated = self.seldom(count - 1, count, 0.02)
        id = [text("storage"), named("torch.storage.UntypedStorage" if untyped else f"torch.{kind}"),
              self.seldom(integer(0), text(key), 0.01), text(self.seldom("meta", "cpu", 0.01)),
              integer(len(content) if untyped else stated)]
        return self.persistent(*id), "uint8" if untyped else kind, count

    def shape(self, count: int) -> tuple[int, list[int], list[int]]:
        sizes = [self.random.randrange(0, 3) for _ in range(self.random.randrange(0, 3))]
        strides = [self.random.randrange(0, 3) for _ in sizes]
        return self.random.randrange(0, max(1, count // 2)), sizes, strides

    def sizes(self, values: list[int]) -> bytes:
        plain = [integer(value) for value in values]
        grown = array(*plain) + b"q\xfe"
        return self.random.choice([row(*plain), row(*plain), array(*plain), call("torch.Size", row(*plain)),
                                   self.seldom(new("torch.Size", row(*plain)), row(*plain)),
                                   self.seldom(call("torch.Size", array(*plain)), row(*plain)),
                                   self.seldom(grown, row(*plain), 0.2)])

    def aside(self) -> bytes:
        """A tensor in order, for where unshard does not look and torch.load does."""
        storage = self.persistent(text("storage"), named("torch.FloatStorage"), text("aside"), text("cpu"), integer(4))
        return call("torch._utils._rebuild_tensor_v2", storage, integer(0), row(integer(4)), row(integer(1)), boolean(False),
                    call("collections.OrderedDict"))

    def strided(self) -> bytes:
        storage, _, count = self.storage()
        first, sizes, strides = self.shape(count)
        size = self.sizes(sizes)
        args = [storage, integer(first), size, self.sizes(strides),
                self.seldom(integer(0), boolean(self.seldom(True, False))),
                self.random.choice([call("collections.OrderedDict"), b"N", self.seldom(b"}", b"N")])]
        if self.random.random() < 0.2:
            code = call("torch._utils._rebuild_tensor_v3", *args, named(f"torch.{self.random.choice(list(DTYPES))}"))
        elif self.random.random() < 0.1:
            flags = items([(text(self.seldom("neg", "conj")), boolean(self.seldom(True, False, 0.2)))])
            code = call("torch._utils._rebuild_tensor_v2", *args, b"}" + self.seldom(flags, b"", 0.7))
        else:
            code = call("torch._utils._rebuild_tensor_v2", *args[:self.seldom(5, 6, 0.01)])
        if size.endswith(b"q\xfe"):
            code += b"h\xfe" + integer(1) + b"a0"
        return code

    def attributes(self) -> bytes:
        name = self.random.choice(["tag", "_is_buffer", self.seldom("data", "tag", 0.5), self.seldom("grad", "tag"),
                                   self.seldom("real", "tag"), self.seldom("__class__", "tag")])
        value = self.random.choice([b"N", integer(1), self.aside()])
        filled = b"}" + items([(text(name), value)])
        return self.random.choice([filled, b"}", b"N", row(b"N", filled), row(filled, filled)])

    def wrapped(self, tensor: bytes) -> bytes:
        hooks = call("collections.OrderedDict")
        choice = self.random.randrange(12)
        if choice == 0:
            return call("torch._utils._rebuild_parameter", tensor, boolean(False), hooks)
        if choice == 1:
            return call("torch._utils._rebuild_parameter_with_state", tensor, boolean(False), hooks, self.attributes())
        if choice == 2:
            args = tensor[len(named("torch._utils._rebuild_tensor_v2")):-1]
            if not tensor.startswith(named("torch._utils._rebuild_tensor_v2")) or not tensor.endswith(b"tR"):
                return tensor
            kind = self.random.choice(["torch.Tensor", "torch.nn.parameter.Parameter"])
            return named("torch._tensor._rebuild_from_type_v2") + row(
                named("torch._utils._rebuild_tensor_v2"), named(kind), args, self.attributes()) + b"R"
        if choice == 3 and self.random.random() < 0.5:
            made = self.random.choice([call, new])
            return made("torch.nn.parameter.Parameter", tensor, boolean(False))
        if choice == 4 and self.random.random() < 0.5:
            storage, _, count = self.storage()
            first, sizes, strides = self.shape(count)
            state = row(storage, integer(first), self.sizes(sizes), self.sizes(strides))
            return self.random.choice([tensor, call("torch.Tensor")]) + state + b"b"
        return tensor


def odd_state_dict(seed: int, form: str) -> Archive:
    return OddStateDict(seed, form).archive()


# --- damage


def usual_file(form: str) -> bytes:
    """What torch.save writes for a small model."""
    base = torch.arange(24, dtype=torch.float32)
    state = OrderedDict(w=torch.nn.Parameter(base.view(4, 6).t()), v=base[3:9], b=torch.ones(3, dtype=torch.bfloat16),
                        e=torch.zeros(0, 2), s=torch.tensor(7), n=3, o=None)
    if form == "zip":
        state["f"] = torch.ones(2).to(torch.float8_e4m3fn)
    state["t"] = torch.arange(4.0)
    state["t"].tag = "x"
    state._metadata = OrderedDict({"": {"version": 1}})
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=form == "zip")
    return buffer.getvalue()


def legacy_parts(whole: bytes) -> list[bytes]:
    """The five pickles, and what follows."""
    parts, rest = [], whole
    for _ in range(5):
        end = 1 + max(position for _, _, position in pickletools.genops(rest))
        parts.append(rest[:end])
        rest = rest[end:]
    return [*parts, rest]


def usual_archive(form: str) -> Archive:
    if form == "legacy":
        *_, data, keys, rest = legacy_parts(usual_file(form))
        sizes = {args[2]: torch._utils._element_size(args[1].dtype) for args in storage_ids(data)}
        storages, counts = {}, {}
        for key in pickle.loads(keys):
            counts[key] = struct.unpack_from("<q", rest)[0]
            end = 8 + counts[key] * sizes[key]
            storages[key], rest = rest[8:end], rest[end:]
        return Archive(form, data, storages, counts)
    with zipfile.ZipFile(io.BytesIO(usual_file(form))) as source:
        contents = {name.split("/", 1)[1]: source.read(name) for name in source.namelist()}
    return Archive(form, contents["data.pkl"], {name[5:]: data for name, data in contents.items() if name.startswith("data/")}, {})


def storage_ids(data: bytes) -> list[tuple]:
    found = []

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, id):
            found.append(id)

        def find_class(self, module, name):
            return getattr(torch, name) if name.endswith("Storage") else lambda *args: OrderedDict()
    Unpickler(io.BytesIO(data)).load()
    return found


def outside_of_storages(file: bytes, form: str) -> list[int]:
    """Places of all bytes but the tensors' own; of the legacy form, of its pickles."""
    if form == "legacy":
        return list(range(len(file) - len(legacy_parts(file)[-1])))
    places = set(range(len(file)))
    with zipfile.ZipFile(io.BytesIO(file)) as source:
        for entry in source.infolist():
            begin = entry.header_offset + 30 + sum(struct.unpack_from("<HH", file, entry.header_offset + 26))
            if "/data/" in entry.filename:
                places -= set(range(begin, begin + entry.file_size))
    return sorted(places)


def operations(data: bytes) -> list[bytes]:
    starts = [position for _, _, position in pickletools.genops(data)]
    return [data[begin:end] for begin, end in zip(starts, [*starts[1:], len(data)])]


POOL = [b"N", b"\x88", b"\x89", b")", b"]", b"}", b"(", b"0", b"2", b"\x85", b"\x86", b"\x87", b"t", b"a", b"e", b"s", b"u",
        b"R", b"b", b"Q", b"\x81", b"\x94", *(b"K" + bytes([i]) for i in range(4)), *(b"h" + bytes([i]) for i in range(0, 90, 9)),
        *(b"q" + bytes([i]) for i in range(0, 90, 9))]


def damaged(archive: Archive, seed: int) -> Archive:
    """A few operations are lost, doubled, exchanged, replaced, or have another operand."""
    draw = random.Random(seed)
    ops = operations(archive.data)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        at = draw.randrange(1, len(ops) - 1)
        kind = draw.randrange(6)
        if kind == 0:
            del ops[at]
        elif kind == 1:
            ops.insert(at, draw.choice(ops[1:-1]))
        elif kind == 2:
            other = draw.randrange(1, len(ops) - 1)
            ops[at], ops[other] = ops[other], ops[at]
        elif kind == 3:
            ops[at] = draw.choice(POOL)
        elif kind == 4:
            ops.insert(at, draw.choice(POOL))
        elif len(ops[at]) > 1:
            place = draw.randrange(1, len(ops[at]))
            ops[at] = ops[at][:place] + bytes([draw.randrange(256)]) + ops[at][place + 1:]
    return replace(archive, data=b"".join(ops))
