// The checkpoint's files, open for the copy pass.
#pragma once

#include "copy/scratch_file.hpp"
#include "unshard/index.hpp"
#include "unshard/input_file.hpp"
#include "unshard/plan.hpp"

#include <memory>
#include <string>
#include <vector>

namespace unshard {

/// Lets the process open as many files as the system allows it: a checkpoint may have thousands.
void raise_descriptor_limit();

/// Where the bytes of a source file can be read.
struct Source {
    const InputFile* file = nullptr;
    std::uint64_t begin = 0;  ///< where its first byte is
};

/// Open files by their number in the index; only those that plans read. What is packed is unpacked here, into one
/// file without a name.
class Sources {
public:
    /// Unpacks on up to `threads` threads into `scratch_directory`. Throws Error when a file cannot be opened, has
    /// changed its size since it was indexed, or does not unpack to what the index says.
    Sources(const CheckpointIndex& index, const std::vector<const Plan*>& plans, unsigned threads,
            const std::string& scratch_directory);

    const Source& operator[](std::uint32_t file) const { return sources_[file]; }

private:
    void open(const CheckpointIndex& index, std::uint32_t number);
    void unpack(const CheckpointIndex& index, const std::vector<std::uint32_t>& packed, unsigned threads,
                const std::string& scratch_directory);

    std::vector<std::unique_ptr<InputFile>> files_;
    std::unique_ptr<ScratchFile> scratch_;
    std::vector<Source> sources_;
};

}  // namespace unshard
