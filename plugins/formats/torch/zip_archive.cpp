// Reads the directory of a zip file (PKWARE APPNOTE 6.3.3), including zip64.
//
// Layout, from the end: end-of-directory record (22 bytes and a comment); before it, in zip64, a locator (20 bytes)
// that points to the zip64 end record (56 bytes or more); before those the directory, one header of 46 bytes and name,
// extra and comment for each entry. A header points to the entry's local header (30 bytes, name, extra) with the data
// behind it. The lengths of a local extra field differ from the directory's: torch.save pads there, so that data is
// aligned. Sizes of 0xffffffff stand in the zip64 extra field (id 1): size, stored size, offset, only those that
// overflowed. With flag 3 the local header has no sizes and no CRC-32; they follow the data, in a descriptor of 16 or,
// in zip64, 24 bytes.
//
// PyTorch writes the directory last, so a file that was cut short has none. It writes no comment, no compression, flag
// 3 for every entry that is not empty and, in files of any size, both end records. The parts must fill the file without
// gaps, so that a wrong length or offset in any header is noticed.

#include "formats/torch/zip_archive.hpp"

#include "unshard/tools/ascii.hpp"
#include "unshard/tools/little_endian.hpp"
#include "unshard/tools/shared.hpp"

#include <fmt/format.h>

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
constexpr std::string_view kDescriptor = "PK\7\x8";
constexpr std::uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kDirectoryBytes = 46, kLocalBytes = 30;
constexpr std::uint64_t kDescriptorBytes = 16, kDescriptor64Bytes = 24;
constexpr std::uint32_t kIn64 = 0xffffffff;
constexpr std::uint16_t kZip64Extra = 1, kPaddingExtra = 0x4246;  // "FB"
constexpr std::uint16_t kEncrypted = 1, kHasDescriptor = 1 << 3, kUtf8Name = 1 << 11;
constexpr std::uint16_t kHighestVersion = 45;  // zip64
constexpr std::size_t kLongestName = 1000;     // a file's name, "/data/" and a number

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
            throw Error(fmt::format("damaged zip: bytes {} to {} + {} are needed, the archive ends at {}", at, at,
                                    bytes, range.size));
        }
        return file.read(range.begin + at, bytes);
    }
};

struct Directory {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t entries = 0;
};

[[noreturn]] void refuse(const std::string& what) {
    throw Error(fmt::format("damaged zip: {}: copy or save the file again", what));
}

