// The textbook reduction over Z/2, the witness of the kernels: cells in order, every column explicit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "isotopy/pairing.hpp"

using Simplex = std::vector<std::int64_t>;
using Pairs = std::multiset<std::pair<Simplex, Simplex>>;  // birth cell, death cell (empty: essential)

inline Pairs reduce(const std::vector<Simplex>& cells, std::size_t degrees) {
    std::map<Simplex, std::size_t> place;
    std::map<std::size_t, std::set<std::size_t>> columns;
    std::set<std::size_t> born;
    Pairs pairs;
    for (std::size_t index = 0; index < cells.size(); ++index) {
        place[cells[index]] = index;
        std::set<std::size_t> column;
        for (std::size_t j = 0; cells[index].size() > 1 && j < cells[index].size(); ++j) {
            Simplex face = cells[index];
            face.erase(face.begin() + static_cast<std::ptrdiff_t>(j));
            column.insert(place.at(face));
        }
        while (!column.empty() && columns.count(*column.rbegin()) != 0)
            for (const std::size_t row : std::set<std::size_t>(columns.at(*column.rbegin())))
                if (!column.insert(row).second) column.erase(row);
        if (column.empty()) {
            born.insert(index);
            continue;
        }
        const std::size_t last = *column.rbegin();
        born.erase(last);
        columns[last] = column;
        if (cells[last].size() <= degrees) pairs.insert({cells[last], cells[index]});
    }
    for (const std::size_t index : born)
        if (cells[index].size() <= degrees) pairs.insert({cells[index], {}});
    return pairs;
}

inline Pairs to_pairs(const isotopy::Pairing& pairing) {
    Pairs pairs;
    auto birth = pairing.birth_cell.begin(), death = pairing.death_cell.begin();
    for (std::size_t index = 0; index < pairing.degree.size(); ++index) {
        const std::ptrdiff_t width = pairing.degree[index] + 1;
        const Simplex born(birth, birth + width);
        birth += width;
        Simplex dies;
        if (pairing.essential[index] == 0) {
            dies.assign(death, death + width + 1);
            death += width + 1;
        }
        pairs.insert({born, dies});
    }
    return pairs;
}
