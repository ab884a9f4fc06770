// Persistence of a filtered cell complex by reduction of its boundary matrices, over any prime field.
//
// Cells of each dimension are numbered from 0 in the order of the filtration, every dimension by itself: a place is such a
// number. Boundary lists, for the cells of one dimension (the columns), the places of their facets (the rows). There are three
// ways in:
//
//   pair_components(vertices, edges)                    degree 0 by union-find; says which edges join components
//   ColumnReducer<Coefficients>(boundary, p, left_out, ignored).run(stop)
//                                                       one matrix: the pivot row of every column, and the reduced columns.
//                                                       `left_out` columns are known to be zero (clearing: births of the
//                                                       degree of the columns); `ignored` rows are known never to be pivots
//                                                       (deaths of the degree below the rows, for example tree edges)
//   filtered_persistence(vertices, boundaries, max_degree, p, stop)
//                                                       all degrees: union-find, then from the top dimension down, so that
//                                                       pivots of one matrix are left out of the next (the twist). Where no
//                                                       facet has more than two cofacets (surfaces, top cells of manifolds)
//                                                       a second union-find takes the place of the reduction
//
// Columns are reduced from left to right in a bit tree: a set of rows with the largest at hand. A column that needs no addition
// is not copied. Places are below 2^32 - 1.
//
// C. Chen, M. Kerber, Persistent homology computation with a twist, EuroCG 2011. U. Bauer, M. Kerber, J. Reininghaus, H. Wagner,
// PHAT: Persistent homology algorithms toolbox, J. Symb. Comput. 78 (2017).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "isotopy/field.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/union_find.hpp"

namespace isotopy {

using Place = std::uint32_t;
inline constexpr Place no_place = std::numeric_limits<Place>::max();

// Facets of the cells of one dimension, in the order of the filtration; a view of arrays that the caller keeps.
struct Boundary {
    std::size_t rows = 0;                 // number of cells one dimension lower
    std::size_t width = 0;                // facets of every cell, where `start` is empty
    std::span<const Place> facets;        // column after column
    std::span<const std::size_t> start;   // else where each column starts, and the end
    std::span<const std::int8_t> signs;   // of the facets, +1 or -1; empty: in turn from +1 on, as the faces of a simplex without its i-th vertex

    std::size_t columns() const noexcept {
        return start.empty() ? (width == 0 ? 0 : facets.size() / width) : start.size() - 1;
    }
    std::size_t first(std::size_t column) const noexcept { return start.empty() ? column * width : start[column]; }
    std::span<const Place> column(std::size_t index) const noexcept {
        return facets.subspan(first(index), first(index + 1) - first(index));
    }
    bool negative(std::size_t column, std::size_t face) const noexcept {
        return signs.empty() ? (face & 1) != 0 : signs[first(column) + face] < 0;
    }
};

// Classes of one degree: finite ones in the order of their deaths, essential ones in the order of their births.
struct DegreePairs {
    std::vector<Place> birth, death;
    std::vector<Place> essential;
};

// A set of numbers below `size`, its largest element found in a few steps: 64 words below each word.
class BitTree {
public:
    explicit BitTree(std::size_t size) {
        do {
            size = (size + 63) / 64;
            levels_.emplace_back(size, 0);
        } while (size > 1);
    }

    void flip(Place element) noexcept {
        std::size_t index = element;
        for (auto& level : levels_) {
            std::uint64_t& word = level[index / 64];
            const std::uint64_t old = word;
            word ^= std::uint64_t{1} << (index % 64);
            if (old != 0 && word != 0) return;  // above, the bit of this word stays
            index /= 64;
        }
    }

