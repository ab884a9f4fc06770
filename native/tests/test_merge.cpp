#include "isotopy/merge.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "boxes.hpp"
#include "check.hpp"

using Labels = std::vector<std::int32_t>;
using Counts = std::array<std::size_t, 4>;

Counts counts(const Subdivision& complex) { return {complex.vertices(), complex.ends().size(), complex.faces(), complex.cells()}; }

void unite(Cut& box, const Labels& labels, std::size_t width) {
    Stop stop;
    auto merged = merge(box.complex, labels, width, stop);
    CHECK(merged.has_value());
    std::vector<std::vector<double>> points;
    for (const auto vertex : merged->vertices) points.push_back(box.points[static_cast<std::size_t>(vertex)]);
    box.points = std::move(points);
    box.complex = std::move(merged->complex);
    check_complex(box.complex);
}

// Of every top cell the sides of some planes that it lies on, by the mean of its corners.
Labels sides(const Cut& box, const std::vector<Plane>& planes) {
    Labels labels;
    for (std::size_t top = 0; top < box.complex.tops(); ++top)
        for (const Plane& plane : planes) {
            double sum = 0;
            box.complex.each_vertex(top, [&](Subdivision::Index vertex) {
                sum += plane.back();
                for (std::size_t i = 0; i + 1 < plane.size(); ++i) sum += plane[i] * box.points[static_cast<std::size_t>(vertex)][i];
            });
            labels.push_back(sum > 0 ? 7 : -7);
        }
    return labels;
}

std::set<std::vector<std::int64_t>> places(const Cut& box) {
    std::set<std::vector<std::int64_t>> found;
    for (const auto& point : box.points) {
        std::vector<std::int64_t> place;
        for (const double x : point) place.push_back(std::llround(x * 1e6));
        found.insert(place);
    }
    return found;
}

void check_same(const Cut& a, const Cut& b) {
    CHECK(counts(a.complex) == counts(b.complex));
    CHECK(places(a) == places(b) && places(a).size() == a.complex.vertices());
}

// Planes of which some are taken away again: what is left is the box, cut by the others.
void check_arrangement(int d, const std::vector<Plane>& first, const std::vector<Plane>& kept, const std::vector<Plane>& dropped, bool dropped_first, double grain) {
    Cut box(d, 4), expected(d, 4);
    for (const Plane& plane : first) box.by({plane}, grain), expected.by({plane}, grain);
    box.complex.set_mark();
    const std::size_t before = box.complex.tops(), vertices = box.complex.vertices();
    if (dropped_first)
        for (const Plane& plane : dropped) box.by({plane}, grain);
    for (const Plane& plane : kept) box.by({plane}, grain), expected.by({plane}, grain);
    if (!dropped_first)
        for (const Plane& plane : dropped) box.by({plane}, grain);
    if (box.complex.tops() == expected.complex.tops()) {
        Stop stop;
        CHECK(!merge(box.complex, sides(box, kept), kept.size(), stop).has_value());
        return;
    }
    unite(box, sides(box, kept), kept.size());
    check_same(box, expected);
    CHECK(box.complex.mark().vertices == vertices);
    const Plane last = d == 3 ? Plane{1, 0.5, 0.25, 0.125} : d == 2 ? Plane{1, 0.5, 0.125} : Plane{1, 0.125};
    if (grain == 0) {  // it can be cut on
        box.by({last}), expected.by({last});
        check_complex(box.complex);
        check_same(box, expected);
    }
    if (box.complex.tops() == before) return;
    unite(box, Labels(box.complex.tops(), 1), 1);  // the same mark: all that came after it goes
    CHECK(box.complex.tops() == before && box.complex.vertices() == vertices);
    for (std::size_t top = 0; top < before; ++top) CHECK(box.complex.mark().within[top] == static_cast<Subdivision::Index>(top));
}

void check_arrangements(std::mt19937& random) {
    std::uniform_real_distribution<double> uniform(-1, 1);
    const auto planes = [&](int d, int count) {
        std::vector<Plane> found(static_cast<std::size_t>(count));
        for (Plane& plane : found)
            for (int i = 0; i <= d; ++i) plane.push_back(uniform(random));
        return found;
    };
    for (int round = 0; round < 90; ++round) {
        const int d = 1 + round % 3, most = d == 3 ? 3 : 5;
        check_arrangement(d, planes(d, round % 4), planes(d, round % (most + 1)), planes(d, 1 + round % most), round % 2 == 0, 0);
    }
    for (int round = 0; round < 60; ++round) {  // axes and diagonals: through vertices, along edges and walls
        const int d = 2 + round % 2;
        std::vector<Plane> all;
        for (int axis = 0; axis < d; ++axis)
            for (int other = axis; other < d; ++other)
                for (int at = -1; at <= 1; ++at) {
                    all.emplace_back(static_cast<std::size_t>(d) + 1, 0.0);
                    all.back()[static_cast<std::size_t>(axis)] = 1;
                    if (other != axis) all.back()[static_cast<std::size_t>(other)] = at < 0 ? -1 : 1;
                    all.back().back() = other == axis || at == 0 ? at : 0;
                }
        std::shuffle(all.begin(), all.end(), random);
        all.resize(std::min<std::size_t>(all.size(), 7));
        const std::vector<Plane> first(all.begin(), all.begin() + 2), kept(all.begin() + 2, all.begin() + 4), dropped(all.begin() + 4, all.end());
        check_arrangement(d, first, kept, dropped, round % 4 < 2, 0x1p-20);
    }
}

