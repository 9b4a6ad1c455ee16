// The state of a pickle machine and the operations on it that opcodes are made of. Only pickle.cpp includes this.
#pragma once

#include "formats/torch/pickle.hpp"
#include "formats/torch/utf8.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/little_endian.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

namespace unshard::torch {

/// Every operation checks what it is given, so opcodes may be run in any order.
class PickleMachine {
public:
    explicit PickleMachine(std::string bytes)
        : bytes_(std::make_unique<const std::string>(std::move(bytes))),
          tuples_(std::make_unique<std::pmr::monotonic_buffer_resource>()),
          most_values_(std::min<std::size_t>(kMaxValues, kFewValues + bytes_->size() / 2)) {
        values_.reserve(std::min(most_values_, kFewValues + bytes_->size() / 8));
        values_ = {None{}, true, false, Tuple{}};
        closed_.resize(values_.size());
    }

    /// Throws Error that says where in the pickle it went wrong, and in which opcode.
    [[noreturn]] void fail(const std::string& what) const { throw Error(described(what)); }
    /// The same where more bytes could mend it.
    [[noreturn]] void fail_at_end(const std::string& what) const { throw PickleGoesOn(described(what)); }

    /// The next opcode's code.
    unsigned char next_code() {
        opcode_ = {};
        return number<unsigned char>();
    }
    void begin_opcode(std::string_view name) { opcode_ = name; }

    /// How many bytes were taken.
    std::size_t position() const { return at_; }
    void check_at_end() const {
        if (at_ != bytes_->size()) fail(fmt::format("{} bytes lie behind its end", bytes_->size() - at_));
    }

    /// The top of the stack becomes the result. A pickler leaves nothing else on it.
    Pickle finish() && {
        const Ref root = pop();
        if (depth_ != 0 || !marks_.empty()) fail("values are left on the stack at its end");
        return {std::move(bytes_), std::move(tuples_), std::move(values_), root};
    }

    // ---- operands

    std::string_view take(std::uint64_t count) {
        if (count > bytes_->size() - at_) {
            fail_at_end(fmt::format("{} bytes are needed, {} are left", count, bytes_->size() - at_));
        }
        const std::string_view taken = std::string_view(*bytes_).substr(at_, count);
        at_ += count;
        return taken;
    }

    template <class T>
    T number() {
        return load_le<T>(take(sizeof(T)));
    }

    /// Bytes that follow their count.
    template <class Count>
    std::string_view counted() {
        return take(number<Count>());
    }

    std::string_view text_of(std::string_view bytes) const {
        if (!is_utf8(bytes)) fail("a text is not UTF-8");
        return bytes;
    }

    std::string_view line() {
        const std::size_t end = bytes_->find('\n', at_);
        if (end == std::string::npos) fail_at_end("a line of text does not end");
        const std::string_view text = take(end - at_);
        take(1);
        return text_of(text);
    }

    void check_frame() {
        const auto bytes = number<std::uint64_t>();
        if (bytes > bytes_->size() - at_) fail_at_end(fmt::format("a frame of {} bytes ends outside it", bytes));
    }

    void check_protocol() {
        const auto protocol = number<std::uint8_t>();
        if (protocol > kHighestProtocol) fail(fmt::format("protocol {} is not supported", protocol));
    }

    // ---- the stack

    void push(Ref ref) {
        if (depth_ == stack_.size()) stack_.resize(std::min(kMaxValues, 2 * depth_ + 64));
        if (depth_ == stack_.size()) fail("the stack is too deep");
        stack_[depth_++] = ref;
    }
    void push(Value&& value) { push(add(std::move(value))); }
    void push_text(std::string_view bytes) { push(Text{text_of(bytes)}); }
    void push_tuple(std::span<const Ref> items) {
        if (items.empty()) return push(kEmptyTuple);  // one is enough: a tuple never changes
        auto* kept = static_cast<Ref*>(tuples_->allocate(items.size_bytes(), alignof(Ref)));
        std::ranges::copy(items, kept);
        push(Tuple{{kept, items.size()}});
    }
    void push_bool(bool value) { push(value ? kTrue : kFalse); }

    /// Integers of shapes and strides repeat all the time, so small ones are made once.
    void push_integer(std::int64_t value) {
        if (value < 0 || value >= static_cast<std::int64_t>(small_integers_.size())) {
            push(Value(value));
            return;
        }
        Ref& known = small_integers_[static_cast<std::size_t>(value)];
        if (known == kNone) known = add(value);
        push(known);
    }

