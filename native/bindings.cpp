// The only file that knows Python: each binding checks, releases the GIL and calls a kernel of include/isotopy.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <tuple>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "isotopy/cohomology.hpp"
#include "isotopy/delaunay.hpp"
#include "isotopy/field.hpp"
#include "isotopy/image.hpp"
#include "isotopy/lower_star.hpp"
#include "isotopy/matching.hpp"
#include "isotopy/metric.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rank.hpp"
#include "isotopy/rank_graph.hpp"
#include "isotopy/representatives.hpp"
#include "isotopy/rips.hpp"
#include "isotopy/signal.hpp"
#include "isotopy/volume.hpp"

namespace nb = nanobind;

namespace {

using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class Number>
auto to_numpy(std::vector<Number>&& values) {
    auto* kept = new std::vector<Number>(std::move(values));
    nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<Number>*>(pointer); });
    return nb::ndarray<nb::numpy, Number, nb::ndim<1>>(kept->data(), {kept->size()}, owner);
}

// Runs work(sample, stop) for every sample without the GIL. Ctrl-C is looked at while the workers run, and stops them.
template <class Work>
void run(std::size_t samples, std::size_t threads, bool short_work, const Work& work) {
    bool interrupted = false;
    {
        nb::gil_scoped_release release;
        const auto poll = [&] {
            nb::gil_scoped_acquire acquire;
            interrupted = interrupted || PyErr_CheckSignals() != 0;
            return interrupted;
        };
        try {
            isotopy::parallel_for(samples, threads, short_work, work, poll);
        } catch (const isotopy::Cancelled&) {
            if (!interrupted) throw;
        }
    }
    if (interrupted) throw nb::python_error();
}

// One flat table for the batch, samples in order, whatever thread did which.
nb::dict gather(std::vector<isotopy::Pairing>&& pairings) {
    isotopy::Pairing all;
    std::vector<std::int64_t> sample, essential;
    const auto append = [](std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from) {
        to.insert(to.end(), from.begin(), from.end());
    };
    for (std::size_t index = 0; index < pairings.size(); ++index) {
        isotopy::Pairing& pairing = pairings[index];
        sample.insert(sample.end(), pairing.degree.size(), static_cast<std::int64_t>(index));
        append(all.degree, pairing.degree);
        essential.insert(essential.end(), pairing.essential.begin(), pairing.essential.end());
        append(all.birth_cell, pairing.birth_cell);
        append(all.death_cell, pairing.death_cell);
        append(all.birth_at, pairing.birth_at);
        append(all.death_at, pairing.death_at);
        pairing = {};
    }
    nb::dict result;
    result["sample"] = to_numpy(std::move(sample));
    result["degree"] = to_numpy(std::move(all.degree));
    result["essential"] = to_numpy(std::move(essential));
    result["birth_cell"] = to_numpy(std::move(all.birth_cell));
    result["death_cell"] = to_numpy(std::move(all.death_cell));
    result["birth_at"] = to_numpy(std::move(all.birth_at));
    result["death_at"] = to_numpy(std::move(all.death_at));
    return result;
}

// What may reach the Rips kernel from Python: anything else raises.
isotopy::RipsOptions rips_options(double threshold, int max_degree, int highest, std::uint32_t modulus, bool keep_zero, std::size_t samples, std::size_t threads) {
    if (max_degree < 0 || max_degree > highest) throw std::invalid_argument("max_degree is out of range");
    if (!isotopy::is_prime(modulus) || modulus >= 1u << 31) throw std::invalid_argument("modulus must be a prime below 2^31");
    if (!(threshold >= 0)) throw std::invalid_argument("threshold must be 0 or larger");
    return {threshold, max_degree, modulus, keep_zero, std::max<std::size_t>(1, threads / std::max<std::size_t>(1, samples))};
}

std::vector<std::size_t> checked_sizes(const Integers& sizes, std::size_t largest) {
    std::vector<std::size_t> result(sizes.shape(0));
    for (std::size_t sample = 0; sample < result.size(); ++sample) {
        if (sizes(sample) < 0) throw std::invalid_argument("sizes must not be negative");
        result[sample] = static_cast<std::size_t>(sizes(sample));
        if (result[sample] > largest) throw std::invalid_argument("a sample is too large");
    }
    return result;
}

struct RipsSample {
    std::size_t size, start;  // number of points, first entry
    std::span<const double> data;
    isotopy::Metric metric(std::int64_t dimension) const {
        return dimension < 0 ? isotopy::Metric::of_matrix(data, size) : isotopy::Metric::of_points(data, size, static_cast<std::size_t>(dimension));
    }
};

