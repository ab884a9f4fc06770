// Vietoris-Rips persistence in degrees 0 and 1.
//
// Edges are ordered by (length, vertices), a total order whatever ties there are. A simplex enters with its last edge; cells
// that enter together are ordered by (dimension, vertices). Degree 0 is the minimum spanning forest of that order.
//
// Degree 1 works on the reduced Rips filtration (Koyama, Memoli, Robins, Turner, arXiv 2307.16333). The lune of an edge e = ij
// holds the vertices k with ik and jk before e; two of them, k and l, are joined when kl comes before e. Triangles on e with
// joined third vertices have boundaries that differ by boundaries from before e (of ikl and jkl: the tetrahedron ijkl), so one
// triangle per component of the lune spans all that e adds. With a total order in place of lengths this argument needs no
// general position: every comparison is one of ranks. An empty lune means that e kills a component or creates a class that
// outlives it; any other e is killed at once by the triangle of the first component, and each further component gives one
// relation among the classes alive.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "isotopy/field.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"
#include "isotopy/union_find.hpp"

namespace isotopy {

// Distances of one sample, row by row, from coordinates (n, d) or from a symmetric matrix (n, n).
class Metric {
public:
    static Metric of_points(std::span<const double> points, std::size_t size, std::size_t dimension) {
        Metric metric;
        metric.size_ = size;
        metric.dimension_ = dimension;
        metric.columns_.resize(size * dimension);  // axis by axis, so that a row of distances is a few straight loops
        for (std::size_t point = 0; point < size; ++point)
            for (std::size_t axis = 0; axis < dimension; ++axis)
                metric.columns_[axis * size + point] = points[point * dimension + axis];
        return metric;
    }

    static Metric of_matrix(std::span<const double> matrix, std::size_t size) {
        Metric metric;
        metric.size_ = size;
        metric.matrix_ = matrix;
        metric.is_matrix_ = true;
        return metric;
    }

    std::size_t size() const noexcept { return size_; }

    // out[j] = distance of i and j, for j >= first. The same bits for (i, j) and (j, i).
    void row(std::size_t i, std::size_t first, std::span<double> out) const {
        if (is_matrix_) {
            for (std::size_t j = first; j < size_; ++j) out[j] = matrix_[i * size_ + j];
            return;
        }
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), 0.0);
        for (std::size_t axis = 0; axis < dimension_; ++axis) {
            const double* column = columns_.data() + axis * size_;
            const double center = column[i];
            for (std::size_t j = first; j < size_; ++j) {
                const double difference = column[j] - center;
                out[j] += difference * difference;
            }
        }
        for (std::size_t j = first; j < size_; ++j) out[j] = std::sqrt(out[j]);
    }

private:
    std::size_t size_ = 0, dimension_ = 0;
    bool is_matrix_ = false;
    std::vector<double> columns_;
    std::span<const double> matrix_;
};

struct RipsOptions {
    double threshold = std::numeric_limits<double>::infinity();
    int max_degree = 1;
    std::uint32_t modulus = 2;
    bool keep_zero = false;
};

