// The pickle machine (CPython's Lib/pickletools.py describes each opcode), but it imports and calls nothing: a class or
// function stays a name, a call stays a record of its arguments.
//
// The opcodes are those that picklers write in protocols 2 to 5. Those of protocols 0 and 1 that spell numbers as text,
// the extension registry and out-of-band buffers are refused: neither torch.save nor the stdlib's pickler emits them.
//
// Values are kept in one array and refer to each other by index. So values can be shared, cycles do no harm, and
// neither this code nor a destructor recurses, however deep a hostile pickle nests.

#include "formats/torch/pickle.hpp"

#include "formats/torch/pickle_machine.hpp"

#include <fmt/format.h>

#include <array>

namespace unshard::torch {
namespace {

using M = PickleMachine;

constexpr unsigned char kStop = '.';

struct Opcode {
    unsigned char code;
    std::string_view name;
    void (*run)(M&);
};

constexpr Opcode kOpcodes[] = {
    // scalars
    {'N', "NONE", [](M& m) { m.push(kNone); }},
    {0x88, "NEWTRUE", [](M& m) { m.push_bool(true); }},
    {0x89, "NEWFALSE", [](M& m) { m.push_bool(false); }},
    {'J', "BININT", [](M& m) { m.push_integer(m.number<std::int32_t>()); }},
    {'K', "BININT1", [](M& m) { m.push_integer(m.number<std::uint8_t>()); }},
    {'M', "BININT2", [](M& m) { m.push_integer(m.number<std::uint16_t>()); }},
    {0x8a, "LONG1", [](M& m) { m.push_long(m.counted<std::uint8_t>()); }},
    {0x8b, "LONG4", [](M& m) { m.push_long(m.counted<std::uint32_t>()); }},
    {'G', "BINFLOAT", [](M& m) { m.push_big_endian_double(m.take(8)); }},
    {'U', "SHORT_BINSTRING", [](M& m) { m.push_text(m.counted<std::uint8_t>()); }},
    {'T', "BINSTRING", [](M& m) { m.push_text(m.counted<std::uint32_t>()); }},
    {0x8c, "SHORT_BINUNICODE", [](M& m) { m.push_text(m.counted<std::uint8_t>()); }},
    {'X', "BINUNICODE", [](M& m) { m.push_text(m.counted<std::uint32_t>()); }},
    {0x8d, "BINUNICODE8", [](M& m) { m.push_text(m.counted<std::uint64_t>()); }},
    {'C', "SHORT_BINBYTES", [](M& m) { m.push(Bytes{m.counted<std::uint8_t>()}); }},
    {'B', "BINBYTES", [](M& m) { m.push(Bytes{m.counted<std::uint32_t>()}); }},
    {0x8e, "BINBYTES8", [](M& m) { m.push(Bytes{m.counted<std::uint64_t>()}); }},
    {0x96, "BYTEARRAY8", [](M& m) { m.push(Bytes{m.counted<std::uint64_t>()}); }},
    // containers
    {')', "EMPTY_TUPLE", [](M& m) { m.push_tuple({}); }},
    {0x85, "TUPLE1", [](M& m) { m.push_tuple(m.pop_count(1)); }},
    {0x86, "TUPLE2", [](M& m) { m.push_tuple(m.pop_count(2)); }},
    {0x87, "TUPLE3", [](M& m) { m.push_tuple(m.pop_count(3)); }},
    {'t', "TUPLE", [](M& m) { m.push_tuple(m.pop_to_mark()); }},
    {']', "EMPTY_LIST", [](M& m) { m.push(List{}); }},
    {'l', "LIST", [](M& m) { m.push_list(m.pop_to_mark()); }},
    {0x8f, "EMPTY_SET", [](M& m) { m.push(Set{}); }},
    {0x91, "FROZENSET", [](M& m) { m.push_set(m.pop_to_mark()); }},
    {'}', "EMPTY_DICT", [](M& m) { m.push(Dict{}); }},
    {'d', "DICT", [](M& m) { m.push_dict(m.pop_to_mark()); }},
    {'a', "APPEND", [](M& m) { m.append<List>(m.pop_count(1)); }},
    {'e', "APPENDS", [](M& m) { m.append<List>(m.pop_to_mark()); }},
    {0x90, "ADDITEMS", [](M& m) { m.append<Set>(m.pop_to_mark()); }},
    {'s', "SETITEM", [](M& m) { m.set_items(m.pop_count(2)); }},
    {'u', "SETITEMS", [](M& m) { m.set_items(m.pop_to_mark()); }},
    // classes, functions and what is made with them
    {'c', "GLOBAL", [](M& m) { m.push_global_of_lines(); }},
    {0x93, "STACK_GLOBAL", [](M& m) { m.push_global_of_stack(); }},
    {'R', "REDUCE", [](M& m) { m.push_call(); }},
    {0x81, "NEWOBJ", [](M& m) { m.push_object(false); }},
    {0x92, "NEWOBJ_EX", [](M& m) { m.push_object(true); }},
    {'b', "BUILD", [](M& m) { m.build(); }},
    {'Q', "BINPERSID", [](M& m) { m.push_persistent(); }},
    // stack, memo and framing
    {'(', "MARK", [](M& m) { m.mark(); }},
    {'0', "POP", [](M& m) { m.drop(); }},
    {'1', "POP_MARK", [](M& m) { m.pop_to_mark(); }},
    {'2', "DUP", [](M& m) { m.push(m.top()); }},
    {'q', "BINPUT", [](M& m) { m.put(m.number<std::uint8_t>()); }},
    {'r', "LONG_BINPUT", [](M& m) { m.put(m.number<std::uint32_t>()); }},
    {0x94, "MEMOIZE", [](M& m) { m.put_next(); }},
    {'h', "BINGET", [](M& m) { m.get(m.number<std::uint8_t>()); }},
    {'j', "LONG_BINGET", [](M& m) { m.get(m.number<std::uint32_t>()); }},
    {0x80, "PROTO", [](M& m) { m.check_protocol(); }},
    {0x95, "FRAME", [](M& m) { m.check_frame(); }},
};

/// The table by code; null for what is not in it.
constexpr std::array<const Opcode*, 256> kByCode = [] {
    std::array<const Opcode*, 256> by_code{};
    for (const Opcode& opcode : kOpcodes) by_code[opcode.code] = &opcode;
    return by_code;
}();

void run(PickleMachine& machine) {
    for (unsigned char code = machine.next_code(); code != kStop; code = machine.next_code()) {
        const Opcode* opcode = kByCode[code];
        if (opcode == nullptr) machine.fail(fmt::format("opcode {} is not supported", code));
        machine.begin_opcode(opcode->name);
        opcode->run(machine);
    }
}

}  // namespace

Pickle parse_pickle(std::string bytes) {
    PickleMachine machine(std::move(bytes));
    run(machine);
    machine.check_at_end();
    return std::move(machine).finish();
}

LeadingPickle parse_leading_pickle(std::string bytes) {
    PickleMachine machine(std::move(bytes));
    run(machine);
    const std::size_t taken = machine.position();
    return {std::move(machine).finish(), taken};
}

}  // namespace unshard::torch
