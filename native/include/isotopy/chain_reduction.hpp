// Reduction of chain complexes: pairs of cells with an invertible incidence are taken out as long as there are any. What is
// left has the same homology (Kaczynski, Mischaikow, Mrozek, Computational Homology, 2004, ch. 4).
//
// A pair (a, b), a in the boundary of b with coefficient u, goes by a change of basis: every other c with a in its boundary,
// coefficient x, becomes c - (x / u) b. With a subcomplex given, a and b are both in it or both outside, so that the result
// is again a complex with a subcomplex, homotopy equivalent as a pair.
//
// First pairs that change no other boundary, by counters alone: b with one facet left (coreduction, Mrozek and Batko 2009),
// or a with one coface left (collapse). A vertex of each component starts them off: it is a direct summand where all edges
// have two ends. Then, among what is left, the pair that changes the fewest coefficients first (Markowitz).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <queue>
#include <span>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "isotopy/field.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/union_find.hpp"

namespace isotopy {

// A chain complex: cells by dimension, boundaries by columns (dimension 1 first); `inside` flags the cells of a subcomplex.
struct ChainComplex {
    struct Columns {
        std::span<const std::int64_t> starts, rows, values;
    };
    std::vector<std::size_t> counts;
    std::vector<Columns> boundaries;
    std::span<const std::uint8_t> inside;  // all dimensions, one after the other
};

// Cells that are left, by their numbers in all dimensions one after the other, and their boundaries in such numbers.
struct ReducedChains {
    std::vector<std::int64_t> cells, starts{0}, rows, values;
};

// Coefficients Z. A change that would make a coefficient larger than `largest` is not made: products of two such
// coefficients and their sums do not overflow, and what is left is handed out for exact arithmetic of any length.
class IntegerRing {
public:
    static constexpr std::int64_t largest = std::int64_t{1} << 31;
    std::int64_t from(std::int64_t value) const {
        if (value > largest || value < -largest) throw std::invalid_argument("coefficients are too large");
        return value;
    }
    bool unit(std::int64_t value) const noexcept { return value == 1 || value == -1; }
    std::int64_t factor(std::int64_t x, std::int64_t u) const noexcept { return -x * u; }  // -x / u
    bool add(std::int64_t& sum, std::int64_t scale, std::int64_t value) const noexcept {
        sum += scale * value;
        return sum <= largest && sum >= -largest;
    }
};

// Coefficients Z/p.
class PrimeRing {
public:
    explicit PrimeRing(std::uint32_t prime) : field_(prime) {}
    std::int64_t from(std::int64_t value) const noexcept {
        const std::int64_t p = field_.prime(), rest = value % p;
        return rest < 0 ? rest + p : rest;
    }
    bool unit(std::int64_t value) const noexcept { return value != 0; }
    std::int64_t factor(std::int64_t x, std::int64_t u) const noexcept {
        return field_.multiply(field_.negative(static_cast<std::uint32_t>(x)), field_.inverse(static_cast<std::uint32_t>(u)));
    }
    bool add(std::int64_t& sum, std::int64_t scale, std::int64_t value) const noexcept {
        sum = static_cast<std::int64_t>((static_cast<std::uint64_t>(sum) + static_cast<std::uint64_t>(scale) * static_cast<std::uint64_t>(value)) % field_.prime());
        return true;
    }

private:
    Field field_;
};

template <class Ring>
class ChainReduction {
public:
    using Cell = std::uint32_t;

    // May take `budget` bytes besides the input; std::bad_alloc where it would need more.
    ChainReduction(const ChainComplex& complex, Ring ring, std::size_t budget, const Stop& stop) : ring_(ring), budget_(budget), stop_(stop) {
        take(complex);
        split_vertices(complex);
        remove_without_change();
        collect();
        remove_by_elimination();
    }

    ReducedChains result() const {
        ReducedChains out;
        std::vector<std::int64_t> number(left_.size(), -1);
        for (std::size_t at = 0; at < left_.size(); ++at) {
            if (gone_[at] != 0) continue;
            number[at] = static_cast<std::int64_t>(out.cells.size());
            out.cells.push_back(left_[at]);
            for (const Entry& entry : columns_[at]) {
                out.rows.push_back(number[entry.row]);
                out.values.push_back(entry.value);
            }
            out.starts.push_back(static_cast<std::int64_t>(out.rows.size()));
        }
        return out;
    }

private:
    struct Entry {
        Cell row;
        std::int64_t value;
    };
    using Column = std::vector<Entry>;

    void spend(std::size_t bytes) {
        if (bytes > budget_) throw std::bad_alloc();
        budget_ -= bytes;
    }

    // --- boundaries as they come, and their transpose

