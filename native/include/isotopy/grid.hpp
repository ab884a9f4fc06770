// Persistence of lower-star filtrations on grids of dimension 1 to 3 with the Freudenthal triangulation.
//
// A cell is a base vertex v and a chain 0 < S1 < ... < Sk of sets of axes: its vertices are v, v + e(S1), ..., v + e(Sk), in
// row-major order. Cells are ordered by (value, dimension, vertices); the value is the largest one of the vertices, and equal
// values share a level. Degree 0 is a union-find over edges. The top degree is one over facets in reverse order, between top
// cells and the outside (the matrix of coboundaries, transposed: Alexander duality). Degree 1 in dimension 3 reduces the
// boundaries of the triangles that are left: those that open no cavity, and in them only edges that join no components.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "isotopy/field.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"
#include "isotopy/union_find.hpp"

namespace isotopy {

struct GridOptions {
    bool superlevel = false;
    int max_degree = 1;
    std::uint32_t modulus = 2;
    bool keep_zero = false;
};

// Cells of a grid; axes of length 1 are left out, which changes neither cells nor row-major numbers.
class FreudenthalGrid {
public:
    using Cell = std::uint32_t;  // base vertex, then 4 bits of type: increasing in lexicographic order of the vertices
    static constexpr std::size_t largest = (std::size_t{1} << 28) - 1;
    static constexpr unsigned type_bits = 4;

