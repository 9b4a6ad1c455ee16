#include "formats/torch/pickle.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/pickle_builder.hpp"

#include <cmath>

using namespace unshard;
using namespace unshard::test;
using torch::parse_pickle;
using torch::Pickle;
using torch::Ref;

namespace {

/// Prints a value much as Python would; for small values without cycles.
class Printer {
public:
    explicit Printer(const Pickle& pickle) : pickle_(pickle) {}

    std::string print(Ref ref) const {
        return std::visit([&](const auto& value) { return text(value); }, pickle_.values[ref]);
    }

private:
    static std::string text(const torch::None&) { return "None"; }
    static std::string text(bool value) { return value ? "True" : "False"; }
    static std::string text(std::int64_t value) { return std::to_string(value); }
    static std::string text(double value) { return std::to_string(value); }
    static std::string text(const torch::BigInteger&) { return "big"; }
    static std::string text(const torch::Text& value) { return "'" + std::string(value.value) + "'"; }
    static std::string text(const torch::Bytes& value) { return "b'" + std::string(value.value) + "'"; }
    std::string text(const torch::Tuple& value) const { return "(" + items(value.items) + ")"; }
    std::string text(const torch::List& value) const { return "[" + items(value.items) + "]"; }
    std::string text(const torch::Set& value) const { return "{" + items(value.items) + "}"; }
    std::string text(const torch::Dict& value) const {
        std::string all;
        for (const auto& [key, item] : value.items) all += (all.empty() ? "" : ", ") + print(key) + ": " + print(item);
        return "{" + all + "}";
    }
    std::string text(const torch::Global& value) const { return print(value.module) + "." + print(value.name); }
    std::string text(const torch::Made& value) const {
        std::string all = (value.is_object ? "new " : "") + print(value.callee) + print(value.args);
        for (const Ref more : {value.kwargs, value.state, value.contents}) all += more == 0 ? "" : " " + print(more);
        return all;
    }
    std::string text(const torch::Persistent& value) const { return "<" + print(value.id) + ">"; }

    std::string items(std::span<const Ref> refs) const {
        std::string all;
        for (const Ref ref : refs) all += (all.empty() ? "" : ", ") + print(ref);
        return all;
    }

    const Pickle& pickle_;
};

std::string printed(const std::string& code) {
    const Pickle pickle = parse_pickle(code + ".");
    return Printer(pickle).print(pickle.root);
}

std::string pickle_error(const std::string& code) {
    return error_of([&] { parse_pickle(code); });
}

}  // namespace

TEST_CASE("scalars of every opcode") {
    CHECK(printed("N") == "None");
    CHECK(printed("\x88") == "True");
    CHECK(printed("\x89") == "False");
    CHECK(printed("K\xff") == "255");
    CHECK(printed("M\xff\xff") == "65535");
    CHECK(printed("J\xfe\xff\xff\xff") == "-2");
    CHECK(printed("G" + std::string("\x40\x04\0\0\0\0\0\0", 8)) == "2.500000");
    CHECK(printed("X" + le(2, 4) + "ab") == "'ab'");
    CHECK(printed("\x8c\x02"
                  "ab") == "'ab'");
    CHECK(printed("\x8d" + le(2, 8) + "ab") == "'ab'");
    CHECK(printed("U\x02"
                  "ab") == "'ab'");
    CHECK(printed("T" + le(2, 4) + "ab") == "'ab'");
    CHECK(printed("C\x02"
                  "ab") == "b'ab'");
    CHECK(printed("B" + le(2, 4) + "ab") == "b'ab'");
    CHECK(printed("\x8e" + le(2, 8) + "ab") == "b'ab'");
    CHECK(printed("\x96" + le(2, 8) + "ab") == "b'ab'");
}

TEST_CASE("long integers are two's complement of any length") {
    CHECK(printed("\x8a" + le(0, 1)) == "0");
    CHECK(printed("\x8a\x01\xff") == "-1");
    CHECK(printed("\x8a\x02\xff" + le(0, 1)) == "255");
    CHECK(printed("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f") == "9223372036854775807");
    CHECK(printed("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f" + le(0, 1)) == "9223372036854775807");
    CHECK(printed("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff" + le(0, 1)) == "big");
    CHECK(printed("\x8b" + le(1, 4) + "\x05") == "5");
}

