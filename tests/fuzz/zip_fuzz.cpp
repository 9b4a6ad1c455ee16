// A whole file of any bytes: it gives a state dict or an Error.

#include "formats/torch/state_dict.hpp"
#include "fuzz/memory_file.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const unshard::test::MemoryFile file(std::string(data, data + size));
    try {
        unshard::torch::read_state_dict(unshard::InputFile(file.path()), {});
    } catch (const unshard::Error&) {
    }
    return 0;
}
