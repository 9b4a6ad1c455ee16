// Adds up the bytes that all threads have done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

namespace unshard {

/// Called with the bytes done so far, now and then, from any thread but never twice at once.
using ProgressFn = std::function<void(std::uint64_t done)>;

/// Hands the number of bytes done to a function, ten times a second at most.
class ByteProgress {
public:
    explicit ByteProgress(const ProgressFn& report) : report_(report) {}

    void add(std::uint64_t bytes) {
        done_ += bytes;
        const std::unique_lock lock(mutex_, std::try_to_lock);
        if (!lock || !report_) return;
        const auto now = std::chrono::steady_clock::now();
        if (now < next_) return;
        next_ = now + std::chrono::milliseconds(100);
        report_(done_);
    }
    void finish() {
        if (report_) report_(done_);
    }
    std::uint64_t done() const { return done_; }

private:
    const ProgressFn& report_;
    std::atomic<std::uint64_t> done_ = 0;
    std::mutex mutex_;
    std::chrono::steady_clock::time_point next_;
};

}  // namespace unshard
