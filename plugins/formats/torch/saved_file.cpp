// torch.save's archive, since PyTorch 1.6 (torch/serialization.py, caffe2/serialize/inline_container.cc): all entries
// are in one folder, named after the file or "archive":
//     data.pkl     the object, in which each storage is a persistent id with a key
//     data/<key>   the bytes of a storage
//     byteorder    "little" or "big"; not written before PyTorch 2.1
//     version, .format_version, .storage_alignment   numbers, see below; the last two since 2.7
// and .data/serialization_id, which says nothing about the contents.

#include "formats/torch/saved_file.hpp"

#include "formats/torch/legacy_file.hpp"

#include <fmt/format.h>
#include <libdeflate.h>

#include <charconv>
#include <system_error>

namespace unshard::torch {
namespace {

constexpr std::string_view kPickle = "data.pkl";

/// Records hold numbers of a few digits.
constexpr std::uint64_t kMaxNumberBytes = 32;

/// The versions of the archive that PyTorch knows (caffe2/serialize/versions.h); only TorchScript's differ.
constexpr std::uint64_t kHighestVersion = 10;

/// The folder of all entries.
std::string find_folder(const ZipEntries& entries) {
    std::optional<std::string> folder;
    for (const auto& [name, entry] : entries) {
        const std::string_view found = std::string_view(name).substr(0, name.find('/') + 1);
        if (folder && found != *folder) {
            throw Error(
                fmt::format("a zip with entries in '{}' and in '{}': not written by torch.save", *folder, found));
        }
        if (!folder) folder = found;
    }
    if (!folder || entries.find(*folder + std::string(kPickle)) == nullptr) {
        throw Error("a zip without 'data.pkl': not written by torch.save");
    }
    if (entries.find(*folder + "constants.pkl") != nullptr) {
        throw Error("a TorchScript model, whose code is part of it: save its state_dict() with torch.save");
    }
    return *folder;
}

/// Nothing when the CRC-32 of the bytes is not the entry's.
std::optional<std::string> read_checked(const ByteSource& file, const ZipEntry& entry) {
    std::string bytes = file.read(entry.offset, entry.bytes);
    if (entry.crc32 && libdeflate_crc32(0, bytes.data(), bytes.size()) != *entry.crc32) return std::nullopt;
    return bytes;
}

/// The small records of an archive.
class Records {
public:
    Records(const ByteSource& file, const ZipEntries& entries, const std::string& folder)
        : file_(file), entries_(entries), folder_(folder) {}

    /// The record's bytes, if it is there.
    std::optional<std::string> read(std::string_view name, std::uint64_t max_bytes) const {
        const ZipEntry* entry = entries_.find(folder_ + std::string(name));
        if (entry == nullptr) return std::nullopt;
        if (entry->bytes > max_bytes) {
            throw Error(fmt::format("'{}' has {} bytes, at most {} are supported", name, entry->bytes, max_bytes));
        }
        std::optional<std::string> bytes = read_checked(file_, *entry);
        if (bytes) return bytes;
        throw Error(
            fmt::format("'{}' is damaged: its bytes do not match its CRC-32: copy or save the file again", name));
    }

    /// A number of ASCII digits.
    std::optional<std::uint64_t> number(std::string_view name) const {
        const std::optional<std::string> bytes = read(name, kMaxNumberBytes);
        if (!bytes) return std::nullopt;
        std::string_view text(*bytes);
        if (text.ends_with('\n')) text.remove_suffix(1);
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size()) {
            throw Error(fmt::format("'{}' is no number: the file is damaged: copy or save it again", name));
        }
        return value;
    }

private:
    const ByteSource& file_;
    const ZipEntries& entries_;
    const std::string& folder_;
};

void check_byte_order(const Records& records) {
    const std::optional<std::string> order = records.read("byteorder", kMaxNumberBytes);
    if (!order || *order == "little") return;
    if (*order == "big") throw Error("saved on a big-endian machine: save it again on a little-endian one");
    throw Error("its byte order is neither 'little' nor 'big': the file is damaged: copy or save it again");
}

void check_versions(const Records& records) {
    std::optional<std::uint64_t> version = records.number(".data/version");
    if (!version) version = records.number("version");
    if (!version) throw Error("a zip without a 'version': not written by torch.save");
    if (*version < 1 || *version > kHighestVersion) {
        throw Error(fmt::format("its version is {}, 1 to {} are known: it is of a newer PyTorch, or damaged", *version,
                                kHighestVersion));
    }
    const std::uint64_t format = records.number(".format_version").value_or(1);
    if (format == 1) return;
    throw Error(fmt::format("its format version is {}, 1 is known: it is of a newer PyTorch, or damaged", format));
}

/// PyTorch pads entries so that they begin at multiples of 64, or of what the archive says. An entry elsewhere has been
/// moved.
void check_alignment(const Records& records, const ZipEntries& entries, std::uint64_t begin) {
    const std::uint64_t alignment = records.number(".storage_alignment").value_or(64);
    if (alignment == 0) throw Error("its storages are aligned to 0 bytes: the file is damaged: copy or save it again");
    for (const auto& [name, entry] : entries) {
        const std::uint64_t at = entry.offset - begin;
        if (!entry.is_padded || at % alignment == 0) continue;
        throw Error(fmt::format("'{}' begins at byte {}, no multiple of {}: the file is damaged: copy or save it again",
                                name, at, alignment));
    }
}

Values read_values(const Records& records, std::span<const std::string> opaque) {
    Pickle pickle = parse_pickle(*records.read(kPickle, kMaxPickleBytes));
    std::vector<Symbol> symbols = check_allowed(pickle, "'data.pkl'", opaque);
    return {std::move(pickle), std::move(symbols)};
}

}  // namespace

SavedFile::Contents SavedFile::read_archive(const ByteSource& file, std::span<const std::string> opaque,
                                            ByteRange range) {
    ZipEntries entries = read_zip(file, range);
    std::string folder = find_folder(entries);
    const Records records(file, entries, folder);
    Values values = read_values(records, opaque);
    check_byte_order(records);
    check_versions(records);
    check_alignment(records, entries, range.begin);
    values.storages();
    return {std::move(entries), std::move(folder), std::move(values)};
}

SavedFile::Contents SavedFile::read_contents(const ByteSource& file, std::span<const std::string> opaque,
                                             std::optional<ByteRange> range) {
    if (range || !begins_as_legacy(file)) return read_archive(file, opaque, range.value_or(ByteRange{0, file.bytes()}));
    LegacyFile legacy = read_legacy(file, opaque);
    return {std::move(legacy.storages), "", std::move(legacy.values)};
}

SavedFile::SavedFile(const ByteSource& file, std::span<const std::string> opaque, std::optional<ByteRange> range)
    : SavedFile(file, read_contents(file, opaque, range)) {}

std::string SavedFile::read(const ZipEntry& entry) const {
    if (std::optional<std::string> bytes = read_checked(file_, entry)) return *std::move(bytes);
    throw Error("a storage that is needed is damaged: its bytes do not match its CRC-32: copy or save the file again");
}

ZipEntry SavedFile::storage(const std::string& key) const {
    const std::string name = fmt::format("{}data/{}", contents_.folder, key);
    if (const ZipEntry* entry = contents_.entries.find(name)) return *entry;
    throw Error(fmt::format("there is no storage 'data/{}' in the file: it is damaged: copy or save it again",
                            key.substr(0, 100)));
}

}  // namespace unshard::torch
