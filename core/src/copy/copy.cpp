// Threads take the next tile from one counter, in the order of the outputs. No tile depends on another, so the bytes
// are the same for any number of threads and any tile size. So is the error: after a failure the tiles before it are
// still finished, and the first tile in order that failed is reported.

#include "copy/copy.hpp"

#include "copy/byte_progress.hpp"
#include "copy/tile_writer.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <set>

namespace unshard {
namespace {

std::vector<const Plan*> plans_of(const std::vector<CopyTask>& tasks) {
    std::vector<const Plan*> plans;
    for (const CopyTask& task : tasks) plans.push_back(task.plan);
    return plans;
}

std::vector<std::string> directories_of(const std::vector<CopyTask>& tasks) {
    std::vector<std::string> directories;
    for (const CopyTask& task : tasks) directories.push_back(task.stage->directory());
    return directories;
}

class CopyPass {
public:
    CopyPass(const CheckpointIndex& index, const std::vector<CopyTask>& tasks, const CopySettings& settings,
             const ProgressFn& progress)
        : index_(index),
          settings_(settings),
          sources_(index, plans_of(tasks), settings.threads, directories_of(tasks)),
          progress_(progress) {
        for (const CopyTask& task : tasks) {
            for (const Destination& d : *task.destinations) add(task.plan->tensors[d.tensor], d, task);
        }
    }

    CopyReport run(const std::vector<CopyTask>& tasks) {
        for (const CopyTask& task : tasks) write_small_parts(task);
        const std::uint64_t threads = std::clamp<std::uint64_t>(tiling_.size(), 1, std::max(settings_.threads, 1U));
        on_each_worker(static_cast<unsigned>(threads), [this](unsigned) { work(); });
        if (failure_) std::rethrow_exception(failure_);
        sources_.finish(settings_.threads);
        progress_.finish();
        report_.bytes_written = progress_.done();
        report_.overflowed_tensors.assign(overflowed_.begin(), overflowed_.end());
        return report_;
    }

private:
    void add(const PlannedTensor& tensor, const Destination& destination, const CopyTask& task) {
        Filling filling(tensor, destination);
        filling.stage = task.stage;
        filling.writer = task.writer;
        filling.compares = settings_.verify_replicas || compares_replicas(tensor, settings_.tile_bytes);
        for (const Copy& replica : destination.replicas) {
            report_.replicas += replica.box.extent.numel() * size_of(tensor.dtype);
        }
        tiling_.append(destination.dims.numel(), tile_elems(destination, filling.elem_bytes(), settings_.tile_bytes));
        fillings_.push_back(std::move(filling));
    }

    void write_small_parts(const CopyTask& task) {
        for (const Literal& literal : task.layout->literals) {
            task.stage->write(literal.file, literal.offset, std::as_bytes(std::span(literal.bytes)));
            progress_.add(literal.bytes.size());
        }
        for (const Asset& asset : task.layout->assets) task.stage->add(asset);
    }

    void work() {
        TileWriter writer(index_, sources_, settings_.tile_bytes);
        while (true) {
            const std::uint64_t number = next_++;
            if (number >= tiling_.size() || number > failed_tile_) return;
            try {
                write(writer, tiling_[number]);
            } catch (...) {
                return fail(number);
            }
        }
    }

    void write(TileWriter& writer, const Tile& tile) {
        const Filling& filling = fillings_[tile.destination];
        const TileCounts counts = writer.write(filling, tile);
        progress_.add(counts.bytes_written);
        if (counts.replicas_compared == 0 && counts.overflowed == 0) return;
        const std::lock_guard lock(mutex_);
        report_.replicas_compared += counts.replicas_compared;
        report_.overflowed += counts.overflowed;
        if (counts.overflowed != 0) overflowed_.insert(filling.tensor->name);
    }

    void fail(std::uint64_t tile) {
        const std::lock_guard lock(mutex_);
        if (tile > failed_tile_) return;
        failed_tile_ = tile;
        failure_ = std::current_exception();
    }

    const CheckpointIndex& index_;
    const CopySettings& settings_;
    Sources sources_;
    ByteProgress progress_;
    std::vector<Filling> fillings_;
    Tiling tiling_;
    std::atomic<std::uint64_t> next_ = 0;
    std::atomic<std::uint64_t> failed_tile_ = std::numeric_limits<std::uint64_t>::max();
    std::mutex mutex_;  ///< guards the members below
    std::exception_ptr failure_;
    CopyReport report_;
    std::set<std::string> overflowed_;
};

}  // namespace

CopyReport copy(const CheckpointIndex& index, const std::vector<CopyTask>& tasks, const CopySettings& settings,
                const ProgressFn& progress) {
    return CopyPass(index, tasks, settings, progress).run(tasks);
}

}  // namespace unshard
