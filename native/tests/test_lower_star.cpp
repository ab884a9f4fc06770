#include "isotopy/lower_star.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "reduction.hpp"

using namespace isotopy;

struct Complex {  // the closure of some facets
    std::vector<std::vector<std::int64_t>> vertices, rows;
    std::vector<Simplex> all;

    explicit Complex(const std::vector<Simplex>& facets) {
        std::set<Simplex> cells;
        for (const Simplex& facet : facets)
            for (std::size_t mask = 1; mask < (std::size_t{1} << facet.size()); ++mask) {
                Simplex face;
                for (std::size_t j = 0; j < facet.size(); ++j)
                    if ((mask >> j & 1) != 0) face.push_back(facet[j]);
                cells.insert(face);
            }
        all.assign(cells.begin(), cells.end());
        std::map<Simplex, std::int64_t> row;
        std::vector<std::int64_t> count(20, 0);
        for (const Simplex& cell : all) {
            row[cell] = count[cell.size()]++;
            if (vertices.size() < cell.size()) vertices.resize(cell.size()), rows.resize(cell.size());
            vertices[cell.size() - 1].insert(vertices[cell.size() - 1].end(), cell.begin(), cell.end());
        }
        for (const Simplex& cell : all)
            for (std::size_t j = 0; cell.size() > 1 && j < cell.size(); ++j) {
                Simplex face = cell;
                face.erase(face.begin() + static_cast<std::ptrdiff_t>(j));
                rows[cell.size() - 1].push_back(row.at(face));
            }
    }

    StarComplex view() const {
        StarComplex result;
        for (std::size_t k = 0; k < vertices.size(); ++k) result.vertices.push_back(vertices[k]), result.facets.push_back(rows[k]);
        return result;
    }
};

int main() {
    std::mt19937 random(5);
    Stop stop;
    for (int round = 0; round < 200; ++round) {
        std::vector<Simplex> facets;
        for (int count = 0; count < round % 10; ++count) {
            Simplex facet;
            for (std::int64_t v = 0; v < 9; ++v)
                if (random() % 3 == 0) facet.push_back(v);
            if (!facet.empty()) facets.push_back(facet);
        }
        const Complex complex(facets);
        std::vector<double> values(9);
        for (double& value : values) value = double(random() % 4) - 1;
        const bool superlevel = round % 2 == 1;
        const auto last = [&](const Simplex& cell) {
            std::pair<double, std::int64_t> result{-10, 0};
            for (const std::int64_t v : cell) result = std::max(result, std::pair{(superlevel ? -1 : 1) * values[static_cast<std::size_t>(v)], v});
            return result;
        };
        std::vector<Simplex> ordered = complex.all;
        std::sort(ordered.begin(), ordered.end(), [&](const Simplex& a, const Simplex& b) {
            return std::tuple(last(a), a.size(), a) < std::tuple(last(b), b.size(), b);
        });
        for (const std::size_t degree : {std::size_t{0}, std::size_t{1}, std::size_t{6}}) {
            Pairs expected;
            for (const auto& pair : reduce(ordered, degree + 1)) expected.insert(pair);
            const Pairing found = lower_star_persistence(complex.view(), values, {superlevel, degree, 2, true}, stop);
            CHECK(to_pairs(found) == expected);
            CHECK(to_pairs(lower_star_persistence(complex.view(), values, {superlevel, degree, 65537, true}, stop)) == expected);
            const Pairing kept = lower_star_persistence(complex.view(), values, {superlevel, degree, 2, false}, stop);
            std::size_t finite = 0;
            for (std::size_t index = 0; index < kept.degree.size(); ++index) {
                if (kept.essential[index] != 0) continue;
                const auto birth = static_cast<std::size_t>(kept.birth_at[index]), death = static_cast<std::size_t>(kept.death_at[finite++]);
                CHECK(superlevel ? values[birth] > values[death] : values[birth] < values[death]);
            }
        }
    }
    return 0;
}
