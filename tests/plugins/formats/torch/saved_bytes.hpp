// Bytes through a temporary file into the readers under test.
#pragma once

#include "formats/torch/state_dict.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"
#include "support/torch_builder.hpp"

#include <string>

namespace unshard::test {

/// The state dict in a file of these bytes.
inline torch::StateDict read_bytes(const std::string& bytes, const torch::StateDictRequest& request = {}) {
    const TempDir directory;
    write_file(directory / "f.pt", bytes);
    return torch::read_state_dict(InputFile(directory / "f.pt"), request);
}

/// The error that reading gives, without the name of the temporary file.
inline std::string read_error(const std::string& bytes, const torch::StateDictRequest& request = {}) {
    const std::string text = error_of([&] { read_bytes(bytes, request); });
    const std::size_t name = text.find("/f.pt: ");
    return name == std::string::npos ? text : text.substr(name + 7);
}

/// A state dict with the one tensor 'w'.
inline std::string file_of(const pickle::Code& tensor, const std::vector<std::string>& storages) {
    return torch_file(state_dict({{"w", tensor}}), storages);
}

}  // namespace unshard::test
