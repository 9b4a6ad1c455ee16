// A .metadata of any bytes: it gives tensors and their chunks, or an Error.

#include "dcp/metadata.hpp"
#include "fuzz/memory_file.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace unshard::dcp;
    const unshard::test::MemoryFile file(std::string(data, data + size));
    try {
        const Metadata metadata(unshard::InputFile(file.path()), {});
        std::vector<Tensor> tensors;
        for (const Saved& saved : metadata.saved()) {
            if (saved.entry.is_tensor) tensors.push_back({saved.key, saved.key, {}, {}, {}});
        }
        TensorNumbers numbers;
        for (std::size_t i = 0; i < tensors.size(); ++i) numbers.emplace(tensors[i].key, i);
        FileTable files;
        metadata.add_chunks(numbers, tensors, files);
    } catch (const unshard::Error&) {
    }
    return 0;
}
