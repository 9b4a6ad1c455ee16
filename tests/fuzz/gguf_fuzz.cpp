// A GGUF file of any bytes: it gives a header or an Error.

#include "fuzz/memory_file.hpp"
#include "gguf/header.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const unshard::test::MemoryFile file(std::string(data, data + size));
    try {
        unshard::gguf::read_header(unshard::InputFile(file.path()));
    } catch (const unshard::Error&) {
    }
    return 0;
}
