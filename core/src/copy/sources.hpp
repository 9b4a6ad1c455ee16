// The checkpoint's files, open for the copy pass.
#pragma once

#include "unshard/input_file.hpp"
#include "unshard/plan.hpp"

#include <memory>
#include <vector>

namespace unshard {

/// Lets the process open as many files as the system allows it: a checkpoint may have thousands.
void raise_descriptor_limit();

/// Open files by their number in the index; only those that plans read.
class Sources {
public:
    explicit Sources(const CheckpointIndex& index) : index_(index), files_(index.files.size()) {}

    /// Opens what the plan reads and is not open yet. Throws Error when a file cannot be opened, or has changed its
    /// size since it was indexed.
    void open(const Plan& plan);

    const InputFile& operator[](std::uint32_t file) const { return *files_[file]; }

private:
    void open(std::uint32_t number);

    const CheckpointIndex& index_;
    std::vector<std::unique_ptr<InputFile>> files_;
};

}  // namespace unshard
