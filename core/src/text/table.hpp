// Rows in aligned columns.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unshard {

using TableRow = std::vector<std::string>;

/// A line for each row, indented by two; all rows have the same number of cells. The last `right` columns are aligned
/// to the right. No line ends in spaces.
std::string table_text(const std::vector<TableRow>& rows, std::size_t right);

}  // namespace unshard
