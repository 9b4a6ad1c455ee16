// What a conversion did, for people and for scripts.
#pragma once

#include "report/run_report.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace unshard {

/// Several lines, without the warnings. `dry_run`: what would be done.
std::string to_text(const RunReport& report, bool dry_run);

/// One object with everything in the report, and the peak memory.
nlohmann::ordered_json to_json(const RunReport& report, bool dry_run);

/// The most memory this process has had resident so far.
std::uint64_t peak_memory_bytes();

}  // namespace unshard
