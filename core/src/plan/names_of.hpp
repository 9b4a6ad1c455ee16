// The names of the tensors of an index or a plan.
#pragma once

#include <string>
#include <vector>

namespace unshard {

template <class Tensor>
std::vector<std::string> names_of(const std::vector<Tensor>& tensors) {
    std::vector<std::string> names;
    names.reserve(tensors.size());
    for (const Tensor& tensor : tensors) names.push_back(tensor.name);
    return names;
}

}  // namespace unshard