TEST_CASE("containers of every opcode") {
    CHECK(printed(")") == "()");
    CHECK(printed("K\1\x85") == "(1)");
    CHECK(printed("K\1K\2\x86") == "(1, 2)");
    CHECK(printed("K\1K\2K\3\x87") == "(1, 2, 3)");
    CHECK(printed("(K\1K\2K\3K\4t") == "(1, 2, 3, 4)");
    CHECK(printed("]K\1a(K\2K\3e") == "[1, 2, 3]");
    CHECK(printed("(K\1K\2l") == "[1, 2]");
    CHECK(printed("}K\1K\2s(K\3K\4K\5K\6u") == "{1: 2, 3: 4, 5: 6}");
    CHECK(printed("(K\1K\2d") == "{1: 2}");
    CHECK(printed("\x8f(K\1\x90") == "{1}");
    CHECK(printed("(K\1K\2\x91") == "{1, 2}");
}

TEST_CASE("calls and objects are recorded, not made") {
    CHECK(printed("cos\nsystem\n(X" + le(2, 4) + "lstR") == "'os'.'system'('ls')");
    CHECK(printed("\x8c\x01m\x8c\x01n\x93)R") == "'m'.'n'()");
    CHECK(printed("cm\nC\n)\x81}K\1K\2sb") == "new 'm'.'C'() {1: 2}");
    CHECK(printed("cm\nC\n)}K\1K\2s\x92") == "new 'm'.'C'() {1: 2}");
    CHECK(printed("cm\nD\n)R(K\1K\2u") == "'m'.'D'() {1: 2}");
    CHECK(printed("cm\nL\n)RK\1a") == "'m'.'L'() [1]");
    CHECK(printed("(K\1K\2tQ") == "<(1, 2)>");
}

TEST_CASE("stack, memo and framing opcodes leave the values alone") {
    CHECK(printed("\x80\x05\x95" + le(3, 8) + "K\1") == "1");
    CHECK(printed("K\1q\2h\2\x86") == "(1, 1)");
    CHECK(printed("K\1r" + le(2, 4) + "j" + le(2, 4) + "\x86") == "(1, 1)");
    CHECK(printed("K\1\x94K\2\x94" + std::string("0h\1\x86")) == "(1, 2)");
    CHECK(printed("K\1"
                  "2\x86") == "(1, 1)");
    CHECK(printed("K\1K\2"
                  "0") == "1");
    CHECK(printed("K\1(0") == "1");
    CHECK(printed("K\1(K\2K\3"
                  "1") == "1");
}

TEST_CASE("a value may contain itself") {
    const Pickle pickle = parse_pickle("]q" + le(0, 1) + "h" + le(0, 1) + "a.");
    CHECK(std::get<torch::List>(pickle.values[pickle.root]).items == std::vector<Ref>{pickle.root});
}

TEST_CASE("what goes wrong in a pickle is said with byte and opcode") {
    CHECK(pickle_error("") == "damaged pickle: byte 0: 1 bytes are needed, 0 are left");
    CHECK(pickle_error("N") == "damaged pickle: byte 1: 1 bytes are needed, 0 are left");
    CHECK(pickle_error(".") == "damaged pickle: byte 1: the stack is empty");
    CHECK(pickle_error("i") == "damaged pickle: byte 1: opcode 105 is not supported");
    CHECK(pickle_error("\x80\x06") == "damaged pickle: byte 2 (PROTO): protocol 6 is not supported");
    CHECK(pickle_error("K\1\x86") == "damaged pickle: byte 3 (TUPLE2): the stack is empty");
    CHECK(pickle_error("K\1(\x85") == "damaged pickle: byte 4 (TUPLE1): the stack is empty");
    CHECK(pickle_error("t") == "damaged pickle: byte 1 (TUPLE): there is no mark");
    CHECK(pickle_error("X" + le(5, 4) + "ab") == "damaged pickle: byte 5 (BINUNICODE): 5 bytes are needed, 2 are left");
    CHECK(pickle_error("\x8d\xff\xff\xff\xff\xff\xff\xff\xff") ==
          "damaged pickle: byte 9 (BINUNICODE8): 18446744073709551615 bytes are needed, 0 are left");
    CHECK(pickle_error("cos") == "damaged pickle: byte 1 (GLOBAL): a line of text does not end");
    CHECK(pickle_error("K\1K\2\x93") ==
          "damaged pickle: byte 5 (STACK_GLOBAL): the name of a class or function is no text");
    CHECK(pickle_error("h\3") == "damaged pickle: byte 2 (BINGET): there is no memo entry 3");
    CHECK(pickle_error("Nr\xff\xff\xff\xff") ==
          "damaged pickle: byte 6 (LONG_BINPUT): memo entry 4294967295 is out of range");
    CHECK(pickle_error("](K\1u") == "damaged pickle: byte 5 (SETITEMS): a key without a value");
    CHECK(pickle_error("]K\1K\2s") ==
          "damaged pickle: byte 6 (SETITEM): items are put into a value that cannot hold them");
    CHECK(pickle_error(")K\1a") == "damaged pickle: byte 4 (APPEND): items are put into a value that cannot hold them");
    CHECK(pickle_error("K\1}b") == "damaged pickle: byte 4 (BUILD): a state for a value that is no object");
    CHECK(pickle_error("cm\nC\n)\x81K\1bK\2b") == "damaged pickle: byte 13 (BUILD): a second state for an object");
}

