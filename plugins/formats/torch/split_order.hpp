// Checkpoints of FSDP over tensor parallelism by PyTorch 2.1 to 2.4 do not say which of the two split a tensor first.
#pragma once

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>

namespace unshard::torch {

enum class SplitOrder {
    left_to_right,  ///< FSDP1, distribute_tensor: the first mesh dimension splits first
    inner_first,    ///< FSDP2: tensor parallelism, on the later mesh dimensions, splits first
};

/// The value of the option `split_order`; nothing for an empty one. Throws UsageError.
inline std::optional<SplitOrder> parse_split_order(const std::string& text) {
    if (text.empty()) return std::nullopt;
    if (text == "left_to_right") return SplitOrder::left_to_right;
    if (text == "inner_first") return SplitOrder::inner_first;
    throw UsageError(fmt::format("option 'split_order' is '{}': known are left_to_right and inner_first", text));
}

/// For an option that is given although the files state the order.
[[noreturn]] inline void refuse_split_order() {
    throw UsageError("option 'split_order' is for files of PyTorch 2.1 to 2.4; these state the order themselves");
}

[[noreturn]] inline void refuse_unknown_order(const std::string& tensor, std::size_t dim) {
    throw Error(
        fmt::format("'{}': two mesh dimensions split dimension {}, and files of PyTorch 2.1 to 2.4 do not say which "
                    "came first: pass --set input.options.split_order=inner_first for FSDP2 (fully_shard) over tensor "
                    "parallelism, or =left_to_right for FSDP1 and distribute_tensor",
                    tensor, dim));
}

}  // namespace unshard::torch
