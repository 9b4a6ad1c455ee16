// renameat2 exchanges two names in one step: at every moment, also if the process is killed or power is lost, a
// complete output has the name. On file systems that cannot do that the old output is renamed first.

#include "files/replace.hpp"

#include "unshard/tools/directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstdio>

namespace unshard {
namespace {

bool rename_with(const std::filesystem::path& from, const std::filesystem::path& to, unsigned flags) noexcept {
    return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0;
}

bool is_unsupported(int reason) {
    return reason == EINVAL || reason == ENOSYS || reason == ENOTSUP;
}

bool rename_old_and_new(Replacement& r) noexcept {
    if (::rename(r.name.c_str(), r.aside.c_str()) != 0) return false;
    if (::rename(r.fresh.c_str(), r.name.c_str()) == 0) return r.is_aside = true;
    const int reason = errno;
    r.is_aside = ::rename(r.aside.c_str(), r.name.c_str()) != 0;
    errno = reason;
    return false;
}

}  // namespace

void replace(Replacement& r) {
    r.has_old = is_there(r.name);
    bool is_done = rename_with(r.fresh, r.name, r.has_old ? RENAME_EXCHANGE : RENAME_NOREPLACE);
    if (!is_done && is_unsupported(errno)) {
        is_done = r.has_old ? rename_old_and_new(r) : ::rename(r.fresh.c_str(), r.name.c_str()) == 0;
    }
    if (is_done) return;
    const int reason = errno;
    const std::string lost = r.is_aside ? fmt::format("; what had it is now '{}'", r.aside.string()) : "";
    throw Error(fmt::format("{}: cannot give the output its name: {}{}", r.name.string(), std::strerror(reason), lost));
}

bool undo(const Replacement& r) noexcept {
    if (r.has_old && !r.is_aside) return rename_with(r.fresh, r.name, RENAME_EXCHANGE);
    const bool is_back = ::rename(r.name.c_str(), r.fresh.c_str()) == 0;
    return is_back && (!r.is_aside || ::rename(r.aside.c_str(), r.name.c_str()) == 0);
}

}  // namespace unshard
