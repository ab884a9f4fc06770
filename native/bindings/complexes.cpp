// Functions on simplicial complexes, and matchings of diagrams.
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "isotopy/lower_star.hpp"
#include "isotopy/matching.hpp"

namespace bindings {

namespace {

// A complex by dimension: vertices (cells, k+1) and rows of facets (cells, k+1) below; and functions on it, (samples, numbers).
isotopy::StarComplex star_complex(const std::vector<Integers>& vertices, const std::vector<Integers>& facets, std::size_t numbers) {
    isotopy::StarComplex complex;
    if (vertices.size() != facets.size()) throw std::invalid_argument("vertices and facets must have the same dimensions");
    for (std::size_t k = 0; k < vertices.size(); ++k) {
        const std::span<const std::int64_t> cells(vertices[k].data(), vertices[k].shape(0)), faces(facets[k].data(), facets[k].shape(0));
        const std::size_t bound = k == 0 ? 0 : vertices[k - 1].shape(0) / k;
        const auto outside = [](std::span<const std::int64_t> entries, std::size_t end) {
            return std::any_of(entries.begin(), entries.end(), [&](std::int64_t entry) { return entry < 0 || static_cast<std::size_t>(entry) >= end; });
        };
        if (cells.size() % (k + 1) != 0 || faces.size() != (k == 0 ? 0 : cells.size())) throw std::invalid_argument("cells have the wrong size");
        if (outside(cells, numbers) || outside(faces, bound)) throw std::invalid_argument("cells are out of range");
        if (cells.size() >= isotopy::no_place) throw std::invalid_argument("the complex is too large");
        complex.vertices.push_back(cells);
        complex.facets.push_back(faces);
    }
    return complex;
}

nb::dict lower_star(Doubles values, std::size_t samples, const std::vector<Integers>& vertices, const std::vector<Integers>& facets, bool superlevel,
                    std::size_t max_degree, std::uint32_t modulus, bool keep_zero, std::size_t threads) {
    const std::size_t numbers = samples == 0 ? 0 : values.shape(0) / samples;
    if (values.shape(0) != samples * numbers) throw std::invalid_argument("values do not fill the samples");
    if (samples == 0) return gather({});
    const isotopy::StarComplex complex = star_complex(vertices, facets, numbers);
    const isotopy::StarOptions options{superlevel, max_degree, modulus, keep_zero};
    std::vector<isotopy::Pairing> pairings(samples);
    std::size_t cells = 0;
    for (std::size_t k = 0; k < complex.dimensions(); ++k) cells += complex.cells(k);
    run(samples, threads, samples * cells < 10000, [&](std::size_t sample, const isotopy::Stop& stop) {
        pairings[sample] = isotopy::lower_star_persistence(complex, {values.data() + sample * numbers, numbers}, options, stop);
    });
    return gather(std::move(pairings));
}

nb::dict lower_star_cycles(Doubles values, std::size_t samples, const std::vector<Integers>& vertices, const std::vector<Integers>& facets, bool superlevel,
                           std::uint32_t modulus, Integers counts, Integers births, std::size_t threads) {
    const std::size_t numbers = samples == 0 ? 0 : values.shape(0) / samples;
    if (values.shape(0) != samples * numbers) throw std::invalid_argument("values do not fill the samples");
    const auto edges = births_of(counts, births, std::vector<std::size_t>(samples, numbers));
    const isotopy::StarComplex complex = star_complex(vertices, facets, numbers);
    const isotopy::StarOptions options{superlevel, 1, modulus, false};
    std::vector<isotopy::Cycles> found(samples);
    run(samples, threads, false, [&](std::size_t sample, const isotopy::Stop& stop) {
        found[sample] = isotopy::lower_star_cycles(complex, {values.data() + sample * numbers, numbers}, options, edges[sample], stop);
    });
    return gather_cycles(std::move(found));
}

std::vector<std::span<const isotopy::DiagramPoint>> diagrams(const Doubles& points, const Integers& sizes) {
    static_assert(sizeof(isotopy::DiagramPoint) == 2 * sizeof(double));
    const auto* first = reinterpret_cast<const isotopy::DiagramPoint*>(points.data());
    std::vector<std::span<const isotopy::DiagramPoint>> parts;
    std::size_t start = 0;
    for (std::size_t sample = 0; sample < sizes.shape(0); ++sample) {
        const auto size = static_cast<std::size_t>(sizes(sample));
        if (sizes(sample) < 0 || size > points.shape(0) / 2 - start) throw std::invalid_argument("points are fewer than sizes say");
        if (size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) throw std::invalid_argument("a diagram is too large");
        parts.emplace_back(first + start, size);
        start += size;
    }
    return parts;
}

// Optimal matchings of a batch of pairs of diagrams (points one after the other, birth and death). A finite order: for every
// point of the first its partner in the second, counted within the sample, or -1. An infinite one: two numbers per sample, the
// pair that is farthest apart. With it, per sample, whether more than `most` pairs would have to be held.
nb::tuple match(Doubles a, Integers a_sizes, Doubles b, Integers b_sizes, double order, double ground, std::size_t most, std::size_t threads) {
    const auto first = diagrams(a, a_sizes), second = diagrams(b, b_sizes);
    if (first.size() != second.size()) throw std::invalid_argument("both sides must have as many diagrams");
    const isotopy::GroundNorm norm(ground, order);
    const bool bottleneck = std::isinf(order);
    std::vector<std::size_t> start(first.size() + 1, 0);
    double operations = 0;
    for (std::size_t sample = 0; sample < first.size(); ++sample) {
        start[sample + 1] = start[sample] + (bottleneck ? 2 : first[sample].size());
        operations += static_cast<double>(first[sample].size()) * static_cast<double>(second[sample].size());
    }
    std::vector<std::int64_t> found(start.back());
    std::vector<std::int64_t> over(first.size(), 0);
    run(first.size(), threads, operations < 1e5, [&](std::size_t sample, const isotopy::Stop& stop) {
        std::int64_t* out = found.data() + start[sample];
        if (bottleneck) {
            std::tie(out[0], out[1]) = isotopy::Bottleneck(first[sample], second[sample], norm, stop).critical();
            return;
        }
        bool too_many = false;
        const auto partners = isotopy::wasserstein_matching(first[sample], second[sample], norm, most, too_many, stop);
        std::copy(partners.begin(), partners.end(), out);
        over[sample] = too_many ? 1 : 0;
    });
    return nb::make_tuple(to_numpy(std::move(found)), to_numpy(std::move(over)));
}

}  // namespace

void bind_complexes(nb::module_& m) {
    m.def("lower_star", &lower_star, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("vertices"), nb::arg("facets"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on one simplicial complex.");
    m.def("lower_star_cycles", &lower_star_cycles, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("vertices"), nb::arg("facets"),
          nb::arg("superlevel"), nb::arg("modulus"), nb::arg("counts").noconvert(), nb::arg("births").noconvert(), nb::arg("threads"),
          "Cycles that represent classes of degree 1 of lower-star filtrations.");
    m.def("match", &match, nb::arg("a").noconvert(), nb::arg("a_sizes").noconvert(), nb::arg("b").noconvert(), nb::arg("b_sizes").noconvert(),
          nb::arg("order"), nb::arg("ground"), nb::arg("most"), nb::arg("threads"), "Optimal matchings of a batch of pairs of diagrams.");
}

}  // namespace bindings
