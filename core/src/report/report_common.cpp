#include "report/report_common.hpp"

#include "text/name_groups.hpp"
#include "text/printable.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

namespace unshard {
namespace {

constexpr std::size_t kMostNames = 4;

}  // namespace

std::string dropped_text(const std::vector<Dropped>& dropped) {
    std::vector<std::string> reasons;
    std::map<std::string, std::vector<NamedItem>> names;
    for (const Dropped& d : dropped) {
        std::vector<NamedItem>& items = names[d.why];
        if (items.empty()) reasons.push_back(d.why);
        items.push_back({d.name, ""});
    }
    std::string text;
    for (const std::string& why : reasons) {
        const std::vector<NameGroup> groups = group_names(names[why]);
        std::vector<std::string> shown;
        std::size_t listed = 0;
        for (const NameGroup& group : groups) {
            if (shown.size() == kMostNames) break;
            shown.push_back(printable(group.name));
            listed += group.members.size();
        }
        const std::size_t more = names[why].size() - listed;
        text += fmt::format("  {}{}: {}\n", fmt::join(shown, ", "), more == 0 ? "" : fmt::format(" and {} more", more),
                            printable(why));
    }
    return text;
}

nlohmann::ordered_json to_json(const std::vector<Dropped>& dropped) {
    auto json = nlohmann::ordered_json::array();
    for (const Dropped& d : dropped) json.push_back({{"name", d.name}, {"why", d.why}});
    return json;
}

nlohmann::ordered_json to_json(const Dims& dims) {
    return std::vector<std::uint64_t>(dims.begin(), dims.end());
}

}  // namespace unshard