// Samples of points (sizes[s], dimension), or of matrices (sizes[s], sizes[s]) where dimension is -1, one after the other.
std::vector<RipsSample> rips_samples(const Doubles& data, const Integers& sizes, std::int64_t dimension) {
    const double lowest = dimension < 0 ? 0.0 : -1e150, highest = dimension < 0 ? std::numeric_limits<double>::infinity() : 1e150;
    bool valid = dimension >= -1;
    for (std::size_t index = 0; index < data.shape(0); ++index) valid &= data.data()[index] >= lowest && data.data()[index] <= highest;
    if (!valid) throw std::invalid_argument("data must hold coordinates within 1e150, or distances");
    std::vector<RipsSample> samples;
    std::size_t start = 0;
    for (const std::size_t size : checked_sizes(sizes, std::size_t{1} << 31)) {
        const std::size_t width = dimension < 0 ? size : static_cast<std::size_t>(dimension);
        if (width != 0 && size > (data.shape(0) - start) / width) throw std::invalid_argument("data is shorter than sizes say");
        samples.push_back({size, start, {data.data() + start, size * width}});
        start += size * width;
    }
    if (start != data.shape(0)) throw std::invalid_argument("data is longer than sizes say");
    return samples;
}

// birth_at and death_at come back as places in the table: rows of points, two per edge, or entries of matrices, one per edge.
nb::dict rips(Doubles data, Integers sizes, std::int64_t dimension, double threshold, int max_degree, std::uint32_t modulus, bool keep_zero,
              std::size_t threads) {
    const auto samples = rips_samples(data, sizes, dimension);
    const auto options = rips_options(threshold, max_degree, 1, modulus, keep_zero, samples.size(), threads);
    double operations = 0;
    for (const RipsSample& sample : samples) {
        const auto n = static_cast<double>(sample.size);
        operations += n * n * (static_cast<double>(std::max<std::int64_t>(dimension, 1)) + (max_degree > 0 ? 60 : 2));
    }
    std::vector<isotopy::Pairing> pairings(samples.size());
    run(samples.size(), threads, operations < 3e6, [&](std::size_t index, const isotopy::Stop& stop) {
        const auto& [size, start, input] = samples[index];
        isotopy::Pairing& pairing = pairings[index] = isotopy::rips_persistence(samples[index].metric(dimension), options, stop);
        for (auto* at : {&pairing.birth_at, &pairing.death_at}) {
            if (dimension < 0) {
                for (std::size_t edge = 0; edge < at->size() / 2; ++edge)
                    (*at)[edge] = static_cast<std::int64_t>(start + static_cast<std::size_t>((*at)[2 * edge]) * size) + (*at)[2 * edge + 1];
                at->resize(at->size() / 2);
            } else if (dimension > 0) {
                for (std::int64_t& end : *at) end += static_cast<std::int64_t>(start) / dimension;
            }
        }
    });
    return gather(std::move(pairings));
}

// The same in degrees from 2 on; each thread may take `budget` bytes for its reduction.
nb::dict rips_cohomology(Doubles data, Integers sizes, std::int64_t dimension, double threshold, int max_degree, std::uint32_t modulus, bool keep_zero,
                         std::size_t budget, std::size_t threads) {
    const auto points = rips_samples(data, sizes, dimension);
    bool short_work = true;
    for (const RipsSample& sample : points) short_work = short_work && sample.size < 12;
    const auto options = rips_options(threshold, max_degree, 64, modulus, keep_zero, points.size(), threads);
    std::vector<isotopy::Pairing> pairings(points.size());
    run(pairings.size(), threads, short_work && pairings.size() < 8, [&](std::size_t sample, const isotopy::Stop& stop) {
        pairings[sample] = isotopy::rips_cohomology(points[sample].metric(dimension), options, budget, stop);
    });
    return gather(std::move(pairings));
}

// Distances of rows of points, two rows per edge: the lengths that the kernel compares.
nb::ndarray<nb::numpy, double, nb::ndim<1>> distances(Doubles data, Integers rows, std::int64_t dimension) {
    if (dimension < 0 || rows.shape(0) % 2 != 0) throw std::invalid_argument("an edge has two ends");
    const auto width = static_cast<std::size_t>(dimension);
    auto* found = new std::vector<double>(rows.shape(0) / 2);
    nb::capsule owner(found, [](void* pointer) noexcept { delete static_cast<std::vector<double>*>(pointer); });
    for (std::size_t edge = 0; edge < found->size(); ++edge) {
        const std::int64_t a = rows(2 * edge), b = rows(2 * edge + 1);
        if (a < 0 || b < 0) throw std::invalid_argument("rows must not be negative");
        if (width == 0) continue;
        const auto last = static_cast<std::size_t>(std::max(a, b));
        if (last >= data.shape(0) / width) throw std::invalid_argument("data has fewer rows");
        (*found)[edge] = isotopy::distance_of(data.data() + static_cast<std::size_t>(a) * width, data.data() + static_cast<std::size_t>(b) * width, width);
    }
    return {found->data(), {found->size()}, owner};
}

