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

#include "isotopy/grid.hpp"
#include "isotopy/image.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rank.hpp"
#include "isotopy/rips.hpp"
#include "isotopy/signal.hpp"

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

// Samples of points (sizes[s], dimension), or of matrices (sizes[s], sizes[s]) where dimension is -1, one after the other.
nb::dict rips(Doubles data, Integers sizes, std::int64_t dimension, double threshold, int max_degree, std::uint32_t modulus, bool keep_zero,
              std::size_t threads) {
    const std::size_t samples = sizes.shape(0);
    std::vector<std::span<const double>> inputs;
    std::size_t start = 0;
    double operations = 0;
    for (std::size_t sample = 0; sample < samples; ++sample) {
        if (sizes(sample) < 0) throw std::invalid_argument("sizes must not be negative");
        const auto size = static_cast<std::size_t>(sizes(sample));
        const std::size_t length = size * (dimension < 0 ? size : static_cast<std::size_t>(dimension));
        if (length > data.shape(0) - start) throw std::invalid_argument("data is shorter than sizes say");
        inputs.emplace_back(data.data() + start, length);
        start += length;
        const auto n = static_cast<double>(size);
        operations += n * n * (static_cast<double>(std::max<std::int64_t>(dimension, 1)) + (max_degree > 0 ? n : 1));
    }
    const isotopy::RipsOptions options{threshold, max_degree, modulus, keep_zero};
    std::vector<isotopy::Pairing> pairings(samples);
    run(samples, threads, operations < 3e6, [&](std::size_t sample, const isotopy::Stop& stop) {
        const auto size = static_cast<std::size_t>(sizes(sample));
        const auto metric = dimension < 0 ? isotopy::Metric::of_matrix(inputs[sample], size)
                                          : isotopy::Metric::of_points(inputs[sample], size, static_cast<std::size_t>(dimension));
        pairings[sample] = isotopy::rips_persistence(metric, options, stop);
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
    m.def("grid", &grid, nb::arg("values").noconvert(), nb::arg("shape").noconvert(), nb::arg("samples"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on Freudenthal grids of 1 to 3 dimensions, degrees below the dimension.");
    bind_level_sets<float>(m);
    bind_level_sets<double>(m);

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
