// Nothing here shares code with what it tests: all indices are taken apart and put together one element at a time.

#include "random_model.hpp"

#include "temp_dir.hpp"

#include <algorithm>
#include <numeric>

namespace unshard::test {

std::string Random::bytes(std::uint64_t count) {
    std::string result;
    for (std::uint64_t i = 0; i < count; ++i) result += static_cast<char>(up_to(255));
    return result;
}

namespace {

/// Calls `visit(point)` for each point of a box of this extent, in row-major order.
template <class Visit>
void for_each_point(const Dims& extent, Visit visit) {
    if (extent.numel() == 0) return;
    Dims point = Dims::filled(extent.rank(), 0);
    while (true) {
        visit(point);
        std::size_t axis = extent.rank();
        while (axis > 0 && ++point[axis - 1] == extent[axis - 1]) point[--axis] = 0;
        if (axis == 0) return;
    }
}

std::uint64_t flat(const Dims& shape, const Dims& point) {
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < shape.rank(); ++i) result = result * shape[i] + point[i];
    return result;
}

std::vector<std::uint64_t> random_factors(Random& random) {
    std::vector<std::uint64_t> factors(random.up_to(4));
    for (std::uint64_t& f : factors) f = random.of<std::uint64_t>({1, 2, 2, 3, 4, 5, 7});
    if (!factors.empty() && random.one_in(25)) factors[random.up_to(factors.size() - 1)] = 0;
    return factors;
}

/// A view of the factors' product that joins neighbours at random, and how many factors each of its axes has.
struct View {
    Dims dims;
    std::vector<std::vector<std::uint64_t>> factors;
};

View random_view(Random& random, const std::vector<std::uint64_t>& factors) {
    View view;
    for (const std::uint64_t f : factors) {
        if (view.factors.empty() || random.one_in(2)) view.factors.emplace_back();
        view.factors.back().push_back(f);
        if (view.factors.size() < 4 && random.one_in(8)) view.factors.push_back({1});
    }
    for (const auto& group : view.factors) {
        view.dims.push_back(std::accumulate(group.begin(), group.end(), std::uint64_t{1}, std::multiplies<>()));
    }
    return view;
}

/// Boxes that partition the whole: cut at random, again and again.
std::vector<Box> random_partition(Random& random, const Dims& dims) {
    std::vector<Box> boxes = {Box::whole(dims)};
    if (dims.empty()) return boxes;
    for (std::uint64_t cuts = random.up_to(5); cuts > 0; --cuts) {
        Box& box = boxes[random.up_to(boxes.size() - 1)];
        const std::size_t axis = random.up_to(dims.rank() - 1);
        const std::uint64_t size = random.up_to(box.extent[axis]);
        Box rest = box;
        box.extent[axis] = size;
        rest.origin[axis] += size;
        rest.extent[axis] -= size;
        boxes.push_back(rest);
    }
    std::shuffle(boxes.begin(), boxes.end(), random.engine());
    return boxes;
}

/// Strides of a box whose axes lie in any order in memory, some with gaps.
Dims random_strides(Random& random, const Dims& extent) {
    std::vector<std::size_t> order(extent.rank());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (random.one_in(2)) std::shuffle(order.begin(), order.end(), random.engine());
    Dims strides = Dims::filled(extent.rank(), 0);
    std::uint64_t stride = 1;
    for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
        if (random.one_in(4)) stride *= 1 + random.up_to(2);
        strides[*axis] = stride;
        stride *= std::max<std::uint64_t>(extent[*axis], 1);
    }
    return strides;
}

/// A tensor of the model while it is made.
struct Whole {
    PlannedTensor planned;
    SourceTensor source;
    std::string truth;  ///< its elements in row-major order
};

/// Stores one box of the tensor in a random file and returns the copy that brings it back.
Copy store(Random& random, RandomModel& model, Whole& whole, const Box& box) {
    const std::uint64_t elem = size_of(whole.planned.dtype);
    Copy copy;
    copy.tensor = static_cast<std::uint32_t>(model.index.tensors.size());
    copy.shard = static_cast<std::uint32_t>(whole.source.shards.size());
    copy.first = random.up_to(3);
    copy.stride = random_strides(random, box.extent);
    copy.box = box;
    std::uint64_t last = copy.first;
    for (std::size_t i = 0; i < box.extent.rank(); ++i) {
        if (box.extent.numel() != 0) last += (box.extent[i] - 1) * copy.stride[i];
    }
    std::string storage = random.bytes((last + 1 + random.up_to(2)) * elem);
    for_each_point(box.extent, [&](const Dims& point) {
        Dims at = point;
        std::uint64_t source = copy.first;
        for (std::size_t i = 0; i < point.rank(); ++i) {
            at[i] += box.origin[i];
            source += point[i] * copy.stride[i];
        }
        storage.replace(source * elem, elem, whole.truth, flat(whole.planned.view, at) * elem, elem);
    });
    const auto file = static_cast<std::uint32_t>(random.up_to(model.files.size() - 1));
    model.files[file] += random.bytes(random.up_to(9));
    Shard shard;
    shard.file = file;
    shard.offset = model.files[file].size();
    shard.bytes = storage.size();
    shard.first = copy.first;
    shard.spec = ShardSpec{.shape = box.extent, .stride = copy.stride};
    shard.rank = static_cast<std::uint32_t>(random.up_to(model.index.ranks - 1));
    whole.source.shards.push_back(shard);
    model.files[file] += storage;
    return copy;
}

