// Persistence of volumes: lower-star filtrations on 3-D grids, degrees 0 to 2, over Z/p.
//
// Voxels come in the order of (value, number), a cell with the last of its voxels. Gradient pairs in the lower star of every
// voxel (voxel_star.hpp) leave few critical cells. Degree 0: union-find over voxels, each hung below a neighbor that comes
// before, joined by critical edges in their order. Degree 2, by duality: the same from above, a critical 2-cell joining what
// lies on its two sides. Degree 1: the boundary of a critical 2-cell that closes no cavity flows down along gradient pairs
// until its last edge is critical; if another 2-cell owns that edge, its chain is subtracted, and so on (column reduction of
// the Morse complex, no more of a chain written out than what the next last edge needs). Edges that join components are left
// out of the chains.
//
// Voxels as top cells are dual to voxels as vertices: the same engine runs on the volume upside down, where all that lies
// outside comes first, and cells and degrees k and 2 - k change places.
//
// P. Guillou, J. Vidal, J. Tierny, Discrete Morse Sandwich, IEEE TVCG 30 (2024); B. Bleile, A. Garin, T. Heiss, K. Maggs,
// V. Robins, The persistent homology of dual digital image constructions, arXiv 2102.11397.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "isotopy/edge_chain.hpp"
#include "isotopy/field.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"
#include "isotopy/voxel_star.hpp"

namespace isotopy {

enum class VolumeCells { freudenthal, cubical, cubical_top };

struct VolumeOptions {
    VolumeCells cells = VolumeCells::freudenthal;
    bool superlevel = false;
    int max_degree = 2;
    std::uint32_t modulus = 2;
    bool keep_zero = false;
    std::size_t threads = 1;
    std::size_t written = 8;  // edges of chains that are kept, per voxel; columns after those are reduced anew when needed
};

namespace volume_detail {

using Voxel = std::uint32_t;

struct Cell {
    Voxel voxel;         // the last one
    std::uint8_t place;  // among the cells of its dimension at that voxel: number in the link
};

struct Pair {
    Cell birth, death;
};

// A box of voxels in a larger one, with one layer around it; numbers are those of the larger box, in row-major order.
class Box {
public:
    static constexpr std::size_t largest = (std::size_t{1} << 28) - 1;  // of the larger box: edges have 32 bits

    explicit Box(std::span<const std::int64_t> shape) {
        for (std::size_t axis = 3; axis-- > 0;) {
            lengths_[axis] = static_cast<std::size_t>(shape[axis]);
            strides_[axis] = padded_;
            inner_strides_[axis] = size_;
            padded_ *= lengths_[axis] + 2;
            size_ *= lengths_[axis];
        }
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t padded() const noexcept { return padded_; }
    std::size_t length(std::size_t axis) const { return lengths_[axis]; }
    Voxel row(std::size_t i, std::size_t j) const { return static_cast<Voxel>((i + 1) * strides_[0] + (j + 1) * strides_[1] + 1); }
    std::array<std::size_t, 3> place(Voxel v) const {
        return {v / strides_[0] - 1, v % strides_[0] / strides_[1] - 1, v % strides_[1] - 1};
    }
    std::int32_t offset(const VoxelStep& s) const {
        return s[0] * static_cast<std::int32_t>(strides_[0]) + s[1] * static_cast<std::int32_t>(strides_[1]) + s[2];
    }
    std::int64_t inner_offset(const VoxelStep& s) const {
        return s[0] * static_cast<std::int64_t>(inner_strides_[0]) + s[1] * static_cast<std::int64_t>(inner_strides_[1]) + s[2];
    }
    std::int64_t number(Voxel v) const {  // in the box itself
        const auto at = place(v);
        return static_cast<std::int64_t>(at[0] * inner_strides_[0] + at[1] * inner_strides_[1] + at[2]);
    }

private:
    std::array<std::size_t, 3> lengths_{}, strides_{}, inner_strides_{};
    std::size_t size_ = 1, padded_ = 1;
};

template <VoxelLink::Cells kind>
class Volume {
public:
    static constexpr bool cubical = kind == VoxelLink::Cells::cubical;
    static constexpr std::uint8_t top_place = cubical ? 7 : 23;  // of the 3-cell that closes the last gap around a maximum
    static constexpr unsigned key_bits = cubical ? 3 : 4;  // of an edge: the number of its voxel in the order, its direction

