#include "copy/sources.hpp"

#include "report/text.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

namespace unshard {

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // when refused, opening too many files says so
}

void Sources::open(std::uint32_t number) {
    if (files_[number]) return;
    const SourceFile& expected = index_.files[number];
    auto file = std::make_unique<InputFile>(expected.path);
    if (file->bytes() != expected.bytes) {
        throw Error(fmt::format("{}: had {} bytes when it was indexed, has {} now: it is being written", expected.path,
                                grouped(expected.bytes), grouped(file->bytes())));
    }
    files_[number] = std::move(file);
}

void Sources::open(const Plan& plan) {
    raise_descriptor_limit();
    for (const PlannedTensor& tensor : plan.tensors) {
        for (const Copy& copy : tensor.copies) open(index_.tensors[copy.tensor].shards[copy.shard].file);
        for (const Copy& copy : tensor.replicas) open(index_.tensors[copy.tensor].shards[copy.shard].file);
    }
}

}  // namespace unshard
