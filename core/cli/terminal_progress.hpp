// Warnings and progress of a conversion on standard error.
#pragma once

#include "engine.hpp"

#include <chrono>
#include <string>

namespace unshard::cli {

enum class ProgressMode { automatic, always, never };

/// Throws UsageError for anything but auto, always and never.
ProgressMode progress_mode(const std::string& name);

/// On a terminal one line, rewritten up to ten times a second and removed at the end; with `always` and no terminal a
/// line each second.
class TerminalProgress : public Observer {
public:
    TerminalProgress(ProgressMode mode, bool quiet);
    ~TerminalProgress() override;
    TerminalProgress(const TerminalProgress&) = delete;
    TerminalProgress& operator=(const TerminalProgress&) = delete;

    void pass(std::string_view name) override;
    void warning(std::string_view text) override;
    void indexed(std::uint64_t done, std::uint64_t total) override;
    void progress(std::uint64_t done, std::uint64_t total) override;

private:
    using Clock = std::chrono::steady_clock;
    bool is_due(bool is_last);
    void show(const std::string& line);
    void clear();

    bool quiet_;
    bool is_terminal_;
    bool is_shown_;
    bool has_line_ = false;
    Clock::time_point start_;  ///< of the current pass
    Clock::time_point next_;   ///< no line before this
};

}  // namespace unshard::cli
