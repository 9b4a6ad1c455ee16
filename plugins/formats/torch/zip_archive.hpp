// The directory of a zip file, as far as torch.save uses zip: stored entries, whose bytes are used where they lie.
#pragma once

#include "unshard/tools/input_file.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

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

struct NamedEntry {
    std::string name;  ///< as stored, e.g. "archive/data/17"
    ZipEntry entry;
    friend bool operator==(const NamedEntry&, const NamedEntry&) = default;
};

/// Entries in the order of their bytes. Names are looked up without regard to the case of ASCII letters, as PyTorch does.
class ZipEntries {
public:
    ZipEntries() = default;
    ZipEntries(ZipEntries&&) = default;
    ZipEntries& operator=(ZipEntries&&) = default;

    /// Throws Error when there is one of this name.
    void add(NamedEntry entry);
    /// Null when there is none.
    const ZipEntry* find(std::string_view name) const;

    auto begin() const { return entries_.begin(); }
    auto end() const { return entries_.end(); }

private:
    struct NameHash {
        std::size_t operator()(std::string_view name) const;
    };
    struct SameName {
        bool operator()(std::string_view a, std::string_view b) const;
    };

    std::deque<NamedEntry> entries_;  ///< which stay where they are: the keys below are their names
    std::unordered_map<std::string_view, const NamedEntry*, NameHash, SameName> by_name_;
};

/// A stretch of a file: a torch.save archive may be the whole file or one of many in it.
struct ByteRange {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
};

/// Reads and checks the directory of the archive that fills `range`: every entry is stored and not encrypted, its two
/// headers agree, and entries, directory and end records follow each other without a gap. Throws Error that says what
/// it found instead.
ZipEntries read_zip(const ByteSource& file, ByteRange range);

/// What a file that should have been a zip begins with, for an error message.
std::string describe_beginning(std::string_view bytes);

}  // namespace unshard::torch