namespace rips_detail {

struct Edge {
    std::uint64_t key;  // of the length
    std::uint32_t i, j;  // i < j
};

inline bool before(const Edge& a, const Edge& b) noexcept {
    if (a.key != b.key) return a.key < b.key;
    return a.i != b.i ? a.i < b.i : a.j < b.j;
}

inline Edge make_edge(double length, std::size_t a, std::size_t b) noexcept {
    return {monotone_key(length), static_cast<std::uint32_t>(std::min(a, b)), static_cast<std::uint32_t>(std::max(a, b))};
}

// Dense Prim on the total order; edges of the minimum spanning forest, sorted. Infinite and longer edges are left out.
inline std::vector<Edge> spanning_forest(const Metric& metric, double threshold, const Stop& stop) {
    const std::size_t n = metric.size();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::vector<Edge> forest;
    if (n < 2) return forest;
    std::vector<double> best(n, infinity), row(n);
    std::vector<std::uint32_t> parent(n, 0);
    std::vector<std::uint8_t> outside(n, 1);
    std::size_t current = 0;
    outside[0] = 0;
    for (std::size_t step = 1; step < n; ++step) {
        stop.check();
        metric.row(current, 0, row);
        double smallest = infinity;
        for (std::size_t v = 0; v < n; ++v) {
            if (outside[v] == 0) continue;
            if (row[v] < best[v]) {
                best[v] = row[v];
                parent[v] = static_cast<std::uint32_t>(current);
            } else if (row[v] == best[v] && before(make_edge(0, current, v), make_edge(0, parent[v], v))) {
                parent[v] = static_cast<std::uint32_t>(current);
            }
            smallest = std::min(smallest, best[v]);
        }
        std::size_t chosen = n;
        for (std::size_t v = 0; v < n; ++v) {
            if (outside[v] == 0 || best[v] != smallest) continue;
            if (chosen == n || before(make_edge(0, parent[v], v), make_edge(0, parent[chosen], chosen))) chosen = v;
        }
        outside[chosen] = 0;
        if (smallest <= threshold && smallest < infinity) forest.push_back(make_edge(smallest, parent[chosen], chosen));
        current = chosen;
    }
    std::sort(forest.begin(), forest.end(), before);
    return forest;
}

// Degree 0 from the sorted edges of the forest: all vertices are born at 0, the component of the smaller vertex survives.
inline void append_components(std::size_t n, std::span<const Edge> forest, bool keep_zero, Pairing& out) {
    UnionFind components(n);
    const std::uint64_t zero = monotone_key(0.0);
    for (const Edge& edge : forest) {
        std::uint32_t elder = components.find(edge.i), younger = components.find(edge.j);
        if (elder > younger) std::swap(elder, younger);
        components.hang(younger, elder);
        if (edge.key == zero && !keep_zero) continue;
        out.degree.push_back(0);
        out.essential.push_back(0);
        out.birth_cell.push_back(younger);
        out.birth_at.insert(out.birth_at.end(), {younger, younger});
        out.death_cell.insert(out.death_cell.end(), {edge.i, edge.j});
        out.death_at.insert(out.death_at.end(), {edge.i, edge.j});
    }
    for (std::uint32_t vertex = 0; vertex < n; ++vertex) {
        if (components.find(vertex) != vertex) continue;
        out.degree.push_back(0);
        out.essential.push_back(1);
        out.birth_cell.push_back(vertex);
        out.birth_at.insert(out.birth_at.end(), {vertex, vertex});
    }
}

// The two loops that all time of degree 1 goes into are compiled for several widths of vectors and picked at run time.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define ISOTOPY_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ISOTOPY_WIDE
#endif

using Rank = std::int32_t;
inline constexpr Rank never = std::numeric_limits<Rank>::max();

// All edges up to the threshold, sorted, and the matrix of their ranks (`never` on the diagonal and for edges left out).
// Beyond the smallest row maximum of the distances the complex is a cone, so longer edges only make pairs of length zero.
class EdgeOrder {
public:
    EdgeOrder(const Metric& metric, double threshold, bool keep_zero, const Stop& stop) : size_(metric.size()) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        std::vector<double> row(size_), farthest(size_, 0.0);
        for (std::size_t i = 0; i < size_; ++i) {
            stop.check();
            metric.row(i, i, row);
            for (std::size_t j = i + 1; j < size_; ++j) {
                farthest[i] = std::max(farthest[i], row[j]);
                farthest[j] = std::max(farthest[j], row[j]);
            }
        }
        double cutoff = threshold;
        if (!keep_zero && size_ > 0) cutoff = std::min(cutoff, *std::min_element(farthest.begin(), farthest.end()));
        for (std::size_t i = 0; i < size_; ++i) {
            stop.check();
            metric.row(i, i, row);
            for (std::size_t j = i + 1; j < size_; ++j)
                if (row[j] <= cutoff && row[j] < infinity) edges_.push_back(make_edge(row[j], i, j));
        }
        radix_sort(edges_, stop);
        ranks_.assign(size_ * size_, never);
        for (std::size_t rank = 0; rank < edges_.size(); ++rank) {
            const Edge& edge = edges_[rank];
            ranks_[edge.i * size_ + edge.j] = ranks_[edge.j * size_ + edge.i] = static_cast<Rank>(rank);
        }
    }

    std::size_t size() const noexcept { return size_; }
    const std::vector<Edge>& edges() const noexcept { return edges_; }
    const Rank* row(std::size_t i) const noexcept { return ranks_.data() + i * size_; }
    std::size_t rank(std::size_t i, std::size_t j) const noexcept { return static_cast<std::size_t>(ranks_[i * size_ + j]); }

private:
    std::size_t size_;
    std::vector<Edge> edges_;
    std::vector<Rank> ranks_;
};

