// Lists in messages, cut where they get long.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unshard {

/// "a, b and 3 more": the first `most` of a range of texts.
template <class Texts>
std::string some_of(const Texts& texts, std::size_t most = 8) {
    std::string list;
    std::size_t count = 0;
    for (const std::string& text : texts) {
        if (++count <= most) list += (count == 1 ? "" : ", ") + text;
    }
    return count <= most ? list : list + " and " + std::to_string(count - most) + " more";
}

/// "'a', 'b' and 3 more": the first `most` of a range of names.
template <class Names>
std::string name_list(const Names& names, std::size_t most = 8) {
    std::vector<std::string> quoted;
    for (const std::string& name : names) quoted.push_back("'" + name + "'");
    return some_of(quoted, most);
}

}  // namespace unshard