    Volume(std::span<const std::int64_t> shape, bool outside_first, std::size_t threads, const Stop& stop)
        : box_(shape), stars_(voxel_stars<kind>()), outside_first_(outside_first), threads_(threads), stop_(stop) {
        for (std::size_t n = 0; n < link().neighbors(); ++n) offsets_[n] = box_.offset(link().step(n));
        if constexpr (!cubical)
            for (std::size_t a = 0; a < 14; ++a)
                for (std::size_t b = 0; b < 14; ++b) across_[a][b] = link().direction(link().step(b) - link().step(a));
    }

    const Box& box() const noexcept { return box_; }
    const VoxelLink& link() const noexcept { return stars_.link(); }
    const std::vector<Pair>& pairs(std::size_t degree) const { return pairs_[degree]; }
    bool before(Voxel u, Voxel v) const { return heights_[u] != heights_[v] ? heights_[u] < heights_[v] : u < v; }

    // Puts the voxels in order. Without numbers in the order heights are the values, mapped to integers.
    template <class Value>
    void order(std::span<const Value> values, bool negative, bool reversed, bool numbered) {
        numbered = numbered || sizeof(Value) > 4;
        const std::int32_t first = numbered ? 0 : std::numeric_limits<std::int32_t>::min();
        heights_.assign(box_.padded(), outside_first_ ? first : std::numeric_limits<std::int32_t>::max());
        using Key = std::conditional_t<(sizeof(Value) > 4), std::uint64_t, std::uint32_t>;
        struct Item {
            Key key;
            Voxel voxel;
        };
        std::vector<Item> items(numbered ? box_.size() : 0);
        in_slabs([&](std::size_t, std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i)
                for (std::size_t j = 0; j < box_.length(1); ++j) {
                    const std::size_t start = (i * box_.length(1) + j) * box_.length(2);
                    const Voxel row = box_.row(i, j);
                    for (std::size_t k = 0; k < box_.length(2); ++k) {
                        const Value value = values[reversed ? box_.size() - 1 - start - k : start + k];
                        const Key key = ordered_key(negative ? -value : value);
                        if (numbered) items[start + k] = {key, static_cast<Voxel>(row + k)};
                        else heights_[row + k] = static_cast<std::int32_t>(static_cast<std::uint32_t>(key) ^ sign);
                    }
                }
        });
        if (!numbered) return;
        radix_sort(items, stop_);
        at_.resize(items.size() + 1);
        for (std::size_t place = 0; place < items.size(); ++place) {
            at_[place + 1] = items[place].voxel;
            heights_[items[place].voxel] = static_cast<std::int32_t>(place + 1);
        }
    }

