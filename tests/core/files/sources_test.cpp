// The checkpoint's files during the copy: that they stay what they were, and that their bytes are those that were
// saved.

#include "copy/copy.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/index_builder.hpp"
#include "support/small_model.hpp"
#include "support/temp_dir.hpp"
#include "verify/verify.hpp"

#include <libdeflate.h>

#include <thread>

using namespace unshard;
using namespace unshard::test;

namespace {

/// Three ranks of a tensor of 3 x 40,000 floats, with what the reader says of files and storages.
struct Checkpoint {
    TempDir dir;
    SmallModel model{3, dir.path()};

    Checkpoint() {
        std::vector<std::vector<float>> parts(3, std::vector<float>(40'000));
        for (std::size_t i = 0; i < 120'000; ++i) parts[i / 40'000][i % 40'000] = static_cast<float>(i);
        model.add_rows("w", 100, parts);
        model.write_files();
        for (SourceFile& file : model.index.files) file = source_file(InputFile(file.path));
        for (Shard& shard : model.index.tensors[0].shards) {
            const std::string& bytes = model.files[shard.file];
            shard.crc32 = libdeflate_crc32(0, bytes.data() + shard.offset, shard.bytes);
        }
    }

    std::string error(const CopySettings& settings, Layout layout) const {
        const std::vector<Destination> destinations = lower(model.plan, layout);
        return error_of([&] {
            Stage stage(dir / "out", layout, true);
            copy(model.index, {{&model.plan, &layout, &destinations, &stage, nullptr}}, settings, {});
            commit({&stage, 1});
        });
    }
    std::string error(const CopySettings& settings = {2, 64 << 10, false}) const {
        return error(settings, layout_of(model.plan));
    }

    void change(std::uint32_t file, std::size_t at) {
        std::string bytes = read_file(model.index.files[file].path);
        bytes[at] = static_cast<char>(bytes[at] ^ 1);
        write_file(model.index.files[file].path, bytes);
    }
};

}  // namespace

TEST_CASE("storages are held against their checksums, in tiles of any size and in any order") {
    const Checkpoint checkpoint;
    Layout transposed = layout_of(checkpoint.model.plan);
    transposed.placed[0].axes = {1, 0};
    for (const std::uint64_t tile_bytes : {4'000U, 64U << 10U, 100'000U, 1U << 20U}) {
        CHECK(checkpoint.error({2, tile_bytes, false}).empty());
        CHECK(checkpoint.error({1, tile_bytes, false}, transposed).empty());
    }
}

TEST_CASE("a damaged storage is an error with its file and tensor, and nothing is left") {
    for (const std::uint64_t tile_bytes : {4'000U, 64U << 10U, 1U << 20U}) {
        Checkpoint checkpoint;
        checkpoint.change(1, 77'777);
        checkpoint.model.index.files[1] = source_file(InputFile(checkpoint.dir / "rank1"));
        const std::string text = checkpoint.error({2, tile_bytes, false});
        CHECK(text.starts_with(checkpoint.dir / "rank1" + ": 'w': its storage's checksum is "));
        CHECK(text.ends_with(": the file is damaged, copy it again from where it was saved"));
        CHECK(checkpoint.dir.entries() == std::vector<std::string>{"rank0", "rank1", "rank2"});
    }
}

TEST_CASE("what no tensor uses of a storage counts in its checksum") {
    Checkpoint checkpoint;
    SourceTensor& w = checkpoint.model.index.tensors[0];
    test::change_spec(w.shards[2], [](ShardSpec& s) { s.shape = {300, 100}; });
    checkpoint.model.plan.tensors[0].copies[2].box.extent = {300, 100};
    checkpoint.model.plan.tensors[0].shape = checkpoint.model.plan.tensors[0].view = {1100, 100};
    CHECK(checkpoint.error().empty());
    checkpoint.change(2, 159'999);
    checkpoint.model.index.files[2] = source_file(InputFile(checkpoint.dir / "rank2"));
    CHECK(checkpoint.error().starts_with(checkpoint.dir / "rank2" + ": 'w': its storage's checksum is "));
}

TEST_CASE("a file that was written to after it was indexed is an error, in the same size too") {
    Checkpoint checkpoint;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    checkpoint.change(0, 5);
    CHECK(checkpoint.error() ==
          checkpoint.dir / "rank0" + ": was changed after it was indexed: convert it again when nothing writes to it");
    Checkpoint replaced;
    std::filesystem::rename(replaced.dir / "rank1", replaced.dir / "saved");
    std::filesystem::copy(replaced.dir / "saved", replaced.dir / "rank1");
    CHECK(replaced.error().find("rank1: was changed after it was indexed") != std::string::npos);
}

TEST_CASE("a file that is written to during the copy is an error before anything has its name") {
    const Checkpoint checkpoint;
    const Layout layout = layout_of(checkpoint.model.plan);
    const std::vector<Destination> destinations = lower(checkpoint.model.plan, layout);
    Stage stage(checkpoint.dir / "out", layout, true);
    const auto overwrite = [&](std::uint64_t) { write_file(checkpoint.dir / "rank0", checkpoint.model.files[0]); };
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(error_of([&] {
              copy(checkpoint.model.index, {{&checkpoint.model.plan, &layout, &destinations, &stage, nullptr}},
                   {1, 4'000, false}, overwrite);
          }).find("rank0: ") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(checkpoint.dir / "out"));
}