inline std::vector<std::uint8_t> forest_edges(const EdgeOrder& order, std::vector<Edge>& forest) {
    std::vector<std::uint8_t> in_forest(order.edges().size(), 0);
    UnionFind components(order.size());
    for (std::size_t rank = 0; rank < order.edges().size(); ++rank) {
        const Edge& edge = order.edges()[rank];
        const std::uint32_t a = components.find(edge.i), b = components.find(edge.j);
        if (a == b) continue;
        components.hang(std::max(a, b), std::min(a, b));
        in_forest[rank] = 1;
        forest.push_back(edge);
        if (forest.size() + 1 == order.size()) break;
    }
    return in_forest;
}

// The lunes of all edges. Per edge a vertex of its first component (the one with the smallest vertex), chosen near the
// middle of the edge so that chains of replacements stay short; and the smallest vertex of every other component.
struct Lunes {
    struct Extra {
        std::uint32_t rank, vertex;
    };
    static constexpr std::uint32_t empty = std::numeric_limits<std::uint32_t>::max();
    std::vector<std::uint32_t> inner;  // per edge, or `empty`
    std::vector<std::uint32_t> first;  // per edge the smallest vertex of its lune; only when asked for
    std::vector<Extra> extras;         // by rank, then by vertex
};

// later[k] = the later one of the edges ik and jk; the smallest of them over k.
ISOTOPY_WIDE static Rank later_edges(const Rank* to_i, const Rank* to_j, std::size_t n, Rank* later) {
    Rank smallest = never;
    for (std::size_t k = 0; k < n; ++k) {
        later[k] = std::max(to_i[k], to_j[k]);
        smallest = std::min(smallest, later[k]);
    }
    return smallest;
}

// The smallest entry of `later` among vertices of the lune that are joined to no hub; `never` where there are none.
ISOTOPY_WIDE static Rank closest_apart(const Rank* later, const Rank* to_hub, std::size_t n, Rank rank) {
    Rank smallest = never;
    for (std::size_t k = 0; k < n; ++k) {
        const Rank joined = -static_cast<Rank>(to_hub[k] < rank);  // all ones or zero: a choice without a branch
        smallest = std::min(smallest, (later[k] | joined) & never);
    }
    return smallest < rank ? smallest : never;
}

// The smallest, over k, of the latest of three edges.
ISOTOPY_WIDE static Rank closest(const Rank* a, const Rank* b, const Rank* c, std::size_t n) {
    Rank smallest = never;
    for (std::size_t k = 0; k < n; ++k) smallest = std::min(smallest, std::max(std::max(a[k], b[k]), c[k]));
    return smallest;
}

ISOTOPY_WIDE static void keep_smaller(Rank* a, const Rank* b, std::size_t n) {
    for (std::size_t k = 0; k < n; ++k) a[k] = std::min(a[k], b[k]);
}

class LuneFinder {
public:
    LuneFinder(const EdgeOrder& order, const std::vector<std::uint8_t>& in_forest, bool want_first, const Stop& stop)
        : order_(order), n_(order.size()), later_(n_), to_hub_(n_) {
        lunes_.inner.assign(order.edges().size(), Lunes::empty);
        if (want_first) lunes_.first.assign(order.edges().size(), Lunes::empty);
        for (std::uint32_t i = 0; i < n_; ++i) {  // row by row: lunes are independent of each other, and row i stays in the cache
            stop.check();
            for (std::uint32_t j = i + 1; j < n_; ++j) {
                const Rank rank = order_.row(i)[j];
                if (rank != never && in_forest[static_cast<std::size_t>(rank)] == 0) visit(i, j, rank, want_first);
            }
        }
        std::sort(lunes_.extras.begin(), lunes_.extras.end(), [](const Lunes::Extra& a, const Lunes::Extra& b) {
            return a.rank != b.rank ? a.rank < b.rank : a.vertex < b.vertex;
        });
    }

    Lunes take() { return std::move(lunes_); }

private:
    void visit(std::uint32_t i, std::uint32_t j, Rank rank, bool want_first) {
        const auto index = static_cast<std::size_t>(rank);
        const Rank smallest = later_edges(order_.row(i), order_.row(j), n_, later_.data());
        if (smallest >= rank) return;
        const std::uint32_t middle = other_end(smallest, i, j);
        lunes_.inner[index] = middle;
        if (!one_component(i, j, rank, middle)) components(rank, middle);
        if (want_first) {
            std::size_t k = 0;
            while (later_[k] >= rank) ++k;
            lunes_.first[index] = static_cast<std::uint32_t>(k);
        }
    }