    Place last() const noexcept {
        if (levels_.back().empty() || levels_.back()[0] == 0) return no_place;
        std::size_t index = 0;
        for (std::size_t level = levels_.size(); level-- > 0;)
            index = index * 64 + 63 - static_cast<std::size_t>(std::countl_zero(levels_[level][index]));
        return static_cast<Place>(index);
    }

private:
    std::vector<std::vector<std::uint64_t>> levels_;
};

// One column over Z/2 while it is reduced.
class BinaryColumn {
public:
    using Coefficient = std::uint8_t;  // always 1
    static constexpr bool weighted = false;
    BinaryColumn(std::size_t rows, std::uint32_t) : tree_(rows) {}
    void add(Place row, Coefficient) noexcept { tree_.flip(row); }
    Place last() const noexcept { return tree_.last(); }
    Coefficient at(Place) const noexcept { return 1; }
    Coefficient unit(bool) const noexcept { return 1; }
    Coefficient times(Coefficient, Coefficient) const noexcept { return 1; }
    Coefficient quotient(Coefficient, Coefficient) const noexcept { return 1; }
    Coefficient negative(Coefficient) const noexcept { return 1; }

private:
    BitTree tree_;
};

// One column over Z/p while it is reduced.
class PrimeColumn {
public:
    using Coefficient = std::uint32_t;
    static constexpr bool weighted = true;
    PrimeColumn(std::size_t rows, std::uint32_t prime) : tree_(rows), values_(rows, 0), field_(prime) {}
    void add(Place row, Coefficient value) noexcept {
        Coefficient& entry = values_[row];
        const Coefficient sum = field_.add(entry, value);
        if ((entry == 0) != (sum == 0)) tree_.flip(row);
        entry = sum;
    }
    Place last() const noexcept { return tree_.last(); }
    Coefficient at(Place row) const noexcept { return values_[row]; }
    Coefficient unit(bool negative) const noexcept { return negative ? field_.negative(1) : 1; }
    Coefficient times(Coefficient a, Coefficient b) const noexcept { return field_.multiply(a, b); }
    Coefficient quotient(Coefficient a, Coefficient b) const noexcept { return field_.multiply(a, field_.inverse(b)); }
    Coefficient negative(Coefficient a) const noexcept { return field_.negative(a); }

private:
    BitTree tree_;
    std::vector<Coefficient> values_;
    Field field_;
};

// Column reduction of one boundary matrix, from left to right.
template <class Column>
class ColumnReducer {
public:
    using Coefficient = typename Column::Coefficient;

    // left_out, ignored: one entry per column and per row, not zero where it holds; or empty.
    ColumnReducer(const Boundary& boundary, std::uint32_t modulus, std::span<const std::uint8_t> left_out = {},
                  std::span<const std::uint8_t> ignored = {})
        : boundary_(boundary), left_out_(left_out), ignored_(ignored), column_(boundary.rows, modulus),
          pivot_(boundary.columns(), no_place), owner_(boundary.rows, no_place) {}

    void run(const Stop& stop) {
        for (std::size_t index = 0; index < pivot_.size(); ++index) {
            if ((index & 0xfff) == 0) stop.check();
            if (left_out_.empty() || left_out_[index] == 0) reduce(static_cast<Place>(index), stop);
        }
    }

    // The last row of each reduced column; no_place where it is zero or left out.
    const std::vector<Place>& pivots() const noexcept { return pivot_; }
    // The column whose pivot is this row, or no_place.
    Place owner(Place row) const noexcept { return owner_[row]; }

    // Calls visit(row, coefficient) for the entries of a reduced column, without ignored rows.
    template <class Visit>
    void entries(Place column, const Visit& visit) const {
        const auto kept = std::lower_bound(kept_.begin(), kept_.end(), column, [](const Kept& a, Place b) { return a.column < b; });
        if (kept != kept_.end() && kept->column == column) {
            const std::size_t end = kept + 1 == kept_.end() ? rows_.size() : (kept + 1)->start;
            for (std::size_t entry = kept->start; entry < end; ++entry) visit(rows_[entry], weight(entry));
            return;
        }
        const auto faces = boundary_.column(column);
        for (std::size_t face = 0; face < faces.size(); ++face)
            if (counts(faces[face])) visit(faces[face], column_.unit(boundary_.negative(column, face)));
    }

private:
    struct Kept {
        Place column;
        std::size_t start;
    };

    bool counts(Place row) const noexcept { return ignored_.empty() || ignored_[row] == 0; }
    Coefficient weight(std::size_t entry) const noexcept {
        if constexpr (Column::weighted) return weights_[entry];
        else return 1;
    }

    void reduce(Place index, const Stop& stop) {
        Place pivot = no_place;
        for (const Place row : boundary_.column(index))
            if (counts(row) && (pivot == no_place || row > pivot)) pivot = row;
        if (pivot == no_place) return;
        if (owner_[pivot] != no_place) {
            entries(index, [&](Place row, Coefficient value) { column_.add(row, value); });
            while ((pivot = column_.last()) != no_place && owner_[pivot] != no_place) eliminate(pivot, stop);
            if (pivot == no_place) return;
            keep(index);
        }
        owner_[pivot] = index;
        pivot_[index] = pivot;
    }

