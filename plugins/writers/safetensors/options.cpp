#include "options.hpp"

#include "unshard/tools/checked.hpp"
#include "unshard/tools/type_name.hpp"

#include <charconv>
#include <string_view>

namespace unshard::safetensors {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t bytes;
};

/// As huggingface_hub reads them: powers of 1000, with an i powers of 1024.
constexpr Unit kUnits[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1'000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"TB", 1'000'000'000'000},
    {"KiB", 1 << 10},
    {"MiB", 1 << 20},
    {"GiB", 1 << 30},
    {"TiB", 1ULL << 40},
};

std::uint64_t parse_size(const std::string& text) {
    std::uint64_t count = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string_view unit_name(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    for (const Unit& unit : kUnits) {
        if (error == std::errc() && count != 0 && unit.name == unit_name) return checked_mul(count, unit.bytes);
    }
    throw UsageError("max_shard_size '" + text + "': not a size; write it like 5GB, 500MB or 2GiB");
}

std::optional<DType> parse_dtype(const std::string& given) {
    const std::string name = type_name(given);
    if (name == "keep") return std::nullopt;
    for (const DType target : {DType::f32, DType::f16, DType::bf16}) {
        if (name == to_string(target)) return target;
    }
    throw UsageError("dtype '" + given + "': writer 'safetensors' knows keep, f32, f16 and bf16");
}

}  // namespace

WriterOptions read_options(const Request& request) {
    Options options(request.options);
    const WriterOptions result{parse_dtype(options.take<std::string>("dtype", "keep")),
                               parse_size(options.take<std::string>("max_shard_size", "5GB"))};
    options.finish();
    return result;
}

}  // namespace unshard::safetensors
