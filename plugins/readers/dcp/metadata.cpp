// torch.distributed.checkpoint.metadata.Metadata, pickled (protocol 4 as a rule):
//     state_dict_metadata  key -> TensorStorageMetadata{properties, size, chunks: [{offsets, sizes}]}, or
//                          BytesStorageMetadata for what is no tensor
//     storage_data         MetadataIndex{fqn, offset} -> _StorageInfo{relative_path, offset, length
//                          [, transform_descriptors]}, one for each chunk, found by key and offset in the tensor
//     planner_data         key -> the path of keys that it was flattened from, e.g. ('app', 'model', 'a.weight');
//                          absent when the saved object was not flattened (Megatron)
//     storage_meta, version  where and when it was saved; not in old ones, not needed
// The state of TensorProperties is a tuple, the dtype first (metadata.py, filesystem.py, default_planner.py).
//
// Chunks are listed in rank order. Ranks that hold the same box share one chunk; old releases listed it once for each
// rank, with one place in a file for all. Where a dimension is too small for all ranks, some hold empty chunks, which
// need no place.

#include "metadata.hpp"

#include "formats/torch/tensor.hpp"
#include "unshard/tools/in_context.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

namespace unshard::dcp {
namespace {

using torch::in_context;
using torch::kNone;
using torch::Ref;
using torch::Symbol;
using torch::Values;
using Items = std::span<const std::pair<Ref, Ref>>;

/// Some 100 bytes a chunk, so ten million of them.
constexpr std::uint64_t kMaxBytes = 1 << 30;
constexpr std::size_t kMaxPath = 64;

/// As long as a tensor's name may be.
constexpr std::size_t kMaxName = 64 << 10;

/// Reads the whole file, but refuses runs of zeros: a sparse file can be huge without taking any space.
std::string read_without_holes(const InputFile& file) {
    constexpr std::uint64_t kStep = 1 << 20;
    std::string bytes;
    for (std::uint64_t at = 0; at < file.bytes(); at += kStep) {
        const std::string part = file.read(at, std::min(kStep, file.bytes() - at));
        if (part.size() == kStep && part.find_first_not_of('\0') == std::string::npos) {
            throw Error(fmt::format("it has nothing but zeros from byte {} on: the file is damaged", at));
        }
        bytes += part;
    }
    return bytes;
}

Values read_values(const InputFile& file, std::span<const std::string> opaque) {
    if (file.bytes() > kMaxBytes) {
        throw Error(fmt::format("it has {} bytes, at most {} are supported", file.bytes(), kMaxBytes));
    }
    std::string bytes = read_without_holes(file);
    if (!bytes.starts_with('\x80')) throw Error("not a pickle: " + torch::describe_beginning(bytes));
    torch::Pickle pickle = torch::parse_pickle(std::move(bytes));
    std::vector<Symbol> symbols = torch::check_allowed(pickle, "the pickle", opaque);
    return {std::move(pickle), std::move(symbols)};
}

Items items(const Values& values, Ref ref, const std::string& what) {
    const auto mapping = values.mapping(ref);
    if (!mapping) throw Error(fmt::format("{} is {}, not a dictionary", what, values.describe(ref)));
    return *mapping;
}

/// A text without a copy: valid as long as `values`.
std::string_view text(const Values& values, Ref ref, std::string_view what) {
    const auto* text = values.get_if<torch::Text>(ref);
    if (text == nullptr) throw Error(fmt::format("{} is {}, not a text", what, values.describe(ref)));
    return text->value;
}

/// A path of dictionary keys and list indices. The bytes of its keys are subtracted from `budget`.
std::vector<std::string> read_path(const Values& values, Ref ref, std::uint64_t& budget) {
    const std::span<const Ref> keys = values.sequence(ref, "its path");
    if (keys.empty() || keys.size() > kMaxPath) {
        throw Error(fmt::format("its path has {} keys", keys.size()));
    }
    std::vector<std::string> path;
    for (const Ref key : keys) {
        const auto* index = values.get_if<std::int64_t>(key);
        const std::string_view name = index != nullptr ? std::string_view() : text(values, key, "a key of its path");
        if (name.size() > kMaxName || name.size() > budget) {
            throw Error(fmt::format("the keys of its path take {} bytes: the metadata is damaged", name.size()));
        }
        budget -= name.size();
        path.push_back(index != nullptr ? std::to_string(*index) : std::string(name));
    }
    return path;
}

/// A chunk takes some 100 bytes of the metadata.
constexpr std::uint64_t kChunkBytes = 16, kLeastChunks = 1000;

/// dtype, layout, requires_grad, memory format, pin_memory.
constexpr std::size_t kProperties = 5;

/// The dtype among the properties of a tensor, e.g. `torch.bfloat16`.
Ref dtype_of(const Values& values, Ref record) {
    const Ref found = values.required(record, "properties");
    if (!values.is_made_by(found, Symbol::checkpoint_record)) {
        throw Error(fmt::format("its properties are {}, not TensorProperties", values.describe(found)));
    }
    const auto* properties = values.get_if<torch::Made>(found);
    const std::span<const Ref> state = values.sequence(properties->state, "the state of its properties");
    if (state.size() != kProperties) {
        throw Error(fmt::format("the number of its properties is {}, not {}: the metadata is damaged", state.size(),
                                kProperties));
    }
    return state.front();
}

/// Reads no more than it needs: values that are not converted may be of any dtype.
bool is_weight_record(const Values& values, Ref record) {
    const bool is_float = values.global(dtype_of(values, record)).second.find("float") != std::string_view::npos;
    return is_float && !values.sequence(values.required(record, "size"), "its size").empty();
}

/// Chunks of one tensor by where they begin.
class ChunkTable {
public:
    /// Of equal chunks keeps one, of an empty and another chunk that begin together the other.
    void add(const Box& box) {
        const auto [entry, is_new] = chunks_.try_emplace(key(box.origin), Stored{box, std::nullopt});
        Box& known = entry->second.box;
        if (is_new || known == box || box.extent.numel() == 0) return;
        if (known.extent.numel() != 0) {
            throw Error(fmt::format("two chunks begin at {}, {} and {}: the metadata is damaged", to_string(box.origin),
                                    to_string(known.extent), to_string(box.extent)));
        }
        known = box;
    }

