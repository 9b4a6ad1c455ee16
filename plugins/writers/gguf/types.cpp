#include "types.hpp"

#include <algorithm>

namespace unshard::gguf {

const TypeInfo& info(Type type) {
    return *std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeInfo& t) { return t.type == type; });
}

std::optional<Type> find_type(std::string_view name) {
    const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeInfo& t) { return t.name == name; });
    return found == kTypes.end() ? std::nullopt : std::optional(found->type);
}

const FileType* find_file_type(std::string_view name) {
    const auto* found =
        std::find_if(kFileTypes.begin(), kFileTypes.end(), [&](const FileType& t) { return t.name == name; });
    return found == kFileTypes.end() ? nullptr : found;
}

}  // namespace unshard::gguf
