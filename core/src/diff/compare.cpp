// Both plans are lowered to the same destinations, as if each were written whole in its own type. So a tile is the same
// elements on both sides, however either is sharded. Results do not depend on the number of threads or the size of
// tiles.

#include "diff/compare.hpp"

#include "copy/tile_writer.hpp"
#include "elements/element_text.hpp"
#include "unshard/tools/parallel.hpp"

#include <atomic>
#include <cstdlib>
#include <mutex>

namespace unshard {
namespace {

/// Every tensor of `numbers` whole, one after the other.
std::vector<Destination> whole_tensors(const Plan& plan, const std::vector<std::size_t>& numbers) {
    Layout layout;
    layout.files = {{}};
    for (const DTypeInfo& dtype : kDTypes) layout.encodings.push_back(encoding_of(dtype.dtype));
    for (const std::size_t number : numbers) {
        const PlannedTensor& tensor = plan.tensors[number];
        Placed placed;
        placed.tensor = static_cast<std::uint32_t>(number);
        placed.view = tensor.shape;
        placed.box = Box::whole(tensor.shape);
        placed.encoding = static_cast<std::uint32_t>(tensor.dtype);
        layout.placed.push_back(placed);
    }
    return lower(plan, layout);
}

/// For files that must be unpacked: there is no output directory for them. It need not exist unless there are such
/// files.
std::string temporary_directory() {
    const char* named = std::getenv("TMPDIR");
    return named && *named ? named : "/tmp";
}

/// One of the two models, as the pass sees it.
class Side {
public:
    Side(const Model& model, const std::vector<std::size_t>& numbers, const CopySettings& settings)
        : index_(model.index),
          sources_(model.index, {&model.plan}, settings.threads, {temporary_directory()}),
          destinations_(whole_tensors(model.plan, numbers)) {
        for (const Destination& d : destinations_) {
            const PlannedTensor& tensor = model.plan.tensors[d.tensor];
            fillings_.emplace_back(tensor, d);
            fillings_.back().compares = compares_replicas(tensor, settings.tile_bytes);
        }
    }
    Side(const Side&) = delete;
    Side& operator=(const Side&) = delete;

    const Filling& operator[](std::size_t pair) const { return fillings_[pair]; }
    std::size_t size() const { return fillings_.size(); }
    TileWriter worker(std::uint64_t tile_bytes) { return {index_, sources_, tile_bytes}; }

    void finish(unsigned threads) { sources_.finish(threads); }

private:
    const CheckpointIndex& index_;
    Sources sources_;
    const std::vector<Destination> destinations_;
    std::vector<Filling> fillings_;
};

std::vector<std::size_t> numbers_of(const std::vector<TensorPair>& pairs, std::size_t TensorPair::* side) {
    std::vector<std::size_t> numbers;
    for (const TensorPair& pair : pairs) numbers.push_back(pair.*side);
    return numbers;
}

class ComparePass {
public:
    ComparePass(const Model& a, const Model& b, const std::vector<TensorPair>& pairs, const CopySettings& settings,
                const ProgressFn& progress)
        : settings_(settings),
          a_(a, numbers_of(pairs, &TensorPair::a), settings),
          b_(b, numbers_of(pairs, &TensorPair::b), settings),
          progress_(progress),
          results_(pairs.size()) {
        for (std::size_t i = 0; i < a_.size(); ++i) {
            const std::uint64_t elem_bytes = std::max(a_[i].elem_bytes(), b_[i].elem_bytes());
            const Destination& d = *a_[i].destination;
            tiling_.append(d.dims.numel(), tile_elems(d, elem_bytes, settings.tile_bytes));
        }
    }

    std::vector<PairDifference> run() {
        const std::uint64_t threads = std::clamp<std::uint64_t>(tiling_.size(), 1, std::max(settings_.threads, 1U));
        on_each_worker(static_cast<unsigned>(threads), [this](unsigned) { work(); });
        a_.finish(settings_.threads);
        b_.finish(settings_.threads);
        progress_.finish();
        return std::move(results_);
    }

private:
    void work() {
        TileWriter a = a_.worker(settings_.tile_bytes), b = b_.worker(settings_.tile_bytes);
        try {
            for (std::uint64_t i = next_++; i < tiling_.size(); i = next_++) compare_tile(a, b, tiling_[i]);
        } catch (...) {
            next_ = tiling_.size();  // the other threads begin no more tiles
            throw;
        }
    }

    void compare_tile(TileWriter& a, TileWriter& b, const Tile& tile) {
        const std::size_t pair = tile.destination;
        TileCounts counts;
        const Elements of_a{a_[pair].tensor->dtype, a.make(a_[pair], tile, counts)};
        const Elements of_b{b_[pair].tensor->dtype, b.make(b_[pair], tile, counts)};
        const ValueDifference difference = compare_values(of_a, of_b);
        progress_.add(of_a.bytes.size() + of_b.bytes.size());
        if (difference.differing != 0) add(pair, tile.first, difference, of_a, of_b);
    }

    void add(std::size_t pair, std::uint64_t tile_first, ValueDifference difference, const Elements& a,
             const Elements& b) {
        const std::uint64_t i = difference.first;
        difference.first += tile_first;
        const std::lock_guard lock(mutex_);
        PairDifference& result = results_[pair];
        if (result.values.differing == 0 || difference.first < result.values.first) {
            result.first_values = both_values({a.dtype, a[i]}, {b.dtype, b[i]});
        }
        result.values.add(difference);
    }

    const CopySettings& settings_;
    Side a_, b_;
    ByteProgress progress_;
    Tiling tiling_;
    std::atomic<std::uint64_t> next_ = 0;
    std::mutex mutex_;  ///< guards the results
    std::vector<PairDifference> results_;
};

}  // namespace

std::uint64_t bytes_to_compare(const Model& a, const Model& b, const std::vector<TensorPair>& pairs) {
    std::uint64_t bytes = 0;
    const auto add = [&](const PlannedTensor& t) { bytes += t.shape.numel() * size_of(t.dtype); };
    for (const TensorPair& pair : pairs) {
        add(a.plan.tensors[pair.a]);
        add(b.plan.tensors[pair.b]);
    }
    return bytes;
}

std::vector<PairDifference> compare(const Model& a, const Model& b, const std::vector<TensorPair>& pairs,
                                    const CopySettings& settings, const ProgressFn& progress) {
    return ComparePass(a, b, pairs, settings, progress).run();
}

}  // namespace unshard