    void eliminate(Place pivot, const Stop& stop) {
        const Place other = owner_[pivot];
        Coefficient factor = column_.unit(true);
        if constexpr (Column::weighted) {
            Coefficient lead = 0;
            entries(other, [&](Place row, Coefficient value) { lead = row == pivot ? value : lead; });
            factor = column_.negative(column_.quotient(column_.at(pivot), lead));
        }
        std::size_t count = 0;
        entries(other, [&](Place row, Coefficient value) {
            column_.add(row, column_.times(factor, value));
            ++count;
        });
        if ((work_ += count + 16) > (1u << 16)) {
            work_ = 0;
            stop.check();
        }
    }

    // Empties the column into the store.
    void keep(Place index) {
        kept_.push_back({index, rows_.size()});
        for (Place row = column_.last(); row != no_place; row = column_.last()) {
            rows_.push_back(row);
            const Coefficient value = column_.at(row);
            if constexpr (Column::weighted) weights_.push_back(value);
            column_.add(row, column_.negative(value));
        }
    }

    Boundary boundary_;
    std::span<const std::uint8_t> left_out_, ignored_;
    Column column_;
    std::vector<Place> pivot_, owner_;  // per column, per row
    std::vector<Kept> kept_;            // columns that were changed, in order
    std::vector<Place> rows_;           // their entries, the largest first
    std::vector<Coefficient> weights_;
    std::size_t work_ = 0;
};

// Degree 0, edges in order: the younger of two components dies. joins: one entry per edge, 1 where it joins two.
inline DegreePairs pair_components(std::size_t vertices, const Boundary& edges, std::vector<std::uint8_t>& joins) {
    DegreePairs found;
    UnionFind components(vertices);
    joins.assign(edges.columns(), 0);
    for (std::size_t edge = 0; edge < edges.columns(); ++edge) {
        const auto ends = edges.column(edge);
        if (ends.size() != 2) continue;  // a loop in a complex that is not regular
        Place elder = components.find(ends[0]), younger = components.find(ends[1]);
        if (elder == younger) continue;
        if (elder > younger) std::swap(elder, younger);
        components.hang(younger, elder);
        joins[edge] = 1;
        found.birth.push_back(younger);
        found.death.push_back(static_cast<Place>(edge));
    }
    for (Place vertex = 0; vertex < vertices; ++vertex)
        if (components.find(vertex) == vertex) found.essential.push_back(vertex);
    return found;
}

namespace reduction_detail {

// Pivots of a matrix with at most two entries per row, by duality: rows from the last to the first are edges between columns,
// a row of one entry an edge to the outside. The span of some rows of a connected set of columns misses one direction, so every
// column of the set but the last has a pivot; the row that joins two sets is the pivot of the smaller of their last columns.
// Over Z/p with p odd columns are oriented along the edges, and a row that contradicts joins its set to the outside.
class DualForest {
public:
    // False, and nothing else of use, where some row has more than two entries, or two from one column.
    bool read(const Boundary& boundary) {
        ends_.assign(2 * boundary.rows, no_place);
        turn_.assign(boundary.rows, 0);
        for (std::size_t column = 0; column < boundary.columns(); ++column) {
            const auto faces = boundary.column(column);
            for (std::size_t face = 0; face < faces.size(); ++face) {
                const std::size_t row = faces[face];
                const bool second = ends_[2 * row] != no_place;
                if (second && (ends_[2 * row + 1] != no_place || ends_[2 * row] == column)) return false;
                ends_[2 * row + (second ? 1 : 0)] = static_cast<Place>(column);
                turn_[row] ^= static_cast<std::uint8_t>(boundary.negative(column, face) ? 1 : 0);
            }
        }
        return true;
    }

