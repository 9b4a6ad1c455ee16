// Random tensors, pieces, views and tiles against an element-by-element oracle.

#include "copy/copy.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/random_model.hpp"
#include "support/temp_dir.hpp"
#include "verify/verify.hpp"

#include <filesystem>

using namespace unshard;
using namespace unshard::test;

namespace {

std::string convert_model(const RandomModel& model, const CopySettings& settings, const TempDir& dir) {
    verify_index(model.index);
    verify_plan(model.index, model.plan);
    const std::vector<Destination> destinations = lower(model.plan, model.layout);
    verify_layout(model.plan, model.layout, destinations);
    Stage stage(dir / "out", model.layout, true);
    copy(model.index, {{&model.plan, &model.layout, &destinations, &stage, nullptr}}, settings, {});
    commit({&stage, 1});
    const std::string bytes = read_file(dir / "out/model.bin");
    std::filesystem::remove_all(dir / "out");
    return bytes;
}

CopySettings random_settings(Random& random) {
    static const std::vector<std::uint64_t> kTileBytes = {1, 3, 8, 24, 64, 200, 1000, 1 << 20};
    return {static_cast<unsigned>(1 + random.up_to(3)), random.of(kTileBytes), random.one_in(2)};
}

}  // namespace

TEST_CASE("every tensor is written as an element-by-element copy would write it") {
    const TempDir dir;
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
        Random random(seed);
        const RandomModel model(random, 30, dir.path());
        model.write_files();
        const CopySettings settings = random_settings(random);
        CAPTURE(seed, settings.threads, settings.tile_bytes);
        const std::string bytes = convert_model(model, settings, dir);
        REQUIRE((bytes == model.expected));
    }
}

TEST_CASE("a replica that differs in any bit is found, whatever the tiles are") {
    const TempDir dir;
    int found = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        Random random(seed);
        RandomModel model(random, 3, dir.path());
        const CopySettings settings{2, random_settings(random).tile_bytes, true};
        const PlannedTensor& tensor = random.of(model.plan.tensors);
        Layout& layout = model.layout;
        if (tensor.replicas.empty() || tensor.replicas.front().box.extent.numel() == 0) continue;
        for (const Placed& p : layout.placed) model.plan.tensors[p.tensor].replicas_stated = false;
        const Copy& replica = tensor.replicas.front();
        const Shard& shard = model.index.tensors[replica.tensor].shards[replica.shard];
        char& byte = model.files[shard.file][shard.offset + replica.first * size_of(tensor.dtype)];
        byte = static_cast<char>(byte ^ (1 << random.up_to(7)));
        model.write_files();
        const std::string text = error_of([&] { convert_model(model, settings, dir); });
        const bool is_written_whole = std::any_of(layout.placed.begin(), layout.placed.end(), [&](const Placed& p) {
            return &model.plan.tensors[p.tensor] == &tensor && p.box == Box::whole(p.view);
        });
        CAPTURE(seed, text);
        if (is_written_whole) REQUIRE((text.rfind(tensor.name + ": ranks ", 0) == 0));
        found += is_written_whole;
        std::filesystem::remove_all(dir / "out");
    }
    REQUIRE(found > 30);
}

namespace {

/// Breaks one copy of a plan. Returns false where there is nothing to break.
bool break_plan(Random& random, PlannedTensor& tensor) {
    const std::uint64_t kind = random.up_to(5);
    const std::size_t number = random.up_to(tensor.copies.size() - 1);
    Copy& copy = tensor.copies[number];
    if (copy.box.extent.numel() == 0) return false;
    const std::size_t axis = copy.box.extent.empty() ? 0 : random.up_to(copy.box.extent.rank() - 1);
    if (kind == 0) {
        tensor.copies.erase(tensor.copies.begin() + static_cast<std::ptrdiff_t>(number));
    } else if (kind == 1) {
        tensor.copies.push_back(Copy(copy));
    } else if (kind == 2) {
        copy.first += 1000000;
    } else if (copy.box.extent.empty()) {
        return false;
    } else if (kind == 3) {
        copy.box.origin[axis] += 1 + random.up_to(2);
    } else if (kind == 4) {
        copy.box.extent[axis] += 1;
    } else {
        copy.box.extent[axis] -= 1;
    }
    return true;
}

}  // namespace

TEST_CASE("a plan with one copy removed, doubled, moved or resized is refused") {
    int broken = 0;
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        Random random(seed);
        RandomModel model(random, 1, "");
        if (model.plan.tensors.front().copies.empty() || !break_plan(random, model.plan.tensors.front())) continue;
        ++broken;
        CAPTURE(seed);
        REQUIRE(error_of([&] { verify_plan(model.index, model.plan); }).rfind("t0: ", 0) == 0);
    }
    REQUIRE(broken > 1000);
}

TEST_CASE("a layout with one tensor or literal moved, doubled or left out is refused") {
    int broken = 0;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
        Random random(seed);
        RandomModel model(random, 3, "");
        Layout& layout = model.layout;
        Placed& placed = layout.placed[random.up_to(layout.placed.size() - 1)];
        if (placed.box.extent.numel() == 0) continue;
        const std::uint64_t kind = random.up_to(3);
        if (kind == 0) placed.offset += 1 + random.up_to(50);
        if (kind == 1) layout.placed.push_back(Placed(placed));
        if (kind == 2) layout.placed.erase(layout.placed.begin() + (&placed - layout.placed.data()));
        if (kind == 3) layout.files.front().bytes += random.one_in(2) ? 1 : ~std::uint64_t{0};
        ++broken;
        CAPTURE(seed, kind);
        REQUIRE_THROWS_AS(verify_layout(model.plan, layout, lower(model.plan, layout)), Error);
    }
    REQUIRE(broken > 500);
}