    void find_stars(bool from_below, bool from_above) {
        star_.resize(box_.padded());
        if (from_below) below_.resize(box_.padded());
        if (from_above) above_.resize(box_.padded());
        const std::size_t slabs = slab_count();
        std::vector<std::vector<Place>> joins(slabs), walls(slabs);
        // Where only components are asked for, the cubes do not matter.
        const std::size_t neighbors = from_above ? link().neighbors() : std::min<std::size_t>(link().neighbors(), 18);
        in_slabs([&](std::size_t slab, std::size_t from, std::size_t to) {
            std::vector<std::uint32_t> earlier(box_.length(2));
            for (std::size_t i = from; i < to; ++i) {
                stop_.check();
                for (std::size_t j = 0; j < box_.length(1); ++j) {
                    const Voxel row = box_.row(i, j);
                    compare(row, neighbors, earlier);
                    for (std::size_t k = 0; k < earlier.size(); ++k) {
                        const Voxel v = row + static_cast<Voxel>(k);
                        star_[v] = stars_.index(stars_.key(earlier[k]));
                        const VoxelStar& star = stars_[star_[v]];
                        if (from_below) {
                            below_[v] = star.down == VoxelStar::none ? v : neighbor(v, star.down);
                            if (star.roots != 0) joins[slab].push_back({static_cast<std::uint32_t>(heights_[v]) ^ sign, v});
                        }
                        if (from_above) {
                            above_[v] = star.up == VoxelStar::none ? v : neighbor(v, star.up);
                            if (star.walls != 0) walls[slab].push_back({static_cast<std::uint32_t>(heights_[v]) ^ sign, v});
                        }
                    }
                }
            }
        });
        const auto collect = [&](std::vector<std::vector<Place>>& parts, std::vector<Place>& all) {
            for (auto& part : parts) {
                all.insert(all.end(), part.begin(), part.end());
                part = {};
            }
            radix_sort(all, stop_);
        };
        collect(joins, joins_);
        collect(walls, walls_);
    }

    // Degree 0. Edges that join nothing are marked. Returns the first voxel of all, which may be the outside, number 0.
    Voxel components() {
        loops_.assign(at_.empty() ? 0 : box_.padded(), 0);
        std::size_t step = 0;
        for (const Place& place : joins_) {
            if (++step % 8192 == 0) stop_.check();
            const Voxel v = place.voxel;
            Voxel elder = find(below_, v);
            for (std::uint32_t left = stars_[star_[v]].roots; left != 0; left &= left - 1) {
                const auto a = static_cast<std::uint8_t>(std::countr_zero(left));
                Voxel younger = find(below_, neighbor(v, a));
                if (elder == younger) {
                    if (!loops_.empty()) loops_[v] = static_cast<Directions>(loops_[v] | 1u << a);
                    continue;
                }
                if (before(younger, elder)) std::swap(elder, younger);
                below_[younger] = elder;
                pairs_[0].push_back({{younger, 0}, {v, a}});
            }
        }
        return find(below_, box_.row(0, 0));
    }

    // Degree 2. Leaves the 2-cells that close no cavity to degree 1. Returns the last voxel, which may be the outside.
    Voxel cavities() {
        std::size_t step = 0;
        for (std::size_t index = walls_.size(); index-- > 0;) {
            if (++step % 8192 == 0) stop_.check();
            const Voxel v = walls_[index].voxel;
            const VoxelStar& star = stars_[star_[v]];
            for (std::size_t w = star.walls; w-- > 0;) {
                const Wall& wall = stars_.wall(star.first_wall + w);
                Voxel elder = find(above_, neighbor(v, wall.left)), younger = find(above_, neighbor(v, wall.right));
                if (elder == younger) {
                    fillings_.push_back({v, wall.edge});
                    continue;
                }
                if (before(elder, younger)) std::swap(elder, younger);
                above_[younger] = elder;
                pairs_[2].push_back({{v, wall.edge}, {younger, top_place}});
            }
        }
        std::reverse(fillings_.begin(), fillings_.end());
        return find(above_, box_.row(0, 0));
    }

    // Degree 1: needs numbers in the order, and the other two degrees. Chains with more than `written` edges together are
    // not kept: where one of those is needed, the boundary of its 2-cell takes its place and is reduced on the way.
    void loops(const Field& field, std::size_t written) {
        above_ = {};
        std::vector<std::uint32_t>& slot = below_;  // of the first loop at a voxel, among all of them
        std::uint32_t count = 0;
        for (const Place& place : joins_) {
            slot[place.voxel] = count;
            count += static_cast<std::uint32_t>(std::popcount(loops_[place.voxel]));
        }
        if (field.prime() == 2) reduce_all<true>(field, slot, count, written);
        else reduce_all<false>(field, slot, count, written);
    }