// Samples of weighted graphs on sizes[s] vertices, counts[s] edges each, one after the other: ends (i, j) with i < j in
// lexicographic order. birth_at and death_at come back as places in the list of edges.
nb::dict rips_graphs(Doubles lengths, Integers ends, Integers counts, Integers sizes, double threshold, int max_degree, std::uint32_t modulus,
                     bool keep_zero, std::size_t threads) {
    const auto vertices = checked_sizes(sizes, std::size_t{1} << 31), edges = checked_sizes(counts, lengths.shape(0));
    const auto options = rips_options(threshold, max_degree, 1, modulus, keep_zero, vertices.size(), threads);
    if (ends.shape(0) != 2 * lengths.shape(0)) throw std::invalid_argument("an edge has two ends");
    if (edges.size() != vertices.size()) throw std::invalid_argument("counts and sizes must have one entry per sample");
    std::vector<std::size_t> starts;
    std::size_t start = 0;
    for (std::size_t sample = 0; sample < edges.size(); ++sample) {
        starts.push_back(start);
        if (edges[sample] > lengths.shape(0) - start) throw std::invalid_argument("there are fewer edges than counts say");
        for (std::size_t edge = start; edge < start + edges[sample]; ++edge) {
            const std::int64_t i = ends(2 * edge), j = ends(2 * edge + 1);
            if (i < 0 || i >= j || j >= sizes(sample)) throw std::invalid_argument("ends must be vertices, the smaller one first");
            if (edge > start && std::pair(ends(2 * edge - 2), ends(2 * edge - 1)) >= std::pair(i, j))
                throw std::invalid_argument("edges must be in lexicographic order");
            if (!(lengths(edge) >= 0)) throw std::invalid_argument("lengths must be 0 or larger");
        }
        start += edges[sample];
    }
    if (start != lengths.shape(0)) throw std::invalid_argument("there are more edges than counts say");
    std::vector<isotopy::Pairing> pairings(vertices.size());
    run(vertices.size(), threads, lengths.shape(0) < 10000, [&](std::size_t sample, const isotopy::Stop& stop) {
        std::vector<isotopy::Ends> kept;
        std::vector<double> values;
        const std::size_t first = starts[sample], last = first + edges[sample];
        for (std::size_t edge = first; edge < last; ++edge) {
            if (lengths(edge) > threshold || lengths(edge) == std::numeric_limits<double>::infinity()) continue;
            kept.push_back({static_cast<std::uint32_t>(ends(2 * edge)), static_cast<std::uint32_t>(ends(2 * edge + 1))});
            values.push_back(lengths(edge));
        }
        const isotopy::RipsEdges sorted(vertices[sample], std::move(kept), std::move(values), stop);
        isotopy::Pairing& pairing = pairings[sample] = isotopy::rips_persistence(sorted, nullptr, options, stop);
        for (auto* at : {&pairing.birth_at, &pairing.death_at}) {
            for (std::size_t index = 0; index < at->size() / 2; ++index) {
                const std::pair wanted((*at)[2 * index], (*at)[2 * index + 1]);
                std::size_t low = first, high = last;  // the edge is there: halves until one is left
                while (high - low > 1) {
                    const std::size_t middle = (low + high) / 2;
                    (std::pair(ends(2 * middle), ends(2 * middle + 1)) > wanted ? high : low) = middle;
                }
                (*at)[index] = static_cast<std::int64_t>(low);
            }
            at->resize(at->size() / 2);
        }
    });
    return gather(std::move(pairings));
}

// Edges up to the threshold of each sample of points or matrices; counting stops at `most`.
auto count_edges(Doubles data, Integers sizes, std::int64_t dimension, double threshold, std::size_t most, std::size_t threads) {
    const auto samples = rips_samples(data, sizes, dimension);
    std::vector<std::int64_t> counts(samples.size());
    run(samples.size(), threads, false, [&](std::size_t sample, const isotopy::Stop& stop) {
        counts[sample] = static_cast<std::int64_t>(isotopy::count_edges(samples[sample].metric(dimension), threshold, most, stop));
    });
    return to_numpy(std::move(counts));
}