    /// A little-endian two's complement integer of any length.
    void push_long(std::string_view bytes) {
        const char sign = !bytes.empty() && (bytes.back() & 0x80) != 0 ? '\xff' : '\0';
        std::string low(bytes.substr(0, 8));
        low.resize(8, sign);
        const bool fits = std::ranges::all_of(bytes.substr(std::min<std::size_t>(bytes.size(), 8)),
                                              [sign](char byte) { return byte == sign; });
        if (fits && (low.back() & 0x80) == (sign & 0x80)) {
            push_integer(load_le<std::int64_t>(low));
        } else {
            push(BigInteger{});
        }
    }

    void push_big_endian_double(std::string_view bytes) {
        const std::string reversed(bytes.rbegin(), bytes.rend());
        push(Value(std::bit_cast<double>(load_le<std::uint64_t>(reversed))));
    }

    Ref top() const {
        if (depth_ <= lowest()) fail("the stack is empty");
        return stack_[depth_ - 1];
    }

    Ref pop() {
        const Ref ref = top();
        --depth_;
        return ref;
    }

    /// The values that lie on top, valid until one is pushed.
    std::span<const Ref> pop_count(std::size_t count) {
        if (count > depth_ - lowest()) fail("the stack is empty");
        return pop_from(depth_ - count);
    }

    void mark() {
        if (marks_.size() == kMaxValues) fail("too many marks");
        marks_.push_back(depth_);
    }

    /// Pops everything that was pushed since the last mark, and the mark. Valid until a value is pushed.
    std::span<const Ref> pop_to_mark() {
        if (marks_.empty()) fail("there is no mark");
        const std::size_t begin = marks_.back();
        marks_.pop_back();
        return pop_from(begin);
    }

    /// Removes the top, a value or a mark.
    void drop() {
        if (!marks_.empty() && depth_ == marks_.back()) {
            marks_.pop_back();
        } else {
            pop();
        }
    }

    // ---- the memo

    void put(std::size_t index) {
        // Picklers number memo entries from 0 on, so an index is always below the number of values.
        if (index >= values_.size()) fail(fmt::format("memo entry {} is out of range", index));
        if (index >= memo_.size()) memo_.resize(std::max(index + 1, 2 * memo_.size()), kUnset);
        if (memo_[index] == kUnset) ++memoized_;
        memo_[index] = top();
    }
    /// MEMOIZE uses the number of entries as the index, even when a PUT has left out indices before.
    void put_next() { put(memoized_); }

    void get(std::size_t index) {
        if (index >= memo_.size() || memo_[index] == kUnset) fail(fmt::format("there is no memo entry {}", index));
        push(memo_[index]);
    }

    // ---- containers

    /// Adds to the List or Set on top.
    template <class Container>
    void append(std::span<const Ref> items) {
        auto& into = contents<Container>(top()).items;
        into.insert(into.end(), items.begin(), items.end());
    }

    /// Adds keys and values in turn to the Dict on top.
    void set_items(std::span<const Ref> items) {
        check_pairs(items);
        add_pairs(contents<Dict>(top()), items);
    }

    void push_list(std::span<const Ref> items) { push(List{{items.begin(), items.end()}}); }
    void push_set(std::span<const Ref> items) { push(Set{{items.begin(), items.end()}}); }
    void push_dict(std::span<const Ref> items) {
        check_pairs(items);
        Dict dict;
        add_pairs(dict, items);
        push(std::move(dict));
    }

    // ---- classes, functions and what is made with them

    void push_global(Ref module, Ref name) {
        for (const Ref part : {module, name}) {
            if (!std::holds_alternative<Text>(values_[part])) fail("the name of a class or function is no text");
        }
        push(Global{module, name});
    }
    void push_global_of_lines() {
        const Ref module = add(Text{line()});
        push_global(module, add(Text{line()}));
    }
    void push_global_of_stack() {
        const std::span<const Ref> names = pop_count(2);
        push_global(names[0], names[1]);
    }

    void push_call() {
        const std::span<const Ref> from = pop_count(2);
        close(from[1]);
        push(Made{.callee = from[0], .args = from[1], .is_object = false});
    }
    void push_object(bool with_kwargs) {
        const std::span<const Ref> from = pop_count(with_kwargs ? 3 : 2);
        if (with_kwargs && !std::holds_alternative<Dict>(values_[from[2]])) fail("keyword arguments are no dictionary");
        close(from[1]);
        if (with_kwargs) close(from[2]);
        push(Made{.callee = from[0], .args = from[1], .kwargs = with_kwargs ? from[2] : kNone, .is_object = true});
    }
    void push_persistent() {
        const Ref id = pop();
        close(id);
        push(Persistent{id});
    }