    // Pairs inside lower stars.
    void add_local_pairs(std::array<bool, 3> degrees) {
        for (std::size_t i = 0; i < box_.length(0); ++i)
            for (std::size_t j = 0; j < box_.length(1); ++j) {
                stop_.check();
                std::vector<std::uint32_t> earlier(box_.length(2));
                compare(box_.row(i, j), link().neighbors(), earlier);
                for (std::size_t k = 0; k < earlier.size(); ++k) {
                    const Voxel v = box_.row(i, j) + static_cast<Voxel>(k);
                    const StarPairs star(link(), stars_.lower_link(stars_.key(earlier[k])));
                    if (degrees[0] && star.first != StarPairs::none) pairs_[0].push_back({{v, 0}, {v, star.first}});
                    for (std::uint8_t a = 0; degrees[1] && a < link().vertices(); ++a)
                        if (star.joined[a] != StarPairs::none) pairs_[1].push_back({{v, a}, {v, star.joined[a]}});
                    for (std::uint8_t t = 0; degrees[2] && t < link().triangles(); ++t)
                        if (star.opened[t] != StarPairs::none) pairs_[2].push_back({{v, star.opened[t]}, {v, t}});
                }
            }
    }

    // In the order of deaths; of births from the last one on where `dual`: there they become the deaths.
    std::vector<Pair> sorted(std::size_t degree, bool dual) {
        const auto earlier = [&](const Pair& a, const Pair& b) {
            const Cell &x = dual ? b.birth : a.death, &y = dual ? a.birth : b.death;
            return x.voxel != y.voxel ? before(x.voxel, y.voxel) : x.place < y.place;
        };
        if (!std::is_sorted(pairs_[degree].begin(), pairs_[degree].end(), earlier)) std::sort(pairs_[degree].begin(), pairs_[degree].end(), earlier);
        return std::move(pairs_[degree]);
    }

private:
    using Directions = std::uint16_t;  // a set of them
    struct Place {
        std::uint32_t key;
        Voxel voxel;
    };
    static constexpr std::uint32_t sign = std::uint32_t{1} << 31;
    static constexpr std::uint32_t nobody = static_cast<std::uint32_t>(-1);

    static std::uint32_t ordered_key(float value) {
        const auto bits = std::bit_cast<std::uint32_t>(value + 0.0f);
        return (bits & sign) != 0 ? ~bits : bits | sign;
    }
    static std::uint64_t ordered_key(double value) { return monotone_key(value); }

    Voxel neighbor(Voxel v, std::size_t n) const { return v + static_cast<Voxel>(offsets_[n]); }

    static Voxel find(std::vector<Voxel>& parent, Voxel v) {
        while (parent[v] != v) {
            parent[v] = parent[parent[v]];
            v = parent[v];
        }
        return v;
    }

    std::size_t slab_count() const { return std::max<std::size_t>(1, std::min(4 * threads_, box_.length(0) / 4)); }

    // Calls work(slab, from, to) for slabs of planes, on the threads there are.
    template <class Work>
    void in_slabs(const Work& work) const {
        const std::size_t slabs = slab_count(), planes = box_.length(0);
        const auto one = [&](std::size_t slab, const Stop&) { work(slab, slab * planes / slabs, (slab + 1) * planes / slabs); };
        parallel_for(slabs, threads_, threads_ == 1, one, [&] { return stop_.requested(); });
    }

    // For each voxel of a row, the set of neighbors that come before.
    void compare(Voxel row, std::size_t neighbors, std::vector<std::uint32_t>& earlier) const {
        std::fill(earlier.begin(), earlier.end(), 0u);
        const std::int32_t* const own = heights_.data() + row;
        for (std::size_t n = 0; n < neighbors; ++n) {
            const std::int32_t* const other = own + offsets_[n];
            if (offsets_[n] < 0)
                for (std::size_t k = 0; k < earlier.size(); ++k) earlier[k] |= static_cast<std::uint32_t>(other[k] <= own[k]) << n;
            else
                for (std::size_t k = 0; k < earlier.size(); ++k) earlier[k] |= static_cast<std::uint32_t>(other[k] < own[k]) << n;
        }
    }