// Per matrix: the smallest entry (NaN if there is one), the largest finite one, the largest on the diagonal, and the largest
// difference of two entries that should be equal.
nb::ndarray<nb::numpy, double, nb::ndim<2>> survey(Doubles data, Integers sizes) {
    const auto counts = checked_sizes(sizes, std::size_t{1} << 31);
    auto* found = new std::vector<double>(counts.size() * 4);
    nb::capsule owner(found, [](void* pointer) noexcept { delete static_cast<std::vector<double>*>(pointer); });
    std::size_t start = 0;
    for (std::size_t sample = 0; sample < counts.size(); ++sample) {
        const std::size_t size = counts[sample];
        if (size != 0 && size > (data.shape(0) - start) / size) throw std::invalid_argument("data is shorter than sizes say");
        const isotopy::MatrixSurvey survey = isotopy::survey_matrix({data.data() + start, size * size}, size);
        (*found)[sample * 4] = survey.smallest;
        (*found)[sample * 4 + 1] = survey.largest;
        (*found)[sample * 4 + 2] = survey.diagonal;
        (*found)[sample * 4 + 3] = survey.asymmetry;
        start += size * size;
    }
    return {found->data(), {counts.size(), 4}, owner};
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
// pair that is farthest apart. With it, per
// sample, whether more than `most` pairs would have to be held.
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

nb::dict gather(std::vector<isotopy::Cycles>&& found) {
    isotopy::Cycles all;
    for (const isotopy::Cycles& cycles : found) {
        all.size.insert(all.size.end(), cycles.size.begin(), cycles.size.end());
        all.edges.insert(all.edges.end(), cycles.edges.begin(), cycles.edges.end());
        all.coefficients.insert(all.coefficients.end(), cycles.coefficients.begin(), cycles.coefficients.end());
    }
    nb::dict result;
    result["size"] = to_numpy(std::move(all.size));
    result["edges"] = to_numpy(std::move(all.edges));
    result["coefficients"] = to_numpy(std::move(all.coefficients));
    return result;
}

// Edges that create classes, two vertices each, the samples one after the other: `counts` edges of every sample.
std::vector<std::span<const std::int64_t>> births_of(const Integers& counts, const Integers& births, const std::vector<std::size_t>& bounds) {
    std::vector<std::span<const std::int64_t>> result;
    std::size_t start = 0;
    if (counts.shape(0) != bounds.size()) throw std::invalid_argument("counts must have one entry per sample");
    for (std::size_t sample = 0; sample < counts.shape(0); ++sample) {
        const std::size_t count = counts(sample) < 0 ? births.shape(0) : static_cast<std::size_t>(counts(sample));
        if (count > (births.shape(0) - start) / 2) throw std::invalid_argument("births are fewer than counts say");
        result.emplace_back(births.data() + start, 2 * count);
        start += 2 * count;
        for (const std::int64_t vertex : result.back())
            if (vertex < 0 || static_cast<std::size_t>(vertex) >= bounds[sample]) throw std::invalid_argument("births are out of range");
    }
    return result;
}

nb::dict rips_cycles(Doubles data, Integers sizes, std::int64_t dimension, Doubles cutoffs, std::uint32_t modulus, Integers counts, Integers births,
                     std::size_t threads) {
    const auto points = rips_samples(data, sizes, dimension);
    const auto edges = births_of(counts, births, checked_sizes(sizes, std::size_t{1} << 31));
    if (cutoffs.shape(0) != edges.size()) throw std::invalid_argument("cutoffs must have one entry per sample");
    std::vector<isotopy::Cycles> found(edges.size());
    run(edges.size(), threads, false, [&](std::size_t sample, const isotopy::Stop& stop) {
        found[sample] = isotopy::rips_cycles(points[sample].metric(dimension), cutoffs(sample), modulus, edges[sample], stop);
    });
    return gather(std::move(found));
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
    return gather(std::move(found));
}

using Vertices = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Clouds (sizes[s], dimension) and the top simplices of their Delaunay complexes, (top_sizes[s], widths[s]), with further edges
// (loose_sizes[s], 2); one after the other. Carriers in birth_at and death_at have dimension + 1 entries each, filled up with -1.
nb::dict delaunay(Doubles points, Integers sizes, std::size_t dimension, Vertices tops, Integers top_sizes, Integers widths, Vertices loose,
                  Integers loose_sizes, bool weak, int max_degree, std::uint32_t modulus, bool keep_zero, std::size_t threads) {
    const std::size_t samples = sizes.shape(0);
    if (top_sizes.shape(0) != samples || loose_sizes.shape(0) != samples || widths.shape(0) != samples)
        throw std::invalid_argument("one size per sample is needed");
    struct Input {
        std::size_t width;
        std::span<const double> points;
        std::span<const std::uint32_t> tops, loose;
    };
    std::vector<Input> inputs;
    std::size_t at = 0, top_at = 0, loose_at = 0, work = 0;
    for (std::size_t sample = 0; sample < samples; ++sample) {
        const auto take = [](const auto& array, std::int64_t size, std::size_t each, std::size_t& from) {
            if (size < 0 || static_cast<std::size_t>(size) > (array.shape(0) - from) / each) throw std::invalid_argument("an array is shorter than sizes say");
            const std::span found(array.data() + from, static_cast<std::size_t>(size) * each);
            from += found.size();
            return found;
        };
        if (widths(sample) < 1 || static_cast<std::size_t>(widths(sample)) > dimension + 1) throw std::invalid_argument("widths must be from 1 to the dimension + 1");
        const auto width = static_cast<std::size_t>(widths(sample));
        inputs.push_back({width, take(points, sizes(sample), dimension, at), take(tops, top_sizes(sample), width, top_at), take(loose, loose_sizes(sample), 2, loose_at)});
        work += inputs.back().tops.size();
        for (const auto& [list, each] : {std::pair{inputs.back().tops, width}, std::pair{inputs.back().loose, std::size_t{2}}})
            for (std::size_t i = 0; i < list.size(); ++i)
                if (static_cast<std::int64_t>(list[i]) >= sizes(sample) || (i % each > 0 && list[i] <= list[i - 1]))
                    throw std::invalid_argument("vertices must be increasing numbers of points");
    }
    const isotopy::DelaunayOptions options{weak, max_degree, modulus, keep_zero};
    std::vector<isotopy::Pairing> pairings(samples);
    run(samples, threads, work < 3000, [&](std::size_t sample, const isotopy::Stop& stop) {
        pairings[sample] =
            isotopy::delaunay_persistence(inputs[sample].points, dimension, inputs[sample].width, inputs[sample].tops, inputs[sample].loose, options, stop);
    });
    return gather(std::move(pairings));
}

// What one piece of a batch found: samples in order, carriers as places in the whole batch.
struct Piece {
    isotopy::Pairing pairing;
    std::vector<std::int64_t> sample;

    // Ends a sample; `left` more of the same size will follow.
    void close(std::size_t index, std::size_t size, std::size_t left) {
        const auto shift = [&](std::vector<std::int64_t>& at, std::size_t from) {
            for (std::size_t place = from; place < at.size(); ++place) at[place] += static_cast<std::int64_t>(index * size);
        };
        shift(pairing.birth_at, sample.size());
        shift(pairing.death_at, deaths_);
        deaths_ = pairing.death_at.size();
        if (sample.empty() && left > 0) {  // samples are alike: room for a little more than as many classes each
            const auto reserve = [&](auto&... parts) { (parts.reserve(parts.size() * (left + 1) / 4 * 5), ...); };
            reserve(pairing.degree, pairing.essential, pairing.birth_cell, pairing.death_cell, pairing.birth_at, pairing.death_at);
            sample.reserve(pairing.degree.capacity());
        }
        sample.resize(pairing.degree.size(), static_cast<std::int64_t>(index));
    }

private:
    std::size_t deaths_ = 0;
};

// One table for the batch; `at` has the carriers of all births, then of the deaths (of the births, where there is none).
nb::dict join(std::vector<Piece>&& pieces) {
    Piece all = pieces.empty() ? Piece{} : std::move(pieces[0]);
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    for (std::size_t index = 1; index < pieces.size(); ++index) {
        const Piece piece = std::move(pieces[index]);
        append(all.sample, piece.sample);
        append(all.pairing.degree, piece.pairing.degree);
        append(all.pairing.essential, piece.pairing.essential);
        append(all.pairing.birth_cell, piece.pairing.birth_cell);
        append(all.pairing.death_cell, piece.pairing.death_cell);
        append(all.pairing.birth_at, piece.pairing.birth_at);
        append(all.pairing.death_at, piece.pairing.death_at);
    }
    auto& at = all.pairing.birth_at;
    const std::size_t count = at.size();
    at.resize(2 * count);
    for (std::size_t index = 0, death = 0; index < count; ++index) at[count + index] = all.pairing.essential[index] != 0 ? at[index] : all.pairing.death_at[death++];
    nb::dict result;
    result["sample"] = to_numpy(std::move(all.sample));
    result["degree"] = to_numpy(std::move(all.pairing.degree));
    result["essential"] = to_numpy(std::move(all.pairing.essential));
    result["birth_cell"] = to_numpy(std::move(all.pairing.birth_cell));
    result["death_cell"] = to_numpy(std::move(all.pairing.death_cell));
    result["at"] = to_numpy(std::move(all.pairing.birth_at));
    return result;
}

template <class Real>
using Reals = nb::ndarray<const Real, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Calls work(samples first .. last - 1, piece, stop) on pieces of the batch that fill the threads.
template <class Work>
nb::dict run_pieces(std::size_t samples, std::size_t threads, bool short_work, const Work& work) {
    std::vector<Piece> pieces(short_work ? std::min<std::size_t>(samples, 1) : std::min(samples, 8 * threads));
    run(pieces.size(), threads, short_work, [&](std::size_t index, const isotopy::Stop& stop) {
        work(samples * index / pieces.size(), samples * (index + 1) / pieces.size(), pieces[index], stop);
    });
    return join(std::move(pieces));
}

isotopy::LevelSetOptions level_sets(int cells, bool superlevel, int max_degree, bool keep_zero) {
    if (cells < 0 || cells > 2) throw std::invalid_argument("cells must be 0, 1 or 2");
    return {static_cast<isotopy::Cells>(cells), superlevel, max_degree, keep_zero};
}

template <class Real>
nb::dict signal(Reals<Real> values, std::size_t samples, int cells, bool superlevel, bool keep_zero, std::size_t threads) {
    const std::size_t size = samples == 0 ? 0 : values.shape(0) / samples;
    if (size * samples != values.shape(0) || size > isotopy::largest_image) throw std::invalid_argument("values do not fill the signals");
    return run_pieces(samples, threads, values.shape(0) < 100000, [&](std::size_t first, std::size_t last, Piece& piece, const isotopy::Stop& stop) {
        isotopy::Signal<Real> one(level_sets(cells, superlevel, 0, keep_zero));
        for (std::size_t sample = first; sample < last; ++sample) {
            one.append_pairs(values.data() + sample * size, size, piece.pairing, stop);
            piece.close(sample, size, last - sample - 1);
        }
    });
}

template <class Real>
nb::dict image(Reals<Real> values, std::size_t samples, std::size_t columns, int cells, bool superlevel, int max_degree, bool keep_zero, std::size_t threads) {
    const std::size_t size = samples == 0 ? 0 : values.shape(0) / samples, rows = columns == 0 ? 0 : size / columns;
    if (rows * columns * samples != values.shape(0) || size > isotopy::largest_image) throw std::invalid_argument("values do not fill the images");
    if (size == 0) return join({});
    using One = isotopy::Image<Real>;
    const isotopy::LevelSetOptions options = level_sets(cells, superlevel, max_degree, keep_zero);
    if (samples < threads && size >= 65536) {  // threads inside of each image
        std::vector<Piece> pieces(1);
        for (std::size_t sample = 0; sample < samples; ++sample) {
            const Real* here = values.data() + sample * size;
            One one(rows, columns, options);
            std::vector<std::vector<typename One::Saddle>> bands(std::min(4 * threads, rows));
            run(bands.size(), threads, false, [&](std::size_t band, const isotopy::Stop& stop) {
                one.scan(here, rows * band / bands.size(), rows * (band + 1) / bands.size(), bands[band], stop);
            });
            run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) {
                for (std::size_t band = 1; band < bands.size(); ++band) bands[0].insert(bands[0].end(), bands[band].begin(), bands[band].end());
                one.append_pairs(here, bands[0], pieces[0].pairing, stop);
            });
            pieces[0].close(sample, size, 0);
        }
        return join(std::move(pieces));
    }
    return run_pieces(samples, threads, values.shape(0) < 50000, [&](std::size_t first, std::size_t last, Piece& piece, const isotopy::Stop& stop) {
        One one(rows, columns, options);
        for (std::size_t sample = first; sample < last; ++sample) {
            one.append_pairs(values.data() + sample * size, piece.pairing, stop);
            piece.close(sample, size, last - sample - 1);
        }
    });
}