    /// In Python the object copies its attributes from the state now: later changes of the state do not reach it. Here
    /// the state is only referred to, so it may not change any more.
    void build() {
        const Ref state = pop();
        auto* made = std::get_if<Made>(&values_[top()]);
        if (made == nullptr) fail("a state for a value that is no object");
        if (made->state != kNone) fail("a second state for an object");
        made->state = state;
        close_alone(state);
        if (const auto* parts = std::get_if<Tuple>(&values_[state])) {
            for (const Ref part : parts->items) close_alone(part);
        }
    }

private:
    /// The most values that a pickle may have: over ten times what a file of today's largest mixture-of-experts
    /// checkpoints needs, and at most one for two bytes. Real pickles take more bytes a value: most values are followed
    /// by a memo number.
    static constexpr std::size_t kMaxValues = 1 << 25, kFewValues = 4096;
    static constexpr unsigned kHighestProtocol = 5;
    static constexpr Ref kTrue = 1, kFalse = 2, kEmptyTuple = 3, kUnset = std::numeric_limits<Ref>::max();

    std::string described(const std::string& what) const {
        const std::string opcode = opcode_.empty() ? "" : fmt::format(" ({})", opcode_);
        return fmt::format("damaged pickle: byte {}{}: {}", at_, opcode, what);
    }

    void check_pairs(std::span<const Ref> items) const {
        if (items.size() % 2 != 0) fail("a key without a value");
    }

    static void add_pairs(Dict& dict, std::span<const Ref> items) {
        const std::size_t before = dict.items.size();
        dict.items.resize(before + items.size() / 2);
        for (std::size_t i = 0; i < items.size(); i += 2) dict.items[before + i / 2] = {items[i], items[i + 1]};
    }

    std::span<const Ref> pop_from(std::size_t begin) {
        return std::span(stack_).subspan(begin, std::exchange(depth_, begin) - begin);
    }

    /// Below this depth values belong to what was begun before the last mark.
    std::size_t lowest() const { return marks_.empty() ? 0 : marks_.back(); }

    Ref add(Value&& value) {
        if (values_.size() == most_values_) fail(fmt::format("more than {} values", most_values_));
        values_.push_back(std::move(value));
        closed_.push_back(false);
        return static_cast<Ref>(values_.size() - 1);
    }

    /// Python reads an argument when the call is made; here calls are read after the whole pickle. So a container that
    /// was used as an argument, and all that is in it, may not change any more.
    void close(Ref ref) {
        pending_.assign(1, ref);
        while (!pending_.empty()) {
            const Ref next = pending_.back();
            pending_.pop_back();
            if (closed_[next]) continue;
            closed_[next] = true;
            std::visit([&](const auto& value) { append_parts(pending_, value); }, values_[next]);
        }
    }
    void close_alone(Ref ref) { closed_[ref] = true; }

    template <class T>
    static void append_parts(std::vector<Ref>& parts, const T& value) {
        if constexpr (std::is_same_v<T, Dict>) {
            for (const auto& [key, item] : value.items) parts.insert(parts.end(), {key, item});
        } else if constexpr (std::is_same_v<T, Made>) {
            if (value.contents != kNone) parts.push_back(value.contents);
        } else if constexpr (requires { value.items; }) {
            parts.insert(parts.end(), value.items.begin(), value.items.end());
        }
    }

    /// The container that items are added to: the value itself or, for a Made, its contents, which are made if there
    /// are none.
    template <class Container>
    Container& contents(Ref ref) {
        if (closed_[ref]) fail("items are put into a value after it was used as an argument or a state");
        if (const auto* made = std::get_if<Made>(&values_[ref])) {
            Ref inside = made->contents;
            if (inside == kNone) {
                inside = add(Container{});
                std::get<Made>(values_[ref]).contents = inside;
            }
            ref = inside;
        }
        auto* container = std::get_if<Container>(&values_[ref]);
        if (container == nullptr) fail("items are put into a value that cannot hold them");
        return *container;
    }

    std::unique_ptr<const std::string> bytes_;
    std::unique_ptr<std::pmr::monotonic_buffer_resource> tuples_;
    std::size_t at_ = 0;
    std::string_view opcode_;  ///< the name of the one that runs
    std::size_t most_values_;
    std::vector<Value> values_;
    std::vector<bool> closed_;  ///< of each value
    std::vector<Ref> stack_;    ///< values above `depth_` were popped
    std::size_t depth_ = 0;
    std::vector<std::size_t> marks_;  ///< depths
    std::vector<Ref> pending_;        ///< what `close` has yet to look at
    std::vector<Ref> memo_;
    std::size_t memoized_ = 0;  ///< entries of the memo that are set
    std::array<Ref, 1024> small_integers_{};
};

}  // namespace unshard::torch
