// The plan as records, both ways.
#pragma once

#include "unshard/plan.hpp"
#include "unshard/records.hpp"

namespace unshard::abi {

inline unshard_copy record(const Copy& c) {
    return {c.tensor, c.shard, c.first, record(c.stride), record(c.box)};
}
inline Copy value(const unshard_copy& r) {
    return {r.tensor, r.shard, r.first, value(r.stride), value(r.box)};
}

/// What a writer gets to know of a tensor.
inline unshard_planned_tensor record_without_copies(const PlannedTensor& t) {
    unshard_planned_tensor r{};
    r.name = text(t.name);
    r.dtype = static_cast<std::uint32_t>(t.dtype);
    r.replicas_stated = t.replicas_stated;
    r.shape = record(t.shape);
    r.view = record(t.view);
    r.is_sum = t.is_sum;
    r.divisor = t.divisor;
    return r;
}
inline unshard_planned_tensor record(Records& own, const PlannedTensor& t) {
    unshard_planned_tensor r = record_without_copies(t);
    r.copies = own.array(t.copies, [](const Copy& c) { return record(c); });
    r.replicas = own.array(t.replicas, [](const Copy& c) { return record(c); });
    return r;
}

/// `APlan` is Plan, whose tensors are emptied once they were handed over, or const Plan.
template <class APlan>
    requires std::is_same_v<std::remove_const_t<APlan>, Plan>
unshard_plan record(Records& own, APlan& plan) {
    return {own.stream(plan.tensors, [](Records& of, const PlannedTensor& t) { return record(of, t); }),
            records(own, plan.dropped), own.strings(plan.warnings)};
}
inline unshard_plan record_without_copies(Records& own, const Plan& plan) {
    return {own.stream(plan.tensors, [](Records&, const PlannedTensor& t) { return record_without_copies(t); }),
            records(own, plan.dropped), own.strings(plan.warnings)};
}

inline PlannedTensor value(const unshard_planned_tensor& r) {
    const auto copies = [](const unshard_array& list) {
        return values<unshard_copy>(list, [](const unshard_copy& c) { return value(c); });
    };
    return {text(r.name),       dtype(r.dtype),         value(r.shape), value(r.view), copies(r.copies),
            copies(r.replicas), r.replicas_stated != 0, r.is_sum != 0,  r.divisor};
}

inline Plan value(const unshard_plan& r) {
    Plan plan{{}, dropped(r.dropped), strings(r.warnings)};
    for_each<unshard_planned_tensor>(r.tensors,
                                     [&](const unshard_planned_tensor& t) { plan.tensors.push_back(value(t)); });
    return plan;
}

}  // namespace unshard::abi
