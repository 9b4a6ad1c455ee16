// A header of the directory points to the entry's local header (30 bytes, name, extra) with the data behind it. The
// lengths of a local extra field differ from the directory's: torch.save pads there, so that data is aligned. With flag
// 3 the local header has no sizes and no CRC-32; they follow the data, in a descriptor of 16 or, in zip64, 24 bytes.
// PyTorch sets flag 3 for every entry that is not empty, and compresses nothing. The parts must fill the file without
// gaps, so that a wrong length or offset in any header is noticed.

#include "formats/torch/zip_archive.hpp"

#include "formats/torch/zip_directory.hpp"
#include "unshard/tools/ascii.hpp"
#include "unshard/tools/shared.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace unshard::torch {
namespace {

using namespace zip;

constexpr std::string_view kDescriptor = "PK\7\x8";
constexpr std::uint64_t kLocalBytes = 30, kDescriptorBytes = 16, kDescriptor64Bytes = 24;
constexpr std::uint16_t kPaddingExtra = 0x4246;  // "FB"

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

ZipEntries read_zip(const ByteSource& file, ByteRange range) {
    const Archive archive{file, range};
    const Directory directory = read_directory(archive);
    ZipEntries entries;
    EntryWalk walk(archive);
    for (const Header& header : directory.headers) {
        ZipEntry entry = walk.enter(header);
        entry.offset += range.begin;
        entries.add({header.name, entry});
    }
    walk.finish(directory.offset);
    return entries;
}

}  // namespace unshard::torch
