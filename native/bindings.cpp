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

#include "isotopy/parallel.hpp"
#include "isotopy/rank.hpp"

namespace nb = nanobind;

namespace {

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
