// The file types that users ask for.
#pragma once

#include "formats/gguf/types.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace unshard::gguf {

/// What `--dtype` chooses: a type for most tensors and, for the mixtures of llama-quantize, exceptions from it.
struct FileType {
    std::string_view name;
    std::uint32_t number;  ///< enum llama_ftype, the value of general.file_type
    Type type;             ///< of most tensors
    bool mixes_types;      ///< as llama-quantize chooses types; otherwise as convert_hf_to_gguf.py does
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

/// Null when there is none of that name. As for llama-quantize, q3_k, q4_k and q5_k are their middle sizes.
const FileType* find_file_type(std::string_view name);

}  // namespace unshard::gguf