    explicit FreudenthalGrid(std::span<const std::int64_t> shape) {
        std::vector<std::size_t> sizes;
        for (const std::int64_t length : shape) {
            size_ *= static_cast<std::size_t>(length);
            if (length != 1) sizes.push_back(static_cast<std::size_t>(length));
        }
        dimension_ = sizes.size();
        find_offsets(sizes);
        find_types();
        find_steps();
        find_faces();
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t dimension() const noexcept { return dimension_; }
    std::size_t types(std::size_t k) const noexcept { return types_[k].size(); }
    std::size_t cell_bound() const noexcept { return size_ << type_bits; }  // all cells are below

    static Cell vertex_cell(std::size_t vertex) { return make(vertex, 0); }

    // Calls visit(cell) for every k-cell, in lexicographic order of vertices.
    template <class Visit>
    void each(std::size_t k, const Visit& visit) const {
        for (std::size_t base = 0; base < size_; ++base)
            for (std::size_t type = 0; type < types(k); ++type)
                if (fits(k, base, type)) visit(make(base, type));
    }

    std::array<std::uint32_t, 4> vertices(std::size_t k, Cell cell) const {
        const Cell base = cell >> type_bits;
        const auto& steps = steps_[k][cell & type_mask];
        return {base, base + steps[0], base + steps[1], base + steps[2]};
    }

    // The face without vertex j.
    Cell face(std::size_t k, Cell cell, std::size_t j) const {
        const Step& step = faces_[k][cell & type_mask][j];
        return make((cell >> type_bits) + offset_[step.move], step.type);
    }

    // The top cells next to a facet: one or two.
    std::size_t cofacets(Cell facet, std::array<Cell, 2>& out) const {
        const std::size_t k = dimension_, base = facet >> type_bits;
        std::size_t count = 0;
        for (const Step& step : cofacets_[facet & type_mask]) {
            if ((step.move & ~back_[base]) != 0) continue;
            const std::size_t other = base - offset_[step.move];
            if (fits(k, other, step.type)) out[count++] = make(other, step.type);
        }
        return count;
    }

private:
    using Axes = std::uint8_t;  // set of axes; the last axis is bit 0, so that sets count in the order of their offsets
    struct Step {
        Axes move;
        std::size_t type;
    };

    static constexpr Cell type_mask = (Cell{1} << type_bits) - 1;
    static Cell make(std::size_t base, std::size_t type) { return static_cast<Cell>(base << type_bits | type); }

    bool fits(std::size_t k, std::size_t base, std::size_t type) const {
        return k == 0 || (types_[k][type][k - 1] & ~room_[base]) == 0;
    }

    void find_offsets(const std::vector<std::size_t>& sizes) {
        std::array<std::size_t, 3> strides{};
        for (std::size_t bit = 0, stride = 1; bit < dimension_; ++bit) {
            strides[bit] = stride;
            stride *= sizes[dimension_ - 1 - bit];
        }
        for (std::size_t axes = 0; axes < 8; ++axes)
            for (std::size_t bit = 0; bit < dimension_; ++bit)
                if ((axes >> bit & 1) != 0) offset_[axes] += strides[bit];
        room_.assign(size_, 0);
        back_.assign(size_, 0);
        for (std::size_t vertex = 0; vertex < size_; ++vertex) {
            for (std::size_t bit = 0; bit < dimension_; ++bit) {
                const std::size_t place = vertex / strides[bit] % sizes[dimension_ - 1 - bit];
                if (place + 1 < sizes[dimension_ - 1 - bit]) room_[vertex] = static_cast<Axes>(room_[vertex] | 1 << bit);
                if (place > 0) back_[vertex] = static_cast<Axes>(back_[vertex] | 1 << bit);
            }
        }
    }

    void find_types() {
        types_.assign(dimension_ + 1, {});
        types_[0].push_back({});
        for (std::size_t k = 1; k <= dimension_; ++k)
            for (const auto& chain : types_[k - 1])  // extended at the end, smallest first: lexicographic order stays
                for (unsigned axes = 1; axes < 1u << dimension_; ++axes) {
                    const unsigned last = k == 1 ? 0u : chain[k - 2];
                    if ((last & ~axes) != 0 || last == axes) continue;
                    auto longer = chain;
                    longer[k - 1] = static_cast<Axes>(axes);
                    types_[k].push_back(longer);
                }
    }

    void find_steps() {
        steps_.assign(dimension_ + 1, {});
        for (std::size_t k = 0; k <= dimension_; ++k)
            for (const auto& chain : types_[k]) {
                std::array<std::uint32_t, 3> steps{};
                for (std::size_t j = 0; j < k; ++j) steps[j] = static_cast<std::uint32_t>(offset_[chain[j]]);
                steps_[k].push_back(steps);
            }
    }

    void find_faces() {
        faces_.assign(dimension_ + 1, {});
        for (std::size_t k = 1; k <= dimension_; ++k) {
            for (const auto& chain : types_[k]) {
                std::array<Step, 4> steps{};
                for (std::size_t j = 0; j <= k; ++j) {
                    std::array<Axes, 3> face{};
                    std::size_t length = 0;
                    const Axes move = j == 0 ? chain[0] : Axes{0};
                    for (std::size_t entry = 0; entry < k; ++entry)
                        if (entry + 1 != j && !(j == 0 && entry == 0)) face[length++] = static_cast<Axes>(chain[entry] & ~move);
                    const auto place = std::find(types_[k - 1].begin(), types_[k - 1].end(), face);
                    steps[j] = {move, static_cast<std::size_t>(place - types_[k - 1].begin())};
                }
                faces_[k].push_back(steps);
            }
        }
        if (dimension_ == 0) return;
        cofacets_.assign(types_[dimension_ - 1].size(), {});
        for (std::size_t type = 0; type < types_[dimension_].size(); ++type)
            for (std::size_t j = 0; j <= dimension_; ++j) {
                const Step& step = faces_[dimension_][type][j];
                cofacets_[step.type].push_back({step.move, type});
            }
    }

    std::size_t size_ = 1, dimension_ = 0;
    std::array<std::size_t, 8> offset_{};
    std::vector<Axes> room_, back_;  // per vertex: axes along which there is a next, a previous vertex
    std::vector<std::vector<std::array<Axes, 3>>> types_;
    std::vector<std::vector<std::array<std::uint32_t, 3>>> steps_;  // from the base to the other vertices
    std::vector<std::vector<std::array<Step, 4>>> faces_;
    std::vector<std::vector<Step>> cofacets_;
};

namespace grid_detail {

using Cell = FreudenthalGrid::Cell;

struct Pair {
    Cell birth, death;
};

class LowerStar {
public:
    LowerStar(const FreudenthalGrid& grid, std::span<const double> values, bool superlevel, const Stop& stop) : grid_(grid), level_(grid.size()) {
        struct Item {
            std::uint64_t key;
            std::uint32_t vertex;
        };
        std::vector<Item> items(values.size());
        for (std::size_t v = 0; v < values.size(); ++v)
            items[v] = {monotone_key(superlevel ? -values[v] : values[v]), static_cast<std::uint32_t>(v)};
        radix_sort(items, stop);
        for (std::size_t place = 0; place < items.size(); ++place) {
            if (place > 0 && items[place].key != items[place - 1].key) ++levels_;
            level_[items[place].vertex] = levels_;
        }
        ++levels_;
    }

