// Layout, from the end (PKWARE APPNOTE 6.3.3): end-of-directory record (22 bytes and a comment); before it, in zip64, a
// locator (20 bytes) that points to the zip64 end record (56 bytes or more); before those the directory, one header of
// 46 bytes and name, extra and comment for each entry. Sizes of 0xffffffff stand in the zip64 extra field (id 1): size,
// stored size, offset, only those that overflowed.
//
// PyTorch writes the directory last, so a file that was cut short has none. It writes no comment and, in files of any
// size, both end records.

#include "formats/torch/zip_directory.hpp"

#include <algorithm>
#include <optional>

namespace unshard::torch::zip {
namespace {

constexpr std::string_view kDirectoryHeader = "PK\1\2";
constexpr std::string_view kEndRecord = "PK\5\6";
constexpr std::string_view kEnd64Record = "PK\6\6";
constexpr std::string_view kEnd64Locator = "PK\6\7";
constexpr std::uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kDirectoryBytes = 46;
constexpr std::uint16_t kZip64Extra = 1;
constexpr std::uint16_t kEncrypted = 1, kUtf8Name = 1 << 11;
constexpr std::uint16_t kHighestVersion = 45;  // zip64
constexpr std::size_t kLongestName = 1000;     // a file's name, "/data/" and a number

/// What the end records say of the directory.
struct Place {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t entries = 0;
};

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
Place read_end64(const Archive& archive, std::string_view locator, std::uint64_t locator_at, const End& end) {
    const std::uint64_t at = u64(locator, 8);
    const std::string record = archive.read(at, kEnd64Bytes);
    if (!record.starts_with(kEnd64Record)) refuse("no zip64 end record where one must be");
    if (u64(record, 4) < kEnd64Bytes - 12 || u64(record, 4) != locator_at - at - 12) {
        refuse("its zip64 end record is of another length than it says");
    }
    const bool is_one_disk = u32(locator, 4) == 0 && u32(locator, 16) <= 1 && u32(record, 16) == 0 &&
                             u32(record, 20) == 0 && u64(record, 24) == u64(record, 32);
    if (!is_one_disk) refuse("its zip64 end record tells of several disks");
    const Place found{.offset = u64(record, 48), .bytes = u64(record, 40), .entries = u64(record, 32)};
    const bool agrees = (end.entries == 0xffff || end.entries == found.entries) &&
                        (end.bytes == kIn64 || end.bytes == found.bytes) &&
                        (end.offset == kIn64 || end.offset == found.offset);
    if (!agrees) refuse("its two end records contradict each other");
    if (found.offset > at || found.bytes != at - found.offset) refuse("its directory does not end at its end record");
    return found;
}

Place locate_directory(const Archive& archive) {
    const std::uint64_t at = find_end_record(archive);
    const End end = read_end(archive, at);
    if (at >= kLocatorBytes) {
        const std::string locator = archive.read(at - kLocatorBytes, kLocatorBytes);
        if (locator.starts_with(kEnd64Locator)) return read_end64(archive, locator, at - kLocatorBytes, end);
    }
    if (end.offset > at || end.bytes != at - end.offset) refuse("its directory does not end at its end record");
    return {.offset = end.offset, .bytes = end.bytes, .entries = end.entries};
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
    DirectoryReader(const Archive& archive, const Place& directory)
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

std::vector<Header> read_headers(const Archive& archive, const Place& directory) {
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

}  // namespace

void refuse(const std::string& what) {
    throw Error(fmt::format("damaged zip: {}: copy or save the file again", what));
}

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

Directory read_directory(const Archive& archive) {
    const Place place = locate_directory(archive);
    return {place.offset, read_headers(archive, place)};
}

}  // namespace unshard::torch::zip
