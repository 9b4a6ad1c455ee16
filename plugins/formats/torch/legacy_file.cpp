// _legacy_save of torch/serialization.py. Five pickles, one behind the other:
//     0x1950a86a20f9469cfc6c
//     1001           the protocol's version
//     {"protocol_version": 1001, "little_endian": True, "type_sizes": {..}}
//     the object, in which each storage is a persistent id ('storage', class, key, place, number of elements, None)
//     [key, ..]      of all storages, in the order in which they follow
// Then each storage: the number of its elements in 8 bytes, and the elements. Nothing is aligned, there is no checksum.
//
// In place of None PyTorch before 0.4 could say which part of another storage it is. Before 0.1.10 the file was a tar.

#include "formats/torch/legacy_file.hpp"

#include "formats/torch/tensor.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/little_endian.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace unshard::torch {
namespace {

constexpr std::string_view kMagic = "\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
constexpr std::int64_t kProtocolVersion = 1001;
constexpr std::size_t kCountBytes = 8;

[[noreturn]] void refuse(const std::string& what) {
    throw Error(what + ": the file is damaged: copy or save it again");
}

std::string name_of_storage(std::string_view key) {
    constexpr std::size_t kLongestKey = 100;  // it is a number
    if (key.size() > kLongestKey) refuse(fmt::format("the key of a storage has {} bytes", key.size()));
    return fmt::format("data/{}", key);
}

/// The pickles at the beginning of the file, one after another.
class PickleStream {
public:
    PickleStream(const ByteSource& file, std::span<const std::string> opaque) : file_(file), opaque_(opaque) {}

    /// How long it is only its end says, so it is looked for in more and more bytes.
    Values next(const std::string& what) {
        constexpr std::uint64_t kFirst = 64 << 10, kMore = 4;
        const std::uint64_t left = file_.bytes() - at_;
        for (std::uint64_t tried = kFirst;; tried *= kMore) {
            const std::uint64_t bytes = std::min({tried, left, kMaxPickleBytes});
            try {
                return take(parse_leading_pickle(file_.read(at_, bytes)), what);
            } catch (const PickleGoesOn& e) {
                if (bytes == left) refuse(fmt::format("{} ends outside of the file ({})", what, e.what()));
                if (bytes == kMaxPickleBytes) {
                    throw Error(fmt::format("{} has more than {} bytes, which is not supported", what, bytes));
                }
            }
        }
    }

    std::uint64_t position() const { return at_; }

private:
    Values take(LeadingPickle found, const std::string& what) {
        at_ += found.bytes;
        std::vector<Symbol> symbols = check_allowed(found.pickle, what, opaque_);
        return {std::move(found.pickle), std::move(symbols), StorageIds::legacy};
    }

    const ByteSource& file_;
    std::span<const std::string> opaque_;
    std::uint64_t at_ = 0;
};

void check_version(const Values& version) {
    const std::uint64_t number = version.count(version.root(), "the version of its protocol");
    if (number == kProtocolVersion) return;
    throw Error(fmt::format("its protocol has version {}, {} is known: the file is damaged, or no file of torch.save",
                            number, kProtocolVersion));
}

void check_byte_order(const Values& system) {
    const auto items = system.mapping(system.root());
    if (!items) refuse(fmt::format("what it says of its machine is {}", system.describe(system.root())));
    for (const auto& [key, value] : *items) {
        const auto* name = system.get_if<Text>(key);
        if (name == nullptr || name->value != "little_endian") continue;
        if (system.flag(value, "'little_endian'")) return;
        throw Error("saved on a big-endian machine: save it again on a little-endian one");
    }
    refuse("it does not say its byte order");
}

/// The storages behind the pickles.
class StorageStream {
public:
    StorageStream(const ByteSource& file, const Values& values, std::uint64_t begin)
        : file_(file), values_(values), claims_(values.storages()), at_(begin) {}

    ZipEntries read(const Values& keys) {
        ZipEntries found;
        for (const Ref key : keys.sequence(keys.root(), "the list of its storages")) {
            add(keys.view(key, "the key of a storage"), found);
        }
        for (const auto& [key, claim] : claims_) {
            if (found.find(name_of_storage(key)) != nullptr) continue;
            refuse(fmt::format("storage '{}', which its pickle needs, is not in its list", name_of_storage(key)));
        }
        if (at_ != file_.bytes()) refuse(fmt::format("{} bytes lie behind its last storage", file_.bytes() - at_));
        return found;
    }

private:
    void add(std::string_view key, ZipEntries& found) {
        const std::string name = name_of_storage(key);
        const auto claim = claims_.find(key);
        if (claim == claims_.end()) {
            refuse(fmt::format("storage '{}' is in its list, and its pickle needs none of this name", name));
        }
        if (found.find(name) != nullptr) refuse(fmt::format("storage '{}' is twice in its list", name));
        check_left(name, kCountBytes);
        const auto count = load_le<std::uint64_t>(file_.read(at_, kCountBytes));
        at_ += kCountBytes;
        const auto claimed = static_cast<std::uint64_t>(claim->second.count);
        if (count != claimed) {
            refuse(fmt::format("storage '{}' has {} elements, its pickle says {}", name, count, claimed));
        }
        const std::uint64_t bytes = checked_mul(count, storage_element_bytes(values_, claim->second.type));
        check_left(name, bytes);
        found.add({.name = name, .entry = {.offset = at_, .bytes = bytes}});
        at_ += bytes;
    }

    void check_left(const std::string& name, std::uint64_t bytes) const {
        if (bytes <= file_.bytes() - at_) return;
        throw Error(
            fmt::format("truncated: storage '{}' needs {} bytes at {}, the file ends at {}: copy or save it again",
                        name, bytes, at_, file_.bytes()));
    }

    const ByteSource& file_;
    const Values& values_;
    std::unordered_map<std::string_view, StorageId> claims_;
    std::uint64_t at_;
};

}  // namespace

bool begins_as_legacy(const ByteSource& file) {
    constexpr std::size_t kProto = 2, kFrame = 9;
    const std::string bytes = file.read(0, std::min<std::uint64_t>(file.bytes(), kProto + kFrame + kMagic.size()));
    std::string_view head(bytes);
    if (!head.starts_with('\x80') || head.size() < kProto) return false;
    head.remove_prefix(kProto);
    if (head.starts_with('\x95') && head.size() >= kFrame) head.remove_prefix(kFrame);  // from protocol 4 on
    return head.starts_with(kMagic);
}

LegacyFile read_legacy(const ByteSource& file, std::span<const std::string> opaque) {
    PickleStream pickles(file, opaque);
    pickles.next("its magic number");
    check_version(pickles.next("the version of its protocol"));
    check_byte_order(pickles.next("what it says of its machine"));
    Values values = pickles.next("its pickle");
    const Values keys = pickles.next("the list of its storages");
    ZipEntries storages = StorageStream(file, values, pickles.position()).read(keys);
    return {std::move(storages), std::move(values)};
}

}  // namespace unshard::torch
