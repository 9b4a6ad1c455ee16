// torch.save's archive (torch/serialization.py, caffe2/serialize/inline_container.cc): all entries are in one folder,
// named after the file or "archive":
//     data.pkl     the object, in which each storage is a persistent id with a key
//     data/<key>   the bytes of a storage
//     byteorder    "little" or "big"; not written before PyTorch 2.1
//     version, .format_version, .storage_alignment   numbers, see below; the last two since 2.7
// and .data/serialization_id, which says nothing about the contents.

#include "formats/torch/saved_file.hpp"

#include <fmt/format.h>
#include <libdeflate.h>

#include <charconv>
#include <system_error>
#include <unordered_map>

namespace unshard::torch {
namespace {

constexpr std::string_view kPickle = "data.pkl";

/// The pickle of a rank of a model with a trillion parameters takes a few MiB.
constexpr std::uint64_t kMaxPickleBytes = 256 << 20;

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

/// What a persistent id says about a storage.
struct StorageClaim {
    std::pair<std::string_view, std::string_view> type;
    std::int64_t count = 0;
    friend bool operator==(const StorageClaim&, const StorageClaim&) = default;
};

/// Persistent ids with the same key must agree. PyTorch would use the first and ignore what the others say.
void check_storage_claims(const Values& values) {
    std::unordered_map<std::string_view, StorageClaim> claims;
    for (Ref ref = 0; ref < values.count(); ++ref) {
        if (values.get_if<Persistent>(ref) == nullptr) continue;
        const StorageId id = values.storage_id(ref);
        if (id.count == 0) continue;
        const StorageClaim claim{values.global(id.type), id.count};
        if (claims.try_emplace(id.key, claim).first->second == claim) continue;
        throw Error(fmt::format(
            "storage 'data/{}' is said to be of two types or lengths: the file is damaged: copy or save it again",
            id.key.substr(0, 100)));
    }
}

}  // namespace

SavedFile::SavedFile(const ByteSource& file, std::span<const std::string> opaque, std::optional<ByteRange> range)
    : file_(file),
      entries_(read_zip(file, range.value_or(ByteRange{0, file.bytes()}))),
      folder_(find_folder(entries_)),
      values_(read_values(Records(file, entries_, folder_), opaque)) {
    const Records records(file_, entries_, folder_);
    check_byte_order(records);
    check_versions(records);
    check_alignment(records, entries_, range ? range->begin : 0);
    check_storage_claims(values_);
}

std::string SavedFile::read(const ZipEntry& entry) const {
    if (std::optional<std::string> bytes = read_checked(file_, entry)) return *std::move(bytes);
    throw Error("a storage that is needed is damaged: its bytes do not match its CRC-32: copy or save the file again");
}

ZipEntry SavedFile::storage(const std::string& key) const {
    if (const ZipEntry* entry = entries_.find(fmt::format("{}data/{}", folder_, key))) return *entry;
    throw Error(fmt::format("there is no storage 'data/{}' in the file: it is damaged: copy or save it again",
                            key.substr(0, 100)));
}

}  // namespace unshard::torch
