#include "text/pattern.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

namespace unshard {

std::unique_ptr<const re2::RE2> compile_pattern(const std::string& pattern) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    auto compiled = std::make_unique<const re2::RE2>(pattern, options);
    if (!compiled->ok()) throw UsageError(fmt::format("'{}' is no RE2 pattern: {}", pattern, compiled->error()));
    return compiled;
}

std::string exact_pattern(const std::string& name) {
    return "^" + re2::RE2::QuoteMeta(name) + "$";
}

void check_replacement(const re2::RE2& pattern, const std::string& to) {
    std::string why;
    if (pattern.CheckRewriteString(to, &why)) return;
    throw UsageError(fmt::format("bad replacement '{}' for pattern '{}': {}", to, pattern.pattern(), why));
}

}  // namespace unshard
