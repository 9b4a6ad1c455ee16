#include "tensor_parallel/shares.hpp"
#include "core/models/rules_support.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// q of 8 rows, k and v of 4, in heads of 2.
const WholeTensor kQkv{{16, 3}, Split::column, 0, {{8, 2}, {4, 2}, {4, 2}}, false};

WholeTensor rows_of_10(Split split) {
    return {{10, 3}, split, 0, {{10, 0}}, false};
}

std::string failure(const WholeTensor& whole, const Share& share) {
    return message_of([&] { runs_of(whole, share); });
}

constexpr std::string_view kCure = ": the rules, config.json or the mesh are not this checkpoint's";

}  // namespace

TEST_CASE("a rank holds its share of each section") {
    CHECK(runs_of(kQkv, {1, 2, 8}) == std::vector<Run>{{0, 0, 4, 4}, {1, 4, 2, 2}, {2, 6, 2, 2}});
}

TEST_CASE("with more ranks than heads of a section neighbours hold the same head") {
    CHECK(runs_of(kQkv, {1, 4, 6}) == std::vector<Run>{{0, 0, 2, 2}, {1, 2, 0, 2}, {2, 4, 0, 2}});
    CHECK(runs_of(kQkv, {2, 4, 6}) == std::vector<Run>{{0, 0, 4, 2}, {1, 2, 2, 2}, {2, 4, 2, 2}});
}

TEST_CASE("heads can be cut through when the number of rows says so") {
    CHECK(runs_of(kQkv, {3, 4, 4}) == std::vector<Run>{{0, 0, 6, 2}, {1, 2, 3, 1}, {2, 3, 3, 1}});
}

TEST_CASE("all rows on a rank are all sections") {
    CHECK(runs_of(kQkv, {3, 4, 16}) == std::vector<Run>{{0, 0, 0, 8}, {1, 8, 0, 4}, {2, 12, 0, 4}});
}

TEST_CASE("in groups the sections take turns") {
    WholeTensor whole = kQkv;
    whole.split = Split::grouped;
    CHECK(runs_of(whole, {1, 2, 8}) == std::vector<Run>{{0, 0, 4, 4}, {1, 4, 2, 2}, {2, 6, 2, 2}});
    CHECK(runs_of(whole, {0, 1, 16}) ==
          std::vector<Run>{{0, 0, 0, 4}, {1, 4, 0, 2}, {2, 6, 0, 2}, {0, 8, 4, 4}, {1, 12, 2, 2}, {2, 14, 2, 2}});
    CHECK(failure(whole, {0, 4, 4}) ==
          "a rank holds 4 of 16 rows of dimension 0; split 'grouped' over 4 ranks cannot distribute 2 groups evenly" +
              std::string(kCure));
}

TEST_CASE("a padded vocabulary is cut where the last ranks hold padding") {
    const WholeTensor whole = rows_of_10(Split::vocabulary);
    CHECK(runs_of(whole, {0, 4, 4}) == std::vector<Run>{{0, 0, 0, 4}});
    CHECK(runs_of(whole, {2, 4, 4}) == std::vector<Run>{{0, 0, 8, 2}});
    CHECK(runs_of(whole, {3, 4, 4}).empty());
    CHECK(runs_of(whole, {3, 4, 10}) == std::vector<Run>{{0, 0, 0, 10}});
    CHECK(runs_of(whole, {0, 1, 12}) == std::vector<Run>{{0, 0, 0, 10}});
}

TEST_CASE("rows that no share has are refused with the numbers") {
    const std::string cure(kCure);
    CHECK(failure(rows_of_10(Split::vocabulary), {0, 4, 2}) ==
          "a rank holds 2 of 10 rows of dimension 0; split 'vocabulary' over 4 ranks has only 8" + cure);
    CHECK(failure(rows_of_10(Split::replicated), {0, 4, 5}) ==
          "a rank holds 5 of 10 rows of dimension 0; split 'replicated' over 4 ranks gives all" + cure);
    CHECK(failure(rows_of_10(Split::column), {0, 4, 3}) ==
          "a rank holds 3 of 10 rows of dimension 0; split 'column' over 4 ranks does not come out even" + cure);
    CHECK(failure(rows_of_10(Split::column), {0, 5, 3}) ==
          "a rank holds 3 of 10 rows of dimension 0; split 'column' over 5 ranks gives 2" + cure);
    CHECK(failure(kQkv, {0, 4, 5}) ==
          "a rank holds 5 of 16 rows of dimension 0; split 'column' over 4 ranks gives 4, "
          "or 6 with whole heads" +
              cure);
}