template <class Real>
void bind_level_sets(nb::module_& m) {
    m.def("signal", &signal<Real>, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("cells"), nb::arg("superlevel"), nb::arg("keep_zero"),
          nb::arg("threads"), "Critical cells of the level sets of a batch of signals, degree 0.");
    m.def("image", &image<Real>, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("columns"), nb::arg("cells"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("keep_zero"), nb::arg("threads"), "Critical cells of the level sets of a batch of images, degrees 0 and 1.");
}

// Functions on one volume of the given shape, (samples, voxels), one after the other, float32 or float64. Threads that are
// not needed for the batch work inside the volumes.
nb::dict volume(nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu> values, Integers shape, std::size_t samples, const std::string& cells,
                bool superlevel, int max_degree, std::uint32_t modulus, bool keep_zero, std::size_t threads) {
    if (shape.shape(0) != 3) throw std::invalid_argument("volumes have 3 axes");
    std::size_t size = 1, padded = 1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        constexpr std::size_t largest = isotopy::volume_detail::Box::largest;
        if (shape(axis) < 0) throw std::invalid_argument("shape must not be negative");
        const auto length = static_cast<std::size_t>(shape(axis));
        if (length > largest || (padded *= length + 2) > largest) throw std::invalid_argument("the volume is too large");
        size *= length;
    }
    if (values.shape(0) != samples * size) throw std::invalid_argument("values do not fill the volumes");
    if (max_degree < 0 || !isotopy::is_prime(modulus)) throw std::invalid_argument("max_degree must not be negative, modulus must be a prime");
    isotopy::VolumeOptions options{isotopy::VolumeCells::freudenthal, superlevel, max_degree, modulus, keep_zero, 1};
    if (cells == "cubical") options.cells = isotopy::VolumeCells::cubical;
    else if (cells == "cubical_top") options.cells = isotopy::VolumeCells::cubical_top;
    else if (cells != "freudenthal") throw std::invalid_argument("cells must be freudenthal, cubical or cubical_top");
    const std::size_t workers = std::max<std::size_t>(1, threads), volumes_at_once = std::max<std::size_t>(1, std::min(workers, samples));
    const bool short_work = samples * size < 8000;
    options.threads = short_work ? 1 : workers / volumes_at_once;
    std::vector<isotopy::Pairing> pairings(samples);
    const auto work = [&](const auto* data) {
        using Value = std::remove_cvref_t<decltype(*data)>;
        const std::span<const std::int64_t> lengths(shape.data(), 3);
        run(samples, volumes_at_once, short_work, [&](std::size_t sample, const isotopy::Stop& stop) {
            pairings[sample] = isotopy::volume_persistence(lengths, std::span<const Value>(data + sample * size, size), options, stop);
        });
    };
    if (values.dtype() == nb::dtype<float>()) work(static_cast<const float*>(values.data()));
    else if (values.dtype() == nb::dtype<double>()) work(static_cast<const double*>(values.data()));
    else throw std::invalid_argument("values must be float32 or float64");
    return gather(std::move(pairings));
}

