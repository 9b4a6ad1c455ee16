// A packed file can only be read from its beginning, and tiles ask for bytes in any order. Windows into each of the
// streams that a tile needs would take memory that grows with the number of shards, so all is unpacked once, before the
// first tile, to where the output is being made.

#include "copy/sources.hpp"

#include "packing/zstd.hpp"
#include "text/quantity.hpp"
#include "unshard/parallel.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace unshard {
namespace {

/// The numbers of the files that plans read, each once.
std::vector<std::uint32_t> files_of(const CheckpointIndex& index, const std::vector<const Plan*>& plans) {
    std::vector<bool> is_read(index.files.size());
    const auto read = [&](const Copy& copy) { is_read[index.tensors[copy.tensor].shards[copy.shard].file] = true; };
    for (const Plan* plan : plans) {
        for (const PlannedTensor& tensor : plan->tensors) {
            std::ranges::for_each(tensor.copies, read);
            std::ranges::for_each(tensor.replicas, read);
        }
    }
    std::vector<std::uint32_t> numbers;
    for (std::uint32_t i = 0; i < is_read.size(); ++i) {
        if (is_read[i]) numbers.push_back(i);
    }
    return numbers;
}

void unpack_into(ScratchFile& scratch, std::uint64_t begin, const SourceFile& contents, const InputFile& packed) {
    const Packed& from = *contents.packed;
    std::uint64_t at = begin;
    const std::uint64_t bytes =
        unpack_zstd(packed, from.offset, from.bytes, contents.bytes, [&](std::span<const std::byte> part) {
            scratch.write(at, part);
            at += part.size();
        });
    if (bytes == contents.bytes) return;
    throw Error(
        fmt::format("unpacked to {} bytes when it was indexed, to {} now", grouped(contents.bytes), grouped(bytes)));
}

}  // namespace

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // when refused, opening too many files says so
}

Sources::Sources(const CheckpointIndex& index, const std::vector<const Plan*>& plans, unsigned threads,
                 const std::string& scratch_directory)
    : files_(index.files.size()), sources_(index.files.size()) {
    raise_descriptor_limit();
    std::vector<std::uint32_t> packed;
    for (const std::uint32_t number : files_of(index, plans)) {
        const SourceFile& file = index.files[number];
        open(index, file.packed ? file.packed->file : number);
        if (file.packed) packed.push_back(number);
    }
    if (!packed.empty()) unpack(index, packed, threads, scratch_directory);
}

void Sources::open(const CheckpointIndex& index, std::uint32_t number) {
    if (files_[number]) return;
    const SourceFile& expected = index.files[number];
    auto file = std::make_unique<InputFile>(expected.path);
    if (file->bytes() != expected.bytes) {
        throw Error(fmt::format("{}: had {} bytes when it was indexed, has {} now: it is being written", expected.path,
                                grouped(expected.bytes), grouped(file->bytes())));
    }
    files_[number] = std::move(file);
    sources_[number] = {files_[number].get(), 0};
}

void Sources::unpack(const CheckpointIndex& index, const std::vector<std::uint32_t>& packed, unsigned threads,
                     const std::string& scratch_directory) {
    std::uint64_t bytes = 0;
    for (const std::uint32_t number : packed) {
        sources_[number].begin = bytes;
        bytes = checked_add(bytes, index.files[number].bytes);
    }
    scratch_ = std::make_unique<ScratchFile>(scratch_directory, bytes);
    parallel_for(packed.size(), threads, [&](std::size_t i) {
        Source& source = sources_[packed[i]];
        const SourceFile& contents = index.files[packed[i]];
        source.file = &scratch_->contents();
        try {
            unpack_into(*scratch_, source.begin, contents, *files_[contents.packed->file]);
        } catch (const Error& e) {
            throw Error(fmt::format("{}: {}", contents.path, e.what()));
        }
    });
}

}  // namespace unshard
