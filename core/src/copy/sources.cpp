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

Sources::Sources(const CheckpointIndex& index, const Plan& plan) : files_(index.files.size()) {
    raise_descriptor_limit();
    const auto open = [&](const Copy& copy) {
        const std::uint32_t number = index.tensors[copy.tensor].shards[copy.shard].file;
        if (files_[number]) return;
        const SourceFile& expected = index.files[number];
        auto file = std::make_unique<InputFile>(expected.path);
        if (file->bytes() != expected.bytes) {
            throw Error(fmt::format("{}: had {} bytes when it was indexed, has {} now: it is being written",
                                    expected.path, grouped(expected.bytes), grouped(file->bytes())));
        }
        files_[number] = std::move(file);
    };
    for (const PlannedTensor& tensor : plan.tensors) {
        for (const Copy& copy : tensor.copies) open(copy);
        for (const Copy& copy : tensor.replicas) open(copy);
    }
}

}  // namespace unshard
