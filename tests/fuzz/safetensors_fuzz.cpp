// A safetensors file of any bytes: it gives a header or an Error.

#include "formats/safetensors/safetensors_header.hpp"
#include "fuzz/memory_file.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const unshard::test::MemoryFile file(std::string(data, data + size));
    try {
        unshard::read_safetensors_header(unshard::InputFile(file.path()));
    } catch (const unshard::Error&) {
    }
    return 0;
}
