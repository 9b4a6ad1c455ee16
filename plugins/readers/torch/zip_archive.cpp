// Reads the directory of a zip file (PKWARE APPNOTE 6.3.3), including zip64.
//
// Layout, from the end: end-of-directory record (22 bytes and a comment); before it, in zip64, a locator (20 bytes)
// that points to the zip64 end record (56 bytes or more); before those the directory, one header of 46 bytes and name,
// extra and comment for each entry. A header points to the entry's local header (30 bytes, name, extra) with the data
// behind it. The lengths of a local extra field differ from the directory's: torch.save pads there, so that data is
// aligned. Sizes of 0xffffffff stand in the zip64 extra field (id 1): size, stored size, offset, only those that
// overflowed.
//
// PyTorch writes the directory last, so a file that was cut short has none. It writes no comment, no compression, sizes
// after the data (flag 3) and, in files of any size, both end records.

#include "torch/zip_archive.hpp"

#include "torch/little_endian.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace unshard::torch {
namespace {

constexpr std::string_view kLocalHeader = "PK\3\4";
constexpr std::string_view kDirectoryHeader = "PK\1\2";
constexpr std::string_view kEndRecord = "PK\5\6";
constexpr std::string_view kEnd64Record = "PK\6\6";
constexpr std::string_view kEnd64Locator = "PK\6\7";
constexpr std::uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kDirectoryBytes = 46, kLocalBytes = 30;
constexpr std::uint32_t kIn64 = 0xffffffff;
constexpr std::uint16_t kZip64Extra = 1;
constexpr std::uint16_t kEncrypted = 1;

std::uint16_t u16(std::string_view bytes, std::size_t at) {
    return load_le<std::uint16_t>(bytes.substr(at, 2));
}
std::uint32_t u32(std::string_view bytes, std::size_t at) {
    return load_le<std::uint32_t>(bytes.substr(at, 4));
}
std::uint64_t u64(std::string_view bytes, std::size_t at) {
    return load_le<std::uint64_t>(bytes.substr(at, 8));
}

/// An archive inside a file: every position in it is relative to the range's begin.
struct Archive {
    const InputFile& file;
    ByteRange range;

