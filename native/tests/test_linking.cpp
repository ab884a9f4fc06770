#include "isotopy/linking.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "check.hpp"

using isotopy::linking_number;
using isotopy::Whole;
using Point = std::array<std::int64_t, 3>;
using Curve = std::vector<Point>;

namespace {

const isotopy::Stop stop;

std::vector<double> flat(const Curve& curve, double scale = 1) {
    std::vector<double> all;
    for (const Point& p : curve)
        for (const std::int64_t x : p) all.push_back(scale * static_cast<double>(x));
    return all;
}

isotopy::Linking linking(const Curve& a, const Curve& b, double scale = 1) {
    const std::vector<double> one = flat(a, scale), two = flat(b, scale);
    return linking_number(one, two, stop);
}

// -- the witness: how often one curve passes through a cone over the other

Point minus(Point a, Point b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

std::int64_t volume(Point a, Point b, Point c, Point d) {
    const Point u = minus(b, a), v = minus(c, a), w = minus(d, a);
    return u[0] * (v[1] * w[2] - v[2] * w[1]) + u[1] * (v[2] * w[0] - v[0] * w[2]) + u[2] * (v[0] * w[1] - v[1] * w[0]);
}

// None where some four points are in a plane.
std::optional<std::int64_t> by_cone(const Curve& a, const Curve& b, Point apex) {
    std::int64_t count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const Point p = a[i], q = a[(i + 1) % a.size()];
        for (std::size_t j = 0; j < b.size(); ++j) {
            const Point r = b[j], s = b[(j + 1) % b.size()];
            const std::int64_t below = volume(apex, p, q, r), above = volume(apex, p, q, s);
            const std::int64_t x = volume(r, s, apex, p), y = volume(r, s, p, q), z = volume(r, s, q, apex);
            if (below == 0 || above == 0 || x == 0 || y == 0 || z == 0) return std::nullopt;
            if ((below > 0) != (above > 0) && (x > 0) == (y > 0) && (y > 0) == (z > 0)) count += above > 0 ? 1 : -1;
        }
    }
    return count;
}

void whole_numbers_follow_integers() {
    std::mt19937_64 random(1);
    for (int trial = 0; trial < 20000; ++trial) {
        const auto bits = static_cast<int>(random() % 26);
        const auto draw = [&] { return static_cast<std::int64_t>(random() % (std::uint64_t{2} << bits)) - (std::int64_t{1} << bits); };
        const std::int64_t a = draw(), b = draw(), c = draw(), d = draw(), expected = a * b - c * d;
        const auto whole = [](std::int64_t x) { return Whole(static_cast<double>(x), 0); };
        CHECK((whole(a) * whole(b) - whole(c) * whole(d)).sign() == (expected > 0) - (expected < 0));
        CHECK((whole(a) * whole(b) - whole(c) * whole(d) - whole(expected)).sign() == 0);
        CHECK((whole(a) + whole(b) - whole(a + b)).sign() == 0);
        CHECK((-whole(a)).sign() == -whole(a).sign());
    }
    const double small = 0x1p-1074, large = 0x1.fffffffffffffp1023;
    const std::array<double, 2> both{small, large};
    const int lowest = Whole::lowest_bit(both);
    CHECK(lowest == -1074);
    CHECK((Whole(large, lowest) * Whole(small, lowest) - Whole(large, lowest)).sign() == 0);
    CHECK((Whole(large, lowest) - Whole(small, lowest) - Whole(large, lowest)).sign() == -1);
}

void hopf_links_are_linked_once() {
    const Curve a{{2, 0, 0}, {0, 2, 0}, {-2, 0, 0}, {0, -2, 0}}, up{{0, 0, -1}, {0, 0, 1}, {5, 0, 1}, {5, 0, -1}};
    const Curve down(up.rbegin(), up.rend());
    for (const double scale : {1.0, 0x1p-1070, 0x1p1000, 1e-200, 1e290}) {
        CHECK(linking(a, up, scale).number == 1);  // right hand: fingers along a, the thumb along b
        CHECK(linking(up, a, scale).number == 1);
        CHECK(linking(a, down, scale).number == -1);
    }
}

void random_polygons_agree_with_cones() {
    std::mt19937_64 random(7);
    std::int64_t linked = 0;
    for (std::size_t trial = 0; trial < 400; ++trial) {
        const auto draw = [&](std::size_t size) {
            Curve curve(size);
            for (Point& p : curve)
                for (std::int64_t& x : p) x = static_cast<std::int64_t>(random() % 1000);
            return curve;
        };
        const Curve a = draw(3 + trial % 60), b = draw(3 + trial % 47);
        const auto expected = by_cone(a, b, {-317, 551, 1409});
        if (!expected) continue;
        const auto found = linking(a, b, trial % 2 == 0 ? 1 : 0x1p-537);
        CHECK(!found.touching && found.number == *expected && linking(b, a).number == *expected);
        linked += std::abs(*expected);
    }
    CHECK(linked > 100);
}

// Projections that are as bad as can be: small lattices, where edges are vertical and vertices lie over each other.
void lattice_polygons_agree_with_cones_and_meet_where_they_meet() {
    std::mt19937_64 random(11);
    int apart = 0, linked = 0;
    for (int trial = 0; trial < 20000; ++trial) {
        const auto draw = [&](std::int64_t shift) {
            Curve curve(3 + random() % 4);
            for (Point& p : curve)
                for (std::int64_t& x : p) x = 6 * static_cast<std::int64_t>(random() % 4) + shift;
            return curve;
        };
        const bool odd = trial % 2 == 0;
        const Curve a = draw(0), b = draw(odd ? 3 : 0);
        // Moved by less than the smallest distance of two lattice segments, curves that do not meet stay as linked as they are.
        const std::int64_t unit = 1000;
        Curve moved = b, wide = a;
        for (Point& p : wide)
            for (std::int64_t& x : p) x *= unit;
        for (Point& p : moved) p = {p[0] * unit + 7, p[1] * unit + 5, p[2] * unit + 3};
        const auto found = linking(a, b);
        if (found.touching) continue;
        const auto expected = by_cone(wide, moved, {-31709, 55127, 140911});
        if (!expected) continue;
        ++apart;
        linked += found.number != 0;
        CHECK(found.number == *expected && linking(b, a).number == *expected);
    }
    CHECK(apart > 2000 && linked > 50);
}

void curves_that_meet_are_told() {
    const Curve a{{0, 0, 0}, {4, 0, 0}, {4, 4, 0}, {0, 4, 0}};
    CHECK(linking(a, {{4, 4, 0}, {9, 9, 1}, {9, 4, 1}}).touching);                         // a vertex in a vertex
    CHECK(linking(a, {{2, -1, 5}, {2, 0, 0}, {2, 3, 5}}).touching->first == 0);             // a vertex in an edge
    CHECK(linking(a, {{9, 9, 9}, {1, 3, 1}, {1, 5, -1}, {9, 9, 8}}).touching == std::pair<std::size_t, std::size_t>{2, 1});
    CHECK(linking(a, {{1, 0, 0}, {2, 0, 0}, {2, -3, 0}}).touching);                         // edges on one line that overlap
    CHECK(!linking(a, {{5, 0, 0}, {6, 0, 0}, {6, -3, 0}}).touching);                        // and that do not
    CHECK(linking(a, {{2, 0, 0}, {2, 0, 0}, {2, 0, 0}}).touching);                          // a curve that is a point
    CHECK(linking(a, {{2, 1, 0}, {2, 1, 0}, {2, 1, 0}}).number == 0);
    const double above = 0x1p-52;  // by one bit
    const std::vector<double> square = flat(a), near{2, -1, 1, 2, above, 0, 2, -1, -1}, far{2, -1, 1, 2, -above, 0, 2, -1, -1};
    CHECK(std::abs(linking_number(square, near, stop).number) == 1 && linking_number(square, far, stop).number == 0);
}

}  // namespace

int main() {
    whole_numbers_follow_integers();
    hopf_links_are_linked_once();
    random_polygons_agree_with_cones();
    lattice_polygons_agree_with_cones_and_meet_where_they_meet();
    curves_that_meet_are_told();
}
