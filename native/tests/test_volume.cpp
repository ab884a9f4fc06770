#include "isotopy/volume.hpp"

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "reduction.hpp"

using namespace isotopy;

namespace {

using Cells = std::vector<std::int64_t>;
using Places = std::set<std::tuple<Cells, Cells, std::int64_t, std::int64_t>>;  // birth cell, death cell or none, their voxels, -1 for none

struct Oracle {
    std::vector<std::int64_t> shape;
    std::vector<double> values;
    bool superlevel;
    VolumeCells kind;

    std::size_t size() const { return std::size_t(shape[0] * shape[1] * shape[2]); }
    std::int64_t number(std::array<std::int64_t, 3> p, std::int64_t more = 0) const { return (p[0] * (shape[1] + more) + p[1]) * (shape[2] + more) + p[2]; }
    bool inside(std::array<std::int64_t, 3> p) const {
        for (std::size_t a = 0; a < 3; ++a)
            if (p[a] < 0 || p[a] >= shape[a]) return false;
        return true;
    }
    std::vector<std::size_t> order() const {  // place of each voxel
        std::vector<std::size_t> voxels(size()), place(size());
        for (std::size_t v = 0; v < size(); ++v) voxels[v] = v;
        std::stable_sort(voxels.begin(), voxels.end(), [&](std::size_t a, std::size_t b) { return superlevel ? values[a] > values[b] : values[a] < values[b]; });
        for (std::size_t i = 0; i < size(); ++i) place[voxels[i]] = i;
        return place;
    }

    // Every cell: voxel that it comes with, dimension, its numbers as the kernel writes them, and its facets.
    struct Entry {
        std::int64_t voxel;
        std::size_t dimension;
        Cells cell;
        std::vector<Cells> facets;
        std::vector<int> signs;
    };
    std::vector<Entry> entries() const {
        std::vector<Entry> all;
        const auto place = order();
        const auto last = [&](const Cells& voxels) { return *std::max_element(voxels.begin(), voxels.end(), [&](auto a, auto b) { return place[std::size_t(a)] < place[std::size_t(b)]; }); };
        const auto first = [&](const Cells& voxels) { return *std::min_element(voxels.begin(), voxels.end(), [&](auto a, auto b) { return place[std::size_t(a)] < place[std::size_t(b)]; }); };
        if (kind == VolumeCells::freudenthal) {
            std::set<Cells> cells;
            for (std::int64_t v = 0; v < std::int64_t(size()); ++v) {
                const std::array<std::int64_t, 3> p{v / shape[2] / shape[1], v / shape[2] % shape[1], v % shape[2]};
                const std::function<void(Cells, int)> extend = [&](const Cells& cell, int axes) {
                    cells.insert(cell);
                    for (int more = 1; more < 8; ++more) {
                        if ((axes & ~more) != 0 || axes == more) continue;
                        const std::array<std::int64_t, 3> q{p[0] + (more >> 2 & 1), p[1] + (more >> 1 & 1), p[2] + (more & 1)};
                        if (!inside(q)) continue;
                        Cells longer = cell;
                        longer.push_back(number(q));
                        extend(longer, more);
                    }
                };
                extend({v}, 0);
            }
            for (const Cells& cell : cells) {
                Entry entry{last(cell), cell.size() - 1, cell, {}, {}};
                for (std::size_t j = 0; cell.size() > 1 && j < cell.size(); ++j) {
                    Cells facet = cell;
                    facet.erase(facet.begin() + std::ptrdiff_t(j));
                    entry.facets.push_back(facet);
                    entry.signs.push_back(j % 2 == 0 ? 1 : -1);
                }
                all.push_back(entry);
            }
            return all;
        }
        // Cubes at places of doubled coordinates: odd along the axes in which they extend.
        const std::int64_t more = kind == VolumeCells::cubical_top ? 1 : 0;
        std::array<std::int64_t, 3> end{}, x{};
        for (std::size_t a = 0; a < 3; ++a) end[a] = 2 * (shape[a] + more) - 1;
        const auto corners = [&](std::array<std::int64_t, 3> at) {
            Cells cell;
            for (std::int64_t i = at[0] / 2; i <= (at[0] + 1) / 2; ++i)
                for (std::int64_t j = at[1] / 2; j <= (at[1] + 1) / 2; ++j)
                    for (std::int64_t k = at[2] / 2; k <= (at[2] + 1) / 2; ++k) cell.push_back(number({i, j, k}, more));
            return cell;
        };
        for (x[0] = 0; x[0] < end[0]; ++x[0])
            for (x[1] = 0; x[1] < end[1]; ++x[1])
                for (x[2] = 0; x[2] < end[2]; ++x[2]) {
                    Entry entry{0, 0, corners(x), {}, {}};
                    int sign = 1;
                    for (std::size_t a = 0; a < 3; ++a) {
                        if (x[a] % 2 == 0) continue;
                        ++entry.dimension;
                        auto below = x, above = x;
                        --below[a];
                        ++above[a];
                        entry.facets.push_back(corners(below));
                        entry.facets.push_back(corners(above));
                        entry.signs.push_back(-sign);
                        entry.signs.push_back(sign);
                        sign = -sign;
                    }
                    if (more == 0) {
                        entry.voxel = last(entry.cell);
                    } else {
                        Cells around;  // voxels of which the cell is a face: cube (i, j, k) has its center at 2 (i, j, k) + 1
                        for (std::int64_t i = -1; i <= 1; ++i)
                            for (std::int64_t j = -1; j <= 1; ++j)
                                for (std::int64_t k = -1; k <= 1; ++k) {
                                    const std::array<std::int64_t, 3> y{x[0] + i, x[1] + j, x[2] + k};
                                    if (y[0] % 2 == 0 || y[1] % 2 == 0 || y[2] % 2 == 0 || y[0] < 0 || y[1] < 0 || y[2] < 0) continue;
                                    const std::array<std::int64_t, 3> p{y[0] / 2, y[1] / 2, y[2] / 2};
                                    if (inside(p)) around.push_back(number(p));
                                }
                        entry.voxel = first(around);
                    }
                    all.push_back(entry);
                }
        return all;
    }

