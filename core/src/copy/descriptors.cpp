#include "copy/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace unshard {

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // when refused, the old limit holds
}

std::size_t most_open_files() {
    constexpr rlim_t kOthers = 64, kMost = 256;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 8;
    const rlim_t free = limit.rlim_cur - std::min(limit.rlim_cur, kOthers);
    return static_cast<std::size_t>(std::clamp<rlim_t>(free / 4, 8, kMost));
}

}  // namespace unshard