// Faces with three corners each, in any space.
Subdivision triangles(std::size_t vertices, const std::vector<std::array<std::int64_t, 3>>& faces) {
    Subdivision made(2, vertices, 1 << 20);
    std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> edge;
    std::vector<std::int64_t> sides;
    for (const auto& face : faces)
        for (std::size_t i = 0; i < 3; ++i) {
            const auto key = std::minmax(face[i], face[(i + 1) % 3]);
            const auto [at, fresh] = edge.try_emplace({key.first, key.second}, static_cast<std::int64_t>(edge.size()));
            if (fresh) made.add_edge(key.first, key.second);
            sides.push_back(at->second);
        }
    for (std::size_t f = 0; f < faces.size(); ++f) made.add_face(faces[f], std::span(sides).subspan(3 * f, 3));
    return made;
}

template <class Error, class Work>
bool refuses(const Work& work) {
    try {
        work();
    } catch (const Error&) {
        return true;
    }
    return false;
}

int main() {
    Stop stop;
    std::mt19937 random(5);
    check_arrangements(random);
    {  // quadrants, the left ones united: a vertex stays where a wall of the right ones ends
        Cut tee(2, 2);
        tee.by({{1, 0, 0}, {0, 1, 0}});
        Labels labels = sides(tee, {{1, 0, 0}, {0, 1, 0}});
        for (std::size_t top = 0; top < 4; ++top)
            if (labels[2 * top] < 0) labels[2 * top + 1] = 0;
        unite(tee, labels, 2);
        CHECK(counts(tee.complex) == Counts({8, 10, 3, 0}));
        CHECK(places(tee).contains({0, 0}) && !places(tee).contains({-2000000, 0}));
    }
    {  // octants, four of them united
        Cut cube(3, 2);
        const std::vector<Plane> axes{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
        cube.by(axes);
        Labels labels = sides(cube, axes);
        for (std::size_t top = 0; top < 8; ++top)
            if (labels[3 * top] < 0) labels[3 * top + 1] = labels[3 * top + 2] = 0;
        unite(cube, labels, 3);
        CHECK(counts(cube.complex) == Counts({22, 41, 25, 5}));
        cube.by({{0, 1, 1, 0.5}});  // across the corners that only one side has
        check_complex(cube.complex);
    }
    {  // two triangles with an edge in common, cut across: the vertex on it stays until both are whole again
        for (const bool both : {false, true}) {
            Subdivision pair = triangles(4, {{0, 1, 2}, {1, 0, 3}});
            const std::vector<double> values{-1, 1, -1, -1}, errors(4, 0.0);
            pair.begin(values, errors, 1, false);
            CHECK(pair.run(stop) && pair.tops() == 4 && pair.vertices() == 7);
            Labels labels;
            for (std::size_t top = 0; top < 4; ++top) labels.push_back(both || pair.mark().within[top] == 0 ? 0 : static_cast<std::int32_t>(top));
            const auto merged = merge(pair, labels, 1, stop);
            CHECK(counts(merged->complex) == (both ? Counts({4, 5, 2, 0}) : Counts({6, 8, 3, 0})));
            check_complex(merged->complex);
        }
    }
    {  // three triangles around an edge
        Subdivision book = triangles(5, {{0, 1, 2}, {1, 0, 3}, {0, 1, 4}});
        const std::vector<double> values{-1, 1, -1, -1, -1}, errors(5, 0.0);
        book.begin(values, errors, 1, false);
        CHECK(book.run(stop) && book.tops() == 6);
        const auto merged = merge(book, Labels(6, 0), 1, stop);
        CHECK(counts(merged->complex) == Counts({5, 7, 3, 0}) && merged->tops == std::vector<Subdivision::Index>({0, 1, 2}));
        CHECK(merged->vertices == std::vector<Subdivision::Index>({0, 1, 2, 3, 4}));
    }
    {  // what is no union of cells in one piece, and labels that do not fit
        Cut line(1, 3);
        line.by({{1, -1}, {1, 1}});
        CHECK(refuses<std::logic_error>([&] { merge(line.complex, Labels({0, 0, 1}), 1, stop); }));
        CHECK(refuses<std::invalid_argument>([&] { merge(line.complex, Labels({0, 1}), 1, stop); }));
        CHECK(!merge(line.complex, Labels({0, 1, 2}), 1, stop).has_value());
        CHECK(merge(line.complex, Labels(), 0, stop)->complex.tops() == 1);
    }
    return 0;
}
