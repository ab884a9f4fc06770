// Boxes that are cut by planes, and what holds for every subdivision of a ball.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "check.hpp"
#include "isotopy/incidence.hpp"
#include "isotopy/subdivision.hpp"

using namespace isotopy;

using Plane = std::vector<double>;  // coefficients, then the constant

// A box with corners numbered in binary, and the positions of its corners.
struct Cut {
    Subdivision complex;
    std::vector<std::vector<double>> points;

    Cut(int d, double side) : complex(d, std::size_t{1} << d, std::size_t{1} << 30) {
        for (int v = 0; v < 1 << d; ++v) {
            points.emplace_back();
            for (int axis = 0; axis < d; ++axis) points.back().push_back((v >> axis & 1) != 0 ? side : -side);
        }
        std::map<std::pair<int, int>, std::int64_t> edge;
        for (int axis = 0; axis < d; ++axis)
            for (int v = 0; v < 1 << d; ++v)
                if ((v >> axis & 1) == 0) edge[{v, v | 1 << axis}] = static_cast<std::int64_t>(edge.size()), complex.add_edge(v, v | 1 << axis);
        std::vector<std::int64_t> faces;
        for (int i = 0; i < d; ++i)
            for (int j = i + 1; j < d; ++j)
                for (int v = 0; v < 1 << d; ++v) {
                    if ((v >> i & 1) != 0 || (v >> j & 1) != 0) continue;
                    const std::vector<int> around{v, v | 1 << i, v | 1 << i | 1 << j, v | 1 << j};
                    std::vector<std::int64_t> vertices, sides;
                    for (std::size_t k = 0; k < 4; ++k) {
                        vertices.push_back(around[k]);
                        sides.push_back(edge.at(std::minmax(around[k], around[(k + 1) % 4])));
                    }
                    complex.add_face(vertices, sides);
                    faces.push_back(static_cast<std::int64_t>(faces.size()));
                }
        if (d == 3) complex.add_cell(faces);
    }

    // Cut by planes. With a grain, new vertices and values at open entries are multiples of it.
    std::size_t by(const std::vector<Plane>& planes, double grain = 0) {
        std::vector<double> values, errors;
        for (const auto& p : points)
            for (const Plane& plane : planes) {
                double value = plane.back();
                for (std::size_t i = 0; i < p.size(); ++i) value += plane[i] * p[i];
                values.push_back(value), errors.push_back(0);
            }
        Stop stop;
        complex.begin(values, errors, planes.size(), false);
        std::size_t asked = 0;
        while (!complex.run(stop)) {
            std::vector<double> answers;
            const std::size_t before = points.size();
            place(before, grain);
            for (const auto& entry : complex.open()) {
                const Plane& plane = planes[static_cast<std::size_t>(entry.column)];
                double value = plane.back();
                for (std::size_t i = 0; i + 1 < plane.size(); ++i) value += plane[i] * points[static_cast<std::size_t>(entry.vertex)][i];
                answers.push_back(rounded(value, grain));
            }
            asked += answers.size();
            complex.decide(answers);
        }
        place(points.size(), grain);
        return asked;
    }

    static double rounded(double value, double grain) { return grain > 0 ? std::round(value / grain) * grain : value; }

    void place(std::size_t known, double grain) {
        const std::size_t first = complex.vertices() - complex.cuts().size();
        for (std::size_t v = known; v < complex.vertices(); ++v) {
            const auto& cut = complex.cuts()[v - first];
            points.emplace_back();
            for (std::size_t i = 0; i < points[0].size(); ++i)
                points[v].push_back(rounded((1 - cut.t) * points[static_cast<std::size_t>(cut.a)][i] + cut.t * points[static_cast<std::size_t>(cut.b)][i], grain));
        }
    }
};

// Boundaries of boundaries vanish, every cell is closed, and the Euler characteristic is that of a ball.
inline void check_complex(const Subdivision& complex) {
    std::vector<Incidence> d{edge_boundary(complex)};
    if (complex.dimension() > 1) d.push_back(face_boundary(complex));
    if (complex.dimension() > 2) d.push_back(cell_boundary(complex));
    for (std::size_t k = 1; k < d.size(); ++k)
        for (std::size_t c = 0; c + 1 < d[k].offsets.size(); ++c) {
            std::map<std::int64_t, int> sum;
            for (auto i = d[k].offsets[c]; i < d[k].offsets[c + 1]; ++i) {
                const auto facet = d[k].rows[static_cast<std::size_t>(i)];
                for (auto j = d[k - 1].offsets[static_cast<std::size_t>(facet)]; j < d[k - 1].offsets[static_cast<std::size_t>(facet) + 1]; ++j)
                    sum[d[k - 1].rows[static_cast<std::size_t>(j)]] += d[k].signs[static_cast<std::size_t>(i)] * d[k - 1].signs[static_cast<std::size_t>(j)];
            }
            for (const auto& [row, total] : sum) CHECK(total == 0);
        }
    auto euler = static_cast<std::int64_t>(complex.vertices()) - static_cast<std::int64_t>(complex.ends().size());
    euler += static_cast<std::int64_t>(complex.faces()) - static_cast<std::int64_t>(complex.cells());
    CHECK(euler == 1);
}