using Residues = nb::ndarray<const std::uint32_t, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<nb::numpy, std::int32_t, nb::ndim<2>>;

Table to_table(std::vector<std::int32_t>&& values, std::size_t rows, std::size_t columns) {
    auto* kept = new std::vector<std::int32_t>(std::move(values));
    nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<std::int32_t>*>(pointer); });
    return Table(kept->data(), {rows, columns}, owner);
}

template <class Rows>
void bind_rank_chain(nb::module_& m, const char* name) {
    using Chain = isotopy::RankChain<Rows>;
    nb::class_<Chain>(m, name)
        .def(nb::init<std::size_t, std::uint32_t>(), nb::arg("inputs"), nb::arg("prime"))
        .def("add", [](Chain& self, int gate, std::size_t rows, std::size_t columns, const Residues& residues, std::uint32_t slope, std::size_t outputs) {
            self.add(static_cast<isotopy::Gate>(gate), rows, columns, {residues.data(), residues.size()}, slope);
            self.set_outputs(outputs);
        }, nb::arg("gate"), nb::arg("rows"), nb::arg("columns"), nb::arg("residues"), nb::arg("slope"), nb::arg("outputs"))
        .def("ranks", [](const Chain& self, std::size_t samples, const std::vector<nb::ndarray<nb::c_contig, nb::device::cpu>>& gates, std::size_t threads) {
            if (gates.size() != self.depth()) throw std::invalid_argument("one array of gates per layer is needed");
            for (std::size_t k = 0; k < gates.size(); ++k) {
                const bool picked = self.gate(k) == isotopy::Gate::picked_rows, all = self.gate(k) == isotopy::Gate::all_rows;
                if (!all && gates[k].size() != samples * self.outputs(k)) throw std::invalid_argument("gates have the wrong size");
                if (!all && gates[k].dtype() != (picked ? nb::dtype<std::int32_t>() : nb::dtype<std::uint8_t>()))
                    throw std::invalid_argument("gates must be uint8, picked rows int32");
            }
            std::vector<std::int32_t> found(samples * self.depth());
            run(samples, threads, samples < 2, [&](std::size_t sample, const isotopy::Stop& stop) {
                std::vector<const std::uint8_t*> active(self.depth());
                std::vector<const std::int32_t*> picked(self.depth());
                for (std::size_t k = 0; k < self.depth(); ++k) {
                    active[k] = static_cast<const std::uint8_t*>(gates[k].data()) + sample * self.outputs(k);
                    picked[k] = static_cast<const std::int32_t*>(gates[k].data()) + sample * self.outputs(k);
                }
                self.ranks(active, picked, found.data() + sample * self.depth(), stop);
            });
            return to_table(std::move(found), samples, self.depth());
        }, nb::arg("samples"), nb::arg("gates"), nb::arg("threads"));
}

