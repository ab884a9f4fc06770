// Polyhedral complexes, cut by the neurons of a network.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "isotopy/distinct.hpp"
#include "isotopy/image_rank.hpp"
#include "isotopy/incidence.hpp"
#include "isotopy/merge.hpp"
#include "isotopy/subdivision.hpp"

namespace bindings {

namespace {

using isotopy::Subdivision;
using Labels = nb::ndarray<const std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class Number>
auto to_matrix(std::vector<Number>&& values, std::size_t rows, std::size_t columns) {
    auto* kept = new std::vector<Number>(std::move(values));
    nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<Number>*>(pointer); });
    return nb::ndarray<nb::numpy, Number, nb::ndim<2>>(kept->data(), {rows, columns}, owner);
}

std::span<const std::int64_t> part(const Integers& offsets, const Integers& values, std::size_t index) {
    const std::int64_t begin = offsets(index), end = offsets(index + 1);
    if (begin < 0 || end < begin || static_cast<std::size_t>(end) > values.shape(0)) throw std::invalid_argument("offsets are out of range");
    return {values.data() + begin, static_cast<std::size_t>(end - begin)};
}

void make(Subdivision* self, int dimension, std::size_t vertices, const Integers& edges, const Integers& face_offsets, const Integers& face_vertices,
          const Integers& face_edges, const Integers& cell_offsets, const Integers& cell_faces, std::size_t bytes) {
    if (edges.shape(0) % 2 != 0) throw std::invalid_argument("edges must be pairs of vertices");
    if (face_vertices.shape(0) != face_edges.shape(0)) throw std::invalid_argument("faces need as many edges as vertices");
    Subdivision made(dimension, vertices, bytes);
    for (std::size_t e = 0; e + 1 < edges.shape(0); e += 2) made.add_edge(edges(e), edges(e + 1));
    for (std::size_t f = 0; f + 1 < face_offsets.shape(0); ++f) made.add_face(part(face_offsets, face_vertices, f), part(face_offsets, face_edges, f));
    for (std::size_t c = 0; c + 1 < cell_offsets.shape(0); ++c) made.add_cell(part(cell_offsets, cell_faces, c));
    new (self) Subdivision(std::move(made));
}

// Rows of the old vertices, and of those that the round made.
nb::tuple extend(const Subdivision& self, const Matrix& values, const Matrix& errors) {
    const std::size_t columns = values.shape(1), before = values.shape(0);
    if (errors.shape(0) != before || errors.shape(1) != columns || before + self.cuts().size() != self.vertices())
        throw std::invalid_argument("values and errors must have one row per vertex before the round");
    std::vector<double> to(self.vertices() * columns), error(self.vertices() * columns);
    {
        nb::gil_scoped_release release;
        std::copy(values.data(), values.data() + values.size(), to.begin());
        std::copy(errors.data(), errors.data() + errors.size(), error.begin());
        std::size_t v = before;
        for (const Subdivision::Cut& cut : self.cuts()) {
            const std::size_t a = static_cast<std::size_t>(cut.a) * columns, b = static_cast<std::size_t>(cut.b) * columns;
            Subdivision::interpolate(to.data() + a, to.data() + b, to.data() + v * columns, error.data() + a, error.data() + b, error.data() + v * columns, columns, cut.t, cut.error);
            ++v;
        }
    }
    return nb::make_tuple(to_matrix(std::move(to), self.vertices(), columns), to_matrix(std::move(error), self.vertices(), columns));
}

// Ends of the cut edge, and the function that cuts it.
auto cuts(const Subdivision& self) {
    const std::size_t count = self.cuts().size();
    std::vector<std::int64_t> ends;
    ends.reserve(3 * count);
    for (const Subdivision::Cut& cut : self.cuts()) ends.push_back(cut.a), ends.push_back(cut.b), ends.push_back(cut.column);
    return to_matrix(std::move(ends), count, 3);
}

nb::tuple faces(const Subdivision& self) {
    std::vector<std::int64_t> offsets{0}, vertices, edges;
    for (std::size_t f = 0; f < self.faces(); ++f) {
        for (const Subdivision::Corner& corner : self.face(f)) vertices.push_back(corner.vertex), edges.push_back(corner.edge);
        offsets.push_back(static_cast<std::int64_t>(vertices.size()));
    }
    return nb::make_tuple(to_numpy(std::move(offsets)), to_numpy(std::move(vertices)), to_numpy(std::move(edges)));
}

// Numbers, before, of the vertices that are kept and of the first part of every top cell.
nb::tuple merge(Subdivision& self, const Labels& labels) {
    if (labels.shape(0) != self.tops()) throw std::invalid_argument("labels must have one row per top cell");
    std::vector<std::int64_t> vertices(self.vertices()), tops(self.tops());
    std::iota(vertices.begin(), vertices.end(), 0), std::iota(tops.begin(), tops.end(), 0);
    run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) {
        std::optional<isotopy::Merged> merged = isotopy::merge(self, {labels.data(), labels.size()}, labels.shape(1), stop);
        if (!merged) return;
        self = std::move(merged->complex);
        vertices.assign(merged->vertices.begin(), merged->vertices.end());
        tops.assign(merged->tops.begin(), merged->tops.end());
    });
    return nb::make_tuple(to_numpy(std::move(vertices)), to_numpy(std::move(tops)));
}

