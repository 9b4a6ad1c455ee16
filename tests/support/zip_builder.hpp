// Zip files made by hand, right or wrong in any field that a test wants.
#pragma once

#include "support/pickle_builder.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace unshard::test {

/// An entry and what the headers say about it; `bytes` are always stored as they are.
struct ZipPart {
    std::string name;
    std::string bytes;
    std::uint16_t method = 0;
    std::uint16_t flags = 0;
    std::string local_extra = {};  ///< the directory has none, as in PyTorch's padding
    std::int64_t more_size = 0;    ///< added to the size that the directory states
    std::int64_t more_offset = 0;
    std::uint32_t crc32 = 0;      ///< 0: not computed
    bool has_descriptor = false;  ///< sizes and CRC-32 behind the data, none in the local header, as PyTorch writes
    std::uint16_t disk = 0;
    std::string behind = {};  ///< bytes that belong to nothing
};

class ZipBuilder {
public:
    bool zip64 = false;  ///< sizes and offsets in zip64 fields, with a zip64 end record

    ZipBuilder& add(ZipPart part) {
        parts_.push_back(std::move(part));
        return *this;
    }

    std::string build() const {
        std::string file, directory;
        for (const ZipPart& part : parts_) {
            const std::uint64_t offset = file.size();
            file += "PK\3\4" + le(20, 2) + le(flags(part), 2) + le(part.method, 2) + le(0, 4) + local_numbers(part) +
                    le(part.name.size(), 2) + le(part.local_extra.size(), 2) + part.name + part.local_extra +
                    part.bytes + descriptor(part) + part.behind;
            directory += header(part, offset + static_cast<std::uint64_t>(part.more_offset));
        }
        const std::uint64_t at = file.size();
        return file + directory + end_records(at, directory.size());
    }

private:
    static std::uint64_t stated_size(const ZipPart& part) {
        return part.bytes.size() + static_cast<std::uint64_t>(part.more_size);
    }
    static std::uint16_t flags(const ZipPart& part) {
        return static_cast<std::uint16_t>(part.flags | (part.has_descriptor ? 8 : 0));
    }
    static std::string local_numbers(const ZipPart& part) {
        if (part.has_descriptor) return le(0, 12);
        return le(part.crc32, 4) + le(part.bytes.size(), 4) + le(part.bytes.size(), 4);
    }
    static std::string descriptor(const ZipPart& part) {
        if (!part.has_descriptor) return "";
        return "PK\7\x8" + le(part.crc32, 4) + le(stated_size(part), 4) + le(stated_size(part), 4);
    }

    std::string header(const ZipPart& part, std::uint64_t offset) const {
        const std::uint64_t size = stated_size(part);
        const std::string numbers = zip64 ? le(0xffffffff, 4) + le(0xffffffff, 4) : le(size, 4) + le(size, 4);
        const std::string extra = zip64 ? le(1, 2) + le(24, 2) + le(size, 8) + le(size, 8) + le(offset, 8) : "";
        return "PK\1\2" + le(20, 2) + le(20, 2) + le(flags(part), 2) + le(part.method, 2) + le(0, 4) +
               le(part.crc32, 4) + numbers + le(part.name.size(), 2) + le(extra.size(), 2) + le(0, 2) +
               le(part.disk, 2) + le(0, 6) + le(zip64 ? 0xffffffff : offset, 4) + part.name + extra;
    }

    std::string end_records(std::uint64_t at, std::uint64_t bytes) const {
        const std::uint64_t count = parts_.size();
        const std::string end64 = "PK\6\6" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(count, 8) +
                                  le(count, 8) + le(bytes, 8) + le(at, 8) + "PK\6\7" + le(0, 4) + le(at + bytes, 8) +
                                  le(1, 4);
        const std::string end =
            zip64
                ? "PK\5\6" + le(0, 4) + le(0xffff, 2) + le(0xffff, 2) + le(0xffffffff, 4) + le(0xffffffff, 4) + le(0, 2)
                : "PK\5\6" + le(0, 4) + le(count, 2) + le(count, 2) + le(bytes, 4) + le(at, 4) + le(0, 2);
        return (zip64 ? end64 : "") + end;
    }

    std::vector<ZipPart> parts_;
};

}  // namespace unshard::test