using Masks = std::vector<nb::ndarray<nb::c_contig, nb::device::cpu>>;
using IntegerTable = nb::ndarray<const std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

nb::tuple graph_ranks(const isotopy::RankGraph& self, const Masks& gates, const IntegerTable& upper, const IntegerTable& lower, std::size_t threads,
                  std::size_t bytes) {
    const std::size_t samples = upper.shape(0);
    const auto masks = self.masks();
    if (gates.size() != masks.size()) throw std::invalid_argument("one array for each gate is needed");
    for (const IntegerTable& bounds : {upper, lower})
        if (bounds.shape(0) != samples || bounds.shape(1) != self.depth()) throw std::invalid_argument("bounds must have shape (samples, layers)");
    for (std::size_t k = 0; k < masks.size(); ++k) {
        if (gates[k].size() != samples * masks[k].first) throw std::invalid_argument("gates have the wrong size");
        if (gates[k].dtype() != (masks[k].second ? nb::dtype<std::int32_t>() : nb::dtype<std::uint8_t>()))
            throw std::invalid_argument("gates must be uint8, picked rows int32");
    }
    std::vector<std::int32_t> found(lower.data(), lower.data() + lower.size()), bound(upper.data(), upper.data() + upper.size());
    run(samples, threads, samples < 2, [&](std::size_t sample, const isotopy::Stop& stop) {
        std::vector<const std::uint8_t*> active(masks.size());
        std::vector<const std::int32_t*> picked(masks.size());
        for (std::size_t k = 0; k < masks.size(); ++k) {
            active[k] = static_cast<const std::uint8_t*>(gates[k].data()) + sample * masks[k].first;
            picked[k] = static_cast<const std::int32_t*>(gates[k].data()) + sample * masks[k].first;
        }
        self.ranks(active, picked, bound.data() + sample * self.depth(), found.data() + sample * self.depth(), bytes, stop);
    });
    return nb::make_tuple(to_table(std::move(found), samples, self.depth()), to_table(std::move(bound), samples, self.depth()));
}

