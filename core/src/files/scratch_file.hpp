// Space for files that must be unpacked before they can be read at any position.
#pragma once

#include "unshard/tools/input_file.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace unshard {

/// A file without a name: it vanishes with this object, or with the process, however that ends.
class ScratchFile {
public:
    /// In the first of these directories that has the space. Throws Error when none has, or it cannot be made there.
    ScratchFile(const std::vector<std::string>& directories, std::uint64_t bytes);

    /// Any thread. Throws Error on an I/O error.
    void write(std::uint64_t offset, std::span<const std::byte> bytes);

    std::shared_ptr<const InputFile> contents() const { return file_; }

private:
    std::shared_ptr<const InputFile> file_;
};

}  // namespace unshard
