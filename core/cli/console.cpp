#include "console.hpp"

#include "text/printable.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace unshard::cli {

namespace {

/// 0, or why it cannot be written.
int write_out(std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return 0;
}

std::string failure_text(int reason) {
    return fmt::format("standard output: cannot write: {}", std::strerror(reason));
}

}  // namespace

void print(std::string_view text) {
    const int reason = write_out(text);
    if (reason == EPIPE) {
        std::signal(SIGPIPE, SIG_DFL);
        std::raise(SIGPIPE);
    }
    if (reason != 0) throw Error(failure_text(reason));
}

void print_summary(std::string_view text) {
    const int reason = write_out(text);
    if (reason == 0 || reason == EPIPE) return;
    print_warning(fmt::format("{}: the outputs are complete, their summary is not printed", failure_text(reason)));
}

std::string json_text(const nlohmann::ordered_json& json) {
    return json.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void print_error(std::string_view text) {
    const std::string line = fmt::format("unshard: {}\n", message(text));
    std::fwrite(line.data(), 1, line.size(), stderr);
}

void print_warning(std::string_view text) {
    print_error(fmt::format("warning: {}", text));
}

}  // namespace unshard::cli
