#include "container.hpp"

#include "unshard/tools/checked.hpp"

#include <fmt/format.h>

#include <bit>
#include <concepts>
#include <set>
#include <string_view>

namespace unshard::gguf {
namespace {

/// How a C++ type is called in the file.
template <class T>
constexpr ValueType kValueType{};
template <>
constexpr ValueType kValueType<std::uint16_t> = ValueType::u16;
template <>
constexpr ValueType kValueType<std::uint32_t> = ValueType::u32;
template <>
constexpr ValueType kValueType<std::int32_t> = ValueType::i32;
template <>
constexpr ValueType kValueType<float> = ValueType::f32;
template <>
constexpr ValueType kValueType<bool> = ValueType::boolean;
template <>
constexpr ValueType kValueType<std::string> = ValueType::string;

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
        number(static_cast<std::uint32_t>(kValueType<T>));
        item(value);
    }
    template <class T>
    void value(const std::vector<T>& values) {
        number(static_cast<std::uint32_t>(ValueType::array));
        number(static_cast<std::uint32_t>(kValueType<T>));
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
            throw Error(
                fmt::format("'{}': the name has {} bytes, GGUF allows {}", t.name, t.name.size(), kMaxNameBytes));
        }
        if (t.shape.rank() > kMaxRank) {
            throw Error(fmt::format("'{}': the shape {} has more than {} dimensions, GGUF has no more", t.name,
                                    to_string(t.shape), kMaxRank));
        }
        if (!names.insert(t.name).second) throw Error(fmt::format("'{}': two tensors have this name in GGUF", t.name));
    }
}

FileParts file_parts(const KeyValues& metadata, std::span<const TensorInfo> tensors) {
    Bytes bytes;
    bytes.text = kMagic;
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
