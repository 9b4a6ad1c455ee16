#include "report/progress.hpp"

#include "text/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

constexpr double kEnoughSeconds = 0.5;

}  // namespace

std::string progress_text(std::uint64_t done, std::uint64_t total, double seconds) {
    done = std::min(done, total);
    const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    std::string text = fmt::format("{:3}%  {} of {}", static_cast<int>(share * 100), size_text(done), size_text(total));
    if (seconds < kEnoughSeconds || done == 0) return text;
    text += "  " + rate_text(done, seconds);
    if (done < total) text += fmt::format("  {} left", duration_text(seconds / share - seconds));
    return text;
}

}  // namespace unshard
