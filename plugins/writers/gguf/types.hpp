// The types that tensors can have in a GGUF file, and the file types that users ask for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace unshard::gguf {

/// The numbers are those of enum ggml_type and stand in the file.
enum class Type : std::uint32_t {
    f32 = 0,
    f16 = 1,
    q4_0 = 2,
    q4_1 = 3,
    q5_0 = 6,
    q5_1 = 7,
    q8_0 = 8,
    q2_k = 10,
    q3_k = 11,
    q4_k = 12,
    q5_k = 13,
    q6_k = 14,
    bf16 = 30,
};

struct TypeInfo {
    Type type;
    std::string_view name;  ///< in options and as the name of the encoding
    std::uint64_t block_elems;
    std::uint64_t block_bytes;
};

inline constexpr std::array kTypes = {
    TypeInfo{Type::f32, "f32", 1, 4},       TypeInfo{Type::f16, "f16", 1, 2},
    TypeInfo{Type::bf16, "bf16", 1, 2},     TypeInfo{Type::q8_0, "q8_0", 32, 34},
    TypeInfo{Type::q4_0, "q4_0", 32, 18},   TypeInfo{Type::q4_1, "q4_1", 32, 20},
    TypeInfo{Type::q5_0, "q5_0", 32, 22},   TypeInfo{Type::q5_1, "q5_1", 32, 24},
    TypeInfo{Type::q2_k, "q2_k", 256, 84},  TypeInfo{Type::q3_k, "q3_k", 256, 110},
    TypeInfo{Type::q4_k, "q4_k", 256, 144}, TypeInfo{Type::q5_k, "q5_k", 256, 176},
    TypeInfo{Type::q6_k, "q6_k", 256, 210},
};

const TypeInfo& info(Type type);
std::optional<Type> find_type(std::string_view name);

/// What `--dtype` chooses: a type for most tensors and, for the mixtures of llama-quantize, exceptions from it.
struct FileType {
    std::string_view name;
    std::uint32_t number;  ///< enum llama_ftype, the value of general.file_type
    Type type;             ///< of most tensors
    bool is_mixture;       ///< as llama-quantize chooses types; otherwise as convert_hf_to_gguf.py does
};

inline constexpr std::array kFileTypes = {
    FileType{"f32", 0, Type::f32, false},     FileType{"f16", 1, Type::f16, false},
    FileType{"bf16", 32, Type::bf16, false},  FileType{"q8_0", 7, Type::q8_0, false},
    FileType{"q4_0", 2, Type::q4_0, true},    FileType{"q4_1", 3, Type::q4_1, true},
    FileType{"q5_0", 8, Type::q5_0, true},    FileType{"q5_1", 9, Type::q5_1, true},
    FileType{"q2_k", 10, Type::q2_k, true},   FileType{"q3_k_s", 11, Type::q3_k, true},
    FileType{"q3_k_m", 12, Type::q3_k, true}, FileType{"q3_k_l", 13, Type::q3_k, true},
    FileType{"q4_k_s", 14, Type::q4_k, true}, FileType{"q4_k_m", 15, Type::q4_k, true},
    FileType{"q5_k_s", 16, Type::q5_k, true}, FileType{"q5_k_m", 17, Type::q5_k, true},
    FileType{"q6_k", 18, Type::q6_k, true},
};

/// Null when there is none of that name.
const FileType* find_file_type(std::string_view name);

}  // namespace unshard::gguf
