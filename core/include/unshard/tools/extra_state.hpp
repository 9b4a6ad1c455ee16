#pragma once

#include <string_view>

namespace unshard {

/// Whether a name, or the last part of one, is that of torch.nn.Module.get_extra_state: what modules keep beside their
/// weights and no other program reads, e.g. TransformerEngine its float8 scales.
inline bool is_extra_state(std::string_view name) {
    return name == "_extra_state" || name.ends_with("._extra_state");
}

}  // namespace unshard
