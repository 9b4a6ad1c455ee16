#include "text/name_groups.hpp"
#include "support/catch.hpp"

using namespace unshard;

namespace {

std::vector<std::string> grouped_names(const std::vector<NamedItem>& items) {
    std::vector<std::string> names;
    for (const NameGroup& group : group_names(items)) {
        names.push_back(group.name + " x" + std::to_string(group.members.size()));
    }
    return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("layers come together, in the order of their first names") {
    CHECK(grouped_names({{"embed", ""}, {"l.0.a", ""}, {"l.0.b", ""}, {"l.1.a", ""}, {"l.1.b", ""}, {"l.2.a", ""}}) ==
          Names{"embed x1", "l.{0..2}.a x3", "l.{0,1}.b x2"});
}

TEST_CASE("layers and experts make one group when every combination is there") {
    std::vector<NamedItem> items;
    for (const char* layer : {"0", "1", "2"}) {
        for (const char* expert : {"0", "1", "2", "3"}) items.push_back({std::string(layer) + ".e." + expert, ""});
    }
    CHECK(grouped_names(items) == Names{"{0..2}.e.{0..3} x12"});
    items.pop_back();
    CHECK(grouped_names(items) == Names{"{0,1}.e.{0..3} x8", "2.e.{0..2} x3"});
}

TEST_CASE("items of different kinds stay apart") {
    CHECK(grouped_names({{"l.0", "bf16"}, {"l.1", "f32"}, {"l.2", "bf16"}}) == Names{"l.{0,2} x2", "l.1 x1"});
}

TEST_CASE("numbers within words and numbers with leading zeros are text") {
    CHECK(grouped_names({{"w1.x", ""}, {"w2.x", ""}, {"01", ""}, {"02", ""}}) ==
          Names{"w1.x x1", "w2.x x1", "01 x1", "02 x1"});
}

TEST_CASE("numbers are ordered as numbers") {
    CHECK(grouped_names({{"l.10", ""}, {"l.9", ""}, {"l.2", ""}}) == Names{"l.{2,9,10} x3"});
}