    // Calls visit(voxel, direction, opposite) for the edges of the 2-cell spanned by directions a and b at v that are not at
    // v, on the way from a to b; `opposite` where that way runs from the earlier voxel of the edge to the later one.
    template <class Visit>
    void around(Voxel v, std::size_t a, std::size_t b, const Visit& visit) const {
        const Voxel p = neighbor(v, a), q = neighbor(v, b);
        if constexpr (cubical) {
            const Voxel r = neighbor(p, b);
            if (heights_[p] > heights_[r]) visit(p, b, false);
            else visit(r, 5 - b, true);
            if (heights_[r] > heights_[q]) visit(r, 5 - a, false);
            else visit(q, a, true);
        } else {
            if (heights_[p] > heights_[q]) visit(p, across_[a][b], false);
            else visit(q, std::size_t{13} - across_[a][b], true);
        }
    }

    template <bool binary>
    void reduce_all(const Field& field, const std::vector<std::uint32_t>& slot, std::size_t count, std::size_t written) {
        EdgeChain<binary> chain(at_.size() << key_bits, field);
        std::vector<std::uint32_t> owner(count, nobody), ends, keys, coefficients;  // ends: coefficients of last edges
        std::vector<std::size_t> start{0};
        const auto key_of = [&](Voxel v, std::size_t a) { return static_cast<std::uint32_t>(heights_[v]) << key_bits | static_cast<std::uint32_t>(a); };
        const auto add_around = [&](Voxel v, std::size_t a, std::size_t b, std::uint32_t along, std::uint32_t against) {
            around(v, a, b, [&](Voxel w, std::size_t d, bool opposite) {
                if (heights_[w] != 0) chain.add(key_of(w, d), opposite ? against : along);
            });
        };
        const auto add_boundary = [&](const Cell& filling, std::uint32_t c) {
            const auto [a, b] = link().ends(filling.place);
            const std::uint32_t minus_c = field.negative(c);
            chain.add(key_of(filling.voxel, a), c);
            chain.add(key_of(filling.voxel, b), minus_c);
            add_around(filling.voxel, a, b, c, minus_c);
        };
        std::size_t steps = 0;
        for (const Cell& filling : fillings_) {
            add_boundary(filling, 1);
            for (;;) {
                if (++steps % 8192 == 0) stop_.check();
                const std::size_t index = chain.last_word();
                const unsigned shift = (63u - static_cast<unsigned>(std::countl_zero(chain.word(index)))) >> key_bits << key_bits;
                const std::uint32_t number = static_cast<std::uint32_t>(index * 64 + shift) >> key_bits, first = number << key_bits;
                const auto bits = [&] { return static_cast<std::uint32_t>(chain.word(index) >> shift) & ((1u << (1u << key_bits)) - 1); };
                const Voxel v = at_[number];
                const VoxelStar& star = stars_[star_[v]];
                while ((bits() & star.inner) != 0) {  // subtract the boundary of the 2-cell that the edge is paired with
                    const auto from = static_cast<unsigned>(std::countr_zero(bits() & star.inner)), to = static_cast<unsigned>(star.next >> (4 * from) & 15);
                    const std::uint32_t c = chain.coefficient(first | from);
                    chain.remove(first | from);
                    chain.add(first | to, c);
                    add_around(v, from, to, field.negative(c), c);
                }
                std::uint32_t left = bits();
                for (std::uint32_t gone = left & ~std::uint32_t{loops_[v]}; gone != 0; gone &= gone - 1)
                    chain.remove(first | static_cast<std::uint32_t>(std::countr_zero(gone)));
                left &= loops_[v];
                if (left == 0) continue;
                const unsigned last = 31u - static_cast<unsigned>(std::countl_zero(left));
                std::uint32_t& column = owner[slot[v] + static_cast<std::uint32_t>(std::popcount(loops_[v] & ((1u << last) - 1)))];
                if (column == nobody) {
                    column = static_cast<std::uint32_t>(start.size() - 1);
                    if constexpr (!binary) ends.push_back(chain.coefficient(first | last));
                    pairs_[1].push_back({{v, static_cast<std::uint8_t>(last)}, filling});
                    chain.drain(keys, coefficients);
                    if (keys.size() > written) {
                        keys.resize(start.back());
                        if constexpr (!binary) coefficients.resize(start.back());
                    }
                    start.push_back(keys.size());
                    break;
                }
                const std::uint32_t scale =
                    binary ? 1 : field.negative(field.multiply(chain.coefficient(first | last), field.inverse(ends[column])));
                if (start[column] == start[column + 1]) add_boundary(fillings_[column], scale);
                for (std::size_t at = start[column]; at < start[column + 1]; ++at)
                    chain.add(keys[at], binary ? 1 : field.multiply(coefficients[at], scale));
                steps += start[column + 1] - start[column];
            }
        }
    }

