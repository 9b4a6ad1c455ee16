// Source files that lie packed in others.

#include "copy/copy.hpp"
#include "packing/zstd.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/small_model.hpp"
#include "support/temp_dir.hpp"
#include "support/zstd_builder.hpp"
#include "verify/verify.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

std::string unpacked(const std::string& bytes, std::uint64_t max_bytes = 1 << 30) {
    const TempDir dir;
    write_file(dir / "f", bytes);
    std::string text;
    const std::uint64_t count = unpack_zstd(InputFile(dir / "f"), 0, bytes.size(), max_bytes, [&](auto part) {
        text.append(reinterpret_cast<const char*>(part.data()), part.size());
    });
    REQUIRE(count == text.size());
    return text;
}

std::string unpack_error(const std::string& bytes, std::uint64_t max_bytes = 1 << 30) {
    return error_of([&] { unpacked(bytes, max_bytes); });
}

/// Text of which each part looks like no other.
std::string numbered_lines(std::size_t bytes) {
    std::string text;
    for (std::size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i * 2654435761U) + "\n";
    return text.substr(0, bytes);
}

/// The model's files, packed one behind the other into a single file with something before it.
void pack_files(SmallModel& model, const std::string& path) {
    std::string packed = "something else";
    for (std::size_t i = 0; i < model.files.size(); ++i) {
        const std::string frame = zstd_frame(model.files[i]);
        model.index.files[i].packed =
            Packed{Packed::Format::zstd, static_cast<std::uint32_t>(model.files.size()), packed.size(), frame.size()};
        packed += frame;
    }
    write_file(path, packed);
    model.index.files.push_back({path, packed.size()});
}

struct PackedModel {
    TempDir dir;
    SmallModel model{3, dir.path()};

    PackedModel() {
        model.add_rows("w", 2, {{1, 2, 3, 4}, {5, 6}, {7, 8}});
        model.add_replicated("b", {{9}, {9}, {9}});
        pack_files(model, dir / "packed");
    }

    std::string convert() const {
        verify_index(model.index);
        verify_plan(model.index, model.plan);
        const Layout layout = layout_of(model.plan);
        const std::vector<Destination> destinations = lower(model.plan, layout);
        Stage stage(dir / "out", layout, true);
        copy(model.index, {{&model.plan, &layout, &destinations, &stage, nullptr}}, {.threads = 2, .tile_bytes = 8},
             {});
        commit({&stage, 1});
        return read_file(dir / "out/model.bin");
    }
};

}  // namespace

TEST_CASE("zstd: frames give back what was packed, several as well as one") {
    for (const std::size_t bytes : {0U, 1U, 1000U, 131072U, 131073U, 3000000U}) {
        const std::string text = numbered_lines(bytes);
        CHECK(unpacked(zstd_frame(text)) == text);
        CHECK(unpacked(zstd_frame(text) + zstd_frame("") + zstd_frame(text, 19)) == text + text);
        CHECK(unpacked(zstd_frame(std::string(bytes, 'x'))) == std::string(bytes, 'x'));
    }
}

TEST_CASE("zstd: truncated frames are found, wherever they end") {
    const std::string frame = zstd_frame(numbered_lines(300000));
    for (std::size_t bytes = 0; bytes < frame.size(); bytes += 997) {
        CHECK(unpack_error(frame.substr(0, bytes)).find("truncated") != std::string::npos);
    }
    CHECK(unpack_error(frame + frame.substr(0, 3)).find("truncated") != std::string::npos);
}

TEST_CASE("zstd: what is no frame is refused") {
    CHECK(unpack_error("PK\3\4 not packed at all") == "not zstd, or damaged: Unknown frame descriptor");
    CHECK(unpack_error(zstd_frame("text") + "behind") == "not zstd, or damaged: Unknown frame descriptor");
}

TEST_CASE("zstd: more than expected is refused before it is all unpacked") {
    const std::string bomb = zstd_frame(std::string(200'000'000, '\0'));
    CHECK(bomb.size() < 20'000);
    CHECK(unpack_error(bomb, 1000) ==
          "it unpacks to more than the 1000 bytes that it can have: it is damaged, or made to fill memory and disk");
    CHECK(unpacked(zstd_frame("1234"), 4) == "1234");
}

TEST_CASE("zstd: a window that takes much memory is refused") {
    // Magic number, a descriptor without content size, and a window of 2^27.
    CHECK(unpack_error(std::string("\x28\xb5\x2f\xfd\x00\x88", 6) + std::string(20, '\0')) ==
          "not zstd, or damaged: Frame requires too much memory for decoding");
}

TEST_CASE("tensors in packed files are copied as if they were not packed") {
    PackedModel packed;
    const std::vector<float> expected = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const std::string bytes = packed.convert();
    CHECK(bytes == std::string(reinterpret_cast<const char*>(expected.data()), expected.size() * sizeof(float)));
    CHECK(std::distance(std::filesystem::directory_iterator(packed.dir.path()), {}) == 2);  // nothing else is left
}

TEST_CASE("a packed file that is not what was indexed is named") {
    PackedModel longer;
    longer.model.index.files[1].packed = longer.model.index.files[0].packed;
    CHECK(error_of([&] { longer.convert(); }).find("rank1: it unpacks to more than the 12 bytes") != std::string::npos);
    PackedModel shorter;
    shorter.model.index.files[0].bytes += 1;
    CHECK(error_of([&] { shorter.convert(); }) ==
          shorter.model.index.files[0].path + ": unpacked to 21 bytes when it was indexed, to 20 now");
    PackedModel cut;
    cut.model.index.files[2].packed->bytes -= 1;
    CHECK(error_of([&] { cut.convert(); }).find("truncated") != std::string::npos);
}

TEST_CASE("a packed file must lie in a file that is not packed") {
    const auto verdict = [](auto change) {
        PackedModel packed;
        change(packed.model.index.files[0]);
        return error_of([&] { verify_index(packed.model.index); });
    };
    CHECK(verdict([](SourceFile&) {}).empty());
    CHECK(verdict([](SourceFile& f) { f.packed->file = 9; }).ends_with("rank0: is packed in file 9 of 4" + kMistake));
    CHECK(verdict([](SourceFile& f) { f.packed->file = 1; }).ends_with("rank1', which is packed too" + kMistake));
    CHECK(verdict([](SourceFile& f) { f.packed->offset = 1000; }).find("rank0: is packed in bytes 1,000 to 1,0") !=
          std::string::npos);
    CHECK(verdict([](SourceFile& f) { f.packed->offset = ~std::uint64_t{0}; }).find("size overflow") !=
          std::string::npos);
}
