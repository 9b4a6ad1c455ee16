// A group is a product of sets of numbers, one set for each number in the name. It begins as one name; then, from the
// last number to the first, groups are joined that agree in all other sets. So a group never contains a name that does
// not exist, and a layer without one of the experts has a line of its own. E.g. a.0.b.0, a.0.b.1, a.1.b.0 and a.1.b.1
// become a.{0,1}.b.{0,1}.

#include "text/name_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace unshard {
namespace {

using Numbers = std::vector<std::uint64_t>;

constexpr std::size_t kMostNumbers = 8;  // further ones are text

/// A name taken apart: "a.{}.b" and its numbers.
struct Split {
    std::vector<std::string> parts;  ///< text around the numbers, one more than there are
    Numbers numbers;
};

bool is_number(std::string_view part) {
    const bool digits = std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    return digits && !part.empty() && part.size() < 10 && (part.size() == 1 || part[0] != '0');
}

Split split(std::string_view name) {
    Split result{{""}, {}};
    while (true) {
        const std::size_t dot = std::min(name.find('.'), name.size());
        const std::string_view part = name.substr(0, dot);
        if (is_number(part) && result.numbers.size() < kMostNumbers) {
            result.numbers.push_back(std::stoull(std::string(part)));
            result.parts.emplace_back();
        } else {
            result.parts.back() += part;
        }
        if (dot == name.size()) return result;
        result.parts.back() += '.';
        name.remove_prefix(dot + 1);
    }
}

struct Group {
    std::vector<std::string> parts;
    std::string kind;
    std::vector<Numbers> sets;
    std::vector<std::size_t> members;
};

/// Joins groups that differ in the set at `position` alone.
std::vector<Group> joined(std::vector<Group> groups, std::size_t position) {
    using GroupKey = std::tuple<std::vector<std::string>, std::string, std::vector<Numbers>>;
    std::map<GroupKey, std::size_t> known;
    std::vector<Group> result;
    for (Group& group : groups) {
        if (position >= group.sets.size()) {
            result.push_back(std::move(group));
            continue;
        }
        std::vector<Numbers> others = group.sets;
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(position));
        const auto [it, is_new] = known.try_emplace({group.parts, group.kind, std::move(others)}, result.size());
        if (is_new) {
            result.push_back(std::move(group));
            continue;
        }
        Group& into = result[it->second];
        into.sets[position].insert(into.sets[position].end(), group.sets[position].begin(), group.sets[position].end());
        into.members.insert(into.members.end(), group.members.begin(), group.members.end());
    }
    for (Group& group : result) {
        if (position >= group.sets.size()) continue;
        Numbers& set = group.sets[position];
        std::sort(set.begin(), set.end());
        set.erase(std::unique(set.begin(), set.end()), set.end());
    }
    return result;
}

/// "7", "{0..27}", "{0,2,4..7}".
std::string set_text(const Numbers& numbers) {
    if (numbers.size() == 1) return std::to_string(numbers.front());
    std::string text;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t last = i;
        while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
        if (last == i + 1) last = i;  // two in a row read better as "0,1"
        text += text.empty() ? "" : ",";
        text += last == i ? std::to_string(numbers[i]) : fmt::format("{}..{}", numbers[i], numbers[last]);
        i = last + 1;
    }
    return "{" + text + "}";
}

NameGroup named(Group group) {
    NameGroup result{group.parts.front(), std::move(group.members)};
    for (std::size_t i = 0; i < group.sets.size(); ++i) result.name += set_text(group.sets[i]) + group.parts[i + 1];
    std::sort(result.members.begin(), result.members.end());
    return result;
}

}  // namespace

std::vector<NameGroup> group_names(const std::vector<NamedItem>& items) {
    std::vector<Group> groups;
    std::size_t most_numbers = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
        Split name = split(items[i].name);
        Group group{std::move(name.parts), items[i].kind, {}, {i}};
        for (const std::uint64_t n : name.numbers) group.sets.push_back({n});
        most_numbers = std::max(most_numbers, group.sets.size());
        groups.push_back(std::move(group));
    }
    for (std::size_t position = most_numbers; position-- > 0;) groups = joined(std::move(groups), position);
    std::vector<NameGroup> result;
    for (Group& group : groups) result.push_back(named(std::move(group)));
    std::sort(result.begin(), result.end(),
              [](const NameGroup& a, const NameGroup& b) { return a.members.front() < b.members.front(); });
    return result;
}

}  // namespace unshard