    // The vertex k of an edge ik or jk.
    std::uint32_t other_end(Rank rank, std::uint32_t i, std::uint32_t j) const {
        const Edge& edge = order_.edges()[static_cast<std::size_t>(rank)];
        return edge.i == i || edge.i == j ? edge.j : edge.i;
    }

    // Grows a connected set of hubs from the middle until every vertex of the lune is joined to one. May say no where a
    // vertex is connected to the hubs only through others that are not joined to them either.
    bool one_component(std::uint32_t i, std::uint32_t j, Rank rank, std::uint32_t middle) {
        const Rank* to_middle = order_.row(middle);
        std::copy(to_middle, to_middle + n_, to_hub_.begin());
        to_hub_[middle] = -1;
        for (;;) {
            const Rank apart = closest_apart(later_.data(), to_hub_.data(), n_, rank);
            if (apart == never) return true;
            const std::uint32_t vertex = other_end(apart, i, j);
            const Rank* to_vertex = order_.row(vertex);
            const Rank bridge = closest(later_.data(), to_hub_.data(), to_vertex, n_);
            if (bridge >= rank) return false;
            const Edge& edge = order_.edges()[static_cast<std::size_t>(bridge)];  // from the new hub to i, j, vertex or a hub
            const bool known = edge.i == i || edge.i == j || edge.i == vertex || to_hub_[edge.i] < 0;
            const std::uint32_t hub = known ? edge.j : edge.i;
            keep_smaller(to_hub_.data(), order_.row(hub), n_);
            to_hub_[hub] = -1;
        }
    }

    // The components of a lune in which some vertices are not joined to the middle one.
    void components(Rank rank, std::uint32_t middle) {
        left_.clear();
        for (std::uint32_t k = 0; k < n_; ++k)
            if (later_[k] < rank) left_.push_back(k);
        const std::uint32_t first = left_.front();
        Found found = component(rank, middle);
        if (found.smallest != first) lunes_.extras.push_back({static_cast<std::uint32_t>(rank), found.smallest});
        while (!left_.empty()) {
            found = component(rank, left_.front());
            if (found.smallest == first) lunes_.inner[static_cast<std::size_t>(rank)] = found.middle;
            else lunes_.extras.push_back({static_cast<std::uint32_t>(rank), found.smallest});
        }
    }

    struct Found {
        std::uint32_t smallest, middle;
    };

    // Moves the component of one vertex out of left_, which stays sorted. Members come in by hubs: for a vertex that is left,
    // the member closest to it is likely to be joined to many others as well.
    Found component(Rank rank, std::uint32_t root) {
        member_.assign(n_, never);
        Found found{root, root};
        const auto take_neighbors = [&](std::uint32_t hub) {
            const Rank* to_hub = order_.row(hub);
            auto keep = left_.begin();
            for (const std::uint32_t k : left_) {
                if (k != hub && to_hub[k] >= rank) {
                    *keep++ = k;
                    continue;
                }
                member_[k] = 0;
                found.smallest = std::min(found.smallest, k);
                if (later_[k] < later_[found.middle]) found.middle = k;
            }
            left_.erase(keep, left_.end());
        };
        take_neighbors(root);
        for (bool grown = true; grown;) {
            grown = false;
            for (std::size_t place = 0; place < left_.size();) {
                const std::uint32_t k = left_[place];
                const Rank nearest = closest(order_.row(k), member_.data(), member_.data(), n_);
                if (nearest >= rank) {
                    ++place;
                    continue;
                }
                const Edge& edge = order_.edges()[static_cast<std::size_t>(nearest)];
                take_neighbors(edge.i == k ? edge.j : edge.i);  // k is one of them
                grown = true;
            }
        }
        return found;
    }

    const EdgeOrder& order_;
    std::size_t n_;
    Lunes lunes_;
    std::vector<Rank> later_, to_hub_;  // per vertex: the later edge to i and j; the first edge to a hub, -1 for hubs
    std::vector<std::uint32_t> left_;
    std::vector<Rank> member_;  // 0 for members of the component at hand, `never` for others
};