nb::tuple boundary(const Subdivision& self, int degree) {
    if (degree < 1 || degree > self.dimension()) throw std::invalid_argument("degree must be between 1 and the dimension");
    isotopy::Incidence found;
    {
        nb::gil_scoped_release release;
        found = degree == 1 ? isotopy::edge_boundary(self) : degree == 2 ? isotopy::face_boundary(self) : isotopy::cell_boundary(self);
    }
    return nb::make_tuple(to_numpy(std::move(found.offsets)), to_numpy(std::move(found.rows)), to_numpy(std::move(found.signs)));
}

}  // namespace

void bind_subdivisions(nb::module_& m) {
    nb::class_<Subdivision>(m, "Subdivision")
        .def("__init__", &make, nb::arg("dimension"), nb::arg("vertices"), nb::arg("edges"), nb::arg("face_offsets"), nb::arg("face_vertices"),
             nb::arg("face_edges"), nb::arg("cell_offsets"), nb::arg("cell_faces"), nb::arg("memory"))
        .def("begin", [](Subdivision& self, const Matrix& values, const Matrix& errors, bool doubt) {
            if (errors.shape(0) != values.shape(0) || errors.shape(1) != values.shape(1)) throw std::invalid_argument("values and errors must have one shape");
            nb::gil_scoped_release release;
            self.begin({values.data(), values.size()}, {errors.data(), errors.size()}, values.shape(1), doubt);
        }, nb::arg("values"), nb::arg("errors"), nb::arg("doubt"))
        .def("run", [](Subdivision& self) {
            bool done = false;
            run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) { done = self.run(stop); });
            return done;
        }, "True when the round is over, False when entries are open.")
        .def("open", [](const Subdivision& self) {
            std::vector<std::int64_t> found;
            for (const Subdivision::Entry& entry : self.open()) found.push_back(entry.vertex), found.push_back(entry.column);
            return to_matrix(std::move(found), self.open().size(), 2);
        })
        .def("decide", [](Subdivision& self, const Doubles& numbers) { self.decide({numbers.data(), numbers.size()}); }, nb::arg("numbers"))
        .def("values", [](Subdivision& self) {
            const std::size_t rows = self.vertices(), columns = self.columns();
            if (!self.over()) throw std::logic_error("values are there once, when the round is over");
            return nb::make_tuple(to_matrix(self.take_values(), rows, columns), to_matrix(self.take_errors(), rows, columns));
        }, "Values and error bounds of the round; handed out once.")
        .def("activate", &Subdivision::activate, nb::arg("slope"), "ReLU (slope 0) or LeakyReLU, before values() hands the values out.")
        .def("signs", [](Subdivision& self) {
            auto [above, below] = self.signs();
            const std::size_t rows = self.tops(), columns = (self.columns() + 7) / 8;
            return nb::make_tuple(to_matrix(std::move(above), rows, columns), to_matrix(std::move(below), rows, columns));
        })
        .def("origin", [](const Subdivision& self) { return to_numpy(std::vector<std::int64_t>(self.origin().begin(), self.origin().end())); })
        .def("mark", [](Subdivision& self) { self.set_mark(); }, "Remembers the complex as it is now.")
        .def("merge", &merge, nb::arg("labels"), "Unites top cells of equal labels within one cell of the mark, each group convex.")
        .def("extend", &extend, nb::arg("values"), nb::arg("errors"))
        .def("cuts", &cuts)
        .def("image_ranks", [](const Subdivision& self, const Matrix& values, const Matrix& errors) {
            if (values.shape(0) != self.vertices() || errors.shape(0) != self.vertices() || errors.shape(1) != values.shape(1))
                throw std::invalid_argument("values and errors must have one row per vertex");
            std::vector<std::int8_t> found;
            run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) {
                found = isotopy::image_ranks(self, {values.data(), values.size()}, {errors.data(), errors.size()}, values.shape(1), stop);
            });
            return to_numpy(std::move(found));
        }, nb::arg("values"), nb::arg("errors"))
        .def("copy", [](const Subdivision& self) { return Subdivision(self); })
        .def("compact", &Subdivision::compact)
        .def("edges", [](const Subdivision& self) {
            std::vector<std::int64_t> found;
            found.reserve(2 * self.ends().size());
            for (const auto& [a, b] : self.ends()) found.push_back(a), found.push_back(b);
            return to_matrix(std::move(found), self.ends().size(), 2);
        })
        .def("faces", &faces)
        .def("boundary", &boundary, nb::arg("degree"))
        .def_prop_ro("vertices", &Subdivision::vertices)
        .def_prop_ro("tops", &Subdivision::tops);
    m.def("distinct_rows", [](const nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>& rows) {
        isotopy::DistinctRows found;
        run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) { found = isotopy::distinct_rows({rows.data(), rows.size()}, rows.shape(0), rows.shape(1), stop); });
        return nb::make_tuple(to_numpy(std::move(found.numbers)), to_numpy(std::move(found.first)));
    }, nb::arg("rows"), "The number of each row, equal rows have one, by first appearance; and the first row of each number.");
    m.def("all_within", [](const Doubles& values, double low, double high) {
        bool fine = true;
        for (std::size_t i = 0; i < values.shape(0); ++i) {
            const double size = std::abs(values(i));
            fine &= (size >= low && size <= high) || size == 0;
        }
        return fine;
    }, nb::arg("values"), nb::arg("low"), nb::arg("high"), "Whether all values are 0 or of a size between two numbers; NaN is not.");
}

}  // namespace bindings