TEST_CASE("MEMOIZE numbers by how many entries there are") {
    // Entries 0 and 2 are set, so the next is 2 again.
    CHECK(printed("K\1q" + le(0, 1) + "0K\2q\2" + "0K\3\x94" + "0h\2") == "3");
}

TEST_CASE("a container that was used as an argument or a state changes no more") {
    const std::string list = "]q" + le(0, 1), call = "cm\nC\n", add = "h" + le(0, 1) + "K\1a0";
    const std::string why = "items are put into a value after it was used as an argument or a state";
    CHECK(pickle_error(call + list + "\x85R" + add).ends_with(why));
    CHECK(pickle_error(call + "]" + list + "a\x85\x81" + add).ends_with(why));
    CHECK(pickle_error(list + "\x85Q" + add).ends_with(why));
    CHECK(pickle_error(call + ")\x81}q" + le(0, 1) + "bh" + le(0, 1) + "K\1K\2s").ends_with(why));
    CHECK(pickle_error(call + ")\x81N}q" + le(0, 1) + "\x86" + "bh" + le(0, 1) + "K\1K\2s").ends_with(why));
    CHECK(pickle_error(call + "cm\nD\n)Rq" + le(0, 1) + "K\1K\2s\x85Rh" + le(0, 1) + "K\3K\4s").ends_with(why));
    // What lies in a state is the object's own afterwards, and may still grow.
    CHECK(printed(call + ")\x81}K\1" + list + "sbh" + le(0, 1) + "K\2a0") == "new 'm'.'C'() {1: [2]}");
}

TEST_CASE("texts are UTF-8, with half a surrogate pair where Python has one") {
    CHECK(printed("X" + le(5, 4) + "\xc3\xa9\xed\xa0\x80") == "'\xc3\xa9\xed\xa0\x80'");
    for (const std::string bad : {"\xff", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\x80", "a\xc3z"}) {
        CHECK(pickle_error("X" + le(bad.size(), 4) + bad).ends_with("(BINUNICODE): a text is not UTF-8"));
        CHECK(pickle_error("c" + bad + "\nn\n").ends_with("(GLOBAL): a text is not UTF-8"));
    }
}

TEST_CASE("what a pickler would not leave behind is refused") {
    CHECK(pickle_error("NN.") == "damaged pickle: byte 3: values are left on the stack at its end");
    CHECK(pickle_error("(N.") == "damaged pickle: byte 3: values are left on the stack at its end");
    CHECK(pickle_error("N.N") == "damaged pickle: byte 2: 1 bytes lie behind its end");
    CHECK(pickle_error("\x95" + le(9, 8) + "N.") ==
          "damaged pickle: byte 9 (FRAME): a frame of 9 bytes ends outside it");
    CHECK(pickle_error("cm\nC\n)N\x92") == "damaged pickle: byte 8 (NEWOBJ_EX): keyword arguments are no dictionary");
}

TEST_CASE("empty tuples cost nothing, and no pickle has more values than half its bytes and a few") {
    CHECK(parse_pickle("(" + std::string(100'000, ')') + "t.").values.size() == 5);
    CHECK(pickle_error("(" + std::string(10'000, ']') + "t.") ==
          "damaged pickle: byte 9095 (EMPTY_LIST): more than 9097 values");
    CHECK(parse_pickle("(" + std::string(4'000, ']') + "t.").values.size() == 4'005);
}

TEST_CASE("nesting a hundred thousand deep takes no stack") {
    const std::size_t depth = 100'000;
    std::string nested = "N";
    for (std::size_t i = 0; i < depth; ++i) nested += "\x85q" + le(0, 1);
    CHECK(parse_pickle(nested + ".").values.size() == 4 + depth);
    const Pickle lists = parse_pickle(std::string(depth, ']') + std::string(depth - 1, 'a') + ".");
    CHECK(lists.values.size() == 4 + depth);
}

TEST_CASE("a value that doubles itself through the memo stays as small as its pickle") {
    std::string bomb = "]q" + le(0, 1);
    for (unsigned i = 0; i < 200; ++i) bomb += "h" + le(i, 1) + "\x86q" + le(i + 1, 1);
    CHECK(parse_pickle(bomb + ".").values.size() == 4 + 201);
}
