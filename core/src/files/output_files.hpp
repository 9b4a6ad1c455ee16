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
    /// Closes open files; what was written to them may be lost.
    ~OutputFiles();
    OutputFiles(const OutputFiles&) = delete;
    OutputFiles& operator=(const OutputFiles&) = delete;

    /// Makes a file of this size at `path`, called `name` in messages, and returns its number. Throws Error when it
    /// cannot be made or there is not enough space.
    std::size_t add(const std::filesystem::path& path, const std::string& name, std::uint64_t bytes, mode_t mode);

    /// Any thread. Throws Error on an I/O error.
    void write(std::size_t file, std::uint64_t offset, std::span<const std::byte> bytes);

    /// Closes all files; with `sync`, every byte is on the disk afterwards. Throws Error when a file was not written.
    void finish(bool sync);

private:
    struct File;
    class Open;

    const File& file_of(std::size_t number);

    std::mutex mutex_;  ///< guards the next two
    std::vector<std::unique_ptr<const File>> files_;
    std::string failure_;   ///< of a file that was closed
    bool syncs_ = true;     ///< files are synced before they are closed
    OpenFiles<Open> open_;  ///< uses all of these
};

}  // namespace unshard
