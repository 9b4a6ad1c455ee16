#include "file_types.hpp"

#include <algorithm>
#include <string>

namespace unshard::gguf {

const FileType* find_file_type(std::string_view name) {
    for (const std::string_view k : {"q3_k", "q4_k", "q5_k"}) {
        if (name == k) return find_file_type(std::string(k) + "_m");
    }
    const auto* found =
        std::find_if(kFileTypes.begin(), kFileTypes.end(), [&](const FileType& t) { return t.name == name; });
    return found == kFileTypes.end() ? nullptr : found;
}

}  // namespace unshard::gguf
