#include "options.hpp"

#include "unshard/tools/size_text.hpp"
#include "unshard/tools/type_name.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

Type parse_type(const std::string& given) {
    if (const std::optional<Type> known = find_type(type_name(given))) return *known;
    throw UsageError(fmt::format("option 'types': type '{}' is unknown: known are {}", given, names_of(kTypes)));
}

}  // namespace

WriterOptions read_options(const Request& request) {
    Options options(request.options);
    WriterOptions result;
    result.file_type = parse_file_type(options.take<std::string>("dtype", "auto"));
    const auto size = options.take<std::string>("max_shard_size", "");
    if (!size.empty()) result.max_shard_size = parse_size("max_shard_size", size);
    result.types = take_types<Type>(options, parse_type);
    result.pre = options.take<std::string>("pre", "");
    result.name = options.take<std::string>("name", "");
    options.finish();
    return result;
}

}  // namespace unshard::gguf