    const FreudenthalGrid& grid() const noexcept { return grid_; }

    std::uint32_t level(std::size_t k, Cell cell) const {
        const auto vertices = grid_.vertices(k, cell);
        std::uint32_t largest = level_[vertices[0]];
        for (std::size_t j = 1; j <= k; ++j) largest = std::max(largest, level_[vertices[j]]);
        return largest;
    }

    // Place of a cell among those of its dimension, as one number.
    std::uint64_t order(std::size_t k, Cell cell) const { return std::uint64_t{level(k, cell)} << 32 | cell; }

    std::uint64_t vertex_order(std::uint32_t vertex) const { return std::uint64_t{level_[vertex]} << 32 | vertex; }

    // The first vertex that carries the value.
    std::uint32_t at(std::size_t k, Cell cell) const {
        const auto vertices = grid_.vertices(k, cell);
        std::size_t first = 0;
        for (std::size_t j = 1; j <= k; ++j)
            if (level_[vertices[j]] > level_[vertices[first]]) first = j;
        return vertices[first];
    }

    std::vector<Cell> sorted(std::size_t k, const Stop& stop) const {
        std::vector<std::uint32_t> start(std::size_t{levels_} + 1, 0);
        grid_.each(k, [&](Cell cell) { ++start[level(k, cell) + 1]; });
        stop.check();
        for (std::size_t l = 1; l < start.size(); ++l) start[l] += start[l - 1];
        std::vector<Cell> cells(start.back());
        grid_.each(k, [&](Cell cell) { cells[start[level(k, cell)]++] = cell; });
        stop.check();
        return cells;
    }

private:
    const FreudenthalGrid& grid_;
    std::vector<std::uint32_t> level_;
    std::uint32_t levels_ = 0;
};

// Pairs of degree 0; edges that join components are marked.
inline std::vector<Pair> components(const LowerStar& f, std::span<const Cell> edges, std::vector<std::uint8_t>& joins, const Stop& stop) {
    const FreudenthalGrid& grid = f.grid();
    UnionFind sets(grid.size());
    joins.assign(grid.cell_bound(), 0);
    std::vector<Pair> pairs;
    for (std::size_t place = 0; place < edges.size(); ++place) {
        if (place % 65536 == 0) stop.check();
        const auto ends = grid.vertices(1, edges[place]);
        std::uint32_t elder = sets.find(ends[0]), younger = sets.find(ends[1]);
        if (elder == younger) continue;
        if (f.vertex_order(elder) > f.vertex_order(younger)) std::swap(elder, younger);
        sets.hang(younger, elder);
        joins[edges[place]] = 1;
        pairs.push_back({FreudenthalGrid::vertex_cell(younger), edges[place]});
    }
    return pairs;
}

// Pairs of the top degree; facets that close a void are marked.
inline std::vector<Pair> voids(const LowerStar& f, std::span<const Cell> facets, std::vector<std::uint8_t>& closes, const Stop& stop) {
    const FreudenthalGrid& grid = f.grid();
    const std::size_t k = grid.dimension();
    const auto outside = static_cast<Cell>(grid.cell_bound());
    UnionFind sets(std::size_t{outside} + 1);
    closes.assign(grid.cell_bound(), 0);
    std::vector<Pair> pairs;
    for (std::size_t place = facets.size(); place-- > 0;) {
        if (place % 65536 == 0) stop.check();
        std::array<Cell, 2> sides{outside, outside};
        grid.cofacets(facets[place], sides);
        Cell elder = sets.find(sides[0]), younger = sets.find(sides[1]);
        if (elder == younger) continue;
        if (younger == outside || (elder != outside && f.order(k, younger) > f.order(k, elder))) std::swap(elder, younger);
        sets.hang(younger, elder);
        closes[facets[place]] = 1;
        pairs.push_back({facets[place], younger});
    }
    std::sort(pairs.begin(), pairs.end(), [&](const Pair& a, const Pair& b) { return f.order(k, a.death) < f.order(k, b.death); });
    return pairs;
}

// Pairs of degree 1 in dimension 3: column reduction over Z/p, from the triangles and edges that the other degrees leave.
class LoopReduction {
public:
    LoopReduction(const LowerStar& f, const std::vector<std::uint8_t>& joins, std::uint32_t modulus)
        : f_(f), joins_(joins), field_(modulus), owner_(joins.size(), nobody) {}

