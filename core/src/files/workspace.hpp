// A hidden directory beside an output, in which it is made.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace unshard {

/// `.NAME.unshard-PID-NUMBER`, with a file in it that is locked for as long as the process lives. So a later run knows
/// what a killed one has left.
class Workspace {
public:
    Workspace() = default;
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    ~Workspace();

    /// Makes the directory, and missing ones above it. Throws Error; `remove` knows what was made until then.
    void make(const std::filesystem::path& output);

    /// Where the output is made; after the replacement the old output may be there.
    std::filesystem::path fresh() const { return directory_ / "new"; }
    std::filesystem::path old() const { return directory_ / "old"; }

    /// The directories that were made to hold it, outermost first.
    const std::vector<std::filesystem::path>& parents() const { return parents_; }

    /// Removes it with all that is in it. False when that failed.
    bool remove() noexcept;
    /// Removes the directories above it that were made for it, unless they hold more by now.
    void remove_parents() noexcept;

    const std::filesystem::path& directory() const { return directory_; }

private:
    void make_parents(const std::filesystem::path& output);
    bool make_directory(const std::filesystem::path& output);

    std::filesystem::path directory_;  ///< empty: not made
    std::vector<std::filesystem::path> parents_;
    int lock_ = -1;
};

/// Removes what runs that were killed have left of an output; returns the paths.
std::vector<std::string> remove_dead_workspaces(const std::filesystem::path& output);

}  // namespace unshard
