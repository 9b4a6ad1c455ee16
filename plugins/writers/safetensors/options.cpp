#include "options.hpp"

#include "unshard/tools/size_text.hpp"
#include "unshard/tools/type_name.hpp"

#include <fmt/format.h>

namespace unshard::safetensors {
namespace {

std::optional<DType> parse_dtype(const std::string& given) {
    const std::string name = type_name(given);
    if (name == "keep") return std::nullopt;
    for (const DType target : {DType::f32, DType::f16, DType::bf16}) {
        if (name == to_string(target)) return target;
    }
    throw UsageError(fmt::format("dtype '{}': writer 'safetensors' knows keep, f32, f16 and bf16", given));
}

}  // namespace

WriterOptions read_options(const Request& request) {
    Options options(request.options);
    const WriterOptions result{parse_dtype(options.take<std::string>("dtype", "keep")),
                               parse_size("max_shard_size", options.take<std::string>("max_shard_size", "5GB"))};
    options.finish();
    return result;
}

}  // namespace unshard::safetensors
