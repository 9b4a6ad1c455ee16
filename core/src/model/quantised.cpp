// Names as the quantisers of transformers 5 and compressed-tensors write them (transformers/quantizers, and
// docs.vllm.ai on what is loaded).

#include "model/quantised.hpp"

#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

namespace unshard {
namespace {

constexpr std::size_t kFewNames = 3;

struct Form {
    std::string_view ending;   ///< of the companion, or of a packed weight
    std::string_view partner;  ///< what stands in its place in the name of the tensor that must be there as well
    std::string_view weight;   ///< what stands in its place in the name of the weight
    bool is_packed = false;    ///< holds the values; the partner holds their scales
};

constexpr Form kForms[] = {
    // block-scaled and per-tensor float8, int8 of compressed-tensors
    {".weight_scale_inv", ".weight", ".weight"},
    {".weight_scale", ".weight", ".weight"},
    {".weight_scale", ".weight_packed", ".weight"},
    {".weight_scale_2", ".weight", ".weight"},
    {".weight_zero_point", ".weight", ".weight"},
    {".weight_zero_point", ".weight_packed", ".weight"},
    {".weight_global_scale", ".weight_packed", ".weight"},
    {".weight_shape", ".weight_packed", ".weight"},
    {".weight_g_idx", ".weight_packed", ".weight"},
    {".input_scale", ".weight", ".weight"},
    {".input_global_scale", ".weight_packed", ".weight"},
    {".activation_scale", ".weight", ".weight"},
    {".weight_packed", ".weight_scale", ".weight", true},
    // bitsandbytes
    {".SCB", ".weight", ".weight"},
    {".weight_format", ".weight", ".weight"},
    {".weight.SCB", ".weight", ".weight"},
    {".weight.absmax", ".weight", ".weight"},
    {".weight.quant_map", ".weight", ".weight"},
    {".weight.nested_absmax", ".weight", ".weight"},
    {".weight.nested_quant_map", ".weight", ".weight"},
    {".weight.quant_state.bitsandbytes__nf4", ".weight", ".weight"},
    {".weight.quant_state.bitsandbytes__fp4", ".weight", ".weight"},
    // GPTQ, AWQ
    {".scales", ".qweight", ".weight"},
    {".qzeros", ".qweight", ".weight"},
    {".g_idx", ".qweight", ".weight"},
    {".qweight", ".scales", ".weight", true},
    // MXFP4
    {"_scales", "_blocks", ""},
    {"_blocks", "_scales", "", true},
    // torchao, quanto, HQQ
    {"._weight_scale", "._weight_qdata", ".weight"},
    {"._weight_zero_point", "._weight_qdata", ".weight"},
    {"._weight_qdata", "._weight_scale", ".weight", true},
    {".weight._scale", ".weight._data", ".weight"},
    {".weight._shift", ".weight._data", ".weight"},
    {".weight._data", ".weight._scale", ".weight", true},
    {".scale", ".W_q", ".weight"},
    {".zero", ".W_q", ".weight"},
    {".W_q", ".scale", ".weight", true},
};

std::string with_ending(const std::string& name, std::string_view ending, std::string_view other) {
    return name.substr(0, name.size() - ending.size()) + std::string(other);
}

std::string partner_of(const std::string& name, const Form& form) {
    return with_ending(name, form.ending, form.partner);
}

/// The form that a name has, when its partner is among `names`; null for none.
const Form* form_of(const std::string& name, const std::set<std::string>& names) {
    const auto* found = std::ranges::find_if(kForms, [&](const Form& form) {
        return name.ends_with(form.ending) && name.size() != form.ending.size() &&
               names.contains(partner_of(name, form));
    });
    return found == std::end(kForms) ? nullptr : found;
}

std::set<std::string> names_of(const Plan& plan) {
    std::set<std::string> names;
    for (const PlannedTensor& t : plan.tensors) names.insert(t.name);
    return names;
}

/// "'a.weight_scale_inv', 'b.weight_scale_inv' and 5 more".
std::string some_names(const QuantisedWeights& quantised) {
    std::vector<std::string> names;
    for (const auto& [name, weight] : quantised.companions) names.push_back(name);
    for (const auto& [name, weight] : quantised.packed) names.push_back(name);
    return name_list(names, kFewNames);
}

std::set<std::string> all_names(const Plan& plan) {
    std::set<std::string> names = names_of(plan);
    for (const Dropped& d : plan.dropped) names.insert(d.name);
    return names;
}

/// A weight or its scales, written without the other: the one that is left out, and the one that is written.
std::optional<std::pair<std::string, std::string>> torn_apart(const Plan& plan) {
    const std::set<std::string> written = names_of(plan), all = all_names(plan);
    for (const std::string& name : all) {
        const Form* form = form_of(name, all);
        if (!form) continue;
        const std::string partner = partner_of(name, *form);
        if (written.contains(name) == written.contains(partner)) continue;
        return written.contains(name) ? std::pair(partner, name) : std::pair(name, partner);
    }
    return std::nullopt;
}

void check_config(const QuantisedWeights& quantised, const nlohmann::json& config) {
    if (!config.is_object()) return;
    for (const char* key : {"quantization_config", "compression_config"}) {
        if (config.contains(key) && config.at(key).is_object()) return;
    }
    throw Error(
        fmt::format("the weights are quantised (there are {}), but config.json has no 'quantization_config': "
                    "whoever loads the model would take them for plain values: pass --assets DIR with the "
                    "config.json that says how they were quantised",
                    some_names(quantised)));
}

}  // namespace

QuantisedWeights find_quantised(const Plan& plan) {
    const std::set<std::string> names = all_names(plan);
    QuantisedWeights found;
    for (const std::string& name : names) {
        const Form* form = form_of(name, names);
        if (!form) continue;
        auto& list = form->is_packed ? found.packed : found.companions;
        list.emplace(name, with_ending(name, form->ending, form->weight));
    }
    return found;
}

void check_quantised(const QuantisedWeights& quantised, const Plan& plan, const nlohmann::json& config,
                     const std::vector<Pipeline::Output>& outputs) {
    if (quantised.empty()) return;
    if (const auto pair = torn_apart(plan)) {
        throw Error(
            fmt::format("'{}' is left out, but '{}' is written: quantised weights and their scales mean nothing "
                        "without each other: leave out both or neither",
                        pair->first, pair->second));
    }
    for (const Pipeline::Output& output : outputs) {
        if (output.writer == "gguf") {
            throw Error(
                fmt::format("the weights are quantised (there are {}): GGUF needs the weights that they were "
                            "made from: convert the model as it was before it was quantised",
                            some_names(quantised)));
        }
        if (output.dtype != "keep") {
            throw Error(
                fmt::format("the weights are quantised (there are {}): --dtype {} would write their unscaled "
                            "values: leave it out to copy them as they are",
                            some_names(quantised), output.dtype));
        }
    }
    check_config(quantised, config);
}

}  // namespace unshard