    void take(const ChainComplex& complex) {
        std::size_t cells = 0, entries = 0;
        for (const std::size_t count : complex.counts) cells += count;
        for (const auto& boundary : complex.boundaries) entries += boundary.rows.size();
        if (cells >= std::numeric_limits<Cell>::max()) throw std::invalid_argument("the complex is too large");
        spend(cells * 49 + entries * 16);  // a cell waits at most twice
        inside_.assign(complex.inside.begin(), complex.inside.end());
        first_.reserve(cells + 1);
        first_.push_back(0);
        facets_.reserve(entries);
        values_.reserve(entries);
        std::size_t below = 0, here = 0;  // first cell of the dimension below, of the next one
        for (std::size_t k = 0; k < complex.counts.size(); ++k) {
            for (std::size_t cell = 0; cell < complex.counts[k]; ++cell) {
                if (k > 0) {
                    const auto& boundary = complex.boundaries[k - 1];
                    for (auto at = static_cast<std::size_t>(boundary.starts[cell]); at < static_cast<std::size_t>(boundary.starts[cell + 1]); ++at) {
                        const std::int64_t value = ring_.from(boundary.values[at]);
                        if (value == 0) continue;
                        facets_.push_back(static_cast<Cell>(below + static_cast<std::size_t>(boundary.rows[at])));
                        values_.push_back(value);
                    }
                }
                first_.push_back(facets_.size());
            }
            below = here;
            here += complex.counts[k];
        }
        alive_.assign(cells, 1);
        up_.assign(cells, 0);
        down_.resize(cells);
        for (const Cell facet : facets_) ++up_[facet];
        upper_.assign(cells + 1, 0);
        for (std::size_t cell = 0; cell < cells; ++cell) {
            down_[cell] = static_cast<Cell>(first_[cell + 1] - first_[cell]);
            upper_[cell + 1] = upper_[cell] + up_[cell];
        }
        cofacets_.resize(facets_.size());
        std::vector<std::size_t> next(upper_.begin(), upper_.end() - 1);
        for (std::size_t cell = 0; cell < cells; ++cell)
            for (std::size_t at = first_[cell]; at < first_[cell + 1]; ++at) cofacets_[next[facets_[at]]++] = static_cast<Cell>(cell);
        stop_.check();
    }

    // In a component whose edges all have two ends, v - w or 0, a vertex is a direct summand of the complex: with w - v in
    // place of every other w no boundary contains v. It is taken from the subcomplex if the component meets it.
    void split_vertices(const ChainComplex& complex) {
        if (complex.counts.empty()) return;
        const auto vertices = static_cast<Cell>(complex.counts[0]);
        UnionFind component(vertices);
        std::vector<Cell> open;  // vertices of edges that are not v - w
        const std::size_t edges = complex.counts.size() > 1 ? complex.counts[1] : 0;
        for (std::size_t edge = vertices; edge < vertices + edges; ++edge) {
            const std::size_t at = first_[edge], ends = first_[edge + 1] - at;
            if (ends == 0) continue;
            for (std::size_t other = at + 1; other < at + ends; ++other) {
                const Cell a = component.find(facets_[at]), b = component.find(facets_[other]);
                component.hang(std::max(a, b), std::min(a, b));
            }
            std::int64_t sum = 0;
            bool zero = ends == 2 && ring_.unit(values_[at]);
            if (zero) {
                sum = values_[at];
                ring_.add(sum, 1, values_[at + 1]);
            }
            if (!zero || sum != 0) open.push_back(facets_[at]);
        }
        std::vector<std::uint8_t> grounded(vertices, 0);
        for (const Cell v : open) grounded[component.find(v)] = 1;
        constexpr Cell none = std::numeric_limits<Cell>::max();
        std::vector<Cell> chosen(vertices, none);
        for (Cell v = 0; v < vertices; ++v) {
            Cell& best = chosen[component.find(v)];
            if (best == none || (inside_[best] == 0 && inside_[v] != 0)) best = v;
        }
        for (Cell v = 0; v < vertices; ++v) {
            if (component.find(v) != v || grounded[v] != 0) continue;
            split_.push_back(chosen[v]);
            remove(chosen[v]);
        }
    }

    // --- pairs that change nothing else

    void remove(Cell cell) {
        alive_[cell] = 0;
        for (std::size_t at = first_[cell]; at < first_[cell + 1]; ++at)
            if (--up_[facets_[at]] == 1 && alive_[facets_[at]] != 0) queue_.push_back({facets_[at], false});
        for (std::size_t at = upper_[cell]; at < upper_[cell + 1]; ++at)
            if (--down_[cofacets_[at]] == 1 && alive_[cofacets_[at]] != 0) queue_.push_back({cofacets_[at], true});
    }

