// A reader whose input says what it throws, through the glue of plugin.hpp.
#include "unshard/plugin.hpp"

#include <new>
#include <stdexcept>

namespace {

void throw_as_told(const std::string& what) {
    if (what == "error") throw unshard::Error("model.toy: ends early: copy it again");
    if (what == "usage error") throw unshard::UsageError("option 'x': 1 has the wrong type or range");
    if (what == "std::exception") throw std::runtime_error("a text");
    if (what == "std::bad_alloc") throw std::bad_alloc();
    if (what == "int") throw 42;
}

class ThrowingReader : public unshard::Reader {
public:
    int probe(const unshard::Request& request) override {
        throw_as_told(request.input);
        return 1;
    }
    unshard::CheckpointIndex index(const unshard::Request& request) override {
        throw_as_told(request.input);
        return {};
    }
};

}  // namespace

UNSHARD_PLUGIN(ThrowingReader, "throwing", "1.0", "throws what its input says")
