#include "unshard/tools/parallel.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "unshard/tools/error.hpp"

#include <chrono>

using namespace unshard;
using namespace unshard::test;

TEST_CASE("of several failures that of the lowest item is told, also when it comes last") {
    std::atomic<bool> has_failed = false;
    CHECK(error_of([&] {
              parallel_for(2, 2, [&](std::size_t i) {
                  // Item 0 waits for item 1, or not for ever where there is one thread.
                  for (int n = 0; i == 0 && n < 2000 && !has_failed; ++n) {
                      std::this_thread::sleep_for(std::chrono::milliseconds(1));
                  }
                  has_failed = true;
                  throw Error("item " + std::to_string(i));
              });
          }) == "item 0");
}
