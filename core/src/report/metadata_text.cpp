#include "report/metadata_text.hpp"

#include "text/printable.hpp"
#include "text/quantity.hpp"
#include "text/table.hpp"

#include <fmt/format.h>

namespace unshard {
namespace {

constexpr std::size_t kMostTextBytes = 72;
constexpr std::size_t kMostElementBytes = 16;
constexpr std::size_t kMostElements = 4;

std::string json_text(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Cut between characters.
std::string shortened(std::string text, std::size_t most) {
    if (text.size() <= most) return text;
    text.resize(whole_characters(text, most));
    return text + "...";
}

std::string scalar_text(const nlohmann::json& value, std::size_t most) {
    if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
    if (!value.is_string()) return shortened(json_text(value), most);
    const std::string text = value.get<std::string>();
    const std::string shown = "'" + shortened(printable(text), most) + "'";
    return text.size() <= most ? shown : fmt::format("{} ({})", shown, count_of(text.size(), "byte"));
}

std::string array_text(const nlohmann::json& value, std::uint64_t count) {
    std::string text = "[";
    for (std::size_t i = 0; i < value.size() && i < kMostElements; ++i) {
        if (i != 0) text += ", ";
        const nlohmann::json& element = value[i];
        text += element.is_string() ? "'" + shortened(printable(element.get<std::string>()), kMostElementBytes) + "'"
                                    : scalar_text(element, kMostElementBytes);
    }
    if (count <= kMostElements) return text + "]";
    return text + ", ...] " + count_of(count, "element");
}

TableRow row_of(const nlohmann::json& key) {
    if (!key.is_object()) return {json_text(key), "", ""};
    const nlohmann::json value = key.value("value", nlohmann::json());
    const auto text = [&](const char* name) {
        const auto found = key.find(name);
        return found != key.end() && found->is_string() ? printable(found->get<std::string>()) : std::string();
    };
    const auto count = key.find("count");
    const bool is_counted = count != key.end() && count->is_number_unsigned();
    return {text("key"), text("type"),
            value.is_array() ? array_text(value, is_counted ? count->get<std::uint64_t>() : value.size())
                             : scalar_text(value, kMostTextBytes)};
}

}  // namespace

std::string keys_text(const nlohmann::json& metadata) {
    const auto keys = metadata.find("keys");
    if (keys == metadata.end() || !keys->is_array() || keys->empty()) return "";
    std::vector<TableRow> rows;
    for (const nlohmann::json& key : *keys) rows.push_back(row_of(key));
    return table_text(rows, 0);
}

}  // namespace unshard
