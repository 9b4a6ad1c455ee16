// Room for what has to be unpacked before it can be read by position.
#pragma once

#include "unshard/input_file.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace unshard {

/// A file without a name: it is gone when this is, or the process, however it ends.
class ScratchFile {
public:
    /// In this directory. Throws Error when it cannot be made there or there is no space for it.
    ScratchFile(const std::string& directory, std::uint64_t bytes);

    /// Any thread. Throws Error on an I/O error.
    void write(std::uint64_t offset, std::span<const std::byte> bytes);

    const InputFile& contents() const { return file_; }

private:
    InputFile file_;
};

}  // namespace unshard
