#include "isotopy/representatives.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"

using namespace isotopy;

int main() {
    std::mt19937 random(2);
    std::normal_distribution<double> normal;
    Stop stop;
    for (int round = 0; round < 60; ++round) {
        const std::size_t n = random() % 30 + 3;
        std::vector<double> x(2 * n);
        for (double& value : x) value = round % 2 == 0 ? double(random() % 5) : normal(random);
        const double threshold = round % 3 == 0 ? 1.0 : 10.0;
        const Metric metric = Metric::of_points(x, n, 2);
        const auto length = [&](std::int64_t a, std::int64_t b) {
            const auto i = static_cast<std::size_t>(a), j = static_cast<std::size_t>(b);
            return std::sqrt((x[2 * i] - x[2 * j]) * (x[2 * i] - x[2 * j]) + (x[2 * i + 1] - x[2 * j + 1]) * (x[2 * i + 1] - x[2 * j + 1]));
        };
        for (const std::uint32_t modulus : {2u, 7u}) {
            const Pairing found = rips_persistence(metric, {threshold, 1, modulus, round % 4 == 0}, stop);
            std::vector<std::int64_t> births;
            std::size_t start = 0;
            for (const std::int64_t degree : found.degree) {
                if (degree == 1) births.insert(births.end(), {found.birth_cell[start], found.birth_cell[start + 1]});
                start += static_cast<std::size_t>(degree) + 1;
            }
            const Cycles cycles = rips_cycles(metric, threshold, modulus, births, stop);
            CHECK(2 * cycles.size.size() == births.size() && cycles.edges.size() == 2 * cycles.coefficients.size());
            std::size_t edge = 0;
            for (std::size_t index = 0; index < cycles.size.size(); ++index) {
                std::map<std::int64_t, std::int64_t> ends;
                CHECK(std::min(cycles.edges[2 * edge], cycles.edges[2 * edge + 1]) == births[2 * index]);
                for (std::int64_t count = 0; count < cycles.size[index]; ++count, ++edge) {
                    CHECK(length(cycles.edges[2 * edge], cycles.edges[2 * edge + 1]) <= length(births[2 * index], births[2 * index + 1]));
                    ends[cycles.edges[2 * edge]] -= cycles.coefficients[edge];
                    ends[cycles.edges[2 * edge + 1]] += cycles.coefficients[edge];
                }
                for (const auto& [vertex, count] : ends) CHECK(count % modulus == 0);
            }
            CHECK(edge == cycles.coefficients.size());
        }
    }

    // A function on a hexagon with a center above: the loop of the rim, over every field.
    const std::vector<std::int64_t> vertices{0, 1, 2, 3, 4, 5, 6}, edges{0, 1, 0, 5, 0, 6, 1, 2, 1, 6, 2, 3, 2, 6, 3, 4, 3, 6, 4, 5, 4, 6, 5, 6};
    const std::vector<std::int64_t> triangles{0, 1, 6, 0, 5, 6, 1, 2, 6, 2, 3, 6, 3, 4, 6, 4, 5, 6};
    const std::vector<std::int64_t> sides{4, 2, 0, 11, 2, 1, 6, 4, 3, 8, 6, 5, 10, 8, 7, 11, 10, 9};
    std::vector<std::int64_t> ends;
    for (std::size_t edge = 0; edge < 12; ++edge) ends.insert(ends.end(), {edges[2 * edge + 1], edges[2 * edge]});
    StarComplex complex;
    complex.vertices = {vertices, edges, triangles};
    complex.facets = {{}, ends, sides};
    const std::vector<double> values{0, 1, 2, 3, 4, 5, 9};
    const std::vector<std::int64_t> birth{4, 5};
    for (const std::uint32_t modulus : {2u, 3u}) {
        const Cycles rim = lower_star_cycles(complex, values, {false, 1, modulus, false}, birth, stop);
        CHECK(rim.size == std::vector<std::int64_t>{6});
        CHECK(rim.edges == std::vector<std::int64_t>({4, 5, 5, 0, 0, 1, 1, 2, 2, 3, 3, 4}));
    }
    bool refused = false;
    try {
        const std::vector<std::int64_t> diagonal{0, 3};
        lower_star_cycles(complex, values, {}, diagonal, stop);
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    CHECK(refused);
    return 0;
}