    std::vector<Pair> run(std::span<const Cell> triangles, const std::vector<std::uint8_t>& closes, const Stop& stop) {
        std::vector<Pair> pairs;
        for (std::size_t place = 0; place < triangles.size(); ++place) {
            if (place % 1024 == 0) stop.check();
            if (closes[triangles[place]] != 0) continue;
            const Cell edge = reduce(triangles[place], stop);
            owner_[edge] = static_cast<std::uint32_t>(pairs.size());
            pairs.push_back({edge, triangles[place]});
        }
        return pairs;
    }

private:
    struct Entry {
        std::uint64_t order;
        std::uint32_t coefficient;
        bool operator<(const Entry& other) const noexcept { return order < other.order; }
    };
    static constexpr std::uint32_t nobody = static_cast<std::uint32_t>(-1);
    static constexpr std::uint32_t plain = nobody;

    void push(const Entry& entry) {
        heap_.push_back(entry);
        std::push_heap(heap_.begin(), heap_.end());
    }

    void push_boundary(Cell triangle, std::uint32_t scale) {
        for (std::size_t j = 0; j < 3; ++j) {
            const Cell edge = f_.grid().face(2, triangle, j);
            if (joins_[edge] == 0) push({f_.order(1, edge), j == 1 ? field_.negative(scale) : scale});
        }
    }

    // The last edge of the chain in the heap, with its coefficient; zero terms vanish on the way.
    bool pop(Entry& last) {
        while (!heap_.empty()) {
            last = heap_.front();
            last.coefficient = 0;
            while (!heap_.empty() && heap_.front().order == last.order) {
                last.coefficient = field_.add(last.coefficient, heap_.front().coefficient);
                std::pop_heap(heap_.begin(), heap_.end());
                heap_.pop_back();
            }
            if (last.coefficient != 0) return true;
        }
        return false;
    }

    Cell reduce(Cell triangle, const Stop& stop) {
        heap_.clear();
        push_boundary(triangle, 1);
        Entry last{};
        bool untouched = true;
        for (std::size_t steps = 1; pop(last); ++steps) {
            if (steps % 4096 == 0) stop.check();
            const auto edge = static_cast<Cell>(last.order);
            const std::uint32_t column = owner_[edge];
            if (column == nobody) {
                store(triangle, last, untouched);
                return edge;
            }
            untouched = false;
            // Subtract the column that owns this edge, scaled; its own last entry is left out on both sides.
            const std::uint32_t scale = field_.negative(field_.multiply(last.coefficient, inverse_[column]));
            if (chain_[column] == plain) {
                push_boundary(triangle_[column], scale);
                push(last);
            } else {
                for (const Entry& entry : chains_[chain_[column]]) push({entry.order, field_.multiply(entry.coefficient, scale)});
            }
        }
        throw std::logic_error("a triangle that opens no cavity must end a loop");
    }

