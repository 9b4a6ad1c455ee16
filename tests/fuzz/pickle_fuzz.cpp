// A pickle of any bytes in an archive that is in order, with two small storages: it gives a state dict or an Error.

#include "formats/torch/state_dict.hpp"
#include "fuzz/memory_file.hpp"
#include "support/torch_builder.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    unshard::test::ZipBuilder zip;
    zip.add({.name = "a/data.pkl", .bytes = std::string(data, data + size)});
    zip.add({.name = "a/data/0", .bytes = std::string(64, 'x')});
    zip.add({.name = "a/data/1", .bytes = unshard::test::int32_bytes({0, 1, 2, 3})});
    zip.add({.name = "a/version", .bytes = "3\n"});
    const unshard::test::MemoryFile file(zip.build());
    try {
        unshard::torch::read_state_dict(unshard::InputFile(file.path()), {});
    } catch (const unshard::Error&) {
    }
    return 0;
}
