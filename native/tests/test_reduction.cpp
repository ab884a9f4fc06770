#include "isotopy/reduction.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "check.hpp"
#include "reduction.hpp"

using namespace isotopy;

struct Cells {  // of a filtration, per dimension, in order
    std::vector<std::vector<Simplex>> cells;
    std::vector<std::vector<Place>> facets;
    std::vector<Boundary> boundaries;

    explicit Cells(const std::vector<Simplex>& ordered) {
        std::map<Simplex, Place> place;
        for (const Simplex& cell : ordered) {
            const std::size_t k = cell.size() - 1;
            if (k >= cells.size()) cells.resize(k + 1), facets.resize(k + 1);
            place[cell] = static_cast<Place>(cells[k].size());
            cells[k].push_back(cell);
            for (std::size_t j = 0; k > 0 && j < cell.size(); ++j) {
                Simplex face = cell;
                face.erase(face.begin() + static_cast<std::ptrdiff_t>(j));
                facets[k].push_back(place.at(face));
            }
        }
        for (std::size_t k = 1; k < cells.size(); ++k) boundaries.push_back({cells[k - 1].size(), k + 1, facets[k], {}, {}});
    }

    Pairs pairs(std::size_t max_degree, std::uint32_t modulus) const {
        Stop stop;
        const auto found = filtered_persistence(cells.empty() ? 0 : cells[0].size(), boundaries, max_degree, modulus, stop);
        Pairs result;
        for (std::size_t k = 0; k < found.size(); ++k) {
            for (std::size_t i = 0; i < found[k].birth.size(); ++i) result.insert({cells[k][found[k].birth[i]], cells[k + 1][found[k].death[i]]});
            for (const Place cell : found[k].essential) result.insert({cells[k][cell], {}});
            CHECK(std::is_sorted(found[k].death.begin(), found[k].death.end()));
            CHECK(std::is_sorted(found[k].essential.begin(), found[k].essential.end()));
        }
        return result;
    }
};

// All faces of some simplices in a random order that keeps faces before cofaces.
static std::vector<Simplex> random_order(const std::vector<Simplex>& facets, std::mt19937& random) {
    std::map<Simplex, unsigned> value;
    for (const Simplex& facet : facets)
        for (std::size_t mask = 1; mask < (std::size_t{1} << facet.size()); ++mask) {
            Simplex face;
            for (std::size_t j = 0; j < facet.size(); ++j)
                if ((mask >> j & 1) != 0) face.push_back(facet[j]);
            value[face] = unsigned(random()) % 1000;
        }
    std::vector<std::pair<unsigned, Simplex>> order;
    for (auto& [cell, own] : value) {  // a map lists prefixes first, not all faces: take the largest value below
        unsigned largest = own;
        for (const auto& [face, other] : value)
            if (std::includes(cell.begin(), cell.end(), face.begin(), face.end())) largest = std::max(largest, other);
        order.push_back({largest, cell});
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        if (a.first != b.first) return a.first < b.first;
        return a.second.size() != b.second.size() ? a.second.size() < b.second.size() : a.second < b.second;
    });
    std::vector<Simplex> cells;
    for (auto& [largest, cell] : order) cells.push_back(std::move(cell));
    return cells;
}

int main() {
    std::mt19937 random(3);
    for (const std::size_t size : {0u, 1u, 64u, 65u, 5000u, 300000u}) {
        BitTree tree(size);
        std::set<Place> expected;
        for (int step = 0; step < 2000 && size > 0; ++step) {
            const auto element = static_cast<Place>(step % 3 == 2 && !expected.empty() ? *expected.rbegin() : random() % size);
            tree.flip(element);
            if (!expected.insert(element).second) expected.erase(element);
            CHECK(tree.last() == (expected.empty() ? no_place : *expected.rbegin()));
        }
        CHECK(size > 0 || tree.last() == no_place);
    }
    for (int round = 0; round < 60; ++round) {
        std::vector<Simplex> facets;
        for (int count = 0; count < round % 12; ++count) {
            Simplex facet;
            for (std::int64_t v = 0; v < 8; ++v)
                if (random() % 2 == 0) facet.push_back(v);
            if (!facet.empty() && facet.size() < 6) facets.push_back(facet);
        }
        const auto ordered = random_order(facets, random);
        const Cells cells(ordered);
        for (const std::size_t degree : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
            Pairs expected;  // small complexes have no torsion, so every field gives the same
            for (const auto& pair : reduce(ordered, 10))
                if (pair.first.size() <= degree + 1) expected.insert(pair);
            CHECK(cells.pairs(degree, 2) == expected);
            CHECK(cells.pairs(degree, 65537) == expected);
        }
    }

    // The projective plane: Betti numbers 1, 1, 1 over Z/2 and 1, 0, 0 over Z/3, whatever the order.
    const std::vector<Simplex> plane{{0, 1, 2}, {0, 1, 5}, {0, 2, 3}, {0, 3, 4}, {0, 4, 5}, {1, 2, 4}, {1, 3, 4}, {1, 3, 5}, {2, 3, 5}, {2, 4, 5}};
    for (int round = 0; round < 10; ++round) {
        const Cells cells(random_order(plane, random));
        for (const auto& [modulus, betti] : {std::pair{2u, std::vector<int>{1, 1, 1}}, std::pair{3u, std::vector<int>{1, 0, 0}}}) {
            std::vector<int> essential(3, 0);
            for (const auto& [birth, death] : cells.pairs(2, modulus))
                if (death.empty()) ++essential[birth.size() - 1];
            CHECK(essential == betti);
        }
    }

    // One column of every kind: cells with a start each and signs of their own. A square with both diagonals as two cells of
    // three and four edges: their sum is what is left over.
    const std::vector<Place> ends{0, 1, 1, 2, 2, 3, 0, 3, 0, 2};
    const std::vector<Place> sides{0, 1, 4, 4, 2, 3, 0, 1, 2, 3};
    const std::vector<std::size_t> start{0, 3, 6, 10};
    const std::vector<std::int8_t> signs{1, 1, -1, 1, 1, -1, 1, 1, 1, -1};
    const std::vector<Boundary> cells{{4, 2, ends, {}, {}}, {5, 0, sides, start, signs}};
    Stop stop;
    for (const std::uint32_t modulus : {2u, 5u}) {
        const auto found = filtered_persistence(4, cells, 2, modulus, stop);
        CHECK(found[1].birth == std::vector<Place>({4, 3}) && found[1].death == std::vector<Place>({0, 1}));
        CHECK(found[2].essential == std::vector<Place>{2} && found[1].essential.empty());
    }
    ColumnReducer<PrimeColumn> reducer(cells[1], 5);
    reducer.run(stop);
    std::vector<std::pair<Place, std::uint32_t>> entries;
    reducer.entries(1, [&](Place row, std::uint32_t value) { entries.push_back({row, value}); });
    CHECK(reducer.pivots() == std::vector<Place>({4, 3, no_place}) && reducer.owner(3) == 1);
    CHECK(entries == std::vector<std::pair<Place, std::uint32_t>>({{3, 4}, {2, 1}, {1, 1}, {0, 1}}));

    stop.request();
    bool cancelled = false;
    try {
        filtered_persistence(4, cells, 1, 2, stop);
    } catch (const Cancelled&) {
        cancelled = true;
    }
    CHECK(cancelled);
    return 0;
}