    std::string read(std::uint64_t at, std::uint64_t bytes) const {
        if (at > range.size || bytes > range.size - at) {
            throw Error("damaged zip: bytes " + std::to_string(at) + " to " + std::to_string(at) + " + " +
                        std::to_string(bytes) + " are needed, the archive ends at " + std::to_string(range.size));
        }
        return file.read(range.begin + at, bytes);
    }
};

struct Directory {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t entries = 0;
};

[[noreturn]] void refuse_without_directory(const Archive& archive) {
    const std::string head = archive.read(0, std::min<std::uint64_t>(archive.range.size, 64));
    if (head.starts_with(kLocalHeader)) {
        throw Error("truncated: a zip of " + std::to_string(archive.range.size) +
                    " bytes without its directory, which PyTorch writes last: copy or save the file again");
    }
    throw Error("not a zip file, as torch.save writes: " + describe_beginning(head));
}

/// Where the end-of-directory record begins, if it does in the last `bytes` bytes.
std::optional<std::uint64_t> find_end_record(const Archive& archive, std::uint64_t bytes) {
    const std::uint64_t tail_bytes = std::min<std::uint64_t>(archive.range.size, bytes);
    const std::string tail = archive.read(archive.range.size - tail_bytes, tail_bytes);
    for (std::size_t at = tail.size(); at-- > 0;) {
        if (tail.size() - at < kEndBytes || !std::string_view(tail).substr(at).starts_with(kEndRecord)) continue;
        if (at + kEndBytes + u16(tail, at + 20) == tail.size()) return archive.range.size - tail_bytes + at;
    }
    return std::nullopt;
}

/// A comment may follow the record. PyTorch writes none, and a checkpoint may hold a million archives.
std::uint64_t find_end_record(const Archive& archive) {
    std::optional<std::uint64_t> found = find_end_record(archive, kEndBytes);
    if (!found) found = find_end_record(archive, kEndBytes + 0xffff);
    if (!found) refuse_without_directory(archive);
    return *found;
}

Directory locate_directory(const Archive& archive) {
    const std::uint64_t end = find_end_record(archive);
    if (end >= kLocatorBytes) {
        const std::string locator = archive.read(end - kLocatorBytes, kLocatorBytes);
        if (locator.starts_with(kEnd64Locator)) {
            const std::string record = archive.read(u64(locator, 8), kEnd64Bytes);
            if (!record.starts_with(kEnd64Record)) throw Error("damaged zip: no zip64 end record where one must be");
            return {.offset = u64(record, 48), .bytes = u64(record, 40), .entries = u64(record, 32)};
        }
    }
    const std::string record = archive.read(end, kEndBytes);
    return {.offset = u32(record, 16), .bytes = u32(record, 12), .entries = u16(record, 10)};
}

/// The directory's record of one entry, zip64 resolved.
struct Header {
    std::string name;
    std::uint16_t flags = 0;
    std::uint16_t method = 0;
    std::uint64_t stored_bytes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t local = 0;  ///< where its local header begins
};

/// Replaces the sizes and the offset that did not fit 32 bits.
void resolve_zip64(Header& header, std::string_view extra) {
    while (extra.size() >= 4) {
        const std::uint16_t id = u16(extra, 0);
        const std::uint16_t size = u16(extra, 2);
        extra.remove_prefix(4);
        if (size > extra.size()) break;
        std::string_view field = extra.substr(0, size);
        extra.remove_prefix(size);
        if (id != kZip64Extra) continue;
        for (std::uint64_t* number : {&header.bytes, &header.stored_bytes, &header.local}) {
            if (*number != kIn64 || field.size() < 8) continue;
            *number = u64(field, 0);
            field.remove_prefix(8);
        }
    }
}

/// Takes one header off the front of the directory.
Header take_header(std::string_view& directory) {
    if (directory.size() < kDirectoryBytes || !directory.starts_with(kDirectoryHeader)) {
        throw Error("damaged zip: its directory has fewer entries than it says");
    }
    const std::size_t name = u16(directory, 28), extra = u16(directory, 30), comment = u16(directory, 32);
    if (directory.size() - kDirectoryBytes < name + extra + comment) {
        throw Error("damaged zip: an entry of its directory ends outside it");
    }
    Header header{.name = std::string(directory.substr(kDirectoryBytes, name)),
                  .flags = u16(directory, 8),
                  .method = u16(directory, 10),
                  .stored_bytes = u32(directory, 20),
                  .bytes = u32(directory, 24),
                  .local = u32(directory, 42)};
    resolve_zip64(header, directory.substr(kDirectoryBytes + name, extra));
    directory.remove_prefix(kDirectoryBytes + name + extra + comment);
    return header;
}

void check_usable(const Header& header) {
    const std::string entry = "entry '" + header.name + "' ";
    if ((header.flags & kEncrypted) != 0) throw Error(entry + "is encrypted: only plain entries are supported");
    if (header.method != 0) {
        throw Error(entry + "is compressed (method " + std::to_string(header.method) +
                    "); only stored entries are supported: save the file again with torch.save");
    }
    if (header.stored_bytes != header.bytes) {
        throw Error(entry + "is damaged: " + std::to_string(header.stored_bytes) + " bytes stored, " +
                    std::to_string(header.bytes) + " bytes of content");
    }
}

/// Where an entry's data begins, by its local header.
std::uint64_t data_offset(const Archive& archive, const Header& header) {
    const std::string local = archive.read(header.local, kLocalBytes + header.name.size());
    if (!local.starts_with(kLocalHeader) || u16(local, 26) != header.name.size() ||
        std::string_view(local).substr(kLocalBytes) != header.name) {
        throw Error("damaged zip: the data of entry '" + header.name + "' is not where the directory says");
    }
    return header.local + local.size() + u16(local, 28);
}

/// A stretch of the archive that an entry takes, local header included.
struct Extent {
    std::uint64_t begin;
    std::uint64_t end;
    std::string_view name;
};

void check_apart(std::vector<Extent> extents) {
    std::ranges::sort(extents, {}, &Extent::begin);
    for (std::size_t i = 1; i < extents.size(); ++i) {
        if (extents[i - 1].end <= extents[i].begin) continue;
        throw Error("damaged zip: entries '" + std::string(extents[i - 1].name) + "' and '" +
                    std::string(extents[i].name) + "' overlap");
    }
}

/// The directory's bytes, after a check that it can hold as many entries as it says.
std::string read_directory(const Archive& archive, const Directory& directory) {
    if (directory.entries > directory.bytes / kDirectoryBytes) {
        throw Error("damaged zip: a directory of " + std::to_string(directory.bytes) + " bytes cannot hold " +
                    std::to_string(directory.entries) + " entries");
    }
    return archive.read(directory.offset, directory.bytes);
}

bool is_zero(std::string_view bytes) {
    return std::ranges::all_of(bytes, [](char c) { return c == '\0'; });
}

std::string hex(std::string_view bytes) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += (text.empty() ? "" : " ");
        text += kDigits[byte / 16];
        text += kDigits[byte % 16];
    }
    return text;
}

}  // namespace

std::string describe_beginning(std::string_view bytes) {
    if (bytes.empty()) return "it is empty";
    if (is_zero(bytes)) return "it begins with zero bytes, as an unfinished download or copy does: fetch it again";
    if (bytes.starts_with("version https://git-lfs")) {
        return "it is a git-lfs pointer, not the file itself: run 'git lfs pull'";
    }
    if (bytes.starts_with("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")) {
        return "it is in the format of torch.save before PyTorch 1.6: load and save it with a newer PyTorch";
    }
    if (bytes.starts_with("\x80")) return "it begins as a bare pickle";
    if (bytes.starts_with("<")) return "it begins as a web page: fetch it again";
    return "it begins with the bytes " + hex(bytes.substr(0, 8));
}

ZipEntries read_zip(const InputFile& file, ByteRange range) {
    const Archive archive{file, range};
    const Directory directory = locate_directory(archive);
    const std::string bytes = read_directory(archive, directory);
    std::string_view rest = bytes;
    ZipEntries entries;
    std::vector<Extent> extents{{directory.offset, directory.offset + directory.bytes, "the directory"}};
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
        const Header header = take_header(rest);
        check_usable(header);
        const std::uint64_t at = data_offset(archive, header);
        if (at > range.size || header.bytes > range.size - at) {
            throw Error("truncated: entry '" + header.name + "' needs " + std::to_string(header.bytes) + " bytes at " +
                        std::to_string(at) + ", the archive ends at " + std::to_string(range.size));
        }
        const auto [entry, is_new] = entries.emplace(header.name, ZipEntry{range.begin + at, header.bytes});
        if (!is_new) throw Error("damaged zip: entry '" + header.name + "' is there twice");
        extents.push_back({header.local, at + header.bytes, entry->first});
    }
    check_apart(std::move(extents));
    return entries;
}

}  // namespace unshard::torch
