// Tensor names with numbers in them: "model.layers.{layer}.mlp.up_proj.weight".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unshard {

/// The numbers that stand in a name, by the placeholders' names, in their order.
using Placeholders = std::vector<std::pair<std::string, std::uint64_t>>;

class NamePattern {
public:
    /// Throws UsageError: a brace without its partner, two placeholders side by side, one twice.
    explicit NamePattern(std::string_view text);

    /// The numbers in a name of this form. Decimal without leading zeros, at most nine digits. Linear in the name.
    std::optional<Placeholders> match(std::string_view name) const;
    /// The same for how a name begins; what it matches is taken off.
    std::optional<Placeholders> match_front(std::string_view& name) const;
    /// The name with these numbers; every placeholder of the pattern must be among them.
    std::string fill(const Placeholders& at) const;

    const std::string& text() const { return text_; }
    const std::vector<std::string>& placeholders() const { return placeholders_; }

private:
    std::string text_;
    std::vector<std::string> literals_;  ///< one more than placeholders: what stands before, between and behind them
    std::vector<std::string> placeholders_;
};

}  // namespace unshard
