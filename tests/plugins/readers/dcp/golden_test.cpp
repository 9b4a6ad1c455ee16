// Checkpoints that PyTorch wrote: the shards hold the bytes of the tensors that it sharded.

#include "golden.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

TEST_CASE("dcp: golden checkpoints give back what was sharded") {
    const std::string name =
        GENERATE(as<std::string>(), "dcp-hsdp-tp-2x2x2", "dcp-metadata-of-each-rank", "dcp-of-safetensors", "dcp-zstd");
    CHECK(assembled(read_golden("dcp", name)) == golden_truth(name));
}
