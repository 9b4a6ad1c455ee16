// Layout (ggml/src/gguf.cpp), all little-endian: "GGUF", u32 version, u64 tensors, u64 keys; each key: string, u32
// value type, value; each tensor: string, u32 rank, u64 dims (fastest first), u32 type, u64 offset from the start of
// the data; zeros to the alignment; the data. A string is a u64 length and its bytes. Offsets must be the running sum
// of padded sizes.

#include "container.hpp"

#include "unshard/checked.hpp"

#include <bit>
#include <concepts>
#include <set>
#include <string_view>

namespace unshard::gguf {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kArray = 9;

/// The numbers of enum gguf_type.
template <class T>
constexpr std::uint32_t kCode = 0;
template <>
constexpr std::uint32_t kCode<std::uint16_t> = 2;
template <>
constexpr std::uint32_t kCode<std::uint32_t> = 4;
template <>
constexpr std::uint32_t kCode<std::int32_t> = 5;
template <>
constexpr std::uint32_t kCode<float> = 6;
template <>
constexpr std::uint32_t kCode<bool> = 7;
template <>
constexpr std::uint32_t kCode<std::string> = 8;

class Bytes {
public:
    std::string text;

    template <std::unsigned_integral T>
    void number(T value) {
        for (std::size_t i = 0; i < sizeof value; ++i) {
            text.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xffU));
        }
    }
    void item(std::uint16_t value) { number(value); }
    void item(std::uint32_t value) { number(value); }
    void item(std::int32_t value) { number(static_cast<std::uint32_t>(value)); }
    void item(float value) { number(std::bit_cast<std::uint32_t>(value)); }
    void item(bool value) { text.push_back(value ? '\1' : '\0'); }
    void item(const std::string& value) {
        number<std::uint64_t>(value.size());
        text += value;
    }

    template <class T>
    void value(const T& value) {
        number(kCode<T>);
        item(value);
    }
    template <class T>
    void value(const std::vector<T>& values) {
        number(kArray);
        number(kCode<T>);
        number<std::uint64_t>(values.size());
        for (const T& v : values) item(v);
    }
};

void add_tensor(Bytes& bytes, const TensorInfo& tensor, std::uint64_t offset) {
    bytes.item(tensor.name);
    bytes.number(static_cast<std::uint32_t>(tensor.shape.rank()));
    for (std::size_t i = tensor.shape.rank(); i-- > 0;) bytes.number(tensor.shape[i]);
    bytes.number(static_cast<std::uint32_t>(tensor.type));
    bytes.number(offset);
}

}  // namespace

std::uint64_t stored_bytes(Type type, std::uint64_t elems) {
    return checked_mul(elems / info(type).block_elems, info(type).block_bytes);
}

std::uint64_t stored_bytes(const TensorInfo& tensor) {
    return stored_bytes(tensor.type, tensor.shape.numel());
}

void check_tensors(std::span<const TensorInfo> tensors) {
    std::set<std::string_view> names;
    for (const TensorInfo& t : tensors) {
        if (t.name.empty()) throw Error("a tensor has no name in GGUF");
        if (t.name.size() > kMaxNameBytes) {
            throw Error("'" + t.name + "': the name has " + std::to_string(t.name.size()) + " bytes, GGUF allows " +
                        std::to_string(kMaxNameBytes));
        }
        if (t.shape.rank() > kMaxRank) {
            throw Error("'" + t.name + "': the shape " + to_string(t.shape) + " has more than " +
                        std::to_string(kMaxRank) + " dimensions, GGUF has no more");
        }
        if (!names.insert(t.name).second) throw Error("'" + t.name + "': two tensors have this name in GGUF");
    }
}

FileParts file_parts(const KeyValues& metadata, std::span<const TensorInfo> tensors) {
    Bytes bytes;
    bytes.text = "GGUF";
    bytes.number(kVersion);
    bytes.number<std::uint64_t>(tensors.size());
    bytes.number<std::uint64_t>(metadata.entries().size());
    for (const auto& [key, value] : metadata.entries()) {
        bytes.item(key);
        std::visit([&](const auto& v) { bytes.value(v); }, value);
    }
    FileParts parts;
    std::uint64_t data_bytes = 0;
    for (const TensorInfo& t : tensors) {
        add_tensor(bytes, t, data_bytes);
        parts.offsets.push_back(data_bytes);
        data_bytes = round_up(checked_add(data_bytes, stored_bytes(t)), kAlignment);
    }
    parts.header = std::move(bytes.text);
    parts.header.resize(round_up(parts.header.size(), kAlignment), '\0');
    for (std::uint64_t& offset : parts.offsets) offset = checked_add(offset, parts.header.size());
    parts.bytes = checked_add(parts.header.size(), data_bytes);
    return parts;
}

std::vector<std::vector<std::size_t>> split_by_size(std::span<const TensorInfo> tensors, std::uint64_t limit) {
    std::vector<std::vector<std::size_t>> files(1);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::uint64_t more = stored_bytes(tensors[i]);
        if (limit != 0 && !files.back().empty() && checked_add(bytes, more) > limit) {
            files.emplace_back();
            bytes = 0;
        }
        bytes = checked_add(bytes, more);
        files.back().push_back(i);
    }
    return files;
}

}  // namespace unshard::gguf
