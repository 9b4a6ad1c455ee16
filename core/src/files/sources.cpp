// A packed file can only be read from its beginning, and tiles ask for bytes in any order. Windows into each of the
// streams that a tile needs would take memory that grows with the number of shards, so all is unpacked once, before the
// first tile, to where the output is being made.

#include "files/sources.hpp"

#include "packing/zstd.hpp"
#include "text/quantity.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace unshard {
namespace {

/// The numbers of the files that plans read, each once.
std::set<std::uint32_t> files_of(const CheckpointIndex& index, const std::vector<const Plan*>& plans) {
    std::set<std::uint32_t> numbers;
    const auto read = [&](const Copy& copy) { numbers.insert(index.tensors[copy.tensor].shards[copy.shard].file); };
    for (const Plan* plan : plans) {
        for (const PlannedTensor& tensor : plan->tensors) {
            std::ranges::for_each(tensor.copies, read);
            std::ranges::for_each(tensor.replicas, read);
        }
    }
    return numbers;
}

void check_same(const InputFile& file, const SourceFile& indexed) {
    if (file.bytes() != indexed.bytes) {
        throw Error(fmt::format("{}: had {} bytes when it was indexed, has {} now: it is being written", indexed.path,
                                grouped(indexed.bytes), grouped(file.bytes())));
    }
    if (indexed.stamp == FileStamp() || indexed.stamp == file.stamp()) return;
    throw Error(
        fmt::format("{}: was changed after it was indexed: convert it again when nothing writes to it", indexed.path));
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

Sources::Sources(const CheckpointIndex& index, const std::vector<const Plan*>& plans, unsigned threads,
                 const std::vector<std::string>& scratch_directories)
    : index_(index), files_(index.files.size()), open_(most_open_files()) {
    std::vector<std::uint32_t> packed;
    for (const std::uint32_t number : files_of(index, plans)) {
        const auto& from = index.files[number].packed;
        if (from) packed.push_back(number);
        files_[from ? from->file : number].is_used = true;
    }
    for (std::uint32_t number = 0; number < files_.size(); ++number) {
        if (files_[number].is_used) opened(number);
    }
    list_checks(plans);
    if (!packed.empty()) unpack(packed, threads, scratch_directories);
}

void Sources::list_checks(const std::vector<const Plan*>& plans) {
    for (const Plan* plan : plans) {
        for (const PlannedTensor& tensor : plan->tensors) {
            for (const Copy& copy : tensor.copies) {
                const SourceTensor& source = index_.tensors[copy.tensor];
                const Shard& shard = source.shards[copy.shard];
                if (!shard.crc32) continue;
                Checked& checked = checks_[{shard.file, shard.offset, shard.bytes}];
                if (!checked.check) {
                    checked = {source.name, &shard, std::make_unique<StorageCheck>(shard.bytes)};
                } else if (*checked.shard->crc32 != *shard.crc32) {
                    throw Error(fmt::format("{}: '{}': two checksums are stated for its storage: the file is damaged",
                                            index_.files[shard.file].path, source.name));
                }
            }
        }
    }
}

OpenStorage Sources::open(const Shard& shard) {
    const auto checked = checks_.find({shard.file, shard.offset, shard.bytes});
    StorageCheck* check = checked == checks_.end() ? nullptr : checked->second.check.get();
    if (!index_.files[shard.file].packed) return {opened(shard.file), shard.offset, check};
    return {scratch_->contents(), files_[shard.file].begin + shard.offset, check};
}

std::shared_ptr<const InputFile> Sources::opened(std::uint32_t number) {
    return open_.get(number, [&] {
        auto file = std::make_shared<const InputFile>(index_.files[number].path);
        check_same(*file, index_.files[number]);
        return file;
    });
}

void Sources::check_storage(const Checked& checked) {
    const Shard& shard = *checked.shard;
    const SourceFile& source = index_.files[shard.file];
    const std::shared_ptr<const InputFile> file = source.packed ? scratch_->contents() : opened(shard.file);
    const std::uint64_t begin = (source.packed ? files_[shard.file].begin : 0) + shard.offset;
    const std::uint32_t sum = checked.check->finish(*file, begin);
    if (sum == *shard.crc32) return;
    throw Error(
        fmt::format("{}: '{}': its storage's checksum is {:08x}, the file states {:08x}: the file is damaged, "
                    "copy it again from where it was saved",
                    source.path, checked.tensor, sum, *shard.crc32));
}

void Sources::finish(unsigned threads) {
    std::vector<const Checked*> all;
    for (const auto& [place, checked] : checks_) all.push_back(&checked);
    parallel_for(all.size(), threads, [&](std::size_t i) { check_storage(*all[i]); });
    for (std::uint32_t number = 0; number < files_.size(); ++number) {
        if (!files_[number].is_used) continue;
        check_same(InputFile(index_.files[number].path), index_.files[number]);
    }
}

void Sources::unpack(const std::vector<std::uint32_t>& packed, unsigned threads,
                     const std::vector<std::string>& scratch_directories) {
    std::uint64_t bytes = 0;
    for (const std::uint32_t number : packed) {
        files_[number].begin = bytes;
        bytes = checked_add(bytes, index_.files[number].bytes);
    }
    scratch_ = std::make_unique<ScratchFile>(scratch_directories, bytes);
    parallel_for(packed.size(), threads, [&](std::size_t i) {
        const SourceFile& contents = index_.files[packed[i]];
        try {
            unpack_into(*scratch_, files_[packed[i]].begin, contents, *opened(contents.packed->file));
        } catch (const Error& e) {
            throw Error(fmt::format("{}: {}", contents.path, e.what()));
        }
    });
}

}  // namespace unshard
