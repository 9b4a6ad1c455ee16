// Outputs in a hidden directory beside their final place, which get their names when all of them are complete.
#pragma once

#include "unshard/layout.hpp"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace unshard {

/// One output (a directory, or a single file when the layout has one nameless file) on its way. Until `commit` nothing
/// exists under a final name; without it the destructor removes what was made, and so does `remove_stages_on_signal`.
class Stage {
public:
    /// Makes the output's files in their full size; nobody may do more with them than `access` says.
    /// Removes what killed runs have left of this output. Throws Error when the output exists and `force` is not
    /// set, or is something that no conversion writes, or when the space is not there (nothing is left then).
    Stage(const std::string& output, const Layout& layout, bool force, mode_t access = 0666);
    ~Stage();
    Stage(Stage&&) noexcept;
    Stage& operator=(Stage&&) = delete;

    /// Where the output will be, which exists.
    std::string directory() const;

    /// What was left by killed runs, and is removed.
    const std::vector<std::string>& removed() const;

    /// Writes into a file of the layout. Any thread. Throws Error on an I/O error.
    void write(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> bytes);

    /// Copies an asset of the layout to its place. One thread at a time. Throws Error on an I/O error.
    void add(const Asset& asset);

private:
    friend std::vector<std::string> commit(std::span<Stage> stages, bool sync);
    struct State;
    std::unique_ptr<State> state_;
};

/// Gives all outputs their names, or none: not before all bytes of all of them are written, with `sync` to the disk,
/// and back again when one cannot have its name. An old output is replaced in that moment; however the process ends,
/// the old one or the new one has the name. Returns the paths of old outputs that could not be removed.
std::vector<std::string> commit(std::span<Stage> stages, bool sync = true);

/// Makes SIGINT, SIGTERM and SIGHUP (unless ignored, as under nohup) remove every open stage before they end the
/// process, and a write beyond the file size limit an error instead of a signal. Call it once, before any thread is
/// started. Where no thread can be made, signals end the process at once, and the next run removes what is left.
void remove_stages_on_signal();

}  // namespace unshard
