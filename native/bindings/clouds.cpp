// Points and distances: Rips, Delaunay, and cycles of Rips filtrations.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "isotopy/cohomology.hpp"
#include "isotopy/delaunay.hpp"
#include "isotopy/metric.hpp"
#include "isotopy/rips.hpp"

namespace bindings {

namespace {

// What may reach the Rips kernel from Python: anything else raises.
isotopy::RipsOptions rips_options(double threshold, int max_degree, int highest, std::uint32_t modulus, bool keep_zero, bool matrix, std::size_t samples,
                                  std::size_t threads) {
    if (max_degree < 0 || max_degree > highest) throw std::invalid_argument("max_degree is out of range");
    if (!isotopy::is_prime(modulus) || modulus >= 1u << 31) throw std::invalid_argument("modulus must be a prime below 2^31");
    if (!(threshold >= 0)) throw std::invalid_argument("threshold must be 0 or larger");
    isotopy::RipsOptions options{threshold, max_degree, modulus, keep_zero, std::max<std::size_t>(1, threads / std::max<std::size_t>(1, samples))};
    options.matrix = matrix;
    return options;
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
              bool matrix, std::size_t threads) {
    const auto samples = rips_samples(data, sizes, dimension);
    const auto options = rips_options(threshold, max_degree, 1, modulus, keep_zero, matrix, samples.size(), threads);
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

// The same in degrees from 2 on; each thread may take `budget` bytes for its reduction, and all classes `held` with keep_zero.
nb::dict rips_cohomology(Doubles data, Integers sizes, std::int64_t dimension, double threshold, int max_degree, std::uint32_t modulus, bool keep_zero,
                         std::size_t budget, std::size_t held, std::size_t threads) {
    const auto points = rips_samples(data, sizes, dimension);
    bool short_work = true;
    for (const RipsSample& sample : points) short_work = short_work && sample.size < 12;
    const auto options = rips_options(threshold, max_degree, 64, modulus, keep_zero, true, points.size(), threads);
    std::vector<isotopy::Pairing> pairings(points.size());
    isotopy::Room room(held);
    run(pairings.size(), threads, short_work && pairings.size() < 8, [&](std::size_t sample, const isotopy::Stop& stop) {
        pairings[sample] = isotopy::rips_cohomology(points[sample].metric(dimension), options, budget, stop, &room);
    });
    return gather(std::move(pairings));
}

// Distances of rows of points, two rows per edge: the lengths that the kernel compares.
nb::ndarray<nb::numpy, double, nb::ndim<1>> distances(Doubles data, Integers rows, std::int64_t dimension) {
    if (dimension < 0 || rows.shape(0) % 2 != 0) throw std::invalid_argument("an edge has two ends");
    const auto width = static_cast<std::size_t>(dimension);
    std::vector<double> found(rows.shape(0) / 2);
    for (std::size_t edge = 0; edge < found.size(); ++edge) {
        const std::int64_t a = rows(2 * edge), b = rows(2 * edge + 1);
        if (a < 0 || b < 0) throw std::invalid_argument("rows must not be negative");
        if (width == 0) continue;
        const auto last = static_cast<std::size_t>(std::max(a, b));
        if (last >= data.shape(0) / width) throw std::invalid_argument("data has fewer rows");
        found[edge] = isotopy::distance_of(data.data() + static_cast<std::size_t>(a) * width, data.data() + static_cast<std::size_t>(b) * width, width);
    }
    return to_numpy(std::move(found));
}

// The gradient of such distances, times one factor each, as a table of the same shape; that of a distance 0 is 0.
nb::ndarray<nb::numpy, double, nb::ndim<1>> distance_gradients(Doubles data, Integers rows, Doubles factors, std::int64_t dimension) {
    if (dimension < 0 || rows.shape(0) % 2 != 0 || factors.shape(0) != rows.shape(0) / 2) throw std::invalid_argument("an edge has two ends and a factor");
    const auto width = static_cast<std::size_t>(dimension);
    std::vector<double> found(data.shape(0), 0.0);
    for (std::size_t edge = 0; width > 0 && edge < factors.shape(0); ++edge) {
        const std::int64_t low = std::min(rows(2 * edge), rows(2 * edge + 1)), high = std::max(rows(2 * edge), rows(2 * edge + 1));
        if (low < 0 || static_cast<std::size_t>(high) >= data.shape(0) / width) throw std::invalid_argument("data has fewer rows");
        const std::size_t a = static_cast<std::size_t>(low) * width, b = static_cast<std::size_t>(high) * width;
        const double length = isotopy::distance_of(data.data() + a, data.data() + b, width);
        if (!(length > 0) || factors(edge) == 0) continue;
        const double slope = factors(edge) / length;
        for (std::size_t axis = 0; axis < width; ++axis) {
            const double pull = slope * (data(a + axis) - data(b + axis));
            found[a + axis] += pull;
            found[b + axis] -= pull;
        }
    }
    return to_numpy(std::move(found));
}

// Samples of weighted graphs on sizes[s] vertices, counts[s] edges each, one after the other: ends (i, j) with i < j in
// lexicographic order. birth_at and death_at come back as places in the list of edges.
nb::dict rips_graphs(Doubles lengths, Integers ends, Integers counts, Integers sizes, double threshold, int max_degree, std::uint32_t modulus,
                     bool keep_zero, bool matrix, std::size_t threads) {
    const auto vertices = checked_sizes(sizes, std::size_t{1} << 31), edges = checked_sizes(counts, lengths.shape(0));
    const auto options = rips_options(threshold, max_degree, 1, modulus, keep_zero, matrix, vertices.size(), threads);
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

nb::dict rips_cycles(Doubles data, Integers sizes, std::int64_t dimension, Doubles cutoffs, std::uint32_t modulus, Integers counts, Integers births,
                     std::size_t threads) {
    const auto points = rips_samples(data, sizes, dimension);
    const auto edges = births_of(counts, births, checked_sizes(sizes, std::size_t{1} << 31));
    if (cutoffs.shape(0) != edges.size()) throw std::invalid_argument("cutoffs must have one entry per sample");
    std::vector<isotopy::Cycles> found(edges.size());
    run(edges.size(), threads, false, [&](std::size_t sample, const isotopy::Stop& stop) {
        found[sample] = isotopy::rips_cycles(points[sample].metric(dimension), cutoffs(sample), modulus, edges[sample], stop);
    });
    return gather_cycles(std::move(found));
}

using Vertices = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

struct DelaunaySample {
    std::size_t width;
    std::span<const double> points;
    std::span<const std::uint32_t> tops, loose;
};

// Clouds (sizes[s], dimension) and the top simplices of their Delaunay complexes, (top_sizes[s], widths[s]), with further edges
// (loose_sizes[s], 2); one after the other.
std::vector<DelaunaySample> delaunay_samples(const Doubles& points, const Integers& sizes, std::size_t dimension, const Vertices& tops,
                                             const Integers& top_sizes, const Integers& widths, const Vertices& loose, const Integers& loose_sizes) {
    const std::size_t samples = sizes.shape(0);
    if (top_sizes.shape(0) != samples || loose_sizes.shape(0) != samples || widths.shape(0) != samples)
        throw std::invalid_argument("one size per sample is needed");
    std::vector<DelaunaySample> found;
    std::size_t at = 0, top_at = 0, loose_at = 0;
    for (std::size_t sample = 0; sample < samples; ++sample) {
        const auto take = [](const auto& array, std::int64_t size, std::size_t each, std::size_t& from) {
            if (size < 0 || static_cast<std::size_t>(size) > (array.shape(0) - from) / each) throw std::invalid_argument("an array is shorter than sizes say");
            const std::span part(array.data() + from, static_cast<std::size_t>(size) * each);
            from += part.size();
            return part;
        };
        if (widths(sample) < 1 || static_cast<std::size_t>(widths(sample)) > dimension + 1) throw std::invalid_argument("widths must be from 1 to the dimension + 1");
        const auto width = static_cast<std::size_t>(widths(sample));
        found.push_back({width, take(points, sizes(sample), dimension, at), take(tops, top_sizes(sample), width, top_at), take(loose, loose_sizes(sample), 2, loose_at)});
        for (const auto& [list, each] : {std::pair{found.back().tops, width}, std::pair{found.back().loose, std::size_t{2}}})
            for (std::size_t i = 0; i < list.size(); ++i)
                if (static_cast<std::int64_t>(list[i]) >= sizes(sample) || (i % each > 0 && list[i] <= list[i - 1]))
                    throw std::invalid_argument("vertices must be increasing numbers of points");
    }
    return found;
}

// Carriers in birth_at and death_at have dimension + 1 entries each, filled up with -1.
nb::dict delaunay(Doubles points, Integers sizes, std::size_t dimension, Vertices tops, Integers top_sizes, Integers widths, Vertices loose,
                  Integers loose_sizes, bool weak, int max_degree, std::uint32_t modulus, bool keep_zero, std::size_t threads) {
    const auto samples = delaunay_samples(points, sizes, dimension, tops, top_sizes, widths, loose, loose_sizes);
    const isotopy::DelaunayOptions options{weak, max_degree, modulus, keep_zero};
    std::vector<isotopy::Pairing> pairings(samples.size());
    run(samples.size(), threads, tops.shape(0) < 3000, [&](std::size_t sample, const isotopy::Stop& stop) {
        const DelaunaySample& one = samples[sample];
        pairings[sample] = isotopy::delaunay_persistence(one.points, dimension, one.width, one.tops, one.loose, options, stop);
    });
    return gather(std::move(pairings));
}

nb::dict delaunay_cycles(Doubles points, Integers sizes, std::size_t dimension, Vertices tops, Integers top_sizes, Integers widths, Vertices loose,
                         Integers loose_sizes, bool weak, std::uint32_t modulus, Integers counts, Integers births, std::size_t threads) {
    const auto samples = delaunay_samples(points, sizes, dimension, tops, top_sizes, widths, loose, loose_sizes);
    const auto edges = births_of(counts, births, checked_sizes(sizes, std::size_t{1} << 31));
    const isotopy::DelaunayOptions options{weak, 1, modulus, false};
    std::vector<isotopy::Cycles> found(samples.size());
    run(samples.size(), threads, false, [&](std::size_t sample, const isotopy::Stop& stop) {
        const DelaunaySample& one = samples[sample];
        found[sample] = isotopy::delaunay_cycles(one.points, dimension, one.width, one.tops, one.loose, options, edges[sample], stop);
    });
    return gather_cycles(std::move(found));
}

}  // namespace

void bind_clouds(nb::module_& m) {
    m.def("rips", &rips, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("threshold"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("matrix"), nb::arg("threads"),
          "Critical cells of the Rips filtration of a batch, degrees 0 and 1.");
    m.def("rips_cohomology", &rips_cohomology, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("threshold"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("budget"), nb::arg("held"), nb::arg("threads"),
          "Critical cells of the Rips filtration of a batch, degrees from 0 to max_degree, which is 2 or more.");
    m.def("rips_cycles", &rips_cycles, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("cutoffs").noconvert(),
          nb::arg("modulus"), nb::arg("counts").noconvert(), nb::arg("births").noconvert(), nb::arg("threads"),
          "Cycles that represent classes of degree 1 of Rips filtrations.");
    m.def("rips_graphs", &rips_graphs, nb::arg("lengths").noconvert(), nb::arg("ends").noconvert(), nb::arg("counts").noconvert(),
          nb::arg("sizes").noconvert(), nb::arg("threshold"), nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"),
          nb::arg("matrix"), nb::arg("threads"), "Critical cells of the filtrations of a batch of weighted graphs and their triangles, degrees 0 and 1.");
    m.def("distances", &distances, nb::arg("data").noconvert(), nb::arg("rows").noconvert(), nb::arg("dimension"),
          "Distances of rows of points, two rows per edge.");
    m.def("distance_gradients", &distance_gradients, nb::arg("data").noconvert(), nb::arg("rows").noconvert(), nb::arg("factors").noconvert(),
          nb::arg("dimension"), "Gradients of such distances, times one factor each, summed up.");
    m.def("count_edges", &count_edges, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"),
          nb::arg("threshold"), nb::arg("most"), nb::arg("threads"), "Edges up to the threshold of each sample.");
    m.def("survey", &survey, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(),
          "Per matrix: smallest, largest finite and largest diagonal entry, largest asymmetry.");
    m.def("delaunay", &delaunay, nb::arg("points").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("tops").noconvert(),
          nb::arg("top_sizes").noconvert(), nb::arg("widths").noconvert(), nb::arg("loose").noconvert(), nb::arg("loose_sizes").noconvert(), nb::arg("weak"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of weak alpha or alpha filtrations of a batch, and the simplices that carry their values.");
    m.def("delaunay_cycles", &delaunay_cycles, nb::arg("points").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"),
          nb::arg("tops").noconvert(), nb::arg("top_sizes").noconvert(), nb::arg("widths").noconvert(), nb::arg("loose").noconvert(),
          nb::arg("loose_sizes").noconvert(), nb::arg("weak"), nb::arg("modulus"), nb::arg("counts").noconvert(), nb::arg("births").noconvert(),
          nb::arg("threads"), "Cycles that represent classes of degree 1 of weak alpha or alpha filtrations.");
}

}  // namespace bindings