    void store(Cell triangle, const Entry& last, bool untouched) {
        triangle_.push_back(triangle);
        inverse_.push_back(field_.inverse(last.coefficient));
        chain_.push_back(untouched ? plain : static_cast<std::uint32_t>(chains_.size()));
        if (untouched) return;
        std::vector<Entry> chain;  // without its last entry
        for (Entry entry{}; pop(entry);) chain.push_back(entry);
        chains_.push_back(std::move(chain));
    }

    const LowerStar& f_;
    const std::vector<std::uint8_t>& joins_;
    Field field_;
    std::vector<std::uint32_t> owner_;                       // per edge: the column whose last edge it is
    std::vector<std::uint32_t> triangle_, inverse_, chain_;  // per column; chain `plain`: just the boundary of the triangle
    std::vector<std::vector<Entry>> chains_;
    std::vector<Entry> heap_;
};

inline void append(const LowerStar& f, std::size_t degree, std::span<const Pair> pairs, bool keep_zero, Pairing& out) {
    const auto copy = [&](std::size_t k, Cell cell, std::vector<std::int64_t>& cells, std::vector<std::int64_t>& at) {
        const auto vertices = f.grid().vertices(k, cell);
        cells.insert(cells.end(), vertices.begin(), vertices.begin() + static_cast<std::ptrdiff_t>(k) + 1);
        at.push_back(f.at(k, cell));
    };
    for (const Pair& pair : pairs) {
        if (!keep_zero && f.level(degree, pair.birth) == f.level(degree + 1, pair.death)) continue;
        out.degree.push_back(static_cast<std::int64_t>(degree));
        out.essential.push_back(0);
        copy(degree, pair.birth, out.birth_cell, out.birth_at);
        copy(degree + 1, pair.death, out.death_cell, out.death_at);
    }
}

}  // namespace grid_detail

// Persistence of one function on a grid, in degrees 0 to min(max_degree, dimension - 1). The grid itself is contractible:
// one essential class, of the first vertex.
inline Pairing grid_persistence(const FreudenthalGrid& grid, std::span<const double> values, const GridOptions& options, const Stop& stop) {
    using namespace grid_detail;
    Pairing out;
    if (grid.size() == 0) return out;
    const LowerStar f(grid, values, options.superlevel, stop);
    const std::size_t dimension = grid.dimension();
    const std::size_t top = std::min(static_cast<std::size_t>(options.max_degree) + 1, dimension);  // degrees below top

    std::vector<std::uint8_t> joins, closes;
    std::vector<Cell> edges, triangles;
    if (top >= 1) {
        edges = f.sorted(1, stop);
        append(f, 0, components(f, edges, joins, stop), options.keep_zero, out);
    }
    std::uint32_t first = 0;
    for (std::uint32_t vertex = 1; vertex < grid.size(); ++vertex)
        if (f.vertex_order(vertex) < f.vertex_order(first)) first = vertex;
    out.degree.push_back(0);
    out.essential.push_back(1);
    out.birth_cell.push_back(first);
    out.birth_at.push_back(first);

    if (top >= 2 && dimension == 2) append(f, 1, voids(f, edges, closes, stop), options.keep_zero, out);
    if (top >= 2 && dimension == 3) {
        edges = {};
        triangles = f.sorted(2, stop);
        const std::vector<Pair> cavities = voids(f, triangles, closes, stop);
        append(f, 1, LoopReduction(f, joins, options.modulus).run(triangles, closes, stop), options.keep_zero, out);
        if (top >= 3) append(f, 2, cavities, options.keep_zero, out);
    }
    return out;
}

}  // namespace isotopy