    Box box_;
    const VoxelStars& stars_;
    bool outside_first_;
    std::size_t threads_;
    const Stop& stop_;
    std::array<std::int32_t, 26> offsets_{};
    std::array<std::array<std::uint8_t, 14>, 14> across_{};
    std::vector<std::int32_t> heights_;    // by voxel: its number in the order, from 1 on, or its value as an integer
    std::vector<Voxel> at_;                // by number in the order
    std::vector<std::uint16_t> star_;      // by voxel
    std::vector<Voxel> below_, above_;     // union-find forests; the layer outside is voxel 0
    std::vector<Place> joins_, walls_;     // voxels with critical edges, critical 2-cells, in order
    std::vector<Directions> loops_;        // by voxel: critical edges that join nothing
    std::vector<Cell> fillings_;           // critical 2-cells that close no cavity, in order
    std::array<std::vector<Pair>, 3> pairs_;
};

// Writes cells as voxel numbers, or, dually, as numbers of the corners of voxels.
class Writer {
public:
    Writer(const Box& box, const VoxelLink& link, bool dual) : box_(box), link_(link), dual_(dual) {
        for (std::size_t n = 0; n < link.neighbors(); ++n) steps_[n] = box.inner_offset(link.step(n));
    }

    std::int64_t number(Voxel v) const {
        const std::int64_t number = box_.number(v);
        return dual_ ? static_cast<std::int64_t>(box_.size()) - 1 - number : number;
    }

    void write(std::size_t k, const Cell& cell, std::vector<std::int64_t>& cells, std::vector<std::int64_t>& at) const {
        at.push_back(number(cell.voxel));
        if (dual_) return write_corners(k, cell, cells);
        const std::size_t begin = cells.size();
        cells.push_back(at.back());
        std::array<std::uint8_t, 7> others{};
        const std::size_t count = link_.others(k, cell.place, others);
        for (std::size_t i = 0; i < count; ++i) cells.push_back(at.back() + steps_[others[i]]);
        std::sort(cells.begin() + static_cast<std::ptrdiff_t>(begin), cells.end());
    }

private:
    // The face of the voxel, taken as a cube, that lies in the directions which span the cell.
    void write_corners(std::size_t k, const Cell& cell, std::vector<std::int64_t>& cells) const {
        std::array<std::uint8_t, 7> others{};
        link_.others(k, cell.place, others);
        const auto upside_down = box_.place(cell.voxel);
        std::array<std::int64_t, 3> from{}, to{};
        for (std::size_t axis = 0; axis < 3; ++axis) {
            from[axis] = static_cast<std::int64_t>(box_.length(axis) - 1 - upside_down[axis]);
            to[axis] = from[axis] + 1;
            for (std::size_t i = 0; i < k; ++i) {
                const int step = link_.step(others[i])[axis];
                if (step < 0) from[axis] = to[axis];
                if (step > 0) to[axis] = from[axis];
            }
        }
        for (std::int64_t i = from[0]; i <= to[0]; ++i)
            for (std::int64_t j = from[1]; j <= to[1]; ++j)
                for (std::int64_t l = from[2]; l <= to[2]; ++l)
                    cells.push_back((i * static_cast<std::int64_t>(box_.length(1) + 1) + j) * static_cast<std::int64_t>(box_.length(2) + 1) + l);
    }

