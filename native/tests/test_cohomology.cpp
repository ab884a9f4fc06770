#include "isotopy/cohomology.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "reduction.hpp"

using namespace isotopy;

// All simplices on at most `corners` vertices, in the order (last edge, dimension, vertices); classes below that dimension.
static Pairs slow(const std::vector<double>& matrix, std::size_t n, std::size_t corners, double threshold) {
    using Key = std::tuple<double, std::size_t, std::size_t, std::size_t, Simplex>;
    std::vector<Key> keys;
    for (std::size_t mask = 1; mask < (std::size_t{1} << n); ++mask) {
        Simplex cell;
        for (std::size_t v = 0; v < n; ++v)
            if ((mask >> v & 1) != 0) cell.push_back(std::int64_t(v));
        if (cell.size() > corners) continue;
        std::tuple<double, std::size_t, std::size_t> last{-1.0, 0, 0};
        for (const auto a : cell)
            for (const auto b : cell)
                if (a < b) last = std::max(last, std::tuple{matrix[std::size_t(a) * n + std::size_t(b)], std::size_t(a), std::size_t(b)});
        if (std::get<0>(last) <= threshold && std::get<0>(last) < std::numeric_limits<double>::infinity())
            keys.push_back({std::get<0>(last), std::get<1>(last), std::get<2>(last), cell.size(), cell});
    }
    std::sort(keys.begin(), keys.end());
    std::vector<Simplex> cells;
    for (const Key& key : keys) cells.push_back(std::get<4>(key));
    return reduce(cells, corners - 1);
}

