// The types that tensors can have in a GGUF file (enum ggml_type; sizes of blocks from gguf-py/gguf/constants.py).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace unshard::gguf {

/// The numbers stand in the file. Those that are missing belong to types that ggml has removed.
enum class Type : std::uint32_t {
    f32 = 0,
    f16 = 1,
    q4_0 = 2,
    q4_1 = 3,
    q5_0 = 6,
    q5_1 = 7,
    q8_0 = 8,
    q8_1 = 9,
    q2_k = 10,
    q3_k = 11,
    q4_k = 12,
    q5_k = 13,
    q6_k = 14,
    q8_k = 15,
    iq2_xxs = 16,
    iq2_xs = 17,
    iq3_xxs = 18,
    iq1_s = 19,
    iq4_nl = 20,
    iq3_s = 21,
    iq2_s = 22,
    iq4_xs = 23,
    i8 = 24,
    i16 = 25,
    i32 = 26,
    i64 = 27,
    f64 = 28,
    iq1_m = 29,
    bf16 = 30,
    tq1_0 = 34,
    tq2_0 = 35,
    mxfp4 = 39,
    nvfp4 = 40,
    q1_0 = 41,
    q2_0 = 42,
};

struct TypeInfo {
    Type type;
    std::string_view name;  ///< in options, in what `inspect` shows, and as the name of the encoding
    std::uint64_t block_elems;
    std::uint64_t block_bytes;
};

/// What the writer can make.
inline constexpr std::array kTypes = {
    TypeInfo{Type::f32, "f32", 1, 4},       TypeInfo{Type::f16, "f16", 1, 2},
    TypeInfo{Type::bf16, "bf16", 1, 2},     TypeInfo{Type::q8_0, "q8_0", 32, 34},
    TypeInfo{Type::q4_0, "q4_0", 32, 18},   TypeInfo{Type::q4_1, "q4_1", 32, 20},
    TypeInfo{Type::q5_0, "q5_0", 32, 22},   TypeInfo{Type::q5_1, "q5_1", 32, 24},
    TypeInfo{Type::q2_k, "q2_k", 256, 84},  TypeInfo{Type::q3_k, "q3_k", 256, 110},
    TypeInfo{Type::q4_k, "q4_k", 256, 144}, TypeInfo{Type::q5_k, "q5_k", 256, 176},
    TypeInfo{Type::q6_k, "q6_k", 256, 210},
};

/// What other programs make, and is only read.
inline constexpr std::array kOtherTypes = {
    TypeInfo{Type::f64, "f64", 1, 8},
    TypeInfo{Type::i8, "i8", 1, 1},
    TypeInfo{Type::i16, "i16", 1, 2},
    TypeInfo{Type::i32, "i32", 1, 4},
    TypeInfo{Type::i64, "i64", 1, 8},
    TypeInfo{Type::q8_1, "q8_1", 32, 36},
    TypeInfo{Type::q8_k, "q8_k", 256, 292},
    TypeInfo{Type::iq1_s, "iq1_s", 256, 50},
    TypeInfo{Type::iq1_m, "iq1_m", 256, 56},
    TypeInfo{Type::iq2_xxs, "iq2_xxs", 256, 66},
    TypeInfo{Type::iq2_xs, "iq2_xs", 256, 74},
    TypeInfo{Type::iq2_s, "iq2_s", 256, 82},
    TypeInfo{Type::iq3_xxs, "iq3_xxs", 256, 98},
    TypeInfo{Type::iq3_s, "iq3_s", 256, 110},
    TypeInfo{Type::iq4_nl, "iq4_nl", 32, 18},
    TypeInfo{Type::iq4_xs, "iq4_xs", 256, 136},
    TypeInfo{Type::tq1_0, "tq1_0", 256, 54},
    TypeInfo{Type::tq2_0, "tq2_0", 256, 66},
    TypeInfo{Type::mxfp4, "mxfp4", 32, 17},
    TypeInfo{Type::nvfp4, "nvfp4", 64, 36},
    TypeInfo{Type::q1_0, "q1_0", 128, 18},
    TypeInfo{Type::q2_0, "q2_0", 64, 18},
};

/// Name and block size of any type.
const TypeInfo& info(Type type);
/// The type that the writer makes under this name.
std::optional<Type> find_type(std::string_view name);
/// The type of this number, whoever makes it; null when there is none.
const TypeInfo* find_type(std::uint32_t number);

}  // namespace unshard::gguf
