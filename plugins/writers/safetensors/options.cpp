#include "options.hpp"

#include "unshard/tools/size_text.hpp"
#include "unshard/tools/type_name.hpp"

#include <fmt/format.h>

namespace unshard::safetensors {
namespace {

WantedDType parse_dtype(const std::string& option, const std::string& given) {
    const std::string name = type_name(given);
    if (name == "keep") return std::nullopt;
    for (const DType target : {DType::f32, DType::f16, DType::bf16}) {
        if (name == to_string(target)) return target;
    }
    throw UsageError(fmt::format("{} '{}': writer 'safetensors' knows keep, f32, f16 and bf16", option, given));
}

}  // namespace

WriterOptions read_options(const Request& request) {
    Options options(request.options);
    WriterOptions result;
    result.dtype = parse_dtype("dtype", options.take<std::string>("dtype", "keep"));
    result.types = take_types<WantedDType>(
        options, [](const std::string& type) { return parse_dtype("option 'types': type", type); });
    result.max_shard_size = parse_size("max_shard_size", options.take<std::string>("max_shard_size", "5GB"));
    options.finish();
    return result;
}

}  // namespace unshard::safetensors
