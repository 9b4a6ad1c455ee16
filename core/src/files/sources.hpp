// The checkpoint's files during the copy pass.
#pragma once

#include "files/open_files.hpp"
#include "files/scratch_file.hpp"
#include "files/storage_check.hpp"
#include "unshard/index.hpp"
#include "unshard/plan.hpp"
#include "unshard/tools/input_file.hpp"

#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace unshard {

/// An open storage. Bytes that are read go into the check of its checksum too, if there is one.
class OpenStorage {
public:
    OpenStorage(std::shared_ptr<const InputFile> file, std::uint64_t begin, StorageCheck* check)
        : file_(std::move(file)), begin_(begin), check_(check) {}

    /// Bytes from `offset` of the storage on. Throws Error on an I/O error.
    void read_at(std::uint64_t offset, std::span<std::byte> into) const {
        file_->read_at(begin_ + offset, into);
        if (check_) check_->take(offset, into);
    }

private:
    std::shared_ptr<const InputFile> file_;
    std::uint64_t begin_ = 0;  ///< where its first byte is in the file
    StorageCheck* check_ = nullptr;
};

/// The files that plans read, of which a few are open at a time. Packed files are unpacked here, into one file without
/// a name.
class Sources {
public:
    /// Unpacks on up to `threads` threads into the first of `scratch_directories` that has the space. `index` outlives
    /// this. Throws Error when a file cannot be opened, was written to since it was indexed, or does not unpack to what
    /// the index says.
    Sources(const CheckpointIndex& index, const std::vector<const Plan*>& plans, unsigned threads,
            const std::vector<std::string>& scratch_directories);

    /// The storage of a shard. Any thread. Throws Error when its file cannot be opened or has changed.
    OpenStorage open(const Shard& shard);

    /// To be called when everything was read. Compares storages with the checksums that the checkpoint states, and
    /// files with what was indexed. Throws Error that names what is damaged or has changed.
    void finish(unsigned threads);

private:
    struct File {
        std::uint64_t begin = 0;  ///< of what was unpacked, in the scratch file
        bool is_used = false;
    };
    using StorageKey = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>;  ///< file, offset, bytes
    struct Checked {
        std::string tensor;  ///< one of those in the storage
        const Shard* shard = nullptr;
        std::unique_ptr<StorageCheck> check;
    };

    std::shared_ptr<const InputFile> opened(std::uint32_t number);
    void check_storage(const Checked& checked);
    void list_checks(const std::vector<const Plan*>& plans);
    void unpack(const std::vector<std::uint32_t>& packed, unsigned threads,
                const std::vector<std::string>& scratch_directories);

    const CheckpointIndex& index_;
    std::map<StorageKey, Checked> checks_;
    std::unique_ptr<ScratchFile> scratch_;
    std::vector<File> files_;
    OpenFiles<const InputFile> open_;
};

}  // namespace unshard