void bind_rank_graph(nb::module_& m) {
    using isotopy::RankGraph;
    using Sources = nb::ndarray<const std::int32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
    using Weights = nb::ndarray<const std::uint32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
    nb::class_<RankGraph>(m, "RankGraph")
        .def("__init__", [](RankGraph* self, const nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& columns, std::uint32_t prime) {
            new (self) RankGraph(std::vector<std::int32_t>(columns.data(), columns.data() + columns.size()), prime);
        }, nb::arg("columns"), nb::arg("prime"))
        .def("patches", [](RankGraph& self, const std::vector<std::size_t>& inputs, const Sources& sources, const Weights& weights) {
            if (sources.shape(0) != weights.shape(0) || sources.shape(2) != weights.shape(2)) throw std::invalid_argument("sources and weights do not match");
            isotopy::Patches patches{sources.shape(0), sources.shape(1), weights.shape(1), sources.shape(2), {}, {}};
            patches.sources.assign(sources.data(), sources.data() + sources.size());
            patches.weights.assign(weights.data(), weights.data() + weights.size());
            return self.add_patches(inputs, std::move(patches));
        }, nb::arg("inputs"), nb::arg("sources"), nb::arg("weights"))
        .def("gate", [](RankGraph& self, std::size_t input, int gate, std::size_t outputs, std::uint32_t slope) {
            return self.add_gate(input, static_cast<isotopy::Gate>(gate), outputs, slope);
        }, nb::arg("node"), nb::arg("gate"), nb::arg("outputs"), nb::arg("slope"))
        .def("layer", &RankGraph::add_layer, nb::arg("node"), nb::arg("before"))
        .def("ranks", &graph_ranks, nb::arg("gates"), nb::arg("upper"), nb::arg("lower"), nb::arg("threads"), nb::arg("memory"))
        .def("matrix", [](const RankGraph& self, std::size_t node) {
            auto* kept = new std::vector<std::uint32_t>(self.matrix(node));
            nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<std::uint32_t>*>(pointer); });
            return nb::ndarray<nb::numpy, std::uint32_t, nb::ndim<2>>(kept->data(), {self.size(node), self.inputs()}, owner);
        }, nb::arg("node"));
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Kernels of isotopy: arrays in, indices out.";
    m.def("rips", &rips, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("threshold"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of the Rips filtration of a batch, degrees 0 and 1.");
    m.def("rips_cohomology", &rips_cohomology, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("threshold"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("budget"), nb::arg("threads"),
          "Critical cells of the Rips filtration of a batch, degrees from 0 to max_degree, which is 2 or more.");
    m.def("rips_cycles", &rips_cycles, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("cutoffs").noconvert(),
          nb::arg("modulus"), nb::arg("counts").noconvert(), nb::arg("births").noconvert(), nb::arg("threads"),
          "Cycles that represent classes of degree 1 of Rips filtrations.");
    m.def("lower_star_cycles", &lower_star_cycles, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("vertices"), nb::arg("facets"),
          nb::arg("superlevel"), nb::arg("modulus"), nb::arg("counts").noconvert(), nb::arg("births").noconvert(), nb::arg("threads"),
          "Cycles that represent classes of degree 1 of lower-star filtrations.");
    m.def("rips_graphs", &rips_graphs, nb::arg("lengths").noconvert(), nb::arg("ends").noconvert(), nb::arg("counts").noconvert(),
          nb::arg("sizes").noconvert(), nb::arg("threshold"), nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"),
          nb::arg("threads"), "Critical cells of the filtrations of a batch of weighted graphs and their triangles, degrees 0 and 1.");
    m.def("distances", &distances, nb::arg("data").noconvert(), nb::arg("rows").noconvert(), nb::arg("dimension"),
          "Distances of rows of points, two rows per edge.");
    m.def("count_edges", &count_edges, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"),
          nb::arg("threshold"), nb::arg("most"), nb::arg("threads"), "Edges up to the threshold of each sample.");
    m.def("survey", &survey, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(),
          "Per matrix: smallest, largest finite and largest diagonal entry, largest asymmetry.");
    m.def("match", &match, nb::arg("a").noconvert(), nb::arg("a_sizes").noconvert(), nb::arg("b").noconvert(), nb::arg("b_sizes").noconvert(),
          nb::arg("order"), nb::arg("ground"), nb::arg("most"), nb::arg("threads"), "Optimal matchings of a batch of pairs of diagrams.");
    m.def("lower_star", &lower_star, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("vertices"), nb::arg("facets"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on one simplicial complex.");
    m.def("delaunay", &delaunay, nb::arg("points").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("tops").noconvert(),
          nb::arg("top_sizes").noconvert(), nb::arg("widths").noconvert(), nb::arg("loose").noconvert(), nb::arg("loose_sizes").noconvert(), nb::arg("weak"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of weak alpha or alpha filtrations of a batch, and the simplices that carry their values.");
    bind_level_sets<float>(m);
    bind_level_sets<double>(m);

    m.def("volume", &volume, nb::arg("values").noconvert(), nb::arg("shape").noconvert(), nb::arg("samples"), nb::arg("cells"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on volumes, degrees 0 to 2: freudenthal, cubical or cubical_top cells.");

    bind_rank_chain<isotopy::Rows3>(m, "RankChain3");
    bind_rank_chain<isotopy::RowsP>(m, "RankChainP");
    bind_rank_graph(m);
    m.def("matrix_ranks", [](const Residues& residues, std::uint32_t prime, std::size_t threads) {
        if (residues.ndim() != 3) throw std::invalid_argument("residues must have shape (count, rows, columns)");
        const std::size_t count = residues.shape(0), rows = residues.shape(1), columns = residues.shape(2);
        std::vector<std::int32_t> found(count);
        run(count, threads, count < 2, [&](std::size_t index, const isotopy::Stop& stop) {
            isotopy::matrix_ranks({residues.data(), residues.size()}, count, rows, columns, prime, index, found.data() + index, stop);
        });
        return to_table(std::move(found), count, 1);
    }, nb::arg("residues"), nb::arg("prime"), nb::arg("threads"), "Ranks over GF(p) of a batch of matrices, (count, 1).");
}