/// A part of a view that is a box in any finer view made of the same factors: whole inner factors.
Box random_box(Random& random, const View& view) {
    Box box = Box::whole(view.dims);
    for (std::size_t axis = 0; axis < view.dims.rank(); ++axis) {
        const std::uint64_t head = view.factors[axis].front();
        if (head == 0 || random.one_in(2)) continue;
        const std::uint64_t inner = view.dims[axis] / head;
        const std::uint64_t begin = random.up_to(head);
        box.origin[axis] = begin * inner;
        box.extent[axis] = random.up_to(head - begin) * inner;
    }
    return box;
}

Placed random_placed(Random& random, const View& view) {
    Placed placed;
    placed.view = view.dims;
    placed.box = random.one_in(2) ? Box::whole(view.dims) : random_box(random, view);
    if (!random.one_in(2)) return placed;
    placed.axes.resize(view.dims.rank());
    std::iota(placed.axes.begin(), placed.axes.end(), 0U);
    std::shuffle(placed.axes.begin(), placed.axes.end(), random.engine());
    return placed;
}

/// The bytes that a placement writes. bf16 may be stored as f32: the same bits above 16 zero bits.
std::string written(const Whole& whole, const Placed& placed, bool widened) {
    const std::uint64_t elem = size_of(whole.planned.dtype);
    Dims extent;
    for (std::size_t i = 0; i < placed.view.rank(); ++i) {
        extent.push_back(placed.box.extent[placed.axes.empty() ? i : placed.axes[i]]);
    }
    std::string bytes;
    for_each_point(extent, [&](const Dims& point) {
        Dims at = placed.box.origin;
        for (std::size_t i = 0; i < point.rank(); ++i) at[placed.axes.empty() ? i : placed.axes[i]] += point[i];
        if (widened) bytes.append(2, '\0');
        bytes.append(whole.truth, flat(placed.view, at) * elem, elem);
    });
    return bytes;
}

void add_literal(Random& random, RandomModel& model) {
    Literal literal;
    literal.offset = model.expected.size();
    literal.bytes = random.bytes(random.up_to(20));
    model.expected += literal.bytes;
    model.layout.literals.push_back(literal);
}

void add_tensor(Random& random, RandomModel& model) {
    static const std::vector<DType> kTypes = {DType::u8, DType::bf16, DType::f32, DType::i64, DType::c64, DType::f16};
    const std::vector<std::uint64_t> factors = random_factors(random);
    Whole whole;
    whole.planned.name = whole.source.name = "t" + std::to_string(model.plan.tensors.size());
    whole.planned.dtype = whole.source.dtype = random.of(kTypes);
    whole.planned.shape = random_view(random, factors).dims;
    whole.planned.view = random_view(random, factors).dims;
    whole.planned.replicas_stated = random.one_in(2);
    whole.truth = random.bytes(whole.planned.shape.numel() * size_of(whole.planned.dtype));
    for (const Box& box : random_partition(random, whole.planned.view)) {
        whole.planned.copies.push_back(store(random, model, whole, box));
        if (random.one_in(4)) whole.planned.replicas.push_back(store(random, model, whole, box));
    }
    for (std::uint64_t n = 1 + random.up_to(1); n > 0; --n) {
        add_literal(random, model);
        Placed placed = random_placed(random, random_view(random, factors));
        const bool widened = whole.planned.dtype == DType::bf16 && random.one_in(2);
        placed.tensor = static_cast<std::uint32_t>(model.plan.tensors.size());
        placed.offset = model.expected.size();
        placed.encoding = static_cast<std::uint32_t>(widened ? DType::f32 : whole.planned.dtype);
        model.expected += written(whole, placed, widened);
        model.layout.placed.push_back(placed);
    }
    model.index.tensors.push_back(std::move(whole.source));
    model.plan.tensors.push_back(std::move(whole.planned));
}

}  // namespace

RandomModel::RandomModel(Random& random, std::size_t tensors, const std::string& directory) {
    index.ranks = 1 + random.up_to(7);
    files.resize(1 + random.up_to(2));
    for (const DTypeInfo& d : kDTypes) layout.encodings.push_back(encoding_of(d.dtype));
    for (std::size_t i = 0; i < tensors; ++i) add_tensor(random, *this);
    add_literal(random, *this);
    layout.files.push_back({"model.bin", expected.size()});
    for (std::size_t i = 0; i < files.size(); ++i) {
        index.files.push_back({directory + "/rank" + std::to_string(i), files[i].size()});
    }
}

void RandomModel::write_files() const {
    for (std::size_t i = 0; i < files.size(); ++i) write_file(index.files[i].path, files[i]);
}

}  // namespace unshard::test
