// The file is what `safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})` of safetensors 0.8 writes,
// byte for byte: u64 length of the JSON, the JSON (`__metadata__` first, then the tensors in storage order) padded with
// spaces to 8 bytes, then the tensors without gaps (safetensors/src/tensor.rs: `prepare`, `serialize_to_file`).

#include "header.hpp"

#include "unshard/tools/checked.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <tuple>

namespace unshard::safetensors {
namespace {

/// The order in which the library (0.8.0) stores tensors: that of its `Dtype` enum, from the last.
constexpr std::array kStorageOrder = {
    DType::u64,    DType::i64,    DType::f64, DType::c64, DType::f32,        DType::u32,        DType::i32,
    DType::bf16,   DType::f16,    DType::u16, DType::i16, DType::f8e5m2fnuz, DType::f8e4m3fnuz, DType::f8e8m0,
    DType::f8e4m3, DType::f8e5m2, DType::i8,  DType::u8,  DType::f4x2,       DType::boolean,
};
static_assert(kStorageOrder.size() == kDTypes.size() - 1, "all but complex128, of which safetensors knows nothing");

/// In elements, of which f4x2 has two.
std::vector<std::uint64_t> stored_shape(const Entry& e) {
    std::vector<std::uint64_t> shape(e.shape.begin(), e.shape.end());
    if (e.dtype != DType::f4x2) return shape;
    if (shape.empty())
        throw Error(fmt::format("'{}': two values of 4 bits are no scalar in safetensors: drop it", e.name));
    shape.back() = checked_mul(shape.back(), 2);
    return shape;
}

auto storage_key(const Entry& e) {
    return std::tuple(std::find(kStorageOrder.begin(), kStorageOrder.end(), e.dtype), std::string_view(e.name));
}

}  // namespace

void sort_as_stored(std::vector<Entry>& entries) {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return storage_key(a) < storage_key(b); });
}

std::string header_of(std::span<const Entry> entries) {
    using nlohmann::ordered_json;
    std::string text = R"({"__metadata__":{"format":"pt"})";
    std::uint64_t offset = 0;
    for (const Entry& e : entries) {
        if (info(e.dtype).safetensors.empty()) {
            throw Error(fmt::format("'{}': is {}, for which safetensors has no name: leave it out with --drop", e.name,
                                    to_string(e.dtype)));
        }
        if (e.name == "__metadata__")
            throw Error("'__metadata__': a tensor cannot have this name in safetensors: rename it");
        const std::uint64_t end = checked_add(offset, e.bytes);
        const ordered_json fields = {
            {"dtype", info(e.dtype).safetensors}, {"shape", stored_shape(e)}, {"data_offsets", {offset, end}}};
        text += fmt::format(",{}:{}", ordered_json(e.name).dump(), fields.dump());
        offset = end;
    }
    text += "}";
    text.resize(round_up(text.size(), 8), ' ');
    std::string length(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
    return length + text;
}

}  // namespace unshard::safetensors