    void remove_without_change() {
        for (Cell cell = 0; cell < alive_.size(); ++cell) {
            if (alive_[cell] == 0) continue;
            if (down_[cell] == 1) queue_.push_back({cell, true});
            if (up_[cell] == 1) queue_.push_back({cell, false});
        }
        for (std::size_t step = 0; step < queue_.size(); ++step) {
            if (step % 65536 == 65535) stop_.check();
            const auto [cell, by_boundary] = queue_[step];
            if (alive_[cell] == 0 || (by_boundary ? down_ : up_)[cell] != 1) continue;
            Cell other = cell;
            const std::size_t from = (by_boundary ? first_ : upper_)[cell], end = (by_boundary ? first_ : upper_)[cell + 1];
            const std::vector<Cell>& list = by_boundary ? facets_ : cofacets_;
            for (std::size_t at = from; at < end; ++at)
                if (alive_[list[at]] != 0) other = list[at];
            const Cell a = by_boundary ? other : cell, b = by_boundary ? cell : other;
            if (inside_[a] != inside_[b] || !ring_.unit(incidence(a, b))) continue;
            remove(a);
            remove(b);
        }
        queue_ = {};
    }

    std::int64_t incidence(Cell a, Cell b) const noexcept {
        std::size_t at = first_[b];
        while (facets_[at] != a) ++at;
        return values_[at];
    }

    // --- pairs among the rest

    void collect() {
        std::sort(split_.begin(), split_.end());
        std::vector<Cell> number(alive_.size(), 0);
        auto split = split_.begin();
        for (std::size_t cell = 0; cell < alive_.size(); ++cell) {
            const bool summand = split != split_.end() && *split == cell;
            if (alive_[cell] == 0 && !summand) continue;
            number[cell] = static_cast<Cell>(left_.size());
            left_.push_back(static_cast<std::int64_t>(cell));
            columns_.emplace_back();
            rows_.emplace_back();
            if (summand) {
                ++split;
                continue;
            }
            for (std::size_t at = first_[cell]; at < first_[cell + 1]; ++at)
                if (alive_[facets_[at]] != 0) columns_.back().push_back({number[facets_[at]], values_[at]});
            std::sort(columns_.back().begin(), columns_.back().end(), [](const Entry& p, const Entry& q) { return p.row < q.row; });
            refuse_repeated(columns_.back());
            for (const Entry& entry : columns_.back()) rows_[entry.row].push_back(static_cast<Cell>(left_.size() - 1));
            held_ += columns_.back().size();
        }
        gone_.assign(left_.size(), 0);
        std::vector<std::uint8_t> inside(left_.size());
        for (std::size_t at = 0; at < left_.size(); ++at) inside[at] = inside_[static_cast<std::size_t>(left_[at])];
        inside_ = std::move(inside);
        facets_ = {};
        cofacets_ = {};
        values_ = {};
        first_ = {};
        upper_ = {};
        spend(left_.size() * 100 + held_ * sizeof_entry);
    }

    static void refuse_repeated(const Column& column) {
        for (std::size_t at = 1; at < column.size(); ++at)
            if (column[at].row == column[at - 1].row) throw std::invalid_argument("a row is repeated in a column");
    }

    struct Candidate {
        std::uint64_t cost;
        Cell cell;
        bool operator>(const Candidate& other) const noexcept { return std::tie(cost, cell) > std::tie(other.cost, other.cell); }
    };

    // The facet to pair a cell with: invertible, on the same side, contained in the fewest boundaries.
    bool best(Cell b, Cell& a, std::uint64_t& cost) const noexcept {
        bool found = false;
        std::size_t fewest = 0;
        for (const Entry& entry : columns_[b]) {
            if (!ring_.unit(entry.value) || inside_[entry.row] != inside_[b]) continue;
            const std::size_t length = rows_[entry.row].size();
            if (found && length >= fewest) continue;
            found = true;
            fewest = length;
            a = entry.row;
        }
        if (found) cost = std::uint64_t{columns_[b].size() - 1} * (fewest - 1);
        return found;
    }

    void suggest(Cell b) {
        Cell a = 0;
        std::uint64_t cost = 0;
        if (best(b, a, cost)) heap_.push({cost, b});
    }

    void remove_by_elimination() {
        for (Cell cell = 0; cell < left_.size(); ++cell) suggest(cell);
        while (!heap_.empty()) {
            const Candidate top = heap_.top();
            heap_.pop();
            Cell a = 0;
            std::uint64_t cost = 0;
            if (gone_[top.cell] != 0 || !best(top.cell, a, cost)) continue;
            if (cost > top.cost) {
                heap_.push({cost, top.cell});
                continue;
            }
            stop_.check();
            eliminate(a, top.cell);
            if (heap_.size() > 8 * left_.size() + 1024) {  // mostly outdated
                heap_ = {};
                for (Cell cell = 0; cell < left_.size(); ++cell)
                    if (gone_[cell] == 0) suggest(cell);
            }
        }
    }