// Degree 1: every edge is a combination of generators (edges with an empty lune outside the forest), worked out when first
// needed; relations are kept in echelon form with the youngest generator as pivot.
template <class Rows>
class LoopReducer {
public:
    using Word = typename Rows::Word;

    LoopReducer(const EdgeOrder& order, const std::vector<std::uint8_t>& in_forest, const Lunes& lunes, std::uint32_t modulus)
        : order_(order), lunes_(lunes), generator_of_(order.edges().size(), not_generator), slot_(order.edges().size(), unknown),
          generators_(find_generators(in_forest)), rows_(generators_.size(), modulus), relations_(generators_.size()) {
        labels_.assign(rows_.words(), Word{0});  // slot 0: the zero label of forest edges
        for (std::size_t rank = 0; rank < in_forest.size(); ++rank)
            if (in_forest[rank] != 0) slot_[rank] = 0;
    }

    const std::vector<std::uint32_t>& generators() const noexcept { return generators_; }
    bool alive(std::size_t generator) const noexcept { return relations_[generator].empty(); }
    bool done() const noexcept { return dead_ == generators_.size(); }

    // The generator that dies when `vertex`, of a further component of the lune of the edge, closes a triangle; or no_entry.
    std::size_t close(std::uint32_t rank, std::uint32_t vertex, const Stop& stop) {
        const Edge& edge = order_.edges()[rank];
        const std::uint32_t inner = lunes_.inner[rank];
        for (const std::uint32_t k : {vertex, inner}) {
            make_label(order_.rank(edge.i, k), stop);
            make_label(order_.rank(k, edge.j), stop);
        }
        std::vector<Word> relation(rows_.words(), Word{0});
        add_path(relation, edge.i, vertex, edge.j, false);
        add_path(relation, edge.i, inner, edge.j, true);
        for (std::size_t pivot = rows_.last(relation); pivot != no_entry; pivot = rows_.last(relation)) {
            if (relations_[pivot].empty()) {
                rows_.normalize(relation, pivot);
                relations_[pivot] = std::move(relation);
                ++dead_;
                return pivot;
            }
            rows_.eliminate(relation, relations_[pivot], pivot);
        }
        return no_entry;
    }

private:
    static constexpr std::uint32_t unknown = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint32_t not_generator = unknown;

    std::vector<std::uint32_t> find_generators(const std::vector<std::uint8_t>& in_forest) {
        std::vector<std::uint32_t> found;
        for (std::size_t rank = 0; rank < in_forest.size(); ++rank) {
            if (in_forest[rank] != 0 || lunes_.inner[rank] != Lunes::empty) continue;
            generator_of_[rank] = static_cast<std::uint32_t>(found.size());
            found.push_back(static_cast<std::uint32_t>(rank));
        }
        return found;
    }

    std::span<const Word> label(std::size_t rank) const { return {labels_.data() + slot_[rank] * rows_.words(), rows_.words()}; }

    // row +- label of the path a, k, b; a label belongs to the edge from its smaller to its larger vertex.
    void add_path(std::span<Word> row, std::uint32_t a, std::uint32_t k, std::uint32_t b, bool negative) const {
        rows_.add(row, label(order_.rank(a, k)), (a > k) != negative);
        rows_.add(row, label(order_.rank(k, b)), (k > b) != negative);
    }

    void make_label(std::size_t wanted, const Stop& stop) {
        if (slot_[wanted] != unknown) return;
        pending_.assign(1, wanted);
        while (!pending_.empty()) {
            const std::size_t rank = pending_.back();
            if (slot_[rank] != unknown) {
                pending_.pop_back();
                continue;
            }
            const Edge& edge = order_.edges()[rank];
            const bool is_generator = generator_of_[rank] != not_generator;
            if (!is_generator) {
                const std::size_t size = pending_.size();
                for (const std::size_t side : {order_.rank(edge.i, lunes_.inner[rank]), order_.rank(lunes_.inner[rank], edge.j)})
                    if (slot_[side] == unknown) pending_.push_back(side);
                if (pending_.size() != size) continue;
            }
            stop.check();
            const std::size_t start = labels_.size();
            labels_.resize(start + rows_.words(), Word{0});
            const std::span<Word> row{labels_.data() + start, rows_.words()};
            if (is_generator) rows_.set_one(row, generator_of_[rank]);
            else add_path(row, edge.i, lunes_.inner[rank], edge.j, false);
            slot_[rank] = static_cast<std::uint32_t>(start / rows_.words());
            pending_.pop_back();
        }
    }

