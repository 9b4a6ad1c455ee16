#include "console.hpp"

#include "text/printable.hpp"
#include "unshard/error.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace unshard::cli {

void print(std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EPIPE) {
            std::signal(SIGPIPE, SIG_DFL);
            std::raise(SIGPIPE);
        }
        if (n < 0) throw Error(fmt::format("standard output: cannot write: {}", std::strerror(errno)));
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::string json_text(const nlohmann::ordered_json& json) {
    return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void print_error(std::string_view text) {
    const std::string line = fmt::format("unshard: {}\n", printable(text));
    std::fwrite(line.data(), 1, line.size(), stderr);
}

void print_warning(std::string_view text) {
    print_error(fmt::format("warning: {}", text));
}

}  // namespace unshard::cli
