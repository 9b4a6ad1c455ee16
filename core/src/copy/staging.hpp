// Outputs under temporary names in their final directory, renamed when all of them are complete.
#pragma once

#include "unshard/layout.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace unshard {

/// Refuses an output that cannot be written, before any time is spent on it: it exists (with `force`: it is something
/// that must not be replaced), it lies in the input or around it, or its directory is not writable. Throws Error.
void check_output_path(const std::string& output, const std::string& input, bool force);

/// One output (a directory, or a single file when the layout has one nameless file) on its way. Until `commit` nothing
/// exists under a final name; without it the destructor removes what was made, and so does `remove_stages_on_signal`.
class Stage {
public:
    /// Makes the temporary directory or file and gives every file its full size. Throws Error when the output exists
    /// and `force` is not set, or when the space is not there (nothing is left then).
    Stage(const std::string& output, const Layout& layout, bool force);
    ~Stage();
    Stage(Stage&&) noexcept;
    Stage& operator=(Stage&&) = delete;

    /// Where the output will be, which exists.
    std::string directory() const;

    /// Writes into a file of the layout. Any thread. Throws Error on an I/O error.
    void write(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> bytes);

    /// Copies an asset of the layout to its place. One thread at a time. Throws Error on an I/O error.
    void add(const Asset& asset);

    /// Renames; an old output is replaced in that moment and not before. A crash of the process leaves the old output
    /// or the new one. Data is not forced to the disk: against a loss of power the promise is that of `cp`.
    void commit();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Makes SIGINT, SIGTERM and SIGHUP (unless ignored, as under nohup) remove every open stage before they end the
/// process, and a write beyond the file size limit an error instead of a signal. Call it once, before any thread is
/// started.
void remove_stages_on_signal();

}  // namespace unshard
