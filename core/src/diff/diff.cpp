#include "diff/diff.hpp"

#include "report/stored.hpp"

#include <chrono>
#include <map>

namespace unshard {
namespace {

/// Passes warnings on with the name of the side that they are about.
class SideObserver : public Observer {
public:
    SideObserver(std::string side, Observer& observer) : side_(std::move(side)), observer_(observer) {}
    void pass(std::string_view name) override { observer_.pass(std::string(name) + " " + side_); }
    void warning(std::string_view text) override { observer_.warning(side_ + ": " + std::string(text)); }
    void indexed(std::uint64_t done, std::uint64_t total) override { observer_.indexed(done, total); }

private:
    std::string side_;
    Observer& observer_;
};

Model read_side(const std::string& side, const Pipeline& pipeline, Observer& observer) {
    SideObserver of_side(side, observer);
    const Plugins plugins(plugin_search_path({pipeline.engine.plugin_path.begin(), pipeline.engine.plugin_path.end()}));
    Model model = read_model(pipeline, plugins, of_side);
    for (const std::string& text : model.plan.warnings) of_side.warning(text);
    return model;
}

/// The encoding of a tensor that is stored in blocks; null for others.
const Encoding* blocks_of(const Model& model, const PlannedTensor& tensor) {
    if (tensor.copies.empty()) return nullptr;
    const auto& encoding = model.index.tensors[tensor.copies.front().tensor].encoding;
    return encoding ? &*encoding : nullptr;
}

DiffTensor described(const Model& model, const PlannedTensor& tensor) {
    const Encoding* encoding = blocks_of(model, tensor);
    if (!encoding) return {tensor.name, to_string(tensor.dtype), tensor.shape, {}};
    return {tensor.name, encoding->name, shape_in_elements(tensor.shape, *encoding), {}};
}

DiffReport::Side described(const Model& model) {
    DiffReport::Side side{model.path,   model.index.format,        model.reader,
                          model.merger, model.plan.tensors.size(), model.index.dropped};
    side.dropped.insert(side.dropped.end(), model.plan.dropped.begin(), model.plan.dropped.end());
    return side;
}

std::map<std::string_view, std::size_t> numbers_of(const Plan& plan) {
    std::map<std::string_view, std::size_t> numbers;
    for (std::size_t i = 0; i < plan.tensors.size(); ++i) numbers.emplace(plan.tensors[i].name, i);
    return numbers;
}

/// The tensors that only `model` has, each with the reason if the other side lists it as dropped.
std::vector<DiffTensor> only_in(const Model& model, const std::map<std::string_view, std::size_t>& others,
                                const DiffReport::Side& other) {
    std::map<std::string_view, std::string_view> reasons;
    for (const Dropped& d : other.dropped) reasons.emplace(d.name, d.why);
    std::vector<DiffTensor> found;
    for (const PlannedTensor& tensor : model.plan.tensors) {
        if (others.contains(tensor.name)) continue;
        found.push_back(described(model, tensor));
        const auto reason = reasons.find(tensor.name);
        if (reason != reasons.end()) found.back().why = reason->second;
    }
    return found;
}

/// Whether the stored elements can be compared: values with values, blocks with blocks of the same kind.
bool is_comparable(const DiffTensor& a, const Encoding* blocks_a, const DiffTensor& b, const Encoding* blocks_b) {
    if (a.shape != b.shape) return false;
    return blocks_a && blocks_b ? *blocks_a == *blocks_b : blocks_a == blocks_b;
}

/// Fills in what is known without reading tensor bytes. Returns the pairs to compare; `entries` gets the number of each
/// pair's entry in `report.different`, which has all tensors that both sides have until they prove equal.
std::vector<TensorPair> pair_up(const Model& a, const Model& b, DiffReport& report, std::vector<std::size_t>& entries) {
    const auto numbers = numbers_of(b.plan);
    std::vector<TensorPair> pairs;
    for (std::size_t i = 0; i < a.plan.tensors.size(); ++i) {
        const auto found = numbers.find(a.plan.tensors[i].name);
        if (found == numbers.end()) continue;
        const PlannedTensor& of_a = a.plan.tensors[i];
        const PlannedTensor& of_b = b.plan.tensors[found->second];
        const Encoding* blocks = blocks_of(a, of_a);
        DifferentTensor entry{described(a, of_a), described(b, of_b), {}, blocks != nullptr};
        if (is_comparable(entry.a, blocks, entry.b, blocks_of(b, of_b))) {
            pairs.push_back({i, found->second});
            entries.push_back(report.different.size());
        }
        report.different.push_back(std::move(entry));
    }
    return pairs;
}

void take_results(DiffReport& report, std::vector<PairDifference> results, const std::vector<std::size_t>& entries) {
    for (std::size_t i = 0; i < results.size(); ++i) report.different[entries[i]].difference = std::move(results[i]);
    const auto is_equal = [](const DifferentTensor& t) {
        return t.difference && t.difference->values.differing == 0 && t.a.type == t.b.type;
    };
    report.equal_tensors = std::erase_if(report.different, is_equal);
}

}  // namespace

DiffReport diff(const Pipeline& pipeline_a, const Pipeline& pipeline_b, Observer& observer) {
    const auto start = std::chrono::steady_clock::now();
    const Model a = read_side("A", pipeline_a, observer);
    const Model b = read_side("B", pipeline_b, observer);
    DiffReport report;
    report.a = described(a);
    report.b = described(b);
    report.only_in_a = only_in(a, numbers_of(b.plan), report.b);
    report.only_in_b = only_in(b, numbers_of(a.plan), report.a);
    report.configuration = compare_configuration(a, b);

    observer.pass("compare");
    std::vector<std::size_t> entries;
    const std::vector<TensorPair> pairs = pair_up(a, b, report, entries);
    report.bytes_compared = bytes_to_compare(a, b, pairs);
    const CopySettings settings{thread_count(pipeline_a.engine), pipeline_a.engine.tile_mib << 20, false};
    take_results(
        report,
        compare(a, b, pairs, settings, [&](std::uint64_t done) { observer.progress(done, report.bytes_compared); }),
        entries);
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
}

}  // namespace unshard
