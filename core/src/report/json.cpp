#include "report/json.hpp"

namespace unshard {

nlohmann::ordered_json to_json(const Dims& dims) {
    return std::vector<std::uint64_t>(dims.begin(), dims.end());
}

nlohmann::ordered_json to_json(const std::vector<Dropped>& dropped) {
    auto json = nlohmann::ordered_json::array();
    for (const Dropped& d : dropped) json.push_back({{"name", d.name}, {"why", d.why}});
    return json;
}

}  // namespace unshard