    std::vector<Place> pivots(const Boundary& boundary, bool oriented, const Stop& stop) {
        const auto count = static_cast<Place>(boundary.columns());
        std::vector<Place> pivot(count, no_place);
        parent_.resize(std::size_t{count} + 1);
        for (Place column = 0; column <= count; ++column) parent_[column] = column;  // `count` is the outside
        turned_.assign(std::size_t{count} + 1, 0);
        for (std::size_t row = boundary.rows; row-- > 0;) {
            if ((row & 0xffff) == 0) stop.check();
            if (ends_[2 * row] == no_place) continue;
            const auto [a, turned_a] = find(ends_[2 * row]);
            const auto [b, turned_b] = find(std::min(ends_[2 * row + 1], count));
            // The two entries of a row cancel in an orientation of both columns, so equal signs mean that one is turned.
            const auto turn = static_cast<std::uint8_t>(turned_a ^ turned_b ^ turn_[row] ^ 1);
            Place younger = std::min(a, b), elder = std::max(a, b);
            if (a == b) {
                if (!oriented || turn == 0 || a == count) continue;
                elder = count;
            }
            pivot[younger] = static_cast<Place>(row);
            parent_[younger] = elder;
            turned_[younger] = turn;
        }
        return pivot;
    }

private:
    // The last column of the set, and whether the column is turned against it.
    std::pair<Place, std::uint8_t> find(Place column) {
        std::uint8_t turned = 0;
        while (parent_[column] != column) {
            const Place up = parent_[column];
            turned_[column] ^= turned_[up];  // the root is not turned
            parent_[column] = parent_[up];
            turned ^= turned_[column];
            column = parent_[column];
        }
        return {column, turned};
    }

    std::vector<Place> ends_;          // per row its columns, `no_place` where there is none
    std::vector<std::uint8_t> turn_;   // per row: whether its entries have different signs
    std::vector<Place> parent_;        // per column
    std::vector<std::uint8_t> turned_; // against the parent
};

template <class Column>
std::vector<Place> pivots(const Boundary& boundary, std::uint32_t modulus, std::span<const std::uint8_t> left_out,
                          std::span<const std::uint8_t> ignored, const Stop& stop) {
    ColumnReducer<Column> reducer(boundary, modulus, left_out, ignored);
    reducer.run(stop);
    return reducer.pivots();
}

}  // namespace reduction_detail

// All degrees from 0 to max_degree. boundaries[k] has the (k+1)-cells as columns; there may be none.
inline std::vector<DegreePairs> filtered_persistence(std::size_t vertices, std::span<const Boundary> boundaries, std::size_t max_degree,
                                                     std::uint32_t modulus, const Stop& stop) {
    const std::size_t top = std::min(max_degree + 1, boundaries.size());  // largest dimension of a column that matters
    std::vector<DegreePairs> found(max_degree + 1);
    std::vector<std::uint8_t> joins;
    found[0] = pair_components(vertices, boundaries.empty() ? Boundary{} : boundaries[0], joins);
    std::vector<std::uint8_t> born;  // cells of the dimension at hand that are known to be births, since they die
    for (std::size_t dimension = top; dimension >= 1; --dimension) {
        const Boundary& boundary = boundaries[dimension - 1];
        std::vector<std::uint8_t> dies(boundary.columns(), 0);  // whether the cell ends a class
        std::vector<std::uint8_t> born_below(boundary.rows, 0);
        if (dimension == 1) {
            dies = joins;
        } else {
            const std::span<const std::uint8_t> ignored = dimension == 2 ? std::span<const std::uint8_t>(joins) : std::span<const std::uint8_t>{};
            reduction_detail::DualForest dual;
            const auto pivot = dual.read(boundary) ? dual.pivots(boundary, modulus != 2, stop)
                               : modulus == 2      ? reduction_detail::pivots<BinaryColumn>(boundary, modulus, born, ignored, stop)
                                                   : reduction_detail::pivots<PrimeColumn>(boundary, modulus, born, ignored, stop);
            for (std::size_t column = 0; column < pivot.size(); ++column) {
                if (pivot[column] == no_place) continue;
                dies[column] = 1;
                born_below[pivot[column]] = 1;
                found[dimension - 1].birth.push_back(pivot[column]);
                found[dimension - 1].death.push_back(static_cast<Place>(column));
            }
        }
        if (dimension <= max_degree)
            for (std::size_t cell = 0; cell < dies.size(); ++cell)
                if (dies[cell] == 0 && (born.empty() || born[cell] == 0)) found[dimension].essential.push_back(static_cast<Place>(cell));
        born = std::move(born_below);
    }
    return found;
}

}  // namespace isotopy
