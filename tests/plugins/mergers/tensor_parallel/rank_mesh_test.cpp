#include "tensor_parallel/rank_mesh.hpp"
#include "core/models/rules_support.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

TEST_CASE("the last axis of a mesh counts fastest") {
    const RankMesh mesh("dp=2, pp=3,tp=4", 24);
    CHECK(mesh.size("pp") == 3);
    CHECK(mesh.size("ep") == 1);
    CHECK(mesh.coordinate("tp", 23) == 3);
    CHECK(mesh.coordinate("pp", 13) == 0);
    CHECK(mesh.coordinate("pp", 17) == 1);
    CHECK(mesh.coordinate("dp", 12) == 1);
    CHECK(mesh.coordinate("ep", 12) == 0);
}

TEST_CASE("an axis without a size takes what the others leave") {
    CHECK(RankMesh("tp", 6).size("tp") == 6);
    CHECK(RankMesh("tp,dp=2", 6).size("tp") == 3);
    CHECK(RankMesh("tp,dp=2", 6).coordinate("tp", 5) == 2);
}

TEST_CASE("a mesh that is none, or of another checkpoint, is refused") {
    const auto failure = [](const char* text) { return message_of([&] { RankMesh(text, 8); }); };
    const std::string cure = ": write for example 'dp=2,pp=1,tp=4'";
    CHECK(failure("dp=2,tp=3") == "mesh 'dp=2,tp=3': it does not make up the checkpoint's 8 ranks" + cure);
    CHECK(failure("dp=3,tp") == "mesh 'dp=3,tp': it does not make up the checkpoint's 8 ranks" + cure);
    CHECK(failure("dp,tp") == "mesh 'dp,tp': it does not make up the checkpoint's 8 ranks" + cure);
    CHECK(failure("tp=0") == "mesh 'tp=0': 'tp=0' is not an axis and its size" + cure);
    CHECK(failure("tp=8x") == "mesh 'tp=8x': 'tp=8x' is not an axis and its size" + cure);
    CHECK(failure("xp=8") == "mesh 'xp=8': axis 'xp' is unknown (known are tp, pp, ep, dp, cp)" + cure);
    CHECK(failure("tp=2,tp=4") == "mesh 'tp=2,tp=4': axis 'tp' stands in it twice" + cure);
    CHECK(failure("") == "mesh '': axis '' is unknown (known are tp, pp, ep, dp, cp)" + cure);
}
