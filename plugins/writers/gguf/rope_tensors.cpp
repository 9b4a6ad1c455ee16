// rope_freqs: LlamaModel.generate_extra_tensors in conversion/llama.py, on torch's f32 scalars. Each step is rounded to
// f32 in torch's order, so that the bytes are the same; torch computes number / tensor as number * (1 / tensor).
// rope_factors: Phi3MiniModel.generate_extra_tensors in conversion/phi.py.

#include "rope_tensors.hpp"

#include "models/model_config.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <numbers>

namespace unshard::gguf {
namespace {

using nlohmann::json;

/// Heads are never longer; a damaged config.json must not make us allocate.
constexpr std::int64_t kMaxHeadDim = 1 << 16;

double number_of(const json& rope, const char* field, double fallback) {
    const json& value = find_field(rope, {field});
    if (value.is_null()) return fallback;
    if (!value.is_number())
        throw Error(fmt::format("config.json: rope's '{}' is {}, not a number", field, value.dump()));
    return value.get<double>();
}

struct Llama3Rope {
    float factor, low, high, context;

    /// The factor of one frequency: none for short wavelengths, all of it for long ones, smooth in between.
    float of(float frequency) const {
        const float wavelength = (1.0F / frequency) * static_cast<float>(2 * std::numbers::pi);
        if (wavelength < context / high) return 1;
        if (wavelength > context / low) return factor;
        const float smooth = ((1.0F / wavelength) * context - low) / (high - low);
        return 1.0F / ((1.0F - smooth) / factor + smooth);
    }
};

std::vector<GeneratedTensor> rope_freqs(const ModelSizes& sizes) {
    const json& rope = full_attention_rope(sizes.config);
    if (find_field(rope, {"rope_type"}) != "llama3") return {};
    const auto head_dim = sizes.values.numbers.find("head_dim");
    if (head_dim == sizes.values.numbers.end() || head_dim->second > kMaxHeadDim) {
        throw Error("config.json: no sensible head_dim for rope_type 'llama3'");
    }
    const Llama3Rope llama3{static_cast<float>(number_of(rope, "factor", 8)),
                            static_cast<float>(number_of(rope, "low_freq_factor", 1)),
                            static_cast<float>(number_of(rope, "high_freq_factor", 4)),
                            static_cast<float>(number_of(rope, "original_max_position_embeddings", 8192))};
    const double base = number_of(rope, "rope_theta", 10000);
    GeneratedTensor tensor{"rope_freqs.weight", {}};
    for (std::int64_t i = 0; i < head_dim->second; i += 2) {
        const float exponent = static_cast<float>(i) / static_cast<float>(head_dim->second);
        const float power = std::pow(static_cast<float>(base), exponent);
        tensor.values.push_back(llama3.of(1.0F / power));
    }
    return {tensor};
}

std::vector<float> factors_of(const json& rope, const char* field) {
    const json& list = find_field(rope, {field});
    std::vector<float> factors;
    for (const json& item : list.is_array() ? list : json::array()) {
        if (!item.is_number()) throw Error(fmt::format("config.json: rope's '{}' has {} in it", field, item.dump()));
        factors.push_back(static_cast<float>(item.get<double>()));
    }
    return factors;
}

double attention_factor(const json& rope, double context, double original) {
    const json& type = find_field(rope, {"rope_type"});
    const json& given = find_field(rope, {"attention_factor"});
    if (given.is_number()) return given.get<double>();
    const double scale = number_of(rope, "factor", context / original);
    if (type == "longrope" || type == "su") return scale > 1 ? std::sqrt(1 + std::log(scale) / std::log(original)) : 1;
    if (type == "yarn") return scale > 1 ? 0.1 * std::log(scale) + 1 : 1;
    throw Error(fmt::format("config.json: rope has a 'long_factor', its type is {}: it must be longrope, su or yarn",
                            type.dump()));
}

std::vector<GeneratedTensor> rope_factors(const ModelSizes& sizes, const KeyValues& keys, KeyValues& metadata) {
    const json& rope = find_field(sizes.config, {"rope_parameters"});
    const GeneratedTensor longer{"rope_factors_long.weight", factors_of(rope, "long_factor")};
    const GeneratedTensor shorter{"rope_factors_short.weight", factors_of(rope, "short_factor")};
    if (longer.values.empty()) return {};
    const std::uint32_t rope_dims = keys.count(sizes.arch + ".rope.dimension_count");
    if (longer.values.size() != shorter.values.size() || longer.values.size() * 2 != rope_dims) {
        throw Error(
            fmt::format("config.json: rope has {} long and {} short factors, it rotates {} dimensions: half as many "
                        "are needed of each",
                        longer.values.size(), shorter.values.size(), rope_dims));
    }
    const double context = keys.count(sizes.arch + ".context_length");
    const double original = keys.count(sizes.arch + ".rope.scaling.original_context_length");
    metadata.set(sizes.arch + ".rope.scaling.attn_factor",
                 static_cast<float>(attention_factor(rope, context, original)));
    return {longer, shorter};
}

}  // namespace

std::vector<GeneratedTensor> generate_tensors(Generated kind, const ModelSizes& sizes, const KeyValues& keys,
                                              KeyValues& metadata) {
    if (kind == Generated::rope_freqs) return rope_freqs(sizes);
    if (kind == Generated::rope_factors) return rope_factors(sizes, keys, metadata);
    return {};
}

}  // namespace unshard::gguf
