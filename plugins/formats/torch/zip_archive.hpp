// The directory of a zip file, as far as torch.save uses zip: stored entries, whose bytes are used where they lie.
#pragma once

#include "unshard/tools/input_file.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace unshard::torch {

/// Where an entry's bytes lie.
struct ZipEntry {
    std::uint64_t offset = 0;  ///< from the start of the file
    std::uint64_t bytes = 0;
    /// Of its bytes. None when it was not computed (torch.serialization.set_crc32_options), or when PyTorch left the
    /// bytes to be filled in later (torch.serialization.skip_data).
    std::optional<std::uint32_t> crc32 = std::nullopt;
    bool is_padded = false;  ///< by PyTorch, so that it begins at a multiple of its alignment
    friend bool operator==(const ZipEntry&, const ZipEntry&) = default;
};

/// Without regard to the case of ASCII letters, as PyTorch looks names up.
struct NameLess {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const;
};

/// By name. Names are as stored, e.g. "archive/data/17".
using ZipEntries = std::map<std::string, ZipEntry, NameLess>;

/// A stretch of a file: a torch.save archive may be the whole file or one of many in it.
struct ByteRange {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
};

/// Reads and checks the directory of the archive that fills `range`: every entry is stored and not encrypted, its two
/// headers agree, and entries, directory and end records follow each other without a gap. Throws Error that says what
/// it found instead.
ZipEntries read_zip(const InputFile& file, ByteRange range);

/// What a file that should have been a zip begins with, for an error message.
std::string describe_beginning(std::string_view bytes);

}  // namespace unshard::torch