    const EdgeOrder& order_;
    const Lunes& lunes_;
    std::vector<std::uint32_t> generator_of_, slot_;  // per edge
    std::vector<std::uint32_t> generators_;           // ranks
    Rows rows_;
    std::vector<std::vector<Word>> relations_;  // per generator: the relation that killed it
    std::vector<Word> labels_;
    std::vector<std::size_t> pending_;
    std::size_t dead_ = 0;
};

inline void append_loop(const EdgeOrder& order, std::size_t birth, Pairing& out) {
    const Edge& edge = order.edges()[birth];
    out.degree.push_back(1);
    out.birth_cell.insert(out.birth_cell.end(), {edge.i, edge.j});
    out.birth_at.insert(out.birth_at.end(), {edge.i, edge.j});
}

inline void append_loop(const EdgeOrder& order, std::size_t birth, std::size_t death, std::uint32_t vertex, Pairing& out) {
    append_loop(order, birth, out);
    out.essential.push_back(0);
    std::uint32_t cell[3] = {order.edges()[death].i, order.edges()[death].j, vertex};
    std::sort(cell, cell + 3);
    out.death_cell.insert(out.death_cell.end(), cell, cell + 3);
    // The first of the longest edges in lexicographic order carries the value.
    std::uint32_t a = cell[0], b = cell[1];
    for (const auto& [c, d] : {std::pair{cell[0], cell[2]}, std::pair{cell[1], cell[2]}})
        if (order.edges()[order.rank(c, d)].key > order.edges()[order.rank(a, b)].key) a = c, b = d;
    out.death_at.insert(out.death_at.end(), {a, b});
}

template <class Rows>
void append_loops(const EdgeOrder& order, const std::vector<std::uint8_t>& in_forest, const RipsOptions& options, Pairing& out, const Stop& stop) {
    const Lunes lunes = LuneFinder(order, in_forest, options.keep_zero, stop).take();
    LoopReducer<Rows> reducer(order, in_forest, lunes, options.modulus);
    const auto close = [&](const Lunes::Extra& extra) {
        stop.check();
        if (reducer.done()) return;
        const std::size_t generator = reducer.close(extra.rank, extra.vertex, stop);
        if (generator == no_entry) return;
        const std::size_t birth = reducer.generators()[generator];
        if (options.keep_zero || order.edges()[birth].key != order.edges()[extra.rank].key)
            append_loop(order, birth, extra.rank, extra.vertex, out);
    };
    if (options.keep_zero) {
        auto extra = lunes.extras.begin();
        for (std::size_t rank = 0; rank < order.edges().size(); ++rank) {
            if (lunes.inner[rank] == Lunes::empty) continue;
            append_loop(order, rank, rank, lunes.first[rank], out);
            for (; extra != lunes.extras.end() && extra->rank == rank; ++extra) close(*extra);
        }
    } else {
        for (const Lunes::Extra& extra : lunes.extras) close(extra);
    }
    for (std::size_t generator = 0; generator < reducer.generators().size(); ++generator) {
        if (!reducer.alive(generator)) continue;
        append_loop(order, reducer.generators()[generator], out);
        out.essential.push_back(1);
    }
}

}  // namespace rips_detail

// Persistence of the Rips filtration of one sample, in degrees 0 to min(max_degree, 1).
inline Pairing rips_persistence(const Metric& metric, const RipsOptions& options, const Stop& stop) {
    Pairing out;
    if (options.max_degree < 1) {
        const auto forest = rips_detail::spanning_forest(metric, options.threshold, stop);
        rips_detail::append_components(metric.size(), forest, options.keep_zero, out);
        return out;
    }
    const rips_detail::EdgeOrder order(metric, options.threshold, options.keep_zero, stop);
    std::vector<rips_detail::Edge> forest;
    const auto in_forest = rips_detail::forest_edges(order, forest);
    rips_detail::append_components(metric.size(), forest, options.keep_zero, out);
    if (options.modulus == 2) rips_detail::append_loops<BinaryRows>(order, in_forest, options, out, stop);
    else rips_detail::append_loops<PrimeRows>(order, in_forest, options, out, stop);
    return out;
}

}  // namespace isotopy
