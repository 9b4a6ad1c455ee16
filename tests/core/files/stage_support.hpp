// Outputs to be staged.
#pragma once

#include "files/staging.hpp"

#include <span>
#include <string>

namespace unshard::test {

inline Layout file_layout() {
    Layout layout;
    layout.files = {{"", 3}};
    return layout;
}

/// Into the first file.
inline void write_text(Stage& stage, const std::string& text) {
    stage.write(0, 0, std::as_bytes(std::span(text)));
}

}  // namespace unshard::test
