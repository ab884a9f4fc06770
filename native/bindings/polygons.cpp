// Closed polygons in space.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "arrays.hpp"
#include "isotopy/linking.hpp"

namespace bindings {

void bind_polygons(nb::module_& m) {
    using Points = nb::ndarray<const double, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
    m.def("linking_number", [](const Points& a, const Points& b) {
        if (a.shape(0) == 0 || b.shape(0) == 0) throw std::invalid_argument("a curve has no vertices");
        isotopy::Linking found;
        run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) { found = isotopy::linking_number({a.data(), a.size()}, {b.data(), b.size()}, stop); });
        const auto segment = [](std::size_t index) { return static_cast<std::int64_t>(index); };
        const auto [first, second] = found.touching.value_or(std::pair<std::size_t, std::size_t>{0, 0});
        return nb::make_tuple(found.touching.has_value(), found.number, segment(first), segment(second));
    }, nb::arg("a"), nb::arg("b"), "Whether the closed polygons meet, their linking number, and the segments that meet.");
}

}  // namespace bindings
