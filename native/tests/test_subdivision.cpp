#include "isotopy/subdivision.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "boxes.hpp"
#include "check.hpp"
#include "isotopy/image_rank.hpp"

// The ends of a line, with a column per function: where the first function is 0, as far as is known.
Subdivision::Cut cut_line(const std::vector<double>& values, const std::vector<double>& errors, const std::vector<double>& answers = {}) {
    Subdivision line(1, 2, 1 << 20);
    line.add_edge(0, 1);
    line.begin(values, errors, 1, false);
    Stop stop;
    while (!line.run(stop)) line.decide(answers);
    CHECK(line.cuts().size() == 1);
    return line.cuts()[0];
}

void check_error_bounds(std::mt19937& random) {
    std::uniform_real_distribution<double> uniform(-1, 1);
    const auto side = [&] { return uniform(random) < 0 ? -1.0L : 1.0L; };
    for (int round = 0; round < 20000; ++round) {  // the worst that errors allow is within the bound
        const double size = std::ldexp(1, -(round % 60)), a = uniform(random), b = uniform(random), ea = size * std::abs(uniform(random));
        const double eb = size * std::abs(uniform(random)), t = std::abs(uniform(random)), shift = round % 3 == 0 ? 0 : size * std::abs(uniform(random));
        double to = 0, error = 0;
        const double za = round % 2 == 0 ? 0 : ea, zb = round % 2 == 0 ? 0 : eb;
        Subdivision::interpolate(&a, &b, &to, &za, &zb, &error, 1, t, shift);
        const long double s = std::clamp(t + side() * static_cast<long double>(shift), 0.0L, 1.0L);
        const long double truth = (1 - s) * (a + side() * za) + s * (b + side() * zb);
        CHECK(std::abs(truth - to) <= error);
        const double p = 1 + a, q = 1 + b;
        const auto cut = cut_line({-p, q}, {ea * p, eb * q});
        const long double va = p + side() * (ea * p), vb = q + side() * (eb * q);
        CHECK(std::abs(va / (va + vb) - cut.t) <= cut.error);
    }
    const auto tiny = cut_line({-0x1p-500, 0x3p-500}, {0, 0});  // numbers too small for the kernel
    CHECK(std::abs(tiny.t - 0.25) <= tiny.error);
    const double infinite = std::numeric_limits<double>::infinity();
    CHECK(cut_line({0, 0}, {infinite, infinite}, {-0x1p-470, 0x1p-470}).error >= 0.5);  // stand for all smaller ones
    CHECK(cut_line({0, 0}, {infinite, infinite}, {-0x1p1000, 0x1p1000}).error >= 0.5);  // and for all larger ones
    CHECK(cut_line({0, 0}, {infinite, infinite}, {-0x1p-469, 0x3p-469}).error < 1e-12);

    Subdivision line(1, 2, 1 << 20);
    line.add_edge(0, 1);
    Stop stop;
    const std::vector<double> values{-1e20, 1e20, 1e-20, 1e-20}, none(4, 0.0), errors{0.5, 0.25, 0, 0};
    line.begin(values, none, 2, false);
    CHECK(line.run(stop));
    CHECK(line.cuts()[0].t == 1 && line.take_values()[5] > 0);  // positive at both ends, so between them, in spite of rounding
    line.begin({{-2.0, 1.0, 3.0, 1.0, 1.0, 1.0}}, {{0.5, 0.0, 0.0, 0.0, 0.0, 0.0}}, 2, false);
    CHECK(line.run(stop));
    CHECK(line.tops() == 3 && line.origin() == std::vector<Subdivision::Index>({0, 1, 0}));  // of this round, not of all
    line.activate(-3);
    CHECK(line.take_values()[0] == 6 && line.take_errors()[0] >= 1.5);
}

// Images whose real rank is lower than what float64 sees: no error within the bounds makes it count.
void check_rank_bounds(std::mt19937& random) {
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (int round = 0; round < 50000; ++round) {
        const std::size_t vertices = 4, n = 3, rank = static_cast<std::size_t>(round % 3);
        const double size = std::ldexp(1, -(round % 12));
        std::vector<double> values(vertices * n), errors(vertices * n);
        double basis[2][3];
        for (auto& row : basis)
            for (double& x : row) x = uniform(random);
        for (std::size_t v = 0; v < vertices; ++v) {
            const double at[2] = {uniform(random), uniform(random)};
            for (std::size_t c = 0; c < n; ++c) {
                double value = 0;
                for (std::size_t i = 0; i < rank; ++i) value += at[i] * basis[i][c];
                errors[v * n + c] = size * std::abs(uniform(random)) + 1e-14;
                values[v * n + c] = value + (errors[v * n + c] - 1e-14) * (uniform(random) < 0 ? -1 : 1);
            }
        }
        const std::vector<Subdivision::Index> corners{0, 1, 2, 3};
        CHECK(ImageRank(values, errors, n)(corners, 3) <= static_cast<int>(rank));
    }
    const std::vector<double> values{0, 0, 2, 0}, errors(4, 0.5);
    const std::vector<Subdivision::Index> ends{0, 1};
    CHECK(ImageRank(values, errors, 2)(ends, 1) == 1);  // a pivot not much larger than its error
}