    const Box& box_;
    const VoxelLink& link_;
    bool dual_;
    std::array<std::int64_t, 26> steps_{};
};

template <VoxelLink::Cells kind, class Value>
Pairing persistence(std::span<const std::int64_t> shape, std::span<const Value> values, const VolumeOptions& options, const Stop& stop) {
    const bool dual = options.cells == VolumeCells::cubical_top;
    const auto top = static_cast<std::size_t>(std::min(options.max_degree, 2));
    Volume<kind> volume(shape, dual, options.threads, stop);
    volume.order(values, options.superlevel != dual, dual, top > 0);
    const bool from_below = top > 0 || !dual, from_above = top > 0 || dual;
    volume.find_stars(from_below, from_above);
    Voxel first = 0, last = 0;
    parallel_for(2, options.threads, options.threads == 1, [&](std::size_t task, const Stop&) {
        if (task == 0 && from_below) first = volume.components();
        if (task == 1 && from_above) last = volume.cavities();
    }, [&] { return stop.requested(); });
    if (top > 0) volume.loops(Field(options.modulus), options.written * values.size());
    if (options.keep_zero) {
        std::array<bool, 3> wanted{};
        for (std::size_t degree = 0; degree <= top; ++degree) wanted[dual ? 2 - degree : degree] = true;
        volume.add_local_pairs(wanted);
    }

    Pairing out;
    const Writer writer(volume.box(), volume.link(), dual);
    for (std::size_t degree = 0; degree <= top; ++degree) {
        const std::size_t inside = dual ? 2 - degree : degree;
        const std::vector<Pair> pairs = volume.sorted(inside, dual);
        std::size_t step = 0;
        for (const Pair& pair : pairs) {
            if (++step % 8192 == 0) stop.check();
            const auto value = [&](const Cell& cell) { return values[static_cast<std::size_t>(writer.number(cell.voxel))]; };
            if (!options.keep_zero && value(pair.birth) == value(pair.death)) continue;
            out.degree.push_back(static_cast<std::int64_t>(degree));
            out.essential.push_back(0);
            writer.write(dual ? inside + 1 : inside, dual ? pair.death : pair.birth, out.birth_cell, out.birth_at);
            writer.write(dual ? inside : inside + 1, dual ? pair.birth : pair.death, out.death_cell, out.death_at);
        }
        if (degree > 0) continue;
        out.degree.push_back(0);
        out.essential.push_back(1);
        writer.write(dual ? 3 : 0, dual ? Cell{last, Volume<kind>::top_place} : Cell{first, 0}, out.birth_cell, out.birth_at);
    }
    return out;
}

}  // namespace volume_detail

// Persistence of one function on a volume, three axes, in degrees 0 to min(max_degree, 2). A volume is contractible: one
// essential class, of the first voxel. Cells of `freudenthal` are k+1, of `cubical` 2^k voxel numbers; cells of `cubical_top`
// are 2^k numbers of corners, in the grid with one more place along each axis.
template <class Value>
Pairing volume_persistence(std::span<const std::int64_t> shape, std::span<const Value> values, const VolumeOptions& options, const Stop& stop) {
    if (values.empty()) return {};
    if (options.cells == VolumeCells::freudenthal) return volume_detail::persistence<VoxelLink::Cells::freudenthal>(shape, values, options, stop);
    return volume_detail::persistence<VoxelLink::Cells::cubical>(shape, values, options, stop);
}

}  // namespace isotopy
