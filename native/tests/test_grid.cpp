#include "isotopy/grid.hpp"

#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "reduction.hpp"

using namespace isotopy;

// Cells as chains of sets of axes above every vertex, found anew.
static std::set<Simplex> all_cells(const std::vector<std::int64_t>& shape) {
    std::set<Simplex> cells;
    std::int64_t size = 1;
    for (const std::int64_t length : shape) size *= length;
    const auto step = [&](std::int64_t vertex, unsigned axes) {  // row-major number of vertex + axes, or -1 outside
        std::int64_t stride = 1, result = vertex;
        for (std::size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
            if ((axes >> axis & 1u) == 0) continue;
            if (vertex / stride % shape[axis] + 1 == shape[axis]) return std::int64_t{-1};
            result += stride;
        }
        return result;
    };
    const auto extend = [&](const auto& self, const Simplex& cell, unsigned last) -> void {
        cells.insert(cell);
        for (unsigned axes = 1; axes < 1u << shape.size(); ++axes) {
            if ((last & ~axes) != 0 || axes == last) continue;
            const std::int64_t next = step(cell.front(), axes);
            if (next < 0) continue;
            Simplex longer = cell;
            longer.push_back(next);
            self(self, longer, axes);
        }
    };
    for (std::int64_t vertex = 0; vertex < size; ++vertex) extend(extend, {vertex}, 0);
    return cells;
}

int main() {
    std::mt19937 random(11);
    std::normal_distribution<double> normal;
    for (int round = 0; round < 90; ++round) {
        const std::size_t dimension = static_cast<std::size_t>(round) % 3 + 1;
        std::vector<std::int64_t> shape(dimension);
        for (std::int64_t& length : shape) length = 1 + static_cast<std::int64_t>(random() % (dimension == 1 ? 12 : dimension == 2 ? 5 : 3));
        const FreudenthalGrid grid(shape);
        std::vector<double> values(grid.size());
        for (double& value : values) value = round % 2 == 0 ? double(random() % 3) : normal(random);
        const bool superlevel = round % 5 == 0;

        std::vector<std::tuple<double, std::size_t, Simplex>> keys;
        for (const Simplex& cell : all_cells(shape)) {
            double height = superlevel ? -values[std::size_t(cell[0])] : values[std::size_t(cell[0])];
            for (const std::int64_t v : cell) height = std::max(height, superlevel ? -values[std::size_t(v)] : values[std::size_t(v)]);
            keys.push_back({height, cell.size(), cell});
        }
        std::sort(keys.begin(), keys.end());
        std::vector<Simplex> cells;
        for (const auto& key : keys) cells.push_back(std::get<2>(key));
        const Pairs expected = reduce(cells, 3);
        Stop stop;
        for (const std::uint32_t modulus : {2u, 5u}) {
            const Pairing found = grid_persistence(grid, values, {superlevel, 3, modulus, true}, stop);
            CHECK(to_pairs(found) == expected);
        }
        // Each critical vertex is the first of its cell with the value of the cell.
        const Pairing found = grid_persistence(grid, values, {superlevel, 3, 2, true}, stop);
        auto cell = found.death_cell.begin();
        std::size_t death = 0;
        for (std::size_t index = 0; index < found.degree.size(); ++index) {
            if (found.essential[index] != 0) continue;
            const auto end = cell + found.degree[index] + 2;
            auto best = cell;
            for (auto v = cell; v != end; ++v)
                if (superlevel ? values[std::size_t(*v)] < values[std::size_t(*best)] : values[std::size_t(*v)] > values[std::size_t(*best)]) best = v;
            CHECK(found.death_at[death++] == *best);
            cell = end;
        }
    }
    // Volumes large enough for columns to be added many times, where signs matter; too small for torsion: the same over all fields.
    Stop stop;
    for (int round = 0; round < 60; ++round) {
        const std::vector<std::int64_t> shape{4 + round % 4, 5, 4};
        const FreudenthalGrid grid(shape);
        std::vector<double> values(grid.size());
        for (double& value : values) value = round % 2 == 0 ? double(random() % 4) : normal(random);
        const Pairing two = grid_persistence(grid, values, {false, 1, 2, true}, stop), three = grid_persistence(grid, values, {false, 1, 3, true}, stop);
        CHECK(two.birth_cell == three.birth_cell && two.death_cell == three.death_cell);
    }
    const std::vector<std::int64_t> nothing{0, 3};
    CHECK(grid_persistence(FreudenthalGrid(nothing), {}, {}, stop).degree.empty());
    return 0;
}
