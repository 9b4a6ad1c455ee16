// The files of an output while they are written: any number, of which a few are open at a time.
#pragma once

#include "files/open_files.hpp"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace unshard {

class OutputFiles {
public:
    OutputFiles();
    /// Closes what is open; what was written may be lost.
    ~OutputFiles();
    OutputFiles(const OutputFiles&) = delete;
    OutputFiles& operator=(const OutputFiles&) = delete;

    /// Makes a file of this size at `path`, for `name` in messages, and returns its number. Throws Error when it cannot
    /// be made or the space is not there.
    std::size_t add(const std::filesystem::path& path, const std::string& name, std::uint64_t bytes, mode_t mode);

    /// Any thread. Throws Error on an I/O error.
    void write(std::size_t file, std::uint64_t offset, std::span<const std::byte> bytes);

    /// Closes all files, with `sync` when every byte is on the disk. Throws Error when one was not written.
    void finish(bool sync);

private:
    struct File;
    class Open;

    const File& file_of(std::size_t number);

    std::mutex mutex_;  ///< of the next two
    std::vector<std::unique_ptr<const File>> files_;
    std::string failure_;   ///< of a file that was closed
    bool syncs_ = true;     ///< what is closed is to be on the disk
    OpenFiles<Open> open_;  ///< uses all of these
};

}  // namespace unshard
