#include "options.hpp"

#include "unshard/tools/size_text.hpp"
#include "unshard/tools/type_name.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <ranges>

namespace unshard::gguf {
namespace {

template <class Known>
std::string names_of(const Known& known) {
    return fmt::format("{}", fmt::join(known | std::views::transform([](const auto& k) { return k.name; }), " "));
}

const FileType* parse_file_type(const std::string& given) {
    const std::string name = type_name(given);
    if (name == "auto" || name == "keep") return nullptr;
    if (const FileType* known = find_file_type(name)) return known;
    throw UsageError(fmt::format("dtype '{}': writer 'gguf' knows auto {}", given, names_of(kFileTypes)));
}

TypeOverride parse_override(const nlohmann::json& item) {
    const auto text = [&](const char* key) -> std::string {
        const bool is_there = item.is_object() && item.size() == 2 && item.contains(key) && item[key].is_string();
        if (!is_there)
            throw UsageError(
                fmt::format("option 'types': {} is not {{ match = \"...\", type = \"...\" }}", item.dump()));
        return item[key].get<std::string>();
    };
    const std::string match = text("match"), type = text("type");
    auto pattern = std::make_shared<re2::RE2>(match, re2::RE2::Quiet);
    if (!pattern->ok()) throw UsageError(fmt::format("option 'types': pattern '{}': {}", match, pattern->error()));
    const std::optional<Type> known = find_type(type_name(type));
    if (!known)
        throw UsageError(fmt::format("option 'types': type '{}' is unknown: known are {}", type, names_of(kTypes)));
    return {std::move(pattern), *known};
}

}  // namespace

WriterOptions read_options(const Request& request) {
    Options options(request.options);
    WriterOptions result;
    result.file_type = parse_file_type(options.take<std::string>("dtype", "auto"));
    const auto size = options.take<std::string>("max_shard_size", "");
    if (!size.empty()) result.max_shard_size = parse_size("max_shard_size", size);
    const auto types = options.take<nlohmann::json>("types", nlohmann::json::array());
    if (!types.is_array()) throw UsageError(fmt::format("option 'types': {} is not an array", types.dump()));
    for (const nlohmann::json& item : types) result.types.push_back(parse_override(item));
    result.pre = options.take<std::string>("pre", "");
    result.name = options.take<std::string>("name", "");
    options.finish();
    return result;
}

}  // namespace unshard::gguf
