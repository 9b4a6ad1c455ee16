#include "files/open_files.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace unshard {

std::size_t most_open_files() {
    constexpr rlim_t kOthers = 64, kMost = 256;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 8;
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;  // when refused, the old limit holds
    const rlim_t free = limit.rlim_cur - std::min(limit.rlim_cur, kOthers);
    return static_cast<std::size_t>(std::clamp<rlim_t>(free / 4, 8, kMost));
}

}  // namespace unshard
