// Ranks over finite fields: chains and graphs of layers, batches of matrices.
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "isotopy/rank.hpp"
#include "isotopy/rank_graph.hpp"

namespace bindings {

namespace {

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

void bind_ranks(nb::module_& m) {
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

}  // namespace bindings