    // The textbook reduction over Z/p, cells in the order (voxel they come with, dimension, numbers).
    Places places(std::int64_t modulus) const {
        auto all = entries();
        const auto place = order();
        std::sort(all.begin(), all.end(), [&](const Entry& a, const Entry& b) {
            return std::tuple(place[std::size_t(a.voxel)], a.dimension, a.cell) < std::tuple(place[std::size_t(b.voxel)], b.dimension, b.cell);
        });
        std::map<Cells, std::size_t> number_of;
        std::map<std::size_t, std::map<std::size_t, std::int64_t>> columns;
        std::set<std::size_t> born;
        Places result;
        for (std::size_t index = 0; index < all.size(); ++index) {
            number_of[all[index].cell] = index;
            std::map<std::size_t, std::int64_t> column;
            for (std::size_t j = 0; j < all[index].facets.size(); ++j) column[number_of.at(all[index].facets[j])] = (all[index].signs[j] + modulus) % modulus;
            while (!column.empty() && columns.count(column.rbegin()->first) != 0) {
                const auto& other = columns.at(column.rbegin()->first);
                std::int64_t factor = 0;
                while ((column.rbegin()->second + factor * other.rbegin()->second) % modulus != 0) ++factor;
                for (const auto& [row, entry] : std::map<std::size_t, std::int64_t>(other)) {
                    const std::int64_t value = (column[row] + factor * entry) % modulus;
                    if (value == 0) column.erase(row);
                    else column[row] = value;
                }
            }
            if (column.empty()) {
                born.insert(index);
                continue;
            }
            const std::size_t low = column.rbegin()->first;
            born.erase(low);
            columns[low] = column;
            result.insert({all[low].cell, all[index].cell, all[low].voxel, all[index].voxel});
        }
        for (const std::size_t index : born) result.insert({all[index].cell, {}, all[index].voxel, -1});
        return result;
    }
};

Places places_of(const Oracle& oracle, const Pairing& found) {
    Places result;
    auto birth = found.birth_cell.begin(), death = found.death_cell.begin();
    auto dies_at = found.death_at.begin();
    const auto take = [&](auto& from, std::int64_t k) {
        const Cells cell(from, from + (oracle.kind == VolumeCells::freudenthal ? k + 1 : std::ptrdiff_t(1) << k));
        from += std::ptrdiff_t(cell.size());
        return cell;
    };
    for (std::size_t index = 0; index < found.degree.size(); ++index) {
        const Cells born = take(birth, found.degree[index]);
        const bool essential = found.essential[index] != 0;
        const Cells dies = essential ? Cells{} : take(death, found.degree[index] + 1);
        CHECK(result.insert({born, dies, found.birth_at[index], essential ? -1 : *dies_at++}).second);
    }
    CHECK(birth == found.birth_cell.end() && death == found.death_cell.end() && dies_at == found.death_at.end());
    return result;
}

Places without_zero(const Places& places, const std::vector<double>& values, VolumeCells kind, int max_degree) {
    Places result;
    const std::size_t widest = kind == VolumeCells::freudenthal ? std::size_t(max_degree) + 1 : std::size_t(1) << max_degree;
    for (const auto& [born, dies, birth, death] : places)
        if (born.size() <= widest && (death < 0 || values[std::size_t(birth)] != values[std::size_t(death)])) result.insert({born, dies, birth, death});
    return result;
}

}  // namespace