    static Column::const_iterator place(const Column& column, Cell row) {
        return std::lower_bound(column.begin(), column.end(), row, [](const Entry& entry, Cell wanted) { return entry.row < wanted; });
    }
    static void insert(std::vector<Cell>& list, Cell cell) { list.insert(std::lower_bound(list.begin(), list.end(), cell), cell); }
    static void erase(std::vector<Cell>& list, Cell cell) { list.erase(std::lower_bound(list.begin(), list.end(), cell)); }

    // Takes the pair out, unless a coefficient would grow too large.
    void eliminate(Cell a, Cell b) {
        const Column& pivot = columns_[b];
        const std::int64_t unit = place(pivot, a)->value;
        changed_.clear();
        for (const Cell c : rows_[a]) {
            if (c == b) continue;
            Column sum;
            if (!combine(columns_[c], ring_.factor(place(columns_[c], a)->value, unit), pivot, a, sum)) return;
            held_ += sum.size();
            if (held_ * sizeof_entry > budget_) throw std::bad_alloc();
            changed_.emplace_back(c, std::move(sum));
            if (changed_.size() % 64 == 0) stop_.check();
        }
        for (auto& [c, sum] : changed_) {
            Column& column = columns_[c];
            auto before = column.begin();
            auto after = sum.begin();
            for (const Entry& entry : pivot) {
                if (entry.row == a) continue;
                while (before != column.end() && before->row < entry.row) ++before;
                while (after != sum.end() && after->row < entry.row) ++after;
                const bool was = before != column.end() && before->row == entry.row, is = after != sum.end() && after->row == entry.row;
                if (is && !was) insert(rows_[entry.row], c);
                if (was && !is) erase(rows_[entry.row], c);
            }
            held_ -= column.size();
            column = std::move(sum);
        }
        for (const Entry& entry : pivot)
            if (entry.row != a) drop(entry.row, b);
        for (const Entry& entry : columns_[a]) drop(entry.row, a);
        std::vector<Cell> above;
        above.swap(rows_[b]);
        for (const Cell c : above) {
            columns_[c].erase(place(columns_[c], b));
            suggest(c);
        }
        held_ -= columns_[a].size() + columns_[b].size();
        gone_[a] = gone_[b] = 1;
        columns_[a] = {};
        columns_[b] = {};
        rows_[a] = {};
        for (const auto& [c, sum] : changed_) suggest(c);
    }

    void drop(Cell row, Cell column) {
        erase(rows_[row], column);
        if (rows_[row].size() == 1) suggest(rows_[row][0]);
    }

    // sum = column + scale * pivot, without its entry at a, which vanishes.
    bool combine(const Column& column, std::int64_t scale, const Column& pivot, Cell a, Column& sum) const {
        sum.reserve(column.size() + pivot.size() - 2);
        auto entry = column.begin();
        for (const Entry& more : pivot) {
            while (entry != column.end() && entry->row < more.row) sum.push_back(*entry++);
            std::int64_t value = 0;
            if (entry != column.end() && entry->row == more.row) value = (entry++)->value;
            if (more.row == a) continue;
            if (!ring_.add(value, scale, more.value)) return false;
            if (value != 0) sum.push_back({more.row, value});
        }
        sum.insert(sum.end(), entry, column.end());
        return true;
    }

    static constexpr std::size_t sizeof_entry = sizeof(Entry) + sizeof(Cell) + 8;

    struct Task {
        Cell cell;
        bool by_boundary;
    };

    Ring ring_;
    std::size_t budget_, held_ = 0;
    const Stop& stop_;
    std::vector<std::uint8_t> inside_, alive_, gone_;
    std::vector<std::size_t> first_, upper_;  // where the facets, the cofacets of a cell begin
    std::vector<Cell> facets_, cofacets_, up_, down_, split_;
    std::vector<std::int64_t> values_, left_;
    std::vector<Task> queue_;
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
    std::vector<std::pair<Cell, Column>> changed_;
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap_;
};

// modulus 0: over Z.
inline ReducedChains reduce_chains(const ChainComplex& complex, std::uint32_t modulus, std::size_t budget, const Stop& stop) {
    if (modulus == 0) return ChainReduction<IntegerRing>(complex, IntegerRing(), budget, stop).result();
    return ChainReduction<PrimeRing>(complex, PrimeRing(modulus), budget, stop).result();
}

}  // namespace isotopy
