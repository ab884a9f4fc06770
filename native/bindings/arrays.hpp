// What the bindings share: arrays in and out, work without the GIL, one table for a batch.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/representatives.hpp"

namespace bindings {

namespace nb = nanobind;

// One per file of this folder; module.cpp calls them.
void bind_chains(nb::module_& m);
void bind_clouds(nb::module_& m);
void bind_complexes(nb::module_& m);
void bind_fibers(nb::module_& m);
void bind_grids(nb::module_& m);
void bind_hulls(nb::module_& m);
void bind_polygons(nb::module_& m);
void bind_ranks(nb::module_& m);
void bind_subdivisions(nb::module_& m);

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
inline nb::dict gather(std::vector<isotopy::Pairing>&& pairings) {
    isotopy::Pairing all;
    std::vector<std::int64_t> sample, essential;
    const auto append = [](std::vector<std::int64_t>& to, std::vector<std::int64_t>& from) {
        if (to.empty()) to = std::move(from);
        else to.insert(to.end(), from.begin(), from.end());
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

inline std::vector<std::size_t> checked_sizes(const Integers& sizes, std::size_t largest) {
    std::vector<std::size_t> result(sizes.shape(0));
    for (std::size_t sample = 0; sample < result.size(); ++sample) {
        if (sizes(sample) < 0) throw std::invalid_argument("sizes must not be negative");
        result[sample] = static_cast<std::size_t>(sizes(sample));
        if (result[sample] > largest) throw std::invalid_argument("a sample is too large");
    }
    return result;
}

inline nb::dict gather_cycles(std::vector<isotopy::Cycles>&& found) {
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
inline std::vector<std::span<const std::int64_t>> births_of(const Integers& counts, const Integers& births, const std::vector<std::size_t>& bounds) {
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

}  // namespace bindings
