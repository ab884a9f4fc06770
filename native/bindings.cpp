// The only file that knows Python: each binding checks, releases the GIL and calls a kernel of include/isotopy.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "isotopy/field.hpp"
#include "isotopy/grid.hpp"
#include "isotopy/metric.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rank.hpp"
#include "isotopy/rips.hpp"

namespace nb = nanobind;

namespace {

using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Array = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<1>>;

Array to_numpy(std::vector<std::int64_t>&& values) {
    auto* kept = new std::vector<std::int64_t>(std::move(values));
    nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<std::int64_t>*>(pointer); });
    return Array(kept->data(), {kept->size()}, owner);
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
isotopy::RipsOptions rips_options(double threshold, int max_degree, std::uint32_t modulus, bool keep_zero, std::size_t samples, std::size_t threads) {
    if (max_degree < 0 || max_degree > 1) throw std::invalid_argument("max_degree must be 0 or 1");
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
    const auto options = rips_options(threshold, max_degree, modulus, keep_zero, samples.size(), threads);
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

// Samples of weighted graphs on sizes[s] vertices, counts[s] edges each, one after the other: ends (i, j) with i < j in
// lexicographic order. birth_at and death_at come back as places in the list of edges.
nb::dict rips_graphs(Doubles lengths, Integers ends, Integers counts, Integers sizes, double threshold, int max_degree, std::uint32_t modulus,
                     bool keep_zero, std::size_t threads) {
    const auto vertices = checked_sizes(sizes, std::size_t{1} << 31), edges = checked_sizes(counts, lengths.shape(0));
    const auto options = rips_options(threshold, max_degree, modulus, keep_zero, vertices.size(), threads);
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
Array count_edges(Doubles data, Integers sizes, std::int64_t dimension, double threshold, std::size_t most, std::size_t threads) {
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

// Functions on one grid of the given shape, (samples, vertices), one after the other.
nb::dict grid(Doubles values, Integers shape, std::size_t samples, bool superlevel, int max_degree, std::uint32_t modulus, bool keep_zero,
              std::size_t threads) {
    if (shape.shape(0) < 1 || shape.shape(0) > 3) throw std::invalid_argument("grids have 1 to 3 axes");
    std::size_t size = 1;
    for (std::size_t axis = 0; axis < shape.shape(0); ++axis) {
        if (shape(axis) < 0) throw std::invalid_argument("shape must not be negative");
        const auto length = static_cast<std::size_t>(shape(axis));
        if (length > isotopy::FreudenthalGrid::largest || (size *= length) > isotopy::FreudenthalGrid::largest)
            throw std::invalid_argument("the grid is too large");
    }
    if (values.shape(0) != samples * size) throw std::invalid_argument("values do not fill the grids");
    const isotopy::FreudenthalGrid cells(std::span<const std::int64_t>(shape.data(), shape.shape(0)));
    const isotopy::GridOptions options{superlevel, max_degree, modulus, keep_zero};
    std::vector<isotopy::Pairing> pairings(samples);
    const bool short_work = samples * size < (shape.shape(0) == 3 ? 2000u : 20000u);
    run(samples, threads, short_work, [&](std::size_t sample, const isotopy::Stop& stop) {
        pairings[sample] = isotopy::grid_persistence(cells, std::span<const double>(values.data() + sample * size, size), options, stop);
    });
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

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Kernels of isotopy: arrays in, indices out.";
    m.def("hardware_threads", [] { return std::max(1u, std::thread::hardware_concurrency()); },
          "Number of hardware threads that the kernels use by default.");
    m.def("rips", &rips, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("threshold"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of the Rips filtration of a batch, degrees 0 and 1.");
    m.def("rips_graphs", &rips_graphs, nb::arg("lengths").noconvert(), nb::arg("ends").noconvert(), nb::arg("counts").noconvert(),
          nb::arg("sizes").noconvert(), nb::arg("threshold"), nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"),
          nb::arg("threads"), "Critical cells of the filtrations of a batch of weighted graphs and their triangles, degrees 0 and 1.");
    m.def("count_edges", &count_edges, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"),
          nb::arg("threshold"), nb::arg("most"), nb::arg("threads"), "Edges up to the threshold of each sample.");
    m.def("survey", &survey, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(),
          "Per matrix: smallest, largest finite and largest diagonal entry, largest asymmetry.");
    m.def("grid", &grid, nb::arg("values").noconvert(), nb::arg("shape").noconvert(), nb::arg("samples"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on Freudenthal grids of 1 to 3 dimensions, degrees below the dimension.");

    bind_rank_chain<isotopy::Rows3>(m, "RankChain3");
    bind_rank_chain<isotopy::RowsP>(m, "RankChainP");
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
