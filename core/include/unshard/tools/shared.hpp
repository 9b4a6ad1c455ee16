// Values that many others have in common, kept once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <unordered_set>
#include <utility>

namespace unshard {

/// A value that is copied as a pointer, compared as a value, and never changed.
template <class T>
class Shared {
public:
    Shared() = default;
    // NOLINTNEXTLINE(misc-explicit-constructor): any T is a value that nobody else has yet
    Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

    const T& operator*() const { return value_ ? *value_ : none(); }
    const T* operator->() const { return &**this; }
    friend bool operator==(const Shared& a, const Shared& b) { return &*a == &*b || *a == *b; }

private:
    static const T& none() {
        static const T value{};
        return value;
    }

    std::shared_ptr<const T> value_;
};

/// A hash of numbers. It begins with a random number, so that no file can be made of values that collide.
class Hash {
public:
    void add(std::uint64_t number) {
        sum_ = (sum_ ^ number) * 0x9e3779b97f4a7c15;
        sum_ ^= sum_ >> 29;
    }
    /// Numbers, and how many they are.
    void add_all(const auto& numbers) {
        std::uint64_t count = 0;
        for (const std::uint64_t number : numbers) add(number), ++count;
        add(count);
    }
    std::size_t value() const { return sum_; }

private:
    static std::uint64_t seed() {
        static const std::uint64_t seed = std::random_device()() | std::uint64_t{std::random_device()()} << 32;
        return seed;
    }

    std::uint64_t sum_ = seed();
};

/// Gives equal values one place. T has `std::size_t hash() const`.
template <class T>
class SharedPool {
public:
    Shared<T> operator()(Shared<T> value) {
        if (last_ != value) last_ = *values_.insert(std::move(value)).first;
        return last_;
    }

private:
    struct HashOf {
        std::size_t operator()(const Shared<T>& value) const { return value->hash(); }
    };

    std::unordered_set<Shared<T>, HashOf> values_;
    Shared<T> last_;
};

}  // namespace unshard