int main() {
    std::mt19937 random(5);
    std::normal_distribution<double> normal;
    const Stop stop;
    for (int round = 0; round < 150; ++round) {
        const std::vector<std::int64_t> shape{1 + std::int64_t(random() % 4), 1 + std::int64_t(random() % 4), 1 + std::int64_t(random() % 4)};
        for (const VolumeCells kind : {VolumeCells::freudenthal, VolumeCells::cubical, VolumeCells::cubical_top}) {
            Oracle oracle{shape, {}, round % 3 == 0, kind};
            oracle.values.resize(oracle.size());
            for (double& value : oracle.values) value = round % 2 == 0 ? double(random() % 4) - 1 : float(normal(random));
            const std::vector<float> floats(oracle.values.begin(), oracle.values.end());
            const std::uint32_t modulus = round % 4 == 0 ? 3 : 2;
            const Places expected = oracle.places(modulus);
            for (const int degree : {0, 1, 2}) {
                const VolumeOptions options{kind, oracle.superlevel, degree, modulus, false, 1 + std::size_t(round % 3)};
                const Pairing found = volume_persistence(shape, std::span<const double>(oracle.values), options, stop);
                CHECK(places_of(oracle, found) == without_zero(expected, oracle.values, kind, degree));
                const Pairing single = volume_persistence(shape, std::span<const float>(floats), options, stop);
                CHECK(single.birth_cell == found.birth_cell && single.death_cell == found.death_cell && single.degree == found.degree);
            }
            const Pairing all = volume_persistence(shape, std::span<const double>(oracle.values), {kind, oracle.superlevel, 2, modulus, true, 1}, stop);
            CHECK(places_of(oracle, all) == expected);
        }
    }
    // Larger volumes, where columns are added many times: chains that are not kept, threads and floats change nothing.
    for (int round = 0; round < 12; ++round) {
        const std::vector<std::int64_t> shape{9 + round % 3, 8, 10};
        std::vector<double> values(std::size_t(shape[0] * shape[1] * shape[2]));
        for (double& value : values) value = round % 2 == 0 ? double(random() % 50) : float(normal(random));
        const std::vector<float> floats(values.begin(), values.end());
        for (const VolumeCells kind : {VolumeCells::freudenthal, VolumeCells::cubical, VolumeCells::cubical_top})
            for (const std::uint32_t modulus : {2u, 3u, 65537u}) {
                const Pairing kept = volume_persistence(shape, std::span<const double>(values), {kind, false, 2, modulus, false, 1}, stop);
                const Pairing anew = volume_persistence(shape, std::span<const float>(floats), {kind, false, 2, modulus, false, 3, 0}, stop);
                CHECK(kept.degree == anew.degree && kept.birth_cell == anew.birth_cell && kept.death_cell == anew.death_cell);
                CHECK(kept.birth_at == anew.birth_at && kept.death_at == anew.death_at);
            }
    }
    const std::vector<std::int64_t> nothing{0, 3, 2};
    CHECK(volume_persistence(nothing, std::span<const double>(), {}, stop).degree.empty());
    return 0;
}
