// Removes the prefixes that wrappers add to tensor names.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace unshard {

/// In a pipeline's list of prefixes: those of PyTorch's wrappers, where training code wrote the checkpoint. "module."
/// is removed only when every name begins with it, since a model may have a module of that name.
inline constexpr const char* kAutoStrip = "auto";

/// Removes prefixes from names: at the start, and those that begin with '_' from every part of a name.
class Stripping {
public:
    /// `names` are all names of the checkpoint.
    Stripping(const std::vector<std::string>& wanted, const std::vector<std::string>& names, bool is_training_state);

    std::string stripped(const std::string& name);

    /// From how many names each prefix was removed.
    const std::map<std::string, std::size_t>& counts() const { return counts_; }

private:
    std::vector<std::string> prefixes_;
    std::map<std::string, std::size_t> counts_;
};

}  // namespace unshard
