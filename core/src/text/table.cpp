#include "text/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {

std::string table_text(const std::vector<TableRow>& rows, std::size_t right) {
    std::vector<std::size_t> widths;
    for (const TableRow& row : rows) {
        widths.resize(row.size());
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const TableRow& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool is_right = i + right >= row.size();
            text += is_right ? fmt::format("  {:>{}}", row[i], widths[i]) : fmt::format("  {:<{}}", row[i], widths[i]);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    }
    return text;
}

}  // namespace unshard
