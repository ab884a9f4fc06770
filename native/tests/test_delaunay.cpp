#include "isotopy/delaunay.hpp"

#include <random>
#include <vector>

#include "check.hpp"
#include "reduction.hpp"

using namespace isotopy;

// All simplices on the points, as if the Delaunay complex were the full simplex: the kernel takes any complex.
static std::vector<Simplex> closure(const std::vector<std::uint32_t>& tops, std::size_t width, std::size_t n) {
    std::set<Simplex> cells;
    for (std::size_t v = 0; v < n; ++v) cells.insert({static_cast<std::int64_t>(v)});
    for (std::size_t top = 0; top < tops.size() / width; ++top)
        for (unsigned mask = 1; mask < 1u << width; ++mask) {
            Simplex cell;
            for (std::size_t i = 0; i < width; ++i)
                if ((mask >> i & 1u) != 0) cell.push_back(tops[top * width + i]);
            cells.insert(cell);
        }
    return {cells.begin(), cells.end()};
}

int main() {
    std::mt19937 random(3);
    const Stop stop;
    for (int round = 0; round < 300; ++round) {
        const std::size_t d = 1 + std::size_t(round) % 3, width = d + 1, n = width + random() % 6;
        std::vector<double> points(n * d);
        for (double& x : points) x = round % 2 == 0 ? double(random() % 4) : std::normal_distribution<double>()(random);
        std::vector<std::uint32_t> tops;
        std::set<std::vector<std::uint32_t>> chosen;
        for (std::size_t k = 0; k < 1 + random() % 7; ++k) {
            std::set<std::uint32_t> top;
            while (top.size() < width) top.insert(static_cast<std::uint32_t>(random() % n));
            if (chosen.insert({top.begin(), top.end()}).second) tops.insert(tops.end(), top.begin(), top.end());
        }
        // Weak alpha: cells by (last edge in (length, vertices), dimension, vertices).
        const auto squared = [&](std::int64_t a, std::int64_t b) {
            double total = 0;
            for (std::size_t axis = 0; axis < d; ++axis) {
                const double difference = points[std::size_t(b) * d + axis] - points[std::size_t(a) * d + axis];
                total += difference * difference;
            }
            return total;
        };
        std::vector<Simplex> cells = closure(tops, width, n);
        const auto key = [&](const Simplex& cell) {
            std::pair<double, std::pair<std::int64_t, std::int64_t>> last{-1, {-1, -1}};
            for (std::size_t i = 0; i < cell.size(); ++i)
                for (std::size_t j = i + 1; j < cell.size(); ++j) last = std::max(last, {squared(cell[i], cell[j]), {cell[i], cell[j]}});
            return std::tuple(last, cell.size(), cell);
        };
        std::sort(cells.begin(), cells.end(), [&](const Simplex& a, const Simplex& b) { return key(a) < key(b); });
        const Pairs expected = reduce(cells, d + 1);
        for (const std::uint32_t modulus : {2u, 3u}) {
            const Pairing found = delaunay_persistence(points, d, width, tops, {}, {true, static_cast<int>(d), modulus, true}, stop);
            if (modulus == 2) CHECK(to_pairs(found) == expected);
            for (std::size_t at = 0; at < found.birth_at.size(); at += d + 1) CHECK(found.birth_at[at] >= 0);
        }
        // Alpha: every class that is born dies later, and every carrier is a simplex.
        const Pairing found = delaunay_persistence(points, d, width, tops, {}, {false, static_cast<int>(d), 2, false}, stop);
        CHECK(found.death_at.size() % (d + 1) == 0);
    }
    const std::vector<double> two{0, 0, 0, 0, 3, 4};
    const std::vector<std::uint32_t> edges{0, 1, 1, 2};
    const Pairing found = delaunay_persistence(two, 2, 2, edges, {}, {false, 1, 2, true}, stop);
    CHECK(found.degree.size() == 3 && found.death_at[0] == 0 && found.death_at[1] == 1);
    CHECK(delaunay_persistence({}, 2, 1, {}, {}, {}, stop).degree.empty());
    return 0;
}
