#include "stored_dtype.hpp"

#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <ranges>

namespace unshard::safetensors {
namespace {

constexpr std::size_t kFewNames = 3;

using Patterns = std::vector<std::unique_ptr<re2::RE2>>;

/// Of the names that stay float32 when `wanted` is asked for.
Patterns kept_patterns(DType wanted, const Request& request) {
    Patterns patterns;
    if (wanted != DType::bf16 && wanted != DType::f16) return patterns;
    const auto add = [&](const char* fact) {
        for (const nlohmann::json& text : request.model.value(fact, nlohmann::json::array())) {
            patterns.push_back(std::make_unique<re2::RE2>(text.get<std::string>()));
        }
    };
    add("kept_f32");
    if (wanted == DType::f16) add("kept_f32_of_f16");
    return patterns;
}

bool is_kept(const std::string& name, const Patterns& patterns) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const auto& pattern) { return re2::RE2::PartialMatch(name, *pattern); });
}

}  // namespace

std::vector<DType> stored_dtypes(const Plan& plan, const WriterOptions& options, const Request& request,
                                 std::vector<std::string>& notes) {
    const WantedDType wanted = options.dtype;
    const Patterns patterns = wanted ? kept_patterns(*wanted, request) : Patterns();
    std::vector<DType> dtypes;
    std::vector<std::string> kept;
    for (const PlannedTensor& t : plan.tensors) {
        const TypeOverride<WantedDType>* type = find_override<WantedDType>(options.types, t.name);
        const WantedDType own = type ? type->type : wanted;
        dtypes.push_back(own ? cast_result(t.dtype, *own) : t.dtype);
        if (type) continue;
        if (!info(dtypes.back()).is_float || dtypes.back() == DType::f32 || !is_kept(t.name, patterns)) continue;
        dtypes.back() = cast_result(t.dtype, DType::f32);
        kept.push_back(t.name);
    }
    if (!kept.empty()) {
        notes.push_back(fmt::format("dtype {}: {} tensors are f32, in which transformers keeps them: {}",
                                    to_string(*wanted), kept.size(), name_list(kept, kFewNames)));
    }
    const auto name = [](const PlannedTensor& t) -> const std::string& { return t.name; };
    warn_of_idle<WantedDType>(options.types, plan.tensors | std::views::transform(name), "output", notes);
    return dtypes;
}

}  // namespace unshard::safetensors
