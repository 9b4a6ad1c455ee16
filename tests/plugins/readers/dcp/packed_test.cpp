// Chunks that were saved through PyTorch's zstd extension.

#include "dcp_checkpoint.hpp"
#include "support/catch.hpp"
#include "support/zstd_builder.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// Packs the blob of a place, in a file of its own.
void pack(DcpCheckpoint& checkpoint, SavedPlace& place, const std::string& blob) {
    const std::string frame = zstd_frame(blob);
    place.file = "__0_" + std::to_string(checkpoint.data.size()) + ".distcp";
    place.offset = 3;
    place.length = frame.size();
    place.more = {{"transform_descriptors", pickle::list({pickle::text("stream.zstd/1")})}};
    checkpoint.data[place.file] = "..." + frame;
}

std::string blob_of(const DcpCheckpoint& checkpoint, const SavedPlace& place) {
    return checkpoint.data.at(place.file).substr(place.offset, place.length);
}

/// Two tensors of one chunk; the second is packed.
struct HalfPacked : DcpCheckpoint {
    HalfPacked() {
        tensor({"v"}, {4}).tensor({"w"}, {1000, 1000});
        pack(*this, places[1], blob_of(*this, places[1]));
    }
};

}  // namespace

TEST_CASE("dcp: a packed chunk is in a file that has to be unpacked, others are where they were") {
    HalfPacked checkpoint;
    const std::uint64_t frame = checkpoint.places[1].length;
    checkpoint.write();
    const CheckpointIndex index = checkpoint.index();
    REQUIRE(index.files.size() == 3);
    CHECK(index.files[2].packed == Packed{Packed::Format::zstd, 1, 3, frame});
    CHECK(index.files[2].path == index.files[1].path);
    const Shard &v = index.tensors.at(0).shards.at(0), &w = index.tensors.at(1).shards.at(0);
    CHECK(v.file == 0);
    CHECK(w.file == 2);
    CHECK(w.bytes == 4000000);
    CHECK(w.offset + w.bytes < index.files[2].bytes);
    CHECK(w.spec->shape == Dims{1000, 1000});
}

TEST_CASE("dcp: a packed chunk that is damaged, cut or of another shape is named") {
    HalfPacked cut;
    cut.places[1].length -= 5;
    CHECK(cut.write_and_fail().starts_with("DIR: __0_1.distcp: 'w': its zstd data is truncated after "));
    HalfPacked longer;
    longer.data["__0_1.distcp"] += "more";
    longer.places[1].length += 4;
    CHECK(longer.write_and_fail() == "DIR: __0_1.distcp: 'w': not zstd, or damaged: Unknown frame descriptor");
    HalfPacked plain;
    plain.data["__0_1.distcp"] = "..." + saved_floats({1000, 1000});
    CHECK(plain.write_and_fail() == "DIR: __0_1.distcp: 'w': not zstd, or damaged: Unknown frame descriptor");
    HalfPacked other;
    pack(other, other.places[1], saved_floats({500, 2000}));
    CHECK(other.write_and_fail() ==
          "DIR: __0_2.distcp: 'w': the metadata says f32 (1000, 1000), stored is f32 (500, 2000): files of different "
          "checkpoints are mixed");
}

TEST_CASE("dcp: a packed chunk is not unpacked beyond what its tensor can take") {
    HalfPacked checkpoint;
    pack(checkpoint, checkpoint.places[1], std::string(100'000'000, '\0'));
    CHECK(checkpoint.write_and_fail() ==
          "DIR: __0_2.distcp: 'w': it unpacks to more than the 5048576 bytes that it can have: it is damaged, or made "
          "to fill memory and disk");
}

TEST_CASE("dcp: two chunks in one packed blob are refused") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"v"}, {4}).tensor({"w"}, {4});
    pack(checkpoint, checkpoint.places[0], blob_of(checkpoint, checkpoint.places[0]));
    const SavedPlace packed = checkpoint.places[0];
    checkpoint.places[1].file = packed.file;
    checkpoint.places[1].offset = packed.offset;
    checkpoint.places[1].length = packed.length;
    checkpoint.places[1].more = packed.more;
    CHECK(checkpoint.write_and_fail() ==
          "DIR: __0_1.distcp: 'v' and 'w' have chunks in the same bytes: the metadata is damaged");
}

TEST_CASE("dcp: extensions other than zstd are refused by name, of an optimizer they do not matter") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"model", "w"}, {4}).tensor({"optim", "state", "w"}, {4});
    checkpoint.places[1].more = {{"transform_descriptors", pickle::list({pickle::text("my.cipher/1")})}};
    checkpoint.write();
    CHECK(checkpoint.error().empty());
    checkpoint.places[0].more = checkpoint.places[1].more;
    const std::string cure =
        "; only 'stream.zstd/1' alone is supported: load it with PyTorch and save it without extensions";
    CHECK(checkpoint.write_and_fail() == "DIR/.metadata: 'model.w': it was saved through 'my.cipher/1'" + cure);
    checkpoint.places[0].more = {
        {"transform_descriptors", pickle::list({pickle::text("my.cipher/1"), pickle::text("stream.zstd/1")})}};
    CHECK(checkpoint.write_and_fail() ==
          "DIR/.metadata: 'model.w': it was saved through 2 extensions, the last is 'my.cipher/1'" + cure);
    checkpoint.places[0].more = {{"transform_descriptors", pickle::list({pickle::text("stream.zstd/2")})}};
    CHECK(checkpoint.write_and_fail() == "DIR/.metadata: 'model.w': it was saved through 'stream.zstd/2'" + cure);
}
