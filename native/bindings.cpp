// The only file that knows Python: each binding checks, releases the GIL and calls a kernel of include/isotopy.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "isotopy/grid.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
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
}
