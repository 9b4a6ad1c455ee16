#include "terminal_progress.hpp"

#include "console.hpp"
#include "report/progress.hpp"

#include <fmt/format.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace unshard::cli {
namespace {

constexpr auto kTerminalPeriod = std::chrono::milliseconds(100);
constexpr auto kPlainPeriod = std::chrono::seconds(1);

/// A line that wraps cannot be rewritten.
std::size_t terminal_columns() {
    struct winsize size{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    return known ? size.ws_col - 1U : 79U;
}

}  // namespace

ProgressMode progress_mode(const std::string& name) {
    if (name == "auto") return ProgressMode::automatic;
    if (name == "always") return ProgressMode::always;
    if (name == "never") return ProgressMode::never;
    throw UsageError(fmt::format("--progress '{}': it must be auto, always or never", name));
}

TerminalProgress::TerminalProgress(ProgressMode mode, bool quiet)
    : quiet_(quiet), is_terminal_(::isatty(STDERR_FILENO) == 1) {
    is_shown_ = !quiet && (mode == ProgressMode::always || (mode == ProgressMode::automatic && is_terminal_));
}

TerminalProgress::~TerminalProgress() {
    clear();
}

void TerminalProgress::pass(std::string_view name) {
    start_ = Clock::now();
    next_ = start_ + (is_terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kPlainPeriod));
    if (is_shown_ && is_terminal_) show(fmt::format("{} ...", name));
}

void TerminalProgress::warning(std::string_view text) {
    clear();
    if (!quiet_) print_warning(text);
}

void TerminalProgress::indexed(std::uint64_t done, std::uint64_t total) {
    if (is_due(false)) show(fmt::format("index: {} of {}", done, total));
}

void TerminalProgress::progress(std::uint64_t done, std::uint64_t total) {
    if (!is_due(done >= total)) return;
    show(progress_text(done, total, std::chrono::duration<double>(Clock::now() - start_).count()));
}

/// Whether a line is to be shown now. The last one is not left out where lines stay.
bool TerminalProgress::is_due(bool is_last) {
    const Clock::time_point now = Clock::now();
    if (!is_shown_ || (now < next_ && !(is_last && !is_terminal_))) return false;
    next_ = now + (is_terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kPlainPeriod));
    return true;
}

void TerminalProgress::show(const std::string& line) {
    const std::string text = is_terminal_ ? "\r\x1b[K" + line.substr(0, terminal_columns()) : line + "\n";
    std::fwrite(text.data(), 1, text.size(), stderr);
    has_line_ = is_terminal_;
}

void TerminalProgress::clear() {
    if (!has_line_) return;
    has_line_ = false;
    std::fputs("\r\x1b[K", stderr);
}

}  // namespace unshard::cli
