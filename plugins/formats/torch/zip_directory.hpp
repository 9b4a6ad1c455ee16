// The end of a zip file: its end records and its directory. Only zip_archive.cpp and zip_directory.cpp include this.
#pragma once

#include "formats/torch/zip_archive.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/little_endian.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unshard::torch::zip {

constexpr std::string_view kLocalHeader = "PK\3\4";
constexpr std::uint32_t kIn64 = 0xffffffff;  ///< stands for a number in a zip64 field
constexpr std::uint16_t kHasDescriptor = 1 << 3;

inline std::uint16_t u16(std::string_view bytes, std::size_t at) {
    return load_le<std::uint16_t>(bytes.substr(at, 2));
}
inline std::uint32_t u32(std::string_view bytes, std::size_t at) {
    return load_le<std::uint32_t>(bytes.substr(at, 4));
}
inline std::uint64_t u64(std::string_view bytes, std::size_t at) {
    return load_le<std::uint64_t>(bytes.substr(at, 8));
}

/// An archive inside a file: every position in it is relative to the range's begin.
struct Archive {
    const ByteSource& file;
    ByteRange range;

    std::string read(std::uint64_t at, std::uint64_t bytes) const {
        if (at > range.size || bytes > range.size - at) {
            throw Error(fmt::format("damaged zip: bytes {} to {} + {} are needed, the archive ends at {}", at, at,
                                    bytes, range.size));
        }
        return file.read(range.begin + at, bytes);
    }
};

[[noreturn]] void refuse(const std::string& what);

/// The directory's record of one entry, zip64 resolved.
struct Header {
    std::string name;
    std::uint16_t version = 0;
    std::uint16_t flags = 0;
    std::uint16_t method = 0;
    std::uint16_t disk = 0;
    std::uint32_t crc32 = 0;
    std::uint64_t stored_bytes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t local = 0;  ///< where its local header begins
};

/// Calls `use` with each field of an extra. The fields must fill it exactly.
template <class Use>
void for_each_extra(std::string_view extra, const std::string& name, Use use) {
    while (!extra.empty()) {
        const bool has_size = extra.size() >= 4;
        if (!has_size || u16(extra, 2) > extra.size() - 4)
            refuse(fmt::format("an extra field of entry '{}' ends outside it", name));
        const std::uint16_t size = u16(extra, 2);
        use(u16(extra, 0), extra.substr(4, size));
        extra.remove_prefix(4U + size);
    }
}

/// Replaces the sizes and the offset that do not fit into 32 bits.
void resolve_zip64(Header& header, std::string_view extra);

struct Directory {
    std::uint64_t offset = 0;
    std::vector<Header> headers;  ///< in the order of the entries' bytes
};

/// Reads the directory. Throws Error unless every entry is stored, not encrypted, and of a form that PyTorch writes.
Directory read_directory(const Archive& archive);

}  // namespace unshard::torch::zip
