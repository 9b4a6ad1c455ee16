// The model's rules check that all tensors are there and have the right shapes; the `gguf` table maps each to one or
// several tensors of the GGUF file. Experts become parts of one stacked tensor. Only names, shapes and ranges are
// computed here.

#include "tensor_map.hpp"

#include "models/completeness.hpp"
#include "models/whole_tensor.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/contains.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <ranges>

namespace unshard::gguf {
namespace {

/// How many names an error lists.
constexpr std::size_t kListed = 20;

/// What quantised checkpoints keep beside or instead of a weight.
constexpr std::array<std::string_view, 9> kQuantised = {".weight_scale", ".weight_scale_inv", ".input_scale",
                                                        ".qweight",      ".qzeros",           ".scales",
                                                        ".g_idx",        "_blocks",           "_scales"};

template <class Suffixes>
bool ends_with_any(const std::string& name, const Suffixes& suffixes) {
    return std::any_of(suffixes.begin(), suffixes.end(), [&](auto suffix) { return name.ends_with(suffix); });
}

/// A part and the shape that it has in the GGUF tensor.
struct Shaped {
    TensorPart part;
    Dims shape;
};

/// What a target takes of a tensor of this shape.
Shaped shaped(const Target& target, const Dims& shape, const Values& values, const Placeholders& at) {
    try {
        const TakenPart taken = taken_part(target.part, shape, values, at);
        return {{0, taken.view, taken.box, taken.axes, target.add, 0}, taken.shape};
    } catch (const Error& e) {
        throw Error(fmt::format("'{}': {}", target.name.text(), e.what()));
    }
}

/// The targets of a rule, and the suffix that their names take over.
struct Targets {
    const std::vector<Target>* list = nullptr;
    std::string suffix;
};

class Mapping {
public:
    Mapping(std::span<const PlannedTensor> plan, const FoundModel& model, const Values& values)
        : plan_(plan),
          model_(model.gguf),
          rules_(model.rules),
          values_(values),
          needs_output_(model.known.needs.contains("output.weight")) {}

    TensorMap run() {
        for (std::uint32_t i = 0; i < plan_.size(); ++i) sort_out(i);
        check();
        for (const auto& [index, match] : kept_) add(index, match);
        if (needs_output_ && !tensors_.contains("output.weight")) copy_embedding();
        for (auto& [name, tensor] : tensors_) {
            if (const auto group = stacks_.find(name); group != stacks_.end()) {
                tensor.turn.name = last_of_stack_.at(group->second);
            }
            result_.tensors.push_back(std::move(tensor));
        }
        std::ranges::sort(result_.tensors, {}, &MappedTensor::turn);
        return std::move(result_);
    }

private:
    void drop(std::uint32_t index, const std::string& why) { result_.dropped.push_back({plan_[index].name, why}); }

    void sort_out(std::uint32_t index) {
        const std::string& name = plan_[index].name;
        if (is_buffer(rules_, name)) return drop(index, "computed from the configuration");
        if (is_of_extra_layer(rules_, values_, name)) {
            return drop(index, "a layer of multi-token prediction, which GGUF leaves out");
        }
        if (ends_with_any(name, kQuantised)) {
            throw Error(name + ": the checkpoint is quantised: GGUF needs the weights it was made from");
        }
        std::optional<NameMatch> match = match_name(rules_, name);
        if (match && !match->tensor && !match->fused) return drop(index, "not part of the language model");
        present_.push_back({name, plan_[index].shape});
        if (match) kept_.emplace_back(index, std::move(*match));
    }

    void check() const {
        const Completeness found = check_completeness(rules_, values_, present_);
        std::vector<std::string> problems;
        for (const std::string& name : found.unexpected) problems.push_back(name + ": not a tensor of this model");
        for (const std::string& name : found.missing) problems.push_back(name + ": missing");
        for (const WrongShape& wrong : found.wrong_shape) {
            problems.push_back(fmt::format("{}: its shape is {}, config.json makes it {}", wrong.name,
                                           to_string(wrong.found), to_string(wrong.expected)));
        }
        if (problems.empty()) return;
        std::string message = rules_.file + ": the tensors are not those of this model: ";
        for (std::size_t i = 0; i < std::min(problems.size(), kListed); ++i) message += (i ? "; " : "") + problems[i];
        if (problems.size() > kListed) message += fmt::format("; and {} more", problems.size() - kListed);
        throw Error(message);
    }

    /// The targets of a tensor's whole name, else of its name without .weight or .bias.
    Targets targets_of(const std::string& name) const {
        if (const auto whole = model_.tensors.find(name); whole != model_.tensors.end()) return {&whole->second, ""};
        for (const std::string suffix : {".weight", ".bias"}) {
            if (!name.ends_with(suffix)) continue;
            const auto base = model_.tensors.find(name.substr(0, name.size() - suffix.size()));
            if (base != model_.tensors.end()) return {&base->second, suffix};
        }
        throw Error(fmt::format("{}: 'gguf.tensors' does not say what becomes of '{}'", rules_.file, name));
    }

