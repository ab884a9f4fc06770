// Close pairs among many convex hulls.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "arrays.hpp"
#include "isotopy/hulls.hpp"
#include "isotopy/meets.hpp"

namespace bindings {

namespace {

using Matrix = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

isotopy::Hulls hulls(const Matrix& values, const Matrix& errors, const Integers& offsets, const Integers& nodes, const Integers& labels) {
    if (values.shape(0) != errors.shape(0) || values.shape(1) != errors.shape(1)) throw std::invalid_argument("values and errors must have the same shape");
    return {{values.data(), values.size()}, {errors.data(), errors.size()}, values.shape(1), {offsets.data(), offsets.size()}, {nodes.data(), nodes.size()}, {labels.data(), labels.size()}};
}

}  // namespace

void bind_hulls(nb::module_& m) {
    m.def("close_pairs", [](const Matrix& values, const Matrix& errors, const Integers& offsets, const Integers& nodes, const Integers& labels, std::size_t bytes) {
        isotopy::Hulls all = hulls(values, errors, offsets, nodes, labels);
        std::vector<std::int64_t> flat;
        run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) {
            for (const auto& [a, b] : all.pairs(bytes, stop)) flat.push_back(a), flat.push_back(b);
        });
        return to_numpy(std::move(flat));
    }, nb::arg("values"), nb::arg("errors"), nb::arg("offsets"), nb::arg("nodes"), nb::arg("labels"), nb::arg("memory"),
       "Pairs of hulls that are not certainly apart, one after the other.");
    m.def("meets", [](const Matrix& values, const Matrix& errors, const Integers& offsets, const Integers& nodes, const Integers& labels, const Integers& pairs, bool positive) {
        if (values.shape(0) != errors.shape(0) || values.shape(1) != errors.shape(1)) throw std::invalid_argument("values and errors must have the same shape");
        isotopy::Meets meets({values.data(), values.size()}, {errors.data(), errors.size()}, values.shape(1), {offsets.data(), offsets.size()}, {nodes.data(), nodes.size()}, {labels.data(), labels.size()}, positive);
        std::vector<std::int64_t> found, crossings;
        std::vector<double> places, doubts;
        const auto count = static_cast<std::int64_t>(labels.size());
        if (std::any_of(pairs.data(), pairs.data() + pairs.size(), [&](std::int64_t i) { return i < 0 || i >= count; })) throw std::invalid_argument("pairs are out of range");
        run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) {
            for (std::size_t k = 0; k + 1 < pairs.size(); k += 2) {
                if ((k & 255u) == 0) stop.check();
                const auto meet = meets(static_cast<std::size_t>(pairs(k)), static_cast<std::size_t>(pairs(k + 1)));
                found.insert(found.end(), {static_cast<std::int64_t>(meet.status), meet.ends[0], meet.ends[1]});
            }
            places.resize(meets.crossings().size() * values.shape(1)), doubts.resize(places.size());
            for (std::size_t k = 0; k < meets.crossings().size(); ++k) {
                const auto& at = meets.crossings()[k];
                crossings.insert(crossings.end(), {at.u, at.v, at.w, at.z});
                meets.place(k, places.data() + k * values.shape(1), doubts.data() + k * values.shape(1));
            }
        });
        return nb::make_tuple(to_numpy(std::move(found)), to_numpy(std::move(crossings)), to_numpy(std::move(places)), to_numpy(std::move(doubts)));
    }, nb::arg("values"), nb::arg("errors"), nb::arg("offsets"), nb::arg("nodes"), nb::arg("labels"), nb::arg("pairs"), nb::arg("positive"),
       "What each pair of hulls has in common: (-1 open, 0 nothing, 1 a point, 2 a segment; its ends); crossings (u, v, w, z), their places and errors.");
    m.def("touching", [](const Matrix& values, const Matrix& errors, const Integers& labels) {
        std::vector<std::int64_t> offsets(values.shape(0) + 1);
        for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] = static_cast<std::int64_t>(i);
        const std::vector<std::int64_t> nodes(offsets.begin(), offsets.end() - 1);
        if (values.shape(0) != errors.shape(0) || values.shape(1) != errors.shape(1)) throw std::invalid_argument("values and errors must have the same shape");
        isotopy::Hulls all({values.data(), values.size()}, {errors.data(), errors.size()}, values.shape(1), offsets, nodes, {labels.data(), labels.size()});
        std::vector<std::uint8_t> found;
        run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) { found = all.touching(stop); });
        return to_numpy(std::move(found));
    }, nb::arg("values"), nb::arg("errors"), nb::arg("labels"), "Whether each point may be equal to another of a different label.");
}

}  // namespace bindings
