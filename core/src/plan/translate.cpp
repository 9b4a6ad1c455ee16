#include "plan/translate.hpp"

#include "geometry/parts.hpp"
#include "models/whole_tensor.hpp"
#include "pipeline/pipeline.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"
#include "unshard/tools/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

namespace unshard {
namespace {

constexpr std::size_t kFewNames = 3;
constexpr std::string_view kEnding = ".toml";

/// The files of dialects by their names; of two of one name, that of the first directory.
std::map<std::string, std::string> dialect_files(const std::vector<std::string>& directories) {
    std::map<std::string, std::string> files;
    for (const std::string& models : directories) {
        const std::string directory = models + "/names";
        for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
            if (!name.ends_with(kEnding)) continue;
            files.try_emplace(name.substr(0, name.size() - kEnding.size()), directory + "/" + name);
        }
    }
    return files;
}

constexpr std::string_view kInput = "--names", kOutput = "--output-names";

ChosenDialect chosen(std::string_view option, const std::string& name, const Dialect& dialect,
                     const DialectModels& models) {
    return {name, std::string(option), dialect.title, dialect.file, dialect.names.config(), models};
}

/// The first of the names that a dialect is recognised by and that no tensor has.
const DialectName* missing_name(const DialectModels& models, const std::vector<std::string>& names) {
    const auto is_missing = [&](const DialectName& has) {
        return std::ranges::none_of(names, [&](const std::string& name) { return has.match(name).has_value(); });
    };
    const auto found = std::ranges::find_if(models.has, is_missing);
    return found == models.has.end() ? nullptr : &*found;
}

ChosenDialect named_dialect(std::string_view option, const std::string& wanted, const NamedModel& model) {
    std::string file = wanted;
    if (!is_data_file(wanted)) {
        const std::map<std::string, std::string> files = dialect_files(model.directories);
        const auto found = files.find(wanted);
        if (found == files.end()) {
            std::vector<std::string> known = {std::string(kKeepNames)};
            if (option == kInput) known.emplace_back(kAutoNames);
            for (const auto& [name, path] : files) known.push_back(name);
            throw UsageError(
                fmt::format("{} {}: there is no dialect of that name: {}", option, wanted, suggestion(wanted, known)));
        }
        file = found->second;
    }
    const Dialect dialect = read_dialect(file);
    const DialectModels* models = dialect.find(model.architecture);
    if (!models) {
        throw Error(fmt::format("{} {}: {} says nothing of {}", option, wanted, file,
                                model.architecture.empty() ? "a model without config.json: name it with --assets DIR"
                                                           : model.architecture));
    }
    if (const DialectName* missing = missing_name(*models, model.names)) {
        throw Error(
            fmt::format("{} {}: no tensor is called like '{}', which all names of {} have: the checkpoint has {}",
                        option, wanted, missing->text(), dialect.title, name_list(model.names, kFewNames)));
    }
    return chosen(option, std::filesystem::path(file).stem().string(), dialect, *models);
}

std::optional<ChosenDialect> recognised_dialect(const NamedModel& model) {
    std::optional<ChosenDialect> found;
    for (const auto& [name, file] : dialect_files(model.directories)) {
        const Dialect dialect = read_dialect(file);
        const DialectModels* models = dialect.find(model.architecture);
        if (!models || models->has.empty() || missing_name(*models, model.names)) continue;
        if (found) {
            throw Error(fmt::format("the names are those of {} and of {}: say which with {} {} or {} {}", found->title,
                                    dialect.title, kInput, found->name, kInput, name));
        }
        found = chosen(kInput, name, dialect, *models);
    }
    return found;
}

class Translation {
public:
    Translation(const ChosenDialect& dialect, Values values, const std::optional<ModelRules>& rules)
        : dialect_(dialect), values_(std::move(values)), rules_(rules) {}

