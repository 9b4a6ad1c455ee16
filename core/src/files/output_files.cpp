// A file that is closed to make room for another is synced first: the kernel reports a failed write only once, and only
// to descriptors that are open then.

#include "files/output_files.hpp"

#include "files/durable.hpp"
#include "packing/file_space.hpp"
#include "text/quantity.hpp"
#include "unshard/tools/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace unshard {
namespace {

[[noreturn]] void fail(const std::string& name, std::string_view what) {
    throw Error(fmt::format("{}: {}: {}", name, what, std::strerror(errno)));
}

}  // namespace

struct OutputFiles::File {
    std::filesystem::path path;
    std::string name;
};

/// A descriptor, closed when the last thread that uses it is done.
class OutputFiles::Open {
public:
    Open(OutputFiles& files, const File& file, int flags, mode_t mode) : files_(files), file_(file) {
        do {
            descriptor_ = ::open(file.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, mode);
        } while (descriptor_ < 0 && errno == EINTR);
        if (descriptor_ < 0) fail(file.name, "cannot open this file to write it");
    }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
    ~Open() {
        const bool is_synced = !files_.syncs_ || sync_file(descriptor_);
        int reason = errno;
        const bool is_closed = close_file(descriptor_);
        if (is_synced && !is_closed) reason = errno;
        if (!is_synced || !is_closed) note(reason);
    }

    int descriptor() const { return descriptor_; }

private:
    void note(int reason) noexcept {
        const std::lock_guard lock(files_.mutex_);
        if (!files_.failure_.empty()) return;
        try {
            files_.failure_ = fmt::format("{}: cannot be written to the disk: {}", file_.name, std::strerror(reason));
        } catch (...) {
            files_.failure_ = "out of memory";
        }
    }

    OutputFiles& files_;
    const File& file_;
    int descriptor_ = -1;
};

OutputFiles::OutputFiles() : open_(most_open_files()) {}

OutputFiles::~OutputFiles() {
    syncs_ = false;
    open_.close_all();
}

const OutputFiles::File& OutputFiles::file_of(std::size_t number) {
    const std::lock_guard lock(mutex_);
    return *files_[number];
}

std::size_t OutputFiles::add(const std::filesystem::path& path, const std::string& name, std::uint64_t bytes,
                             mode_t mode) {
    auto file = std::make_unique<const File>(File{path, name});
    const auto open = std::make_shared<Open>(*this, *file, O_CREAT | O_EXCL, mode);
    if (bytes != 0 && !claim_space(open->descriptor(), bytes)) {
        fail(name, fmt::format("cannot have the {} bytes that it needs", grouped(bytes)));
    }
    const std::size_t number = [&] {
        const std::lock_guard lock(mutex_);
        files_.push_back(std::move(file));
        return files_.size() - 1;
    }();
    open_.get(number, [&] { return open; });
    return number;
}

void OutputFiles::write(std::size_t file, std::uint64_t offset, std::span<const std::byte> bytes) {
    const File& to = file_of(file);
    const auto open = open_.get(file, [&] { return std::make_shared<Open>(*this, to, 0, 0); });
    if (!write_at(open->descriptor(), offset, bytes)) {
        fail(to.name, fmt::format("cannot write at byte {}", grouped(offset)));
    }
}

void OutputFiles::finish(bool sync) {
    syncs_ = sync;
    open_.close_all();
    if (!failure_.empty()) throw Error(failure_);
}

}  // namespace unshard
