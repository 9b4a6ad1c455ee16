// The form of torch.save before PyTorch 1.6, from its pickle on: it gives a state dict or an Error.

#include "formats/torch/state_dict.hpp"
#include "fuzz/memory_file.hpp"
#include "support/torch_builder.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace unshard::test;
    const LegacyPickles head;
    const MemoryFile file(head.magic + pickle::file(head.version) + pickle::file(head.system) +
                          std::string(data, data + size));
    try {
        unshard::torch::read_state_dict(unshard::InputFile(file.path()), {.is_whole = true});
    } catch (const unshard::Error&) {
    }
    return 0;
}