    Plan run(Plan plan) {
        std::vector<PlannedTensor> sources = std::move(plan.tensors);
        plan.tensors.clear();
        for (PlannedTensor& tensor : sources) {
            source_ = tensor.name;
            try {
                add(plan, std::move(tensor));
            } catch (const Error& e) {
                throw Error(fmt::format("'{}': {}", source_, e.what()));
            }
        }
        check_others();
        for (const auto& [name, gathered] : gathered_) made_[gathered.place] = made_of(name, gathered);
        plan.tensors = std::move(made_);
        return plan;
    }

private:
    /// Tensors that become one: for the numbers of stacked placeholders, those of the rule's sources.
    struct Gathered {
        const DialectRule* rule = nullptr;
        DialectName::Match at;
        std::size_t place = 0;  ///< in made_
        std::map<std::vector<std::uint64_t>, std::vector<std::optional<PlannedTensor>>> pieces;
    };
    using Pieces = decltype(Gathered::pieces);

    struct Found {
        const DialectRule* rule = nullptr;
        std::size_t source = 0;  ///< of the rule's
        DialectName::Match match;
    };

    std::optional<Found> find(const PlannedTensor& tensor) const {
        for (const DialectRule& rule : dialect_.models.rules) {
            for (std::size_t source = 0; source < rule.sources.size(); ++source) {
                for (const DialectName& name : rule.sources[source]) {
                    std::optional<DialectName::Match> match = name.match(tensor.name);
                    if (match && is_for(rule, *match, tensor.shape)) return Found{&rule, source, std::move(*match)};
                }
            }
        }
        return std::nullopt;
    }

    void add(Plan& plan, PlannedTensor tensor) {
        const std::optional<Found> found = find(tensor);
        if (!found) {
            others_.push_back(tensor.name);
            if (dialect_.models.keeps_others) finish(std::move(tensor), std::string(source_));
            return;
        }
        if (found->rule->to.empty()) {
            plan.dropped.push_back({tensor.name, found->rule->why});
            return;
        }
        if (found->rule->gathers()) return gather(*found, std::move(tensor));
        take_apart(*found->rule, found->match, std::move(tensor));
    }

    bool is_for(const DialectRule& rule, const DialectName::Match& match, const Dims& shape) const {
        if (rule.only.empty()) return true;
        if (rule.only.size() != shape.rank()) return false;
        for (std::size_t i = 0; i < rule.only.size(); ++i) {
            const std::int64_t size = rule.only[i].value(values_, match.at);
            if (size < 0 || static_cast<std::uint64_t>(size) != shape[i]) return false;
        }
        return true;
    }

    void gather(const Found& found, PlannedTensor tensor) {
        std::string name = name_of(found.rule->to.front(), found.match);
        const auto [entry, is_new] = gathered_.try_emplace(name);
        Gathered& gathered = entry->second;
        if (is_new) {
            gathered.rule = found.rule;
            gathered.at = found.match;
            gathered.place = made_.size();
            finish(tensor, std::move(name));
        }
        if (gathered.rule != found.rule)
            throw Error(fmt::format("becomes a part of '{}' by a second rule", entry->first));
        std::vector<std::uint64_t> numbers;
        for (const std::string& placeholder : found.rule->stacked)
            numbers.push_back(number_of(found.match.at, placeholder));
        std::vector<std::optional<PlannedTensor>>& sources = gathered.pieces[numbers];
        sources.resize(found.rule->sources.size());
        sources[found.source] = std::move(tensor);
    }

    static std::uint64_t number_of(const Placeholders& at, const std::string& placeholder) {
        return std::ranges::find(at, placeholder, &Placeholders::value_type::first)->second;
    }

    PlannedTensor made_of(const std::string& name, const Gathered& gathered) const {
        try {
            PlannedTensor whole = stacked(gathered, gathered.pieces.begin(), gathered.pieces.end(), 0);
            const TensorView& part = gathered.rule->to.front().part;
            if (!part.is_whole())
                whole = taken(whole, taken_part(part, whole.shape, values_for(whole.shape), gathered.at.at));
            whole.name = made_[gathered.place].name;
            return whole;
        } catch (const Error& e) {
            throw Error(fmt::format("'{}': {}", name, e.what()));
        }
    }

