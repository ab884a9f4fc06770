#include "isotopy/rips.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "reduction.hpp"

using namespace isotopy;

static Pairs slow(const std::vector<double>& x, std::size_t n, std::size_t d, double threshold) {
    const auto length = [&](std::size_t i, std::size_t j) {
        double sum = 0;
        for (std::size_t axis = 0; axis < d; ++axis) sum += (x[i * d + axis] - x[j * d + axis]) * (x[i * d + axis] - x[j * d + axis]);
        return std::sqrt(sum);
    };
    using Key = std::tuple<double, std::size_t, std::size_t, std::size_t, Simplex>;  // last edge, size, cell
    std::vector<Key> keys;
    for (std::size_t i = 0; i < n; ++i) {
        keys.push_back({-1.0, 0, 0, 1, {std::int64_t(i)}});
        for (std::size_t j = i + 1; j < n; ++j) {
            const std::tuple edge{length(i, j), i, j};
            if (std::get<0>(edge) <= threshold) keys.push_back({std::get<0>(edge), i, j, 2, {std::int64_t(i), std::int64_t(j)}});
            for (std::size_t k = j + 1; k < n; ++k) {
                const auto [value, a, b] = std::max({edge, std::tuple{length(i, k), i, k}, std::tuple{length(j, k), j, k}});
                if (value <= threshold) keys.push_back({value, a, b, 3, {std::int64_t(i), std::int64_t(j), std::int64_t(k)}});
            }
        }
    }
    std::sort(keys.begin(), keys.end());
    std::vector<Simplex> cells;
    for (const Key& key : keys) cells.push_back(std::get<4>(key));
    return reduce(cells, 2);
}

static Pairing fast(const std::vector<double>& x, std::size_t n, std::size_t d, const RipsOptions& options) {
    Stop stop;
    return rips_persistence(Metric::of_points(x, n, d), options, stop);
}

int main() {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    const double infinity = std::numeric_limits<double>::infinity();
    for (int round = 0; round < 120; ++round) {
        const std::size_t n = random() % 13, d = random() % 3 + 1;
        std::vector<double> x(n * d);
        for (double& value : x) value = round % 2 == 0 ? double(random() % 3) : normal(random);
        const double threshold = round % 3 == 0 ? std::abs(normal(random)) * 2 : infinity;
        const Pairs expected = slow(x, n, d, threshold);
        for (const std::uint32_t modulus : {2u, 3u, 65537u}) {  // planar and small complexes: no torsion, the same over all fields
            const Pairing found = fast(x, n, d, {threshold, 1, modulus, true});
            CHECK(to_pairs(found) == expected);
            CHECK(found.birth_at.size() == 2 * found.degree.size());
        }
        Pairs components;
        for (const auto& pair : expected)
            if (pair.first.size() == 1) components.insert(pair);
        CHECK(to_pairs(fast(x, n, d, {threshold, 0, 2, true})) == components);
    }

    // A matrix says the same as the points, and an infinite entry is an edge that never enters.
    const std::vector<double> line{0, 1, 3};
    const std::vector<double> matrix{0, 1, 3, 1, 0, 2, 3, 2, 0}, cut{0, 1, infinity, 1, 0, infinity, infinity, infinity, 0};
    Stop stop;
    for (const int degree : {0, 1}) {
        CHECK(to_pairs(rips_persistence(Metric::of_matrix(matrix, 3), {infinity, degree, 2, true}, stop)) == to_pairs(fast(line, 3, 1, {infinity, degree, 2, true})));
        CHECK(rips_persistence(Metric::of_matrix(cut, 3), {infinity, degree, 2, false}, stop).essential == std::vector<std::uint8_t>{0, 1, 1});
    }

    stop.request();
    bool cancelled = false;
    try {
        rips_persistence(Metric::of_matrix(matrix, 3), {}, stop);
    } catch (const Cancelled&) {
        cancelled = true;
    }
    CHECK(cancelled);
    return 0;
}