[[noreturn]] void refuse_without_directory(const Archive& archive) {
    const std::string head = archive.read(0, std::min<std::uint64_t>(archive.range.size, 64));
    if (head.starts_with(kLocalHeader)) {
        throw Error(
            fmt::format("truncated: a zip of {} bytes without its directory, which PyTorch writes last: copy or save "
                        "the file again",
                        archive.range.size));
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

/// The end record's numbers. One with all bits set stands for the number in the zip64 end record.
struct End {
    std::uint16_t entries;
    std::uint32_t bytes, offset;
};

End read_end(const Archive& archive, std::uint64_t at) {
    const std::string record = archive.read(at, kEndBytes);
    const bool is_one_disk = u16(record, 4) == 0 && u16(record, 6) == 0 && u16(record, 8) == u16(record, 10);
    if (!is_one_disk) refuse("its end record tells of several disks");
    return {.entries = u16(record, 10), .bytes = u32(record, 12), .offset = u32(record, 16)};
}

/// The directory by the zip64 end record, which ends where its locator begins.
Directory read_end64(const Archive& archive, std::string_view locator, std::uint64_t locator_at, const End& end) {
    const std::uint64_t at = u64(locator, 8);
    const std::string record = archive.read(at, kEnd64Bytes);
    if (!record.starts_with(kEnd64Record)) refuse("no zip64 end record where one must be");
    if (u64(record, 4) < kEnd64Bytes - 12 || u64(record, 4) != locator_at - at - 12) {
        refuse("its zip64 end record is of another length than it says");
    }
    const bool is_one_disk = u32(locator, 4) == 0 && u32(locator, 16) <= 1 && u32(record, 16) == 0 &&
                             u32(record, 20) == 0 && u64(record, 24) == u64(record, 32);
    if (!is_one_disk) refuse("its zip64 end record tells of several disks");
    const Directory found{.offset = u64(record, 48), .bytes = u64(record, 40), .entries = u64(record, 32)};
    const bool agrees = (end.entries == 0xffff || end.entries == found.entries) &&
                        (end.bytes == kIn64 || end.bytes == found.bytes) &&
                        (end.offset == kIn64 || end.offset == found.offset);
    if (!agrees) refuse("its two end records contradict each other");
    if (found.offset > at || found.bytes != at - found.offset) refuse("its directory does not end at its end record");
    return found;
}

Directory locate_directory(const Archive& archive) {
    const std::uint64_t at = find_end_record(archive);
    const End end = read_end(archive, at);
    if (at >= kLocatorBytes) {
        const std::string locator = archive.read(at - kLocatorBytes, kLocatorBytes);
        if (locator.starts_with(kEnd64Locator)) return read_end64(archive, locator, at - kLocatorBytes, end);
    }
    if (end.offset > at || end.bytes != at - end.offset) refuse("its directory does not end at its end record");
    return {.offset = end.offset, .bytes = end.bytes, .entries = end.entries};
}

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
void resolve_zip64(Header& header, std::string_view extra) {
    bool is_resolved = false;
    for_each_extra(extra, header.name, [&](std::uint16_t id, std::string_view field) {
        if (id != kZip64Extra) return;
        if (is_resolved) refuse(fmt::format("entry '{}' has two zip64 fields", header.name));
        is_resolved = true;
        for (std::uint64_t* number : {&header.bytes, &header.stored_bytes, &header.local}) {
            if (*number != kIn64) continue;
            if (field.size() < 8) refuse(fmt::format("the zip64 field of entry '{}' is too short", header.name));
            *number = u64(field, 0);
            field.remove_prefix(8);
        }
        if (!field.empty())
            refuse(fmt::format("the zip64 field of entry '{}' has more than the entry needs", header.name));
    });
    const bool needs_it = header.bytes == kIn64 || header.stored_bytes == kIn64 || header.local == kIn64;
    if (needs_it && !is_resolved) refuse(fmt::format("entry '{}' has no zip64 field", header.name));
}

void check_name(std::string_view name) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (name.empty() || name.size() > kLongestName || std::ranges::any_of(name, is_control)) {
        refuse(
            fmt::format("the name of an entry is empty, longer than {} bytes or has control characters", kLongestName));
    }
}

/// Reads the directory in pieces: a damaged end record may state a huge one.
class DirectoryReader {
public:
    DirectoryReader(const Archive& archive, const Directory& directory)
        : archive_(archive), at_(directory.offset), end_(directory.offset + directory.bytes) {
        if (directory.entries > directory.bytes / kDirectoryBytes) {
            refuse(fmt::format("a directory of {} bytes cannot hold {} entries", directory.bytes, directory.entries));
        }
    }

    bool is_at_end() const { return used_ == buffer_.size() && at_ == end_; }

    Header take_header() {
        const std::string_view fixed = peek(kDirectoryBytes);
        if (!fixed.starts_with(kDirectoryHeader)) refuse("its directory has fewer entries than it says");
        const std::size_t name = u16(fixed, 28), extra = u16(fixed, 30), comment = u16(fixed, 32);
        const std::string_view whole = peek(kDirectoryBytes + name + extra + comment);
        check_name(whole.substr(kDirectoryBytes, name));
        Header header{.name = std::string(whole.substr(kDirectoryBytes, name)),
                      .version = u16(whole, 6),
                      .flags = u16(whole, 8),
                      .method = u16(whole, 10),
                      .disk = u16(whole, 34),
                      .crc32 = u32(whole, 16),
                      .stored_bytes = u32(whole, 20),
                      .bytes = u32(whole, 24),
                      .local = u32(whole, 42)};
        resolve_zip64(header, whole.substr(kDirectoryBytes + name, extra));
        used_ += whole.size();
        return header;
    }

private:
    std::string_view peek(std::size_t bytes) {
        constexpr std::uint64_t kPiece = 1 << 20;
        if (buffer_.size() - used_ < bytes) {
            buffer_.erase(0, used_);
            used_ = 0;
            const std::uint64_t more = std::min(end_ - at_, kPiece);
            buffer_ += archive_.read(at_, more);
            at_ += more;
        }
        if (buffer_.size() < bytes) refuse("an entry of its directory ends outside it");
        return std::string_view(buffer_).substr(used_, bytes);
    }

    const Archive& archive_;
    std::uint64_t at_, end_;  ///< the part that is not read yet
    std::string buffer_;
    std::size_t used_ = 0;
};

void check_usable(const Header& header) {
    if ((header.flags & kEncrypted) != 0) {
        throw Error(fmt::format("entry '{}' is encrypted: only plain entries are supported", header.name));
    }
    if (header.method != 0) {
        throw Error(
            fmt::format("entry '{}' is compressed (method {}); only stored entries are supported: save the "
                        "file again with torch.save",
                        header.name, header.method));
    }
    if (header.stored_bytes != header.bytes) {
        throw Error(fmt::format("entry '{}' is damaged: {} bytes stored, {} bytes of content", header.name,
                                header.stored_bytes, header.bytes));
    }
    if ((header.flags & ~(kHasDescriptor | kUtf8Name)) != 0 || header.version > kHighestVersion || header.disk != 0) {
        throw Error(
            fmt::format("entry '{}' has flags {}, needs version {} and lies on disk {}: torch.save writes no such "
                        "entry; the file is damaged, or save it again with torch.save",
                        header.name, header.flags, header.version, header.disk));
    }
}

/// The descriptor that lies behind an entry's data, `bytes` long.
void check_descriptor(const Header& header, std::string_view descriptor) {
    const bool is_64 = descriptor.size() == kDescriptor64Bytes;
    const std::uint64_t stored = is_64 ? u64(descriptor, 8) : u32(descriptor, 8);
    const std::uint64_t bytes = is_64 ? u64(descriptor, 16) : u32(descriptor, 12);
    if (descriptor.starts_with(kDescriptor) && u32(descriptor, 4) == header.crc32 && stored == header.stored_bytes &&
        bytes == header.bytes) {
        return;
    }
    refuse(fmt::format("what lies behind the data of entry '{}' contradicts the directory", header.name));
}

bool is_length_of_descriptor(const Header& header, std::uint64_t bytes) {
    if ((header.flags & kHasDescriptor) == 0) return bytes == 0;
    return bytes == kDescriptorBytes || bytes == kDescriptor64Bytes;
}

/// The numbers of a local header: none where a descriptor follows the data, else those of the directory.
void check_local(const Header& header, std::string_view local, std::string_view extra) {
    Header stated{.name = header.name, .stored_bytes = u32(local, 18), .bytes = u32(local, 22), .local = header.local};
    const bool is_empty = u32(local, 14) == 0 && stated.stored_bytes == 0 && stated.bytes == 0;
    if (is_empty && (header.flags & kHasDescriptor) != 0) return;
    stated.local = 0;  // a local header has no place for its own
    resolve_zip64(stated, extra);
    if (u32(local, 14) == header.crc32 && stated.stored_bytes == header.stored_bytes && stated.bytes == header.bytes) {
        return;
    }
    refuse(fmt::format("the two headers of entry '{}' contradict each other", header.name));
}

/// Walks through the archive from its beginning, one entry after the other.
class EntryWalk {
public:
    explicit EntryWalk(const Archive& archive) : archive_(archive) {}

    /// The next entry, at its place in the archive.
    ZipEntry enter(const Header& header) {
        // PyTorch's extra fields are shorter than its alignment: mostly one read gets them too.
        constexpr std::uint64_t kExtraBytes = 96;
        const std::uint64_t local_bytes = kLocalBytes + header.name.size();
        const std::string bytes = read_to(header.local, header.name, local_bytes, kExtraBytes);
        const std::string_view local = std::string_view(bytes).substr(0, local_bytes);
        if (!local.starts_with(kLocalHeader) || u16(local, 26) != header.name.size() ||
            local.substr(kLocalBytes) != header.name) {
            refuse(fmt::format("the data of entry '{}' is not where the directory says", header.name));
        }
        if (u16(local, 6) != header.flags || u16(local, 8) != header.method) {
            refuse(fmt::format("the two headers of entry '{}' contradict each other", header.name));
        }
        const std::uint64_t extra_at = header.local + local.size();
        std::string extra = bytes.substr(local_bytes, u16(local, 28));
        if (extra.size() < u16(local, 28)) extra = archive_.read(extra_at, u16(local, 28));
        bool is_padded = false;
        for_each_extra(extra, header.name,
                       [&](std::uint16_t id, std::string_view) { is_padded |= id == kPaddingExtra; });
        check_local(header, local, extra);
        const std::uint64_t data = extra_at + u16(local, 28);
        if (data > archive_.range.size || header.bytes > archive_.range.size - data) {
            throw Error(fmt::format("truncated: entry '{}' needs {} bytes at {}, the archive ends at {}", header.name,
                                    header.bytes, data, archive_.range.size));
        }
        before_ = &header;
        end_ = data + header.bytes;
        return {.offset = data,
                .bytes = header.bytes,
                .crc32 = header.crc32 == 0 ? std::nullopt : std::optional(header.crc32),
                .is_padded = is_padded};
    }

    /// The directory follows the last entry.
    void finish(std::uint64_t directory) { read_to(directory, "the directory", 0, 0); }

private:
    /// Checks the bytes between the entry before, to which they belong, and `begin`. Returns `needed` bytes of the next
    /// part, and up to `more` behind them.
    std::string read_to(std::uint64_t begin, const std::string& next, std::uint64_t needed, std::uint64_t more) {
        if (begin < end_) refuse(fmt::format("entries {} and '{}' overlap", before(), next));
        const std::uint64_t between = begin - end_;
        if (before_ == nullptr ? between != 0 : !is_length_of_descriptor(*before_, between)) {
            refuse(fmt::format("{} bytes lie between {} and '{}'", between, before(), next));
        }
        const std::uint64_t left = archive_.range.size - std::min(archive_.range.size, begin);
        std::string bytes = archive_.read(end_, between + std::max(needed, std::min(left, needed + more)));
        if (between != 0) check_descriptor(*before_, std::string_view(bytes).substr(0, between));
        return bytes.erase(0, between);
    }

    std::string before() const { return before_ == nullptr ? "its beginning" : fmt::format("'{}'", before_->name); }

    const Archive& archive_;
    const Header* before_ = nullptr;
    std::uint64_t end_ = 0;  ///< of its data
};

std::vector<Header> read_headers(const Archive& archive, const Directory& directory) {
    DirectoryReader reader(archive, directory);
    std::vector<Header> headers;
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
        headers.push_back(reader.take_header());
        check_usable(headers.back());
    }
    if (!reader.is_at_end())
        refuse(fmt::format("its directory has more than the {} entries it says", directory.entries));
    if (!std::ranges::is_sorted(headers, {}, &Header::local)) std::ranges::sort(headers, {}, &Header::local);
    return headers;
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

std::size_t ZipEntries::NameHash::operator()(std::string_view name) const {
    Hash hash;
    for (const char c : name) hash.add(static_cast<unsigned char>(ascii_lower(c)));
    return hash.value();
}

bool ZipEntries::SameName::operator()(std::string_view a, std::string_view b) const {
    const auto lower = [](char c) { return ascii_lower(c); };
    return a == b || std::ranges::equal(a, b, {}, lower, lower);
}

void ZipEntries::add(NamedEntry entry) {
    const NamedEntry& added = entries_.emplace_back(std::move(entry));
    const auto [known, is_new] = by_name_.try_emplace(added.name, &added);
    if (is_new) return;
    const std::string as = known->first == added.name ? "" : fmt::format(", as '{}'", known->first);
    refuse(fmt::format("entry '{}' is there twice{}", added.name, as));
}

const ZipEntry* ZipEntries::find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &found->second->entry;
}

ZipEntries read_zip(const InputFile& file, ByteRange range) {
    const Archive archive{file, range};
    const Directory directory = locate_directory(archive);
    const std::vector<Header> headers = read_headers(archive, directory);
    ZipEntries entries;
    EntryWalk walk(archive);
    for (const Header& header : headers) {
        ZipEntry entry = walk.enter(header);
        entry.offset += range.begin;
        entries.add({header.name, entry});
    }
    walk.finish(directory.offset);
    return entries;
}

}  // namespace unshard::torch
