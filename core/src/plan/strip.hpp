// What wrappers put into the names of a model's tensors, taken off again.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace unshard {

/// In a pipeline's list of prefixes: those of PyTorch's wrappers, where training code wrote the checkpoint. "module."
/// is only taken off when every name begins with it, for a model may well have a part of that name.
inline constexpr const char* kAutoStrip = "auto";

/// Takes prefixes off names: at the start, and those that begin with '_' of any part of a name.
class Stripping {
public:
    /// `names` are all names of the checkpoint.
    Stripping(const std::vector<std::string>& wanted, const std::vector<std::string>& names, bool is_training_state);

    std::string stripped(const std::string& name);

    /// How many names each prefix was taken off.
    const std::map<std::string, std::size_t>& counts() const { return counts_; }

private:
    std::vector<std::string> prefixes_;
    std::map<std::string, std::size_t> counts_;
};

}  // namespace unshard
