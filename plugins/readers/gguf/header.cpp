#include "gguf/header.hpp"

#include "formats/gguf/format.hpp"
#include "unshard/tools/in_context.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <set>

namespace unshard::gguf {
namespace {

constexpr std::uint32_t kOldestVersion = 2;

/// The fewest bytes of a key (length, one byte, type, value) and of a tensor (length, rank, type, offset).
constexpr std::uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kLeastTensorBytes = 8 + 4 + 4 + 8;

std::uint32_t read_version(Cursor& cursor) {
    const auto version = cursor.number<std::uint32_t>();
    if ((version & 0xFFFFU) == 0) throw Error("is a big-endian GGUF file: only little-endian ones are read");
    if (version >= kOldestVersion && version <= kVersion) return version;
    throw Error(fmt::format("is GGUF version {}: versions 2 and 3 are read", version));
}

std::uint64_t alignment_of(const Header& header) {
    const std::uint64_t alignment = header.number("general.alignment", kAlignment);
    if (std::has_single_bit(alignment)) return alignment;
    throw Error(fmt::format("general.alignment is {}, it must be a power of two", alignment));
}

const TypeInfo& read_type(Cursor& cursor) {
    const auto code = cursor.number<std::uint32_t>();
    if (const TypeInfo* type = find_type(code)) return *type;
    throw Error(fmt::format("type {} is unknown, or one that ggml has removed", code));
}

Dims read_shape(Cursor& cursor) {
    const auto rank = cursor.number<std::uint32_t>();
    if (rank > kMaxRank) throw Error(fmt::format("has {} dimensions, GGUF allows 4", rank));
    Dims fastest_first, shape;
    for (std::uint32_t i = 0; i < rank; ++i) fastest_first.push_back(cursor.number<std::uint64_t>());
    for (std::size_t i = rank; i-- > 0;) shape.push_back(fastest_first[i]);
    if (shape.numel() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw Error(fmt::format("has the shape {}, more than 2^63 elements", to_string(shape)));
    }
    return shape;
}

std::uint64_t stored_bytes(const StoredTensor& tensor) {
    const std::uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % tensor.type.block_elems != 0) {
        throw Error(fmt::format("has rows of {} elements, blocks of {} have {}", row, tensor.type.name,
                                tensor.type.block_elems));
    }
    return checked_mul(tensor.shape.numel() / tensor.type.block_elems, tensor.type.block_bytes);
}

/// The tensor's offset is still counted from the start of the data, as in the file.
StoredTensor read_tensor(Cursor& cursor) {
    StoredTensor tensor;
    tensor.name = cursor.text(kMaxNameBytes, "the name of a tensor");
    torch::in_context(fmt::format("'{}'", tensor.name), [&] {
        tensor.shape = read_shape(cursor);
        tensor.type = read_type(cursor);
        tensor.offset = cursor.number<std::uint64_t>();
        tensor.bytes = stored_bytes(tensor);
    });
    return tensor;
}

/// Makes offsets count from the start of the file. Tensors must follow each other without a gap.
void place_tensors(Header& header, std::uint64_t data_begin, std::uint64_t file_bytes) {
    std::uint64_t at = 0;
    for (StoredTensor& tensor : header.tensors) {
        if (tensor.offset != at) {
            throw Error(
                fmt::format("'{}' has the offset {}, the tensors before it end at {}", tensor.name, tensor.offset, at));
        }
        tensor.offset = checked_add(data_begin, at);
        const std::uint64_t end = checked_add(tensor.offset, tensor.bytes);
        if (end > file_bytes) {
            throw Error(
                fmt::format("'{}' ends at byte {}, the file at {}: it is truncated", tensor.name, end, file_bytes));
        }
        at = round_up(checked_add(at, tensor.bytes), header.alignment);
    }
    const std::uint64_t end = checked_add(data_begin, at);  // the last padding may be missing
    header.bytes_behind = file_bytes - std::min(end, file_bytes);
}

template <class Item>
void check_unique(const std::vector<Item>& items, std::string Item::* name, std::string_view what) {
    std::set<std::string_view> seen;
    for (const Item& item : items) {
        if (seen.insert(item.*name).second) continue;
        throw Error(fmt::format("{} '{}' stands there twice", what, item.*name));
    }
}

Header read(const InputFile& file) {
    Cursor cursor(file);
    if (cursor.left() < kMagic.size() || file.read(0, kMagic.size()) != kMagic) throw Error("is no GGUF file");
    cursor.skip(kMagic.size());
    Header header;
    header.version = read_version(cursor);
    const auto tensors = cursor.number<std::uint64_t>();
    const auto keys = cursor.number<std::uint64_t>();
    cursor.check_count(keys, kLeastKeyBytes, "keys");
    cursor.check_count(tensors, kLeastTensorBytes, "tensors");
    for (std::uint64_t i = 0; i < keys; ++i) header.keys.push_back(read_key_value(cursor));
    check_unique(header.keys, &KeyValue::key, "key");
    header.alignment = alignment_of(header);
    for (std::uint64_t i = 0; i < tensors; ++i) header.tensors.push_back(read_tensor(cursor));
    check_unique(header.tensors, &StoredTensor::name, "tensor");
    place_tensors(header, round_up(cursor.position(), header.alignment), file.bytes());
    return header;
}

}  // namespace

const KeyValue* Header::find(std::string_view key) const {
    const auto found = std::find_if(keys.begin(), keys.end(), [&](const KeyValue& k) { return k.key == key; });
    return found == keys.end() ? nullptr : &*found;
}

std::uint64_t Header::number(std::string_view key, std::uint64_t fallback) const {
    const KeyValue* found = find(key);
    if (!found) return fallback;
    const bool is_count = found->value.is_number_integer() && found->value >= 0;
    if (!is_count) throw Error(fmt::format("{} is {}, it must be a count", key, found->value.dump()));
    return found->value.get<std::uint64_t>();
}

Header read_header(const InputFile& file) {
    return torch::in_context(file.path(), [&] { return read(file); });
}

}  // namespace unshard::gguf