int main() {
    std::mt19937 random(11);
    std::normal_distribution<double> normal;
    const double infinity = std::numeric_limits<double>::infinity();
    const std::size_t unlimited = std::numeric_limits<std::size_t>::max();
    Stop stop;
    for (int round = 0; round < 150; ++round) {
        // distances of points, of points of a small grid, arbitrary ones, and few levels of arbitrary ones
        const std::size_t n = random() % 10, d = random() % 3 + 1;
        std::vector<double> x(n * d), matrix(n * n, 0.0);
        for (double& value : x) value = round % 2 == 0 ? double(random() % 3) : normal(random);
        for (std::size_t a = 0; a < n; ++a)
            for (std::size_t b = 0; b < a; ++b) {
                double sum = 0;
                for (std::size_t axis = 0; axis < d; ++axis) sum += (x[a * d + axis] - x[b * d + axis]) * (x[a * d + axis] - x[b * d + axis]);
                const double free = round % 2 == 0 ? double(random() % 4) : std::abs(normal(random));
                matrix[a * n + b] = matrix[b * n + a] = round % 4 < 2 ? std::sqrt(sum) : round % 12 == 11 && free > 1.5 ? infinity : free;
            }
        const double threshold = round % 3 == 0 ? std::abs(normal(random)) * 2 : round % 3 == 1 ? 1.0 : infinity;
        for (const int degree : {2, 3, 5}) {
            const Pairs expected = slow(matrix, n, static_cast<std::size_t>(degree) + 2, threshold);
            for (const std::uint32_t modulus : {2u, 3u, 65537u}) {  // flag complexes on so few vertices have no torsion
                const Pairing found = rips_cohomology(Metric::of_matrix(matrix, n), {threshold, degree, modulus, true}, unlimited, stop);
                CHECK(to_pairs(found) == expected);
                CHECK(std::is_sorted(found.degree.begin(), found.degree.end()));
                const Pairing longer = rips_cohomology(Metric::of_matrix(matrix, n), {threshold, degree, modulus, false}, unlimited, stop);
                Pairs kept;  // the same without pairs of length zero
                std::size_t birth = 0, death = 0;
                Pairing part;
                for (std::size_t index = 0; index < found.degree.size(); ++index) {
                    const auto width = static_cast<std::ptrdiff_t>(found.degree[index]) + 1;
                    const auto length = [&](const std::vector<std::int64_t>& at, std::size_t entry) {
                        return matrix[static_cast<std::size_t>(at[2 * entry]) * n + static_cast<std::size_t>(at[2 * entry + 1])];
                    };
                    const bool dies = found.essential[index] == 0;
                    const Simplex born(found.birth_cell.begin() + std::ptrdiff_t(birth), found.birth_cell.begin() + std::ptrdiff_t(birth) + width);
                    birth += std::size_t(width);
                    if (!dies) {
                        kept.insert({born, {}});
                        continue;
                    }
                    std::size_t entry = 0;
                    for (std::size_t before = 0; before < index; ++before) entry += found.essential[before] == 0 ? 1u : 0u;
                    const Simplex end(found.death_cell.begin() + std::ptrdiff_t(death), found.death_cell.begin() + std::ptrdiff_t(death) + width + 1);
                    death += std::size_t(width) + 1;
                    const auto low = static_cast<std::size_t>(std::count(found.degree.begin(), found.degree.end(), 0));  // born at 0
                    const double birth_length = index < low ? 0.0 : length(found.birth_at, index - low);
                    if (birth_length != length(found.death_at, entry)) kept.insert({born, end});
                }
                CHECK(to_pairs(longer) == kept);
            }
        }
    }

    // The cross polytope of dimension 4 is a sphere S^3 from 1 on, filled at 2.
    std::vector<double> cross(64, 1.0);
    for (std::size_t a = 0; a < 8; ++a) cross[a * 8 + a] = 0, cross[a * 8 + (a ^ 1)] = 2;
    const Pairing sphere = rips_cohomology(Metric::of_matrix(cross, 8), {infinity, 4, 2, false}, unlimited, stop);
    CHECK(sphere.degree.back() == 3 && sphere.essential.back() == 0 && sphere.degree.size() == 9);
    CHECK(rips_cohomology(Metric::of_matrix(cross, 8), {1.0, 4, 5, false}, unlimited, stop).essential.back() == 1);

    bool refused = false;
    const std::vector<double> line(3000, 0.0);
    try {
        rips_cohomology(Metric::of_points(line, 3000, 1), {0.0, 7, 2, false}, unlimited, stop);
    } catch (const TooManyPoints&) {
        refused = true;
    }
    CHECK(refused);

    // The reduction needs memory, and says when there is too little.
    std::vector<double> ball;
    for (int point = 0; point < 60; ++point)
        for (int axis = 0; axis < 4; ++axis) ball.push_back(normal(random));
    bool starved = false;
    try {
        rips_cohomology(Metric::of_points(ball, 60, 4), {infinity, 2, 2, false}, 10, stop);
    } catch (const std::bad_alloc&) {
        starved = true;
    }
    CHECK(starved && !rips_cohomology(Metric::of_points(ball, 60, 4), {infinity, 2, 2, false}, std::size_t{1} << 20, stop).degree.empty());

    // So do its classes: those of length zero are nearly as many as there are simplices.
    const std::vector<double> equal(60 * 3, 0.0);
    const std::size_t room = std::size_t{1} << 22;  // for 12 000 pairs of degree 2; 59 * 58 * 57 / 6 = 32 509 have length zero
    starved = false;
    try {
        rips_cohomology(Metric::of_points(equal, 60, 3), {infinity, 2, 2, true}, room, stop);
    } catch (const std::bad_alloc&) {
        starved = true;
    }
    CHECK(starved && rips_cohomology(Metric::of_points(equal, 60, 3), {infinity, 2, 2, true}, 4 * room, stop).degree.size() == 34280);
    CHECK(rips_cohomology(Metric::of_points(equal, 60, 3), {infinity, 2, 2, false}, room, stop).degree.size() == 1);

    stop.request();
    try {
        cohomology_detail::Classes classes{{{1, 2}, {0, 1}}, {}};
        Pairing out;
        Stop never;
        cohomology_detail::append_classes(cohomology_detail::FlagComplex(Metric::of_matrix(cross, 8), infinity, never), classes, 2, true, out, stop);
        CHECK(false);
    } catch (const Cancelled&) {
    }
    bool cancelled = false;
    try {
        rips_cohomology(Metric::of_matrix(cross, 8), {infinity, 2, 2, false}, unlimited, stop);
    } catch (const Cancelled&) {
        cancelled = true;
    }
    CHECK(cancelled);
    return 0;
}