    /// Of the pieces with the same numbers up to the placeholder `depth`.
    PlannedTensor stacked(const Gathered& gathered, Pieces::const_iterator begin, Pieces::const_iterator end,
                          std::size_t depth) const {
        if (depth == gathered.rule->stacked.size()) return joined(gathered, *begin);
        const std::string& placeholder = gathered.rule->stacked[depth];
        std::vector<PlannedTensor> parts;
        for (auto next = begin; next != end; begin = next) {
            const std::uint64_t number = begin->first[depth];
            if (number != parts.size()) throw Error(fmt::format("its {} {} is missing", placeholder, parts.size()));
            while (next != end && next->first[depth] == number) ++next;
            parts.push_back(stacked(gathered, begin, next, depth + 1));
        }
        check_count(placeholder, parts.size(), fmt::format("it has {} {}s", parts.size(), placeholder));
        return stack(parts);
    }

    static PlannedTensor joined(const Gathered& gathered, const Pieces::value_type& piece) {
        std::vector<PlannedTensor> parts;
        for (std::size_t i = 0; i < piece.second.size(); ++i) {
            if (!piece.second[i]) {
                DialectName::Match at = gathered.at;
                for (std::size_t n = 0; n < piece.first.size(); ++n) {
                    std::ranges::find(at.at, gathered.rule->stacked[n], &Placeholders::value_type::first)->second =
                        piece.first[n];
                }
                throw Error(
                    fmt::format("'{}' is missing, which is a part of it", gathered.rule->sources[i].front().fill(at)));
            }
            parts.push_back(*piece.second[i]);
        }
        return concatenate(parts, gathered.rule->along);
    }

    bool is_counted(const DialectRule& rule, const DialectName::Match& match, const std::string& placeholder) const {
        const auto has = [&](const auto& pairs) {
            return std::ranges::any_of(pairs, [&](const auto& pair) { return pair.first == placeholder; });
        };
        return !has(match.at) && !has(rule.numbers);
    }

    /// One tensor for each number of a placeholder that the name does not have.
    void take_apart(const DialectRule& rule, const DialectName::Match& match, PlannedTensor tensor) {
        const std::vector<std::string>& due = rule.to.front().names.front().placeholders();
        const auto counted =
            std::ranges::find_if(due, [&](const std::string& p) { return is_counted(rule, match, p); });
        if (counted == due.end()) return place(rule, match, tensor);
        check_count(*counted, tensor.shape.empty() ? 0 : tensor.shape[0],
                    fmt::format("its shape is {}: the first dimension counts {}s", to_string(tensor.shape), *counted));
        std::vector<PlannedTensor> parts = unstack(tensor);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            DialectName::Match at = match;
            at.at.emplace_back(*counted, i);
            take_apart(rule, at, std::move(parts[i]));
        }
    }

    /// Where the dialect's `config` has the number of layers (`layers` for {layer}), it must be that.
    void check_count(const std::string& placeholder, std::uint64_t count, const std::string& what) const {
        if (!values_.numbers.contains(placeholder + "s")) return;
        const std::uint64_t due = count_of(placeholder, values_);
        if (count != due) throw Error(fmt::format("{}, of which config.json has {}", what, due));
    }

    void place(const DialectRule& rule, const DialectName::Match& match, const PlannedTensor& tensor) {
        const Values values = values_for(tensor.shape);
        DialectName::Match at = match;
        for (const auto& [placeholder, expression] : rule.numbers) {
            const std::int64_t number = expression.value(values, match.at);
            if (number < 0) throw Error(fmt::format("'{}' is {}", expression.text(), number));
            at.at.emplace_back(placeholder, static_cast<std::uint64_t>(number));
        }
        for (const DialectTarget& target : rule.to) {
            const TakenPart part = part_for(target, tensor.shape, values, at.at);
            const bool is_whole = target.part.is_whole() && target.row_parts == 1;
            if (!rule.only.empty() && !is_whole && part.shape == tensor.shape) {
                throw Error(fmt::format(
                    "its shape is {} in both layouts: which it has cannot be told: {} keep writes it as it is",
                    to_string(tensor.shape), dialect_.option));
            }
            finish(is_whole ? tensor : taken(tensor, part), name_of(target, at));
        }
    }

    Values values_for(const Dims& shape) const {
        Values values = values_;
        if (!shape.empty()) values.numbers["rows"] = static_cast<std::int64_t>(shape[0]);
        if (shape.rank() > 1) values.numbers["columns"] = static_cast<std::int64_t>(shape[1]);
        return values;
    }