    void set_blob(const Dims& origin, const Blob& blob) {
        const auto found = chunks_.find(key(origin));
        if (found == chunks_.end()) {
            throw Error(fmt::format("there are bytes for a chunk at {}, and no such chunk: the metadata is damaged",
                                    to_string(origin)));
        }
        if (found->second.blob) {
            throw Error(
                fmt::format("there are bytes for the chunk at {} twice: the metadata is damaged", to_string(origin)));
        }
        found->second.blob = blob;
    }

    void append_to(std::vector<Chunk>& chunks, bool keep_empty) const {
        for (const auto& [origin, stored] : chunks_) {
            if (stored.box.extent.numel() == 0 && !keep_empty) continue;
            if (!stored.blob) {
                throw Error(fmt::format("the chunk at {} of shape {} was not saved: the metadata says no place for it",
                                        to_string(stored.box.origin), to_string(stored.box.extent)));
            }
            chunks.push_back({stored.box, *stored.blob});
        }
    }

private:
    struct Stored {
        Box box;
        std::optional<Blob> blob;
    };

    static std::vector<std::uint64_t> key(const Dims& dims) { return {dims.begin(), dims.end()}; }

    std::map<std::vector<std::uint64_t>, Stored> chunks_;
};

/// The number of chunks is subtracted from `budget`: a hostile file can use one list of chunks for any number of
/// tensors.
ChunkTable read_boxes(const Values& values, Ref record, const Dims& shape, std::uint64_t& budget) {
    ChunkTable table;
    const std::span<const Ref> chunks = values.sequence(values.required(record, "chunks"), "its chunks");
    if (chunks.size() > budget)
        throw Error("there are more chunks than the file has room for: the metadata is damaged");
    budget -= chunks.size();
    for (const Ref chunk : chunks) {
        const Box box{values.dims(values.required(chunk, "offsets"), "the offsets of a chunk"),
                      values.dims(values.required(chunk, "sizes"), "the sizes of a chunk")};
        if (!contains(shape, box)) {
            throw Error(fmt::format("a chunk of shape {} at {} lies outside the tensor, {}: the metadata is damaged",
                                    to_string(box.extent), to_string(box.origin), to_string(shape)));
        }
        table.add(box);
    }
    return table;
}

/// PyTorch itself has one extension that transforms blobs (_extension.py), "stream.zstd/1"; others belong to programs.
bool is_zstd(std::string_view descriptor) {
    return descriptor == "stream.zstd/1" || descriptor.starts_with("stream.zstd/1.");
}

bool is_packed(const Values& values, Ref info) {
    const std::optional<Ref> transforms = values.attribute(info, "transform_descriptors");
    if (!transforms || *transforms == kNone) return false;
    const std::span<const Ref> names = values.sequence(*transforms, "transform_descriptors");
    if (names.empty()) return false;
    const std::string last = values.text(names[0], "a transform");
    if (names.size() == 1 && is_zstd(last)) return true;
    throw Error(
        fmt::format("it was saved through {}'{}'; only 'stream.zstd/1' alone is supported: load it with PyTorch and "
                    "save it without extensions",
                    names.size() == 1 ? "" : fmt::format("{} extensions, the last is ", names.size()), last));
}

constexpr std::size_t kNotWanted = std::size_t(-1);

/// A number for each text, looked up once however many records share the text.
class TextTable {
public:
    template <class Find>
    std::size_t find(Ref text, Find find) {
        const auto known = numbers_.find(text);
        if (known != numbers_.end()) return known->second;
        return numbers_.emplace(text, find(text)).first->second;
    }

private:
    std::unordered_map<Ref, std::size_t> numbers_;
};

Blob read_blob(const Values& values, Ref info, std::uint32_t file) {
    return {file, values.count(values.required(info, "offset"), "the offset of a chunk's bytes"),
            values.count(values.required(info, "length"), "the number of a chunk's bytes"), is_packed(values, info)};
}

Items records_of(const Values& values) {
    return items(values, values.required(values.root(), "state_dict_metadata"), "state_dict_metadata");
}

void set_kind(Tensor& tensor, DType dtype, const Dims& shape) {
    if (tensor.chunks.empty()) {
        tensor.dtype = dtype;
        tensor.shape = shape;
    }
    if (tensor.dtype == dtype && tensor.shape == shape) return;
    throw Error(fmt::format("it is {} {} here, {} {} on a rank before: metadata of different checkpoints is mixed",
                            to_string(dtype), to_string(shape), to_string(tensor.dtype), to_string(tensor.shape)));
}

}  // namespace

Metadata::Metadata(const InputFile& file, std::span<const std::string> opaque)
    : bytes_(file.bytes()), values_(read_values(file, opaque)) {
    if (values_.symbol(values_.root()) == Symbol::checkpoint_metadata) return;
    throw Error(fmt::format("it holds {}, not the metadata of a checkpoint", values_.describe(values_.root())));
}

std::vector<Saved> Metadata::saved() const {
    std::unordered_map<std::string_view, Ref> paths;
    const std::optional<Ref> planner_data = values_.attribute(values_.root(), "planner_data");
    if (planner_data && *planner_data != kNone) {
        std::unordered_set<Ref> known;
        for (const auto& [key, path] : items(values_, *planner_data, "planner_data")) {
            if (!known.insert(key).second) throw Error("planner_data has a key twice: the metadata is damaged");
            paths[text(values_, key, "a key of planner_data")] = path;
        }
    }
    std::vector<Saved> all;
    std::uint64_t budget = torch::kPathBudget + bytes_;
    std::unordered_set<std::string_view> seen;
    for (const auto& [key, record] : records_of(values_)) {
        Saved saved{.key = values_.text(key, "the name of a tensor"), .entry = {}};
        in_context(fmt::format("'{}'", saved.key), [&] {
            if (!seen.insert(text(values_, key, "the name of a tensor")).second) throw Error("it is there twice");
            const auto path = paths.find(saved.key);
            torch::Entry& entry = saved.entry;
            entry.path = path == paths.end() ? std::vector{saved.key} : read_path(values_, path->second, budget);
            entry.is_tensor = values_.symbol(record) == Symbol::checkpoint_tensor;
            entry.is_weight = entry.is_tensor && is_weight_record(values_, record);
        });
        all.push_back(std::move(saved));
    }
    return all;
}

bool Metadata::is_before_strided_shards() const {
    return !values_.attribute(values_.root(), "storage_meta");
}

void Metadata::add_chunks(const TensorNumbers& wanted, std::vector<Tensor>& tensors, FileTable& files) const {
    std::unordered_map<std::size_t, ChunkTable> tables;
    std::uint64_t chunks = kLeastChunks + bytes_ / kChunkBytes;
    for (const auto& [key, record] : records_of(values_)) {
        const auto number = wanted.find(text(values_, key, "the name of a tensor"));
        if (number == wanted.end()) continue;
        Tensor& tensor = tensors[number->second];
        in_context(fmt::format("'{}'", tensor.key), [&] {
            const Dims shape = values_.dims(values_.required(record, "size"), "its size");
            set_kind(tensor, torch::read_dtype(values_, dtype_of(values_, record)), shape);
            tables.insert_or_assign(number->second, read_boxes(values_, record, shape, chunks));
        });
    }
    TextTable names, paths;
    for (const auto& [index, info] : items(values_, values_.required(values_.root(), "storage_data"), "storage_data")) {
        const std::size_t number = names.find(values_.required(index, "fqn"), [&](Ref fqn) {
            const auto found = wanted.find(text(values_, fqn, "fqn"));
            return found == wanted.end() ? kNotWanted : found->second;
        });
        if (number == kNotWanted) continue;
        in_context(fmt::format("'{}'", tensors[number].key), [&] {
            const Dims origin = values_.dims(values_.required(index, "offset"), "the offset of a chunk");
            const std::size_t file = paths.find(values_.required(info, "relative_path"), [&](Ref path) {
                return std::size_t{files.add(text(values_, path, "relative_path"))};
            });
            tables[number].set_blob(origin, read_blob(values_, info, static_cast<std::uint32_t>(file)));
        });
    }
    for (const auto& [number, table] : tables) {
        Tensor& tensor = tensors[number];
        in_context(fmt::format("'{}'", tensor.key), [&] { table.append_to(tensor.chunks, tensor.shape.numel() == 0); });
    }
}

}  // namespace unshard::dcp
