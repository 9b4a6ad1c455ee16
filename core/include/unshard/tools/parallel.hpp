// A loop over independent items on several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace unshard {

/// Calls `work(worker)` once on each of up to `workers` threads, fewer where the system gives no more, and waits for
/// all. Since there may be fewer, `work` takes its items from a shared counter. The first exception is rethrown.
template <class Work>
void on_each_worker(unsigned workers, Work work) {
    std::exception_ptr failure;
    std::mutex mutex;
    const auto guarded = [&](unsigned worker) {
        try {
            work(worker);
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (!failure) failure = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> threads;
        try {
            threads.reserve(workers);
            for (unsigned i = 1; i < workers; ++i) threads.emplace_back(guarded, i);
        } catch (const std::exception&) {
            // those that could be made, this one at least, do all of it
        }
        guarded(0);
    }
    if (failure) std::rethrow_exception(failure);
}

/// Calls `item(i)` for every i below `count`, on up to `threads` threads, begun in their order. After a failure no new
/// item is begun; of several exceptions that of the lowest item is rethrown, so that it does not depend on timing.
template <class Item>
void parallel_for(std::size_t count, unsigned threads, Item item) {
    std::atomic<std::size_t> next = 0;
    std::size_t failed = count;
    std::exception_ptr failure;
    std::mutex mutex;
    const auto workers = static_cast<unsigned>(std::clamp<std::size_t>(count, 1, std::max(threads, 1U)));
    on_each_worker(workers, [&](unsigned) {
        for (std::size_t i = next++; i < count; i = next++) {
            try {
                item(i);
            } catch (...) {
                next = count;
                const std::lock_guard lock(mutex);
                if (i < failed) failure = std::current_exception();
                failed = std::min(failed, i);
            }
        }
    });
    if (failure) std::rethrow_exception(failure);
}

}  // namespace unshard
