#include "isotopy/rips.hpp"

#include <algorithm>
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
        const std::size_t n = round % 20 == 0 ? 17 + random() % 10 : random() % 13;  // more than sixteen: several blocks
        const std::size_t d = random() % 3 + 1;
        std::vector<double> x(n * d);
        for (double& value : x) value = round % 2 == 0 ? double(random() % 3) : normal(random);
        const double threshold = round % 3 == 0 ? std::abs(normal(random)) * 2 : round % 3 == 1 ? 1.0 : infinity;  // 1 is a length of tied clouds
        const Pairs expected = slow(x, n, d, threshold);
        for (const std::uint32_t modulus : {2u, 3u, 65537u}) {  // planar and small complexes: no torsion, the same over all fields
            const Pairing found = fast(x, n, d, {threshold, 1, modulus, true});
            CHECK(to_pairs(found) == expected);
            CHECK(to_pairs(fast(x, n, d, {threshold, 1, modulus, true, 1, 0})) == expected);
            CHECK(found.birth_at.size() == 2 * static_cast<std::size_t>(std::count(found.degree.begin(), found.degree.end(), 1)));
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

    // Many edges, in several portions: on lists and on a matrix of ranks, on one thread and on three, the same.
    for (int round = 0; round < 8; ++round) {
        const std::size_t n = 150;
        std::vector<double> x(2 * n);
        for (double& value : x) value = round % 2 == 0 ? double(random() % 12) : normal(random);
        const Metric metric = Metric::of_points(x, n, 2);
        const RipsEdges edges(metric, infinity, round % 4 < 2, stop);
        const RipsOptions options{infinity, 1, round % 3 == 0 ? 3u : 2u, round % 4 < 2, 1};
        const Pairing expected = rips_persistence(edges, &metric, options, stop);
        for (const std::size_t threads : {1u, 3u}) {
            RipsOptions threaded = options;
            threaded.threads = threads;
            Pairing found;
            GraphRanks lists(edges);
            threaded.dense = round % 2 == 0 ? 4096 : 0;
            threaded.matrix = round % 4 < 2;
            rips_detail::Loops(edges, lists, threaded, found).append(stop);
            for (const Pairing& other : {found, rips_persistence(metric, threaded, stop)}) {
                CHECK(other.degree == expected.degree && other.essential == expected.essential);
                CHECK(other.birth_cell == expected.birth_cell && other.death_cell == expected.death_cell);
                CHECK(other.birth_at == expected.birth_at && other.death_at == expected.death_at);
            }
        }
    }

    // Shortest paths on a ring of nine, numbered so that the loop is filled by a triangle with three sides of length 3: the first
    // of them carries the value.
    const std::vector<std::size_t> place{8, 7, 3, 0, 6, 5, 2, 1, 4};
    std::vector<double> ring;
    for (const std::size_t a : place)
        for (const std::size_t b : place) ring.push_back(double(std::min((a + 9 - b) % 9, (b + 9 - a) % 9)));
    const Pairing loop = rips_persistence(Metric::of_matrix(ring, 9), {}, stop);
    CHECK(loop.degree.back() == 1 && loop.essential.back() == 0);
    CHECK(std::vector<std::int64_t>(loop.death_cell.end() - 3, loop.death_cell.end()) == std::vector<std::int64_t>{2, 3, 4});
    CHECK(std::vector<std::int64_t>(loop.death_at.end() - 2, loop.death_at.end()) == std::vector<std::int64_t>{2, 3});

    // Shortest paths on the flat Klein bottle of 10 x 10 squares: at 1 it has two loops over Z/2 and one over other fields.
    const std::size_t side = 10, all = side * side;
    std::vector<double> bottle(all * all, infinity);
    for (std::size_t a = 0; a < all; ++a) {
        bottle[a * all + a] = 0;
        for (const auto& [di, dj] : {std::pair{1u, 0u}, std::pair{0u, 1u}, std::pair{1u, 1u}}) {
            const std::size_t i = a / side + di, j = (a % side + dj) % side;
            const std::size_t b = i < side ? i * side + j : (side - j) % side;  // glued with a flip
            bottle[a * all + b] = bottle[b * all + a] = 1;
        }
    }
    for (std::size_t k = 0; k < all; ++k)
        for (std::size_t a = 0; a < all; ++a)
            for (std::size_t b = 0; b < all; ++b) bottle[a * all + b] = std::min(bottle[a * all + b], bottle[a * all + k] + bottle[k * all + b]);
    std::vector<std::size_t> number(all);
    for (std::size_t k = 0; k < all; ++k) number[k] = k;
    for (int round = 0; round < 6; ++round) {  // with other numbers, other triangles give the relations
        std::vector<double> shuffled(all * all);
        for (std::size_t a = 0; a < all; ++a)
            for (std::size_t b = 0; b < all; ++b) shuffled[number[a] * all + number[b]] = bottle[a * all + b];
        for (const auto& [modulus, loops] : {std::pair{2u, 2}, std::pair{3u, 1}, std::pair{7u, 1}}) {
            for (const std::size_t dense : {0u, 4096u}) {
                const Pairing found = rips_persistence(Metric::of_matrix(shuffled, all), {1.0, 1, modulus, false, 1, dense}, stop);
                int essential = 0;
                for (std::size_t index = 0; index < found.degree.size(); ++index)
                    if (found.degree[index] == 1 && found.essential[index] != 0) ++essential;
                CHECK(essential == loops);
            }
        }
        std::shuffle(number.begin(), number.end(), random);
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
