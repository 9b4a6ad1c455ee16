#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/small_model.hpp"
#include "verify/verify.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const std::string kWriter = ": this is a mistake in the writer, tell its author";

/// Changes a layout of `w`, 2 x 3 elements of f32 behind a literal of 8 bytes, or the plan; then says what is wrong.
template <class Change>
std::string verdict(Change change) {
    SmallModel model(1);
    model.add_rows("w", 3, {{1, 2, 3, 4, 5, 6}});
    Layout layout = layout_of(model.plan);
    layout.literals = {{0, 0, "header.."}};
    layout.placed[0].offset = 8;
    layout.files[0].bytes += 8;
    change(layout, model.plan.tensors[0]);
    return error_of([&] { verify_layout(model.plan, layout, lower(model.plan, layout)); });
}

std::string with_encoding(const Encoding& encoding) {
    return verdict([&](Layout& l, PlannedTensor&) {
        l.encodings[0] = encoding;
        l.files[0].bytes = 8 + 6 / encoding.block_elems * encoding.block_bytes;
    });
}

}  // namespace

TEST_CASE("a layout that covers its files passes") {
    REQUIRE(verdict([](Layout&, PlannedTensor&) {}).empty());
    REQUIRE(with_encoding({"f16", 1, 2}).empty());
    REQUIRE(with_encoding({"q3", 3, 2}).empty());
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.files[0].name = ""; }).empty());
}

TEST_CASE("a byte that nothing writes, or two things, is reported with its owners") {
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.literals[0].bytes = "head"; }) ==
            "model.bin: byte 4 is written by nothing ('w' is next)");
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.literals[0].bytes = "header...."; }) ==
            "model.bin: byte 8 is written by 'literal 0' and by 'w'");
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.files[0].bytes = 40; }) ==
            "model.bin: byte 32 and what follows is written by nothing");
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.files[0].bytes = 30; }) ==
            "model.bin: 'w' ends at byte 32, the file has 30");
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].offset = ~std::uint64_t{0}; }) ==
            "w: size overflow: 18446744073709551615 + 24 does not fit 64 bits");
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.literals[0].file = 1; }) ==
            "literal 0: is in file 1 of 1" + kMistake);
}

TEST_CASE("a placement names a tensor, a file, an encoding and a part of the tensor") {
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].tensor = 1; }) == "a tensor 1 is placed" + kWriter);
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].file = 1; }) == "w: placed in file 1 of 1" + kWriter);
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].encoding = 1; }) == "w: encoding 1 of 1" + kWriter);
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].view = {7}; }) ==
            "w: placed through the view (7), its shape is (2, 3)" + kWriter);
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].box.origin = {1, 0}; }) ==
            "w: the box (1, 0) + (2, 3) is placed, its view is (2, 3)" + kWriter);
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].axes = {0, 0}; }) ==
            "w: the axis order (0, 0) of a view (2, 3) is no permutation" + kWriter);
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].axes = {0}; }) ==
            "w: the axis order (0) of a view (2, 3) is no permutation" + kWriter);
}

TEST_CASE("encodings are known, fit the rows and are possible for the type") {
    REQUIRE(with_encoding({"f16", 1, 4}) ==
            "w: encoding 'f16' has blocks of 1 elements in 4 bytes, an element has 2 bytes");
    REQUIRE(with_encoding({"q2", 2, 2}) == "w: a row of 3 elements is no whole number of 'q2' blocks of 2");
    REQUIRE(with_encoding({"q0", 1, 0}) == "w: encoding 'q0' has empty blocks");
    REQUIRE(with_encoding({"i32", 1, 4}) == "w: is f32 and cannot be stored as i32");
    REQUIRE(with_encoding({"f8e5m2", 1, 1}) == "w: is f32 and cannot be stored as f8e5m2");
    REQUIRE(verdict([](Layout& l, PlannedTensor& t) {
                t.dtype = DType::i32;
                l.encodings[0] = {"q3", 3, 12};
            }) == "w: is i32, only floats can be stored as 'q3'");
}

TEST_CASE("only floating-point tensors are computed on, and are not stored as f8 then") {
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].add = 1; }).empty());
    REQUIRE(verdict([](Layout& l, PlannedTensor&) { l.placed[0].add = 0.0 / 0.0; }) ==
            "w: a constant that is not finite is added");
    REQUIRE(verdict([](Layout& l, PlannedTensor& t) {
                t.dtype = DType::i32;
                l.encodings[0] = encoding_of(DType::i32);
                l.placed[0].add = 1;
            }) == "w: is i32, nothing can be added");
    REQUIRE(verdict([](Layout& l, PlannedTensor& t) {
                t.dtype = DType::f8e4m3;
                l.encodings[0] = encoding_of(DType::f8e4m3);
                l.placed[0].add = 1;
                l.files[0].bytes = 14;
            }) == "w: is computed and cannot be stored as f8e4m3");
}

TEST_CASE("output names are plain relative paths, none twice, none a directory of another") {
    const auto named = [](const std::string& name) {
        return verdict([&](Layout& l, PlannedTensor&) { l.assets = {{"source", name}}; });
    };
    for (const char* bad : {"", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/"}) {
        REQUIRE(named(bad) == "output: '" + std::string(bad) + "' is no plain relative path inside the output");
    }
    REQUIRE(named(std::string("a\0b", 3)) ==
            "output: the name of the file 'a\\x00b' has control characters or is not UTF-8: rename it");
    REQUIRE(named("model.bin") == "output: 'model.bin' is written twice");
    REQUIRE(named("model.bin/x") == "output: 'model.bin' is a file and a directory");
    REQUIRE(named("dir/config.json").empty());
}
