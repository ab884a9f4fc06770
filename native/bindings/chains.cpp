// Chain complexes: their reduction.
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "isotopy/chain_reduction.hpp"
#include "isotopy/field.hpp"

namespace bindings {

namespace {

using Flags = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const std::int64_t> view(const Integers& array) { return {array.data(), array.shape(0)}; }

// Boundaries by columns, of dimension 1 and up; what may reach the kernel from Python: anything else raises.
isotopy::ChainComplex chain_complex(const Integers& counts, const std::vector<Integers>& starts, const std::vector<Integers>& rows,
                                    const std::vector<Integers>& values, const Flags& inside) {
    isotopy::ChainComplex complex;
    complex.counts = checked_sizes(counts, std::size_t{1} << 31);
    const std::size_t dimensions = std::max<std::size_t>(complex.counts.size(), 1) - 1;
    if (starts.size() != dimensions || rows.size() != dimensions || values.size() != dimensions) throw std::invalid_argument("there is one boundary per dimension");
    std::size_t cells = 0;
    for (std::size_t k = 0; k < complex.counts.size(); ++k) {
        cells += complex.counts[k];
        if (k == 0) continue;
        const isotopy::ChainComplex::Columns columns{view(starts[k - 1]), view(rows[k - 1]), view(values[k - 1])};
        bool valid = columns.starts.size() == complex.counts[k] + 1 && columns.starts.front() == 0 && columns.rows.size() == columns.values.size() &&
                     columns.starts.back() == static_cast<std::int64_t>(columns.rows.size()) && std::is_sorted(columns.starts.begin(), columns.starts.end());
        for (const std::int64_t row : columns.rows) valid = valid && row >= 0 && static_cast<std::size_t>(row) < complex.counts[k - 1];
        if (!valid) throw std::invalid_argument("boundaries do not fit the cells");
        complex.boundaries.push_back(columns);
    }
    if (inside.shape(0) != cells) throw std::invalid_argument("inside must have one flag per cell");
    complex.inside = {inside.data(), cells};
    return complex;
}

nb::dict reduce_chains(Integers counts, const std::vector<Integers>& starts, const std::vector<Integers>& rows, const std::vector<Integers>& values,
                       Flags inside, std::uint32_t modulus, std::size_t budget) {
    if (modulus != 0 && (modulus >= 1u << 31 || !isotopy::is_prime(modulus))) throw std::invalid_argument("modulus must be 0 or a prime below 2^31");
    const isotopy::ChainComplex complex = chain_complex(counts, starts, rows, values, inside);
    isotopy::ReducedChains found;
    run(1, 1, inside.shape(0) < 2000, [&](std::size_t, const isotopy::Stop& stop) { found = isotopy::reduce_chains(complex, modulus, budget, stop); });
    nb::dict result;
    result["cells"] = to_numpy(std::move(found.cells));
    result["starts"] = to_numpy(std::move(found.starts));
    result["rows"] = to_numpy(std::move(found.rows));
    result["values"] = to_numpy(std::move(found.values));
    return result;
}

}  // namespace

void bind_chains(nb::module_& m) {
    m.def("reduce_chains", &reduce_chains, nb::arg("counts").noconvert(), nb::arg("starts"), nb::arg("rows"), nb::arg("values"),
          nb::arg("inside").noconvert(), nb::arg("modulus"), nb::arg("budget"), "A smaller chain complex with the same homology, over Z or Z/p.");
}

}  // namespace bindings
