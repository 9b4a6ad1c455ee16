// The directory of a zip file, as far as torch.save uses zip: stored entries, whose bytes are used where they lie.
#pragma once

#include "unshard/input_file.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace unshard::torch {

/// Where an entry's bytes lie.
struct ZipEntry {
    std::uint64_t offset = 0;  ///< from the start of the file
    std::uint64_t bytes = 0;
    friend bool operator==(const ZipEntry&, const ZipEntry&) = default;
};

/// By name. Names are as stored, e.g. "archive/data/17".
using ZipEntries = std::map<std::string, ZipEntry, std::less<>>;

/// A stretch of a file: a torch.save archive may be the whole file or one of many in it.
struct ByteRange {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
};

/// Reads and checks the directory of the archive that fills `range`: every entry is stored, not encrypted, inside the
/// range and apart from the others. Throws Error that says what it found instead.
ZipEntries read_zip(const InputFile& file, ByteRange range);

/// What a file that should have been a zip begins with, for an error message.
std::string describe_beginning(std::string_view bytes);

}  // namespace unshard::torch
