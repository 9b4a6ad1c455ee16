#include "chunks.hpp"

#include "stored_chunk.hpp"
#include "unshard/tools/in_context.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <tuple>

namespace unshard::dcp {
namespace {

/// Enough to make opening a file cheap, few enough that all threads get work.
constexpr std::size_t kChunksInBatch = 64;

/// A chunk to be read, by its number in its tensor.
struct Work {
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    std::size_t tensor = 0;
    std::size_t chunk = 0;
};

/// All chunks, by file and place in it.
std::vector<Work> list_work(const std::vector<Tensor>& tensors) {
    std::vector<Work> work;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        for (std::size_t c = 0; c < tensors[t].chunks.size(); ++c) {
            const Blob& blob = tensors[t].chunks[c].blob;
            work.push_back({blob.file, blob.offset, t, c});
        }
    }
    std::ranges::sort(work, {}, [](const Work& w) { return std::tuple(w.file, w.offset, w.tensor, w.chunk); });
    return work;
}

/// Runs of one file. Chunks with the same offset share a header, so they stay together.
std::vector<std::span<const Work>> batches_of(std::span<const Work> work) {
    std::vector<std::span<const Work>> batches;
    while (!work.empty()) {
        std::size_t count = 1;
        while (count < work.size() && work[count].file == work[0].file &&
               (count < kChunksInBatch || work[count].offset == work[count - 1].offset)) {
            ++count;
        }
        batches.push_back(work.first(count));
        work = work.subspan(count);
    }
    return batches;
}

/// No two chunks may have bytes in common. Tensors that share memory are saved twice.
void check_no_overlap(const std::vector<SourceTensor>& tensors, const std::vector<SourceFile>& files,
                      const std::vector<std::string>& names) {
    struct Extent {
        std::uint32_t file;
        std::uint64_t begin;
        std::uint64_t end;
        const std::string* tensor;
    };
    std::vector<Extent> extents;
    for (const SourceTensor& tensor : tensors) {
        for (const Shard& s : tensor.shards) {
            if (const auto& packed = files[s.file].packed) {
                extents.push_back({packed->file, packed->offset, packed->offset + packed->bytes, &tensor.name});
            } else if (s.bytes != 0) {
                extents.push_back({s.file, s.offset, s.offset + s.bytes, &tensor.name});
            }
        }
    }
    std::ranges::sort(extents, {}, [](const Extent& e) { return std::pair(e.file, e.begin); });
    for (std::size_t i = 1; i < extents.size(); ++i) {
        const Extent &a = extents[i - 1], &b = extents[i];
        if (a.file != b.file || a.end <= b.begin) continue;
        throw Error(fmt::format("{}: '{}' and '{}' have chunks in the same bytes: the metadata is damaged",
                                names[a.file], *a.tensor, *b.tensor));
    }
}

/// Adds a source file for each packed blob, and moves its shard to it.
void add_packed(const std::vector<Tensor>& tensors, const std::vector<std::vector<std::uint64_t>>& unpacked_bytes,
                std::vector<SourceTensor>& located, std::vector<SourceFile>& files) {
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        for (std::size_t c = 0; c < tensors[t].chunks.size(); ++c) {
            const Blob& blob = tensors[t].chunks[c].blob;
            if (!blob.is_packed) continue;
            located[t].shards[c].file = static_cast<std::uint32_t>(files.size());
            files.push_back({files[blob.file].path, unpacked_bytes[t][c],
                             Packed{Packed::Format::zstd, blob.file, blob.offset, blob.bytes}});
        }
    }
}

}  // namespace

std::vector<SourceTensor> locate_chunks(const std::vector<Tensor>& tensors, std::vector<SourceFile>& files,
                                        const std::vector<std::string>& names, std::span<const std::string> opaque,
                                        unsigned threads, const Progress& progress) {
    std::vector<SourceTensor> located;
    std::vector<std::vector<std::uint64_t>> unpacked_bytes;
    for (const Tensor& tensor : tensors) {
        unpacked_bytes.emplace_back(tensor.chunks.size());
        located.push_back({tensor.name, tensor.dtype, tensor.shape, std::vector<Shard>(tensor.chunks.size())});
    }
    const std::vector<Work> work = list_work(tensors);
    SharedPool<ShardSpec> specs;
    std::mutex specs_mutex;
    std::atomic<std::uint64_t> done = 0;
    const std::vector<std::span<const Work>> batches = batches_of(work);
    parallel_for(batches.size(), threads, [&](std::size_t i) {
        const std::uint32_t number = batches[i].front().file;
        const InputFile file(files[number].path);
        ChunkReader reader(file, opaque);
        for (const Work& item : batches[i]) {
            const Tensor& tensor = tensors[item.tensor];
            StoredChunk stored = torch::in_context(fmt::format("{}: '{}'", names[number], tensor.name),
                                                   [&] { return reader.read(tensor, tensor.chunks[item.chunk]); });
            unpacked_bytes[item.tensor][item.chunk] = stored.unpacked_bytes;
            Shard& shard = located[item.tensor].shards[item.chunk];
            shard = std::move(stored.shard);
            shard.file = number;
            shard.rank = rank_of(names[number]);
            const std::lock_guard lock(specs_mutex);
            shard.spec = specs(shard.spec);
        }
        progress(done += batches[i].size(), work.size());
    });
    add_packed(tensors, unpacked_bytes, located, files);
    const auto place = [](const Shard& s) { return std::tuple(s.rank, s.file, s.offset); };
    for (SourceTensor& tensor : located) std::ranges::sort(tensor.shards, {}, place);
    check_no_overlap(located, files, names);
    return located;
}

}  // namespace unshard::dcp
