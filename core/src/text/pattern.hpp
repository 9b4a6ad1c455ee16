// Patterns over tensor names: RE2, so that any of them takes linear time.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>

namespace unshard {

/// Throws UsageError that says what is wrong with the pattern.
std::unique_ptr<const re2::RE2> compile_pattern(const std::string& pattern);

/// Throws UsageError when `to` refers to a group (\1, \2, ...) that the pattern does not have.
void check_replacement(const re2::RE2& pattern, const std::string& to);

/// A pattern that matches this name and no other.
std::string exact_pattern(const std::string& name);

}  // namespace unshard
