#include "file_types.hpp"

#include <algorithm>

namespace unshard::gguf {

const FileType* find_file_type(std::string_view name) {
    const auto* found =
        std::find_if(kFileTypes.begin(), kFileTypes.end(), [&](const FileType& t) { return t.name == name; });
    return found == kFileTypes.end() ? nullptr : found;
}

}  // namespace unshard::gguf