int main() {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> uniform(-1, 1);
    check_error_bounds(random);
    check_rank_bounds(random);
    for (int round = 0; round < 30; ++round) {  // general lines meet pairwise: 1 + n + C(n, 2) cells, if the box is large enough
        Cut square(2, 1e9);
        std::vector<Plane> lines;
        for (int i = 0; i < 1 + round % 12; ++i) lines.push_back({uniform(random), uniform(random), uniform(random)});
        CHECK(square.by(lines) == 0);
        const std::size_t n = lines.size();
        CHECK(square.complex.tops() == 1 + n + n * (n - 1) / 2);
        check_complex(square.complex);
        square.complex.compact();
        check_complex(square.complex);
        std::set<std::vector<std::uint8_t>> words;
        const auto positive = square.complex.signs().first;
        const std::size_t width = (n + 7) / 8;
        for (std::size_t top = 0; top < square.complex.tops(); ++top) words.insert({positive.begin() + static_cast<std::ptrdiff_t>(top * width), positive.begin() + static_cast<std::ptrdiff_t>((top + 1) * width)});
        CHECK(words.size() == square.complex.tops());
    }
    for (int round = 0; round < 10; ++round) {  // planes: the third Zaslavsky number
        Cut cube(3, 1e9);
        std::vector<Plane> planes;
        for (int i = 0; i < 1 + round % 7; ++i) planes.push_back({uniform(random), uniform(random), uniform(random), uniform(random)});
        CHECK(cube.by(planes) == 0);
        const std::size_t n = planes.size();
        CHECK(cube.complex.tops() == 1 + n + n * (n - 1) / 2 + n * (n - 1) * (n - 2) / 6);
        check_complex(cube.complex);
    }
    {  // a grid, and planes along its diagonals: through vertices, edges and walls
        Cut cube(3, 2);
        std::vector<Plane> planes;
        for (int axis = 0; axis < 3; ++axis)
            for (int at = -1; at <= 1; ++at) {
                planes.push_back({0, 0, 0, -static_cast<double>(at)});
                planes.back()[static_cast<std::size_t>(axis)] = 1;
            }
        CHECK(cube.by(planes, 1) == 0);
        CHECK(cube.complex.tops() == 64 && cube.complex.vertices() == 125);
        check_complex(cube.complex);
        cube.by({{1, -1, 0, 0}}, 1);
        CHECK(cube.complex.tops() == 80 && cube.complex.vertices() == 125);
        cube.by({{-2, 2, 0, 0}, {1, 0, 0, -1}, {0, 0, 0, 0}}, 1);  // the same plane, a wall, nothing
        CHECK(cube.complex.tops() == 80);
        check_complex(cube.complex);
        cube.by({{1, 1, 1, 0}}, 0.5);
        check_complex(cube.complex);
        std::vector<double> values, errors;  // ranks of projections
        for (const auto& p : cube.points) values.insert(values.end(), {p[0], p[1], p[0] + p[1]}), errors.insert(errors.end(), 3, 1e-12);
        Stop stop;
        for (const std::int8_t rank : image_ranks(cube.complex, values, errors, 3, stop)) CHECK(rank == 2);
        std::fill(errors.begin(), errors.end(), 10);
        for (const std::int8_t rank : image_ranks(cube.complex, values, errors, 3, stop)) CHECK(rank == 0);
    }
    {  // in one round: values at new vertices are within rounding of 0, so the caller is asked
        Cut cube(3, 2);
        CHECK(cube.by({{1, 0, 0, 0}, {1, -1, 0, 0}, {0, 3, 0, 0}, {-2, 2, 0, 0}, {1, 1, 1, 0}, {1, 1, -1, 0}}, 1) > 0);
        check_complex(cube.complex);
        CHECK(cube.complex.tops() == 20);
    }
    {  // a line, cut twice at the same place by coincident functions
        Cut line(1, 3);
        CHECK(line.by({{1, -1}, {3, -3}, {1, 0}}, 1) > 0);
        CHECK(line.complex.tops() == 3 && line.complex.vertices() == 4);
        CHECK(line.complex.origin() == std::vector<Subdivision::Index>({0, 0, 0}));
        check_complex(line.complex);
    }
    {  // signs that no affine function has are refused
        Cut square(2, 1);
        Stop stop;
        const std::vector<double> saddle{1, -1, -1, 1}, errors(4, 0.0);
        square.complex.begin(saddle, errors, 1, false);
        bool refused = false;
        try {
            square.complex.run(stop);
        } catch (const std::logic_error&) {
            refused = true;
        }
        CHECK(refused);
    }
    {  // the budget
        Subdivision small(1, 2, 10);
        small.add_edge(0, 1);
        const std::vector<double> values{-1, 1}, errors{0, 0};
        small.begin(values, errors, 1, false);
        Stop stop;
        bool refused = false;
        try {
            small.run(stop);
        } catch (const std::bad_alloc&) {
            refused = true;
        }
        CHECK(refused);
    }
    return 0;
}
