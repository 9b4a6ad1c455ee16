// Element types: everything that safetensors has a name for and PyTorch can save, and complex128.
#pragma once

#include "unshard/tools/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace unshard {

/// The numbers are part of the plugin ABI: never renumber, add at the end.
enum class DType : std::uint32_t {
    f64,
    f32,
    f16,
    bf16,
    f8e4m3,
    f8e4m3fnuz,
    f8e5m2,
    f8e5m2fnuz,
    i64,
    i32,
    i16,
    i8,
    u64,
    u32,
    u16,
    u8,
    boolean,
    c64,
    f8e8m0,
    c128,
    f4x2,
};

/// How one element type is called in the formats that unshard knows, and its size in bytes.
struct DTypeInfo {
    DType dtype;
    std::string_view name;         ///< in messages, options and pipelines
    std::string_view safetensors;  ///< safetensors `Dtype` (safetensors/src/tensor.rs); empty where it has none
    std::string_view torch;        ///< `torch.<name>`
    std::uint32_t size;
    bool is_float;
};

inline constexpr std::array kDTypes = {
    DTypeInfo{DType::f64, "f64", "F64", "float64", 8, true},
    DTypeInfo{DType::f32, "f32", "F32", "float32", 4, true},
    DTypeInfo{DType::f16, "f16", "F16", "float16", 2, true},
    DTypeInfo{DType::bf16, "bf16", "BF16", "bfloat16", 2, true},
    DTypeInfo{DType::f8e4m3, "f8e4m3", "F8_E4M3", "float8_e4m3fn", 1, true},
    DTypeInfo{DType::f8e4m3fnuz, "f8e4m3fnuz", "F8_E4M3FNUZ", "float8_e4m3fnuz", 1, true},
    DTypeInfo{DType::f8e5m2, "f8e5m2", "F8_E5M2", "float8_e5m2", 1, true},
    DTypeInfo{DType::f8e5m2fnuz, "f8e5m2fnuz", "F8_E5M2FNUZ", "float8_e5m2fnuz", 1, true},
    DTypeInfo{DType::i64, "i64", "I64", "int64", 8, false},
    DTypeInfo{DType::i32, "i32", "I32", "int32", 4, false},
    DTypeInfo{DType::i16, "i16", "I16", "int16", 2, false},
    DTypeInfo{DType::i8, "i8", "I8", "int8", 1, false},
    DTypeInfo{DType::u64, "u64", "U64", "uint64", 8, false},
    DTypeInfo{DType::u32, "u32", "U32", "uint32", 4, false},
    DTypeInfo{DType::u16, "u16", "U16", "uint16", 2, false},
    DTypeInfo{DType::u8, "u8", "U8", "uint8", 1, false},
    DTypeInfo{DType::boolean, "bool", "BOOL", "bool", 1, false},
    DTypeInfo{DType::c64, "c64", "C64", "complex64", 8, false},
    // Powers of two, which scale other weights: never cast.
    DTypeInfo{DType::f8e8m0, "f8e8m0", "F8_E8M0", "float8_e8m0fnu", 1, false},
    DTypeInfo{DType::c128, "c128", "", "complex128", 16, false},
    // Two elements in a byte. As in PyTorch shapes count bytes; safetensors counts elements.
    DTypeInfo{DType::f4x2, "f4x2", "F4", "float4_e2m1fn_x2", 1, false},
};

/// Whether a number (from the ABI) is one of the types above.
inline bool is_dtype(std::uint32_t code) {
    return code < kDTypes.size();
}

inline const DTypeInfo& info(DType dtype) {
    return kDTypes[static_cast<std::size_t>(dtype)];
}

/// Bytes per element.
inline std::uint64_t size_of(DType dtype) {
    return info(dtype).size;
}

inline std::string to_string(DType dtype) {
    return std::string(info(dtype).name);
}

/// The type with this name in one of the naming columns, e.g. `find_dtype(&DTypeInfo::torch, "bfloat16")`.
inline std::optional<DType> find_dtype(std::string_view DTypeInfo::* column, std::string_view name) {
    for (const DTypeInfo& d : kDTypes) {
        if (!name.empty() && d.*column == name) return d.dtype;
    }
    return std::nullopt;
}

/// What a tensor of type `source` becomes when the user asks for `target`: floats are cast, integers, booleans and
/// complex numbers never.
inline DType cast_result(DType source, DType target) {
    return info(source).is_float ? target : source;
}

}  // namespace unshard
