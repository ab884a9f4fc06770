// The only file that knows Python: each binding checks, releases the GIL and calls a kernel of include/isotopy.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "isotopy/cohomology.hpp"
#include "isotopy/grid.hpp"
#include "isotopy/lower_star.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rank.hpp"
#include "isotopy/representatives.hpp"
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

// Samples of points (sizes[s], dimension), or of matrices (sizes[s], sizes[s]) where dimension is -1, one after the other.
class Metrics {
public:
    Metrics(const Doubles& data, const Integers& sizes, std::int64_t dimension) : dimension_(dimension) {
        std::size_t start = 0;
        for (std::size_t sample = 0; sample < sizes.shape(0); ++sample) {
            if (sizes(sample) < 0) throw std::invalid_argument("sizes must not be negative");
            const auto size = static_cast<std::size_t>(sizes(sample));
            const std::size_t length = size * (dimension < 0 ? size : static_cast<std::size_t>(dimension));
            if (length > data.shape(0) - start) throw std::invalid_argument("data is shorter than sizes say");
            inputs_.emplace_back(data.data() + start, length);
            sizes_.push_back(size);
            start += length;
        }
    }

    const std::vector<std::size_t>& sizes() const noexcept { return sizes_; }
    isotopy::Metric operator[](std::size_t sample) const {
        return dimension_ < 0 ? isotopy::Metric::of_matrix(inputs_[sample], sizes_[sample])
                              : isotopy::Metric::of_points(inputs_[sample], sizes_[sample], static_cast<std::size_t>(dimension_));
    }

private:
    std::int64_t dimension_;
    std::vector<std::span<const double>> inputs_;
    std::vector<std::size_t> sizes_;
};

nb::dict rips(Doubles data, Integers sizes, std::int64_t dimension, double threshold, int max_degree, std::uint32_t modulus, bool keep_zero,
              std::size_t threads) {
    const Metrics metrics(data, sizes, dimension);
    double operations = 0;
    for (const std::size_t size : metrics.sizes()) {
        const auto n = static_cast<double>(size);
        operations += n * n * (static_cast<double>(std::max<std::int64_t>(dimension, 1)) + (max_degree > 0 ? n : 1));
    }
    const isotopy::RipsOptions options{threshold, max_degree, modulus, keep_zero};
    std::vector<isotopy::Pairing> pairings(metrics.sizes().size());
    run(pairings.size(), threads, operations < 3e6, [&](std::size_t sample, const isotopy::Stop& stop) {
        pairings[sample] = isotopy::rips_persistence(metrics[sample], options, stop);
    });
    return gather(std::move(pairings));
}

// The same in degrees from 2 on; each thread may take `budget` bytes for its reduction.
nb::dict rips_cohomology(Doubles data, Integers sizes, std::int64_t dimension, double threshold, int max_degree, std::uint32_t modulus, bool keep_zero,
                         std::size_t budget, std::size_t threads) {
    const Metrics metrics(data, sizes, dimension);
    bool short_work = true;
    for (const std::size_t size : metrics.sizes()) short_work = short_work && size < 12;
    const isotopy::RipsOptions options{threshold, max_degree, modulus, keep_zero};
    std::vector<isotopy::Pairing> pairings(metrics.sizes().size());
    run(pairings.size(), threads, short_work && pairings.size() < 8, [&](std::size_t sample, const isotopy::Stop& stop) {
        pairings[sample] = isotopy::rips_cohomology(metrics[sample], options, budget, stop);
    });
    return gather(std::move(pairings));
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
    const Metrics metrics(data, sizes, dimension);
    const auto edges = births_of(counts, births, metrics.sizes());
    if (cutoffs.shape(0) != edges.size()) throw std::invalid_argument("cutoffs must have one entry per sample");
    std::vector<isotopy::Cycles> found(edges.size());
    run(edges.size(), threads, false, [&](std::size_t sample, const isotopy::Stop& stop) {
        found[sample] = isotopy::rips_cycles(metrics[sample], cutoffs(sample), modulus, edges[sample], stop);
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
    m.def("rips_cohomology", &rips_cohomology, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("threshold"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("budget"), nb::arg("threads"),
          "Critical cells of the Rips filtration of a batch, degrees from 0 to max_degree, which is 2 or more.");
    m.def("grid", &grid, nb::arg("values").noconvert(), nb::arg("shape").noconvert(), nb::arg("samples"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on Freudenthal grids of 1 to 3 dimensions, degrees below the dimension.");
    m.def("lower_star", &lower_star, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("vertices"), nb::arg("facets"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on one simplicial complex.");
    m.def("rips_cycles", &rips_cycles, nb::arg("data").noconvert(), nb::arg("sizes").noconvert(), nb::arg("dimension"), nb::arg("cutoffs").noconvert(),
          nb::arg("modulus"), nb::arg("counts").noconvert(), nb::arg("births").noconvert(), nb::arg("threads"),
          "Cycles that represent classes of degree 1 of Rips filtrations.");
    m.def("lower_star_cycles", &lower_star_cycles, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("vertices"), nb::arg("facets"),
          nb::arg("superlevel"), nb::arg("modulus"), nb::arg("counts").noconvert(), nb::arg("births").noconvert(), nb::arg("threads"),
          "Cycles that represent classes of degree 1 of lower-star filtrations.");

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