    void add(std::uint32_t index, const NameMatch& match) {
        const bool is_renamed = match.fused && !match.fused->is_stacked && match.fused->parts.size() == 1;
        if (match.fused && !is_renamed) return add_stacked(index, match);
        const TensorRule& rule = match.fused ? rules_.tensors[match.fused->parts.front()] : *match.tensor;
        const Targets targets = targets_of(rule.name.text());
        for (std::size_t i = 0; i < targets.list->size(); ++i) {
            const Target& target = (*targets.list)[i];
            Shaped taken = shaped(target, plan_[index].shape, values_, match.at);
            taken.part.tensor = index;
            const std::string stored = target.name.fill(match.at) + targets.suffix;
            place(stored, taken, stacked_by(target, match.at));
            take_turn(stored, rule, match.at, i, stacked_by(target, match.at));
        }
    }

    /// A tensor that holds several of the rules' tensors behind each other, perhaps of all experts: each is a range of
    /// one axis.
    void add_stacked(std::uint32_t index, const NameMatch& match) {
        const Dims& shape = plan_[index].shape;
        const std::size_t axis = match.fused->is_stacked ? 1 : 0;
        Placeholders at = match.at;
        if (match.fused->is_stacked) at.emplace_back("expert", 0);
        std::uint64_t row = 0;
        for (const std::size_t part : match.fused->parts) {
            const TensorRule& rule = rules_.tensors[part];
            const Targets targets = targets_of(rule.name.text());
            const std::uint64_t rows = whole_tensor(rule, values_, at).shape[0];
            Shaped taken{{index, shape, Box::whole(shape), {}, 0, 0}, {}};
            taken.part.box.origin[axis] = row;
            taken.part.box.extent[axis] = rows;
            taken.shape = taken.part.box.extent;
            const Target& target = targets.list->front();
            if (targets.list->size() != 1 || !target.part.is_whole()) {
                throw Error(fmt::format("{}: '{}' changes its form in GGUF and cannot be stacked", rules_.file,
                                        rule.name.text()));
            }
            taken.part.add = target.add;
            const std::string stored = target.name.fill(at) + targets.suffix;
            place(stored, taken, nullptr);
            if (match.fused->is_stacked) {
                for (std::uint64_t& e = at.back().second; e < count_of("expert", values_); ++e) {
                    take_turn(stored, rule, at, 0, &at.back());
                }
                at.back().second = 0;
            } else {
                take_turn(stored, rule, at, 0, nullptr);
            }
            row += rows;
        }
    }

    /// Notes the place of a stored tensor in the converter's order; `stacked` ones come at the last name of their
    /// layer.
    void take_turn(const std::string& stored, const TensorRule& rule, const Placeholders& at, std::size_t target,
                   const Placeholders::value_type* stacked) {
        const std::string name = rule.name.fill(at);
        Turn& turn = tensors_[stored].turn;
        turn.target = target;
        turn.name = turn.own = std::max(turn.own, name);
        if (!stacked) return;
        std::vector<std::uint64_t> group;
        for (const auto& placeholder : at) {
            if (placeholder.first != stacked->first) group.push_back(placeholder.second);
        }
        std::string& last = last_of_stack_[group];
        last = std::max(last, name);
        stacks_[stored] = std::move(group);
    }

    /// The placeholder that counts the parts of a stacked tensor: the target's name does not have it. Null when there
    /// is none.
    static const Placeholders::value_type* stacked_by(const Target& target, const Placeholders& at) {
        const auto& kept = target.name.placeholders();
        const auto found = std::find_if(at.begin(), at.end(),
                                        [&](const auto& placeholder) { return !contains(kept, placeholder.first); });
        return found == at.end() ? nullptr : &*found;
    }

    void place(const std::string& name, Shaped taken, const Placeholders::value_type* stacked) {
        MappedTensor& tensor = tensors_[name];
        tensor.info.name = name;
        tensor.info.shape = taken.shape;
        if (stacked) {
            taken.part.first = checked_mul(stacked->second, taken.shape.numel());
            tensor.info.shape = Dims{count_of(stacked->first, values_)};
            for (const std::uint64_t size : taken.shape) tensor.info.shape.push_back(size);
        }
        tensor.parts.push_back(std::move(taken.part));
    }

    void copy_embedding() {
        const auto embedding = tensors_.find("token_embd.weight");
        if (embedding == tensors_.end()) return;
        MappedTensor output = embedding->second;
        output.info.name = "output.weight";
        output.turn.name = output.turn.own = "lm_head.weight";
        tensors_.emplace("output.weight", std::move(output));
    }

    std::span<const PlannedTensor> plan_;
    const GgufModel& model_;
    const ModelRules& rules_;
    const Values& values_;
    bool needs_output_;
    std::vector<NamedShape> present_;
    std::vector<std::pair<std::uint32_t, NameMatch>> kept_;
    std::map<std::string, MappedTensor> tensors_;
    std::map<std::string, std::vector<std::uint64_t>> stacks_;  ///< stored tensor -> the layer of its experts
    std::map<std::vector<std::uint64_t>, std::string> last_of_stack_;
    TensorMap result_;
};

}  // namespace

TensorMap map_tensors(std::span<const PlannedTensor> plan, const FoundModel& model, const Values& values) {
    return Mapping(plan, model, values).run();
}

}  // namespace unshard::gguf
