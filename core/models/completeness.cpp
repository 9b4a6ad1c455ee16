#include "models/completeness.hpp"

#include "models/whole_tensor.hpp"
#include "unshard/tools/checked.hpp"

#include <fmt/format.h>

#include <set>

namespace unshard {
namespace {

/// Far above any model; a damaged config.json must not keep us counting.
constexpr std::uint64_t kMostTensors = 1 << 22;

std::uint64_t combinations(const NamePattern& name, const Values& values) {
    std::uint64_t count = 1;
    for (const std::string& placeholder : name.placeholders())
        count = checked_mul(count, count_of(placeholder, values));
    return count;
}

/// The `number`-th combination of a name's placeholders; the last one counts fastest.
Placeholders combination(const NamePattern& name, const Values& values, std::uint64_t number) {
    Placeholders at;
    for (const std::string& placeholder : name.placeholders()) at.emplace_back(placeholder, 0);
    for (std::size_t i = at.size(); i-- > 0;) {
        const std::uint64_t count = count_of(at[i].first, values);
        at[i].second = number % count;
        number /= count;
    }
    return at;
}

class Check {
public:
    Check(const ModelRules& rules, const Values& values) : rules_(rules), values_(values) {}

    Completeness run(std::span<const NamedShape> model) {
        for (const NamedShape& tensor : model) note(tensor);
        for_each_tensor(rules_, values_,
                        [this](const TensorRule& rule, const Placeholders& at) { look_for(rule, at); });
        return std::move(result_);
    }

private:
    void note(const NamedShape& tensor) {
        if (is_buffer(rules_, tensor.name) || is_of_extra_layer(rules_, values_, tensor.name)) return;
        const std::optional<NameMatch> match = match_name(rules_, tensor.name);
        if (match && match->is_outside()) return;
        const bool is_written_so = match && (match->tensor || match->fused->is_alternative);
        if (!is_written_so || !is_in_model(rules_, *match, values_) || !mark(*match)) {
            result_.unexpected.push_back(tensor.name);
            return;
        }
        const Dims expected = match->tensor ? whole_tensor(*match->tensor, values_, match->at).shape
                                            : whole_tensor(rules_, *match->fused, values_, match->at).shape;
        if (!(tensor.shape == expected)) result_.wrong_shape.push_back({tensor.name, tensor.shape, expected});
    }

    /// Marks the tensor as found; false when it was found before.
    bool mark(const NameMatch& match) {
        bool is_new = true;
        for (std::string& name : tensors_behind(rules_, match, values_)) {
            is_new = present_.insert(std::move(name)).second && is_new;
        }
        return is_new;
    }

    void look_for(const TensorRule& rule, const Placeholders& at) {
        std::string name = rule.name.fill(at);
        if (!present_.contains(name)) result_.missing.push_back(std::move(name));
    }

    const ModelRules& rules_;
    const Values& values_;
    std::set<std::string> present_;
    Completeness result_;
};

}  // namespace

void for_each_tensor(const ModelRules& rules, const Values& values,
                     const std::function<void(const TensorRule&, const Placeholders&)>& use) {
    std::uint64_t expected = 0;
    for (const TensorRule& rule : rules.tensors) expected = checked_add(expected, combinations(rule.name, values));
    if (expected > kMostTensors) {
        throw Error(fmt::format("config.json: it makes a model of {} tensors: at most {} are sensible", expected,
                                kMostTensors));
    }
    for (const TensorRule& rule : rules.tensors) {
        const std::uint64_t count = combinations(rule.name, values);
        for (std::uint64_t i = 0; i < count; ++i) {
            const Placeholders at = combination(rule.name, values, i);
            if (rule.when && rule.when->value(values, at) == 0) continue;
            if (rule.optional && rule.optional->value(values, at) != 0) continue;
            use(rule, at);
        }
    }
}

std::vector<std::string> tensors_behind(const ModelRules& rules, const NameMatch& match, const Values& values) {
    if (match.tensor) return {match.tensor->name.fill(match.at)};
    if (!match.fused) return {};
    std::vector<std::string> names;
    for_each_part(rules, match, values,
                  [&](const TensorRule& part, const NameMatch& where) { names.push_back(part.name.fill(where.at)); });
    return names;
}

Completeness check_completeness(const ModelRules& rules, const Values& values, std::span<const NamedShape> model) {
    return Check(rules, values).run(model);
}

}  // namespace unshard
