#include "formats/gguf/types.hpp"

#include <algorithm>

namespace unshard::gguf {
namespace {

template <class Types>
const TypeInfo* find(const Types& types, std::uint32_t number) {
    const auto* found = std::find_if(types.begin(), types.end(),
                                     [&](const TypeInfo& t) { return static_cast<std::uint32_t>(t.type) == number; });
    return found == types.end() ? nullptr : found;
}

}  // namespace

const TypeInfo& info(Type type) {
    return *find_type(static_cast<std::uint32_t>(type));
}

std::optional<Type> find_type(std::string_view name) {
    const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeInfo& t) { return t.name == name; });
    return found == kTypes.end() ? std::nullopt : std::optional(found->type);
}

const TypeInfo* find_type(std::uint32_t number) {
    const TypeInfo* found = find(kTypes, number);
    return found ? found : find(kOtherTypes, number);
}

}  // namespace unshard::gguf