    static PlannedTensor taken(const PlannedTensor& tensor, const TakenPart& part) {
        Placed placed;
        placed.view = part.view;
        placed.box = part.box;
        placed.axes = part.axes;
        return part_of(tensor, placed, part.shape);
    }

    static TakenPart part_for(const DialectTarget& target, const Dims& shape, const Values& values,
                              const Placeholders& at) {
        if (!target.part.is_whole() || target.row_parts == 1) return taken_part(target.part, shape, values, at);
        if (shape.empty() || shape[0] % target.row_parts != 0) {
            throw Error(fmt::format("its shape is {}: it does not consist of {} parts of equal rows", to_string(shape),
                                    target.row_parts));
        }
        Dims part = shape;
        part[0] /= target.row_parts;
        Box box = Box::whole(shape);
        box.origin[0] = target.row_part * part[0];
        box.extent[0] = part[0];
        return {shape, box, {}, part};
    }

    std::string name_of(const DialectTarget& target, const DialectName::Match& at) const {
        if (rules_ && target.names.size() > 1) {
            for (const DialectName& name : target.names) {
                const std::string filled = name.fill(at);
                const std::optional<NameMatch> found = match_name(*rules_, filled);
                if (found && !found->is_outside()) return filled;
            }
        }
        return target.names.front().fill(at);
    }

    void finish(PlannedTensor tensor, std::string name) {
        for (const auto& [from, to] : dialect_.models.renames) {
            if (!name.starts_with(from)) continue;
            name = to + name.substr(from.size());
            break;
        }
        const auto [other, is_new] = names_.try_emplace(name, source_);
        if (!is_new) throw Error(fmt::format("becomes '{}', and so does '{}'", name, other->second));
        tensor.name = std::move(name);
        made_.push_back(std::move(tensor));
    }

    void check_others() const {
        if (dialect_.models.keeps_others || others_.empty()) return;
        throw Error(fmt::format(
            "{}: among names of {}, and {} does not say what becomes of them: drop them with --drop, or keep all "
            "names with {} keep",
            name_list(others_, kFewNames), dialect_.title, dialect_.file, dialect_.option));
    }

    const ChosenDialect& dialect_;
    const Values values_;
    const std::optional<ModelRules>& rules_;
    std::string source_;  ///< the name of the tensor that is being translated
    std::vector<std::string> others_;
    std::map<std::string, std::string> names_;  ///< that were given, and to what
    std::map<std::string, Gathered> gathered_;  ///< by the name of the rule's target
    std::vector<PlannedTensor> made_;
};

}  // namespace

std::optional<ChosenDialect> choose_dialect(const std::string& wanted, const NamedModel& model) {
    if (wanted == kKeepNames) return std::nullopt;
    if (wanted == kAutoNames) return recognised_dialect(model);
    return named_dialect(kInput, wanted, model);
}

std::optional<ChosenDialect> output_dialect(const std::string& wanted, const NamedModel& model) {
    if (wanted == kKeepNames) return std::nullopt;
    if (wanted != kHubNames) return named_dialect(kOutput, wanted, model);
    const std::map<std::string, std::string> files = dialect_files(model.directories);
    const auto file = files.find(wanted);
    if (file == files.end()) return std::nullopt;
    const Dialect dialect = read_dialect(file->second);
    const DialectModels* models = dialect.find(model.architecture);
    return models ? std::optional(chosen(kOutput, wanted, dialect, *models)) : std::nullopt;
}

Plan translate(Plan plan, const ChosenDialect& dialect, const nlohmann::json& config,
               const std::optional<ModelRules>& rules) {
    if (!dialect.config.empty() && !config.is_object()) {
        throw Error(
            fmt::format("the names are those of {}, whose layout follows from config.json, and there is none: "
                        "name the model's directory with --assets DIR",
                        dialect.title));
    }
    Values values;
    if (!dialect.config.empty()) values = config_values(dialect.config, dialect.file, config);
    return Translation(dialect, std::move(values), rules).run(std::move(plan));
}

}  // namespace unshard
