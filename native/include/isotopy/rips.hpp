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
// relation among the classes alive. Edges with an empty lune are few and found first, so the search for relations ends with
// the last class that they created, long before the last edge in most clouds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "isotopy/field.hpp"
#include "isotopy/kd_tree.hpp"
#include "isotopy/metric.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rips_edges.hpp"
#include "isotopy/rips_ranks.hpp"
#include "isotopy/spanning_forest.hpp"
#include "isotopy/union_find.hpp"

namespace isotopy {

struct RipsOptions {
    double threshold = std::numeric_limits<double>::infinity();
    int max_degree = 1;
    std::uint32_t modulus = 2;
    bool keep_zero = false;
    std::size_t threads = 1;   // inside one large sample
    std::size_t dense = 4096;  // more generators of degree 1 than these, and combinations of them are kept as lists
    bool matrix = true;        // whether the ranks of all pairs may be held, which is faster unless edges are few
};

namespace rips_detail {

// Degree 0 from the sorted edges of the forest: all vertices are born at 0, the component of the smaller vertex survives.
inline void append_components(std::size_t n, std::span<const Edge> forest, bool keep_zero, Pairing& out) {
    UnionFind components(n);
    for (const Edge& edge : forest) {
        std::uint32_t elder = components.find(edge.i), younger = components.find(edge.j);
        if (elder > younger) std::swap(elder, younger);
        components.hang(younger, elder);
        if (edge.length == 0 && !keep_zero) continue;
        out.degree.push_back(0);
        out.essential.push_back(0);
        out.birth_cell.push_back(younger);
        out.death_cell.insert(out.death_cell.end(), {edge.i, edge.j});
        out.death_at.insert(out.death_at.end(), {edge.i, edge.j});
    }
    for (std::uint32_t vertex = 0; vertex < n; ++vertex) {
        if (components.find(vertex) != vertex) continue;
        out.degree.push_back(0);
        out.essential.push_back(1);
        out.birth_cell.push_back(vertex);
    }
}

// The edges with an empty lune, which hold the forest: Kruskal's algorithm parts them into its edges and generators of degree 1.
struct Parts {
    std::vector<Edge> forest;
    std::vector<Rank> forest_ranks, generators;
};

inline Parts parts_of(const RipsEdges& edges, std::span<const Rank> empty_lunes) {
    Parts parts;
    UnionFind components(edges.size());
    for (const Rank rank : empty_lunes) {
        const Ends edge = edges.ends(static_cast<std::size_t>(rank));
        const std::uint32_t a = components.find(edge.i), b = components.find(edge.j);
        if (a == b) {
            parts.generators.push_back(rank);
            continue;
        }
        components.hang(std::max(a, b), std::min(a, b));
        parts.forest.push_back({edges.length(static_cast<std::size_t>(rank)), edge.i, edge.j});
        parts.forest_ranks.push_back(rank);
    }
    return parts;
}

// The forest of sorted edges alone.
inline std::vector<Edge> forest_of(const RipsEdges& edges) {
    std::vector<Edge> forest;
    UnionFind components(edges.size());
    for (std::size_t rank = 0; rank < edges.count() && forest.size() + 1 < edges.size(); ++rank) {
        const Ends edge = edges.ends(rank);
        const std::uint32_t a = components.find(edge.i), b = components.find(edge.j);
        if (a == b) continue;
        components.hang(std::max(a, b), std::min(a, b));
        forest.push_back({edges.length(rank), edge.i, edge.j});
    }
    return forest;
}

// Degree 1: every edge is a combination of generators, worked out when first needed: the sum of two edges to the middle of its
// lune. Relations are kept in echelon form with the youngest generator as pivot.
template <class Rows, class Ranks>
class LoopReducer {
public:
    using Row = typename Rows::Row;

    LoopReducer(const RipsEdges& edges, const Ranks& ranks, const Parts& parts, std::uint32_t modulus)
        : edges_(edges), ranks_(ranks), rows_(parts.generators.size(), modulus), relations_(parts.generators.size()) {
        rows_.clear(row_);
        labels_.push_back(row_);  // slot 0: forest edges
        for (const Rank rank : parts.forest_ranks) slot_[static_cast<std::size_t>(rank)] = 0;
        for (std::size_t index = 0; index < parts.generators.size(); ++index)
            generator_of_[static_cast<std::size_t>(parts.generators[index])] = index;
    }

    bool alive(std::size_t generator) const noexcept { return relations_[generator].empty(); }
    std::size_t dead() const noexcept { return dead_; }

    // The generator that dies with a triangle of a further component of a lune; or no_entry.
    std::size_t close(const LuneTriangle& triangle, const Stop& stop) {
        const Ends edge = edges_.ends(triangle.rank);
        for (const std::uint32_t k : {triangle.vertex, triangle.inner}) {
            make_label(ranks_.rank(edge.i, k), stop);
            make_label(ranks_.rank(k, edge.j), stop);
        }
        Row relation;
        rows_.clear(relation);
        add_path(relation, edge.i, triangle.vertex, edge.j, false);
        add_path(relation, edge.i, triangle.inner, edge.j, true);
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
    decltype(auto) label(std::size_t rank) const { return labels_[slot_.at(rank)]; }

    // row +- label of the path a, k, b; a label belongs to the edge from its smaller to its larger vertex.
    void add_path(Row& row, std::uint32_t a, std::uint32_t k, std::uint32_t b, bool negative) const {
        rows_.add(row, label(ranks_.rank(a, k)), (a > k) != negative);
        rows_.add(row, label(ranks_.rank(k, b)), (k > b) != negative);
    }

    void make_label(std::size_t wanted, const Stop& stop) {
        if (slot_.contains(wanted)) return;
        pending_.assign(1, {wanted, none});
        while (!pending_.empty()) {
            const auto [rank, known] = pending_.back();
            if (slot_.contains(rank)) {
                pending_.pop_back();
                continue;
            }
            const auto generator = generator_of_.find(rank);
            const Ends edge = edges_.ends(rank);
            std::uint32_t middle = known;
            if (generator == generator_of_.end() && middle == none) {
                middle = ranks_.middle(rank);
                pending_.back().second = middle;
                const std::size_t size = pending_.size();
                for (const std::size_t side : {ranks_.rank(edge.i, middle), ranks_.rank(middle, edge.j)})
                    if (!slot_.contains(side)) pending_.emplace_back(side, none);
                if (pending_.size() != size) continue;
            }
            stop.check();
            rows_.clear(row_);
            if (generator != generator_of_.end()) rows_.set_one(row_, generator->second);
            else add_path(row_, edge.i, middle, edge.j, false);
            slot_[rank] = labels_.size();
            labels_.push_back(row_);
            pending_.pop_back();
        }
    }

    const RipsEdges& edges_;
    const Ranks& ranks_;
    Rows rows_;
    std::unordered_map<std::size_t, std::size_t> slot_, generator_of_;  // by rank: place of its label; its number
    std::vector<Row> relations_;                                        // per generator: the relation that killed it
    typename Rows::Store labels_;
    Row row_;
    std::vector<std::pair<std::size_t, std::uint32_t>> pending_;  // ranks, with the middle of the lune once known
    std::size_t dead_ = 0;
};

template <class Ranks>
class Loops {
public:
    Loops(const RipsEdges& edges, Ranks& ranks, const RipsOptions& options, Pairing& out) : edges_(edges), ranks_(ranks), options_(options), out_(out) {}

    void append(const Stop& stop) {
        const auto empty_lunes = ranks_.empty_lunes(options_.threads, stop);
        const Parts parts = parts_of(edges_, empty_lunes);
        append_components(edges_.size(), parts.forest, options_.keep_zero, out_);
        if (parts.generators.size() > options_.dense) reduce<SparseRows>(parts, empty_lunes, stop);
        else if (options_.modulus == 2) reduce<BinaryRows>(parts, empty_lunes, stop);
        else reduce<PrimeRows>(parts, empty_lunes, stop);
    }

private:
    template <class Rows>
    void reduce(const Parts& parts, std::span<const Rank> empty_lunes, const Stop& stop) {
        LoopReducer<Rows, Ranks> reducer(edges_, ranks_, parts, options_.modulus);
        const auto& generators = parts.generators;
        std::size_t written = 0;  // with keep_zero: the first rank whose own pair is not written yet
        std::size_t first = 0, born = 0;
        while (reducer.dead() != generators.size() && first < edges_.count()) {
            // Edges before the next generator add nothing once all earlier ones are dead.
            if (born == reducer.dead()) first = static_cast<std::size_t>(generators[born]) + 1;
            const std::size_t last = std::min(edges_.count(), first + std::max({first / 4, edges_.count() / 64, std::size_t{1000}}));
            auto triangles = ranks_.triangles(first, last, options_.threads, stop);
            std::sort(triangles.begin(), triangles.end(), [](const LuneTriangle& a, const LuneTriangle& b) {
                return a.rank != b.rank ? a.rank < b.rank : a.vertex < b.vertex;
            });
            for (const LuneTriangle& triangle : triangles) {
                stop.check();
                if (reducer.dead() == generators.size()) break;
                const std::size_t generator = reducer.close(triangle, stop);
                if (generator == no_entry) continue;
                const auto birth = static_cast<std::size_t>(generators[generator]);
                if (options_.keep_zero) append_instant(written, triangle.rank + 1, empty_lunes, stop);
                if (options_.keep_zero || edges_.length(birth) != edges_.length(triangle.rank)) append_loop(birth, triangle.rank, triangle.vertex);
            }
            first = last;
            while (born < generators.size() && static_cast<std::size_t>(generators[born]) < first) ++born;
        }
        if (options_.keep_zero) append_instant(written, edges_.count(), empty_lunes, stop);
        for (std::size_t generator = 0; generator < generators.size(); ++generator) {
            if (!reducer.alive(generator)) continue;
            append_birth(static_cast<std::size_t>(generators[generator]));
            out_.essential.push_back(1);
        }
    }

    // Edges that are killed at once, by the first triangle of their lune.
    void append_instant(std::size_t& from, std::size_t to, std::span<const Rank> empty_lunes, const Stop& stop) {
        auto next = std::lower_bound(empty_lunes.begin(), empty_lunes.end(), static_cast<Rank>(from));
        for (; from < to; ++from) {
            stop.check();
            if (next != empty_lunes.end() && static_cast<std::size_t>(*next) == from) ++next;
            else append_loop(from, from, ranks_.first(from));
        }
    }

    void append_birth(std::size_t rank) {
        const Ends edge = edges_.ends(rank);
        out_.degree.push_back(1);
        out_.birth_cell.insert(out_.birth_cell.end(), {edge.i, edge.j});
        out_.birth_at.insert(out_.birth_at.end(), {edge.i, edge.j});
    }

    void append_loop(std::size_t birth, std::size_t death, std::uint32_t vertex) {
        append_birth(birth);
        out_.essential.push_back(0);
        std::uint32_t cell[3] = {edges_.ends(death).i, edges_.ends(death).j, vertex};
        std::sort(cell, cell + 3);
        out_.death_cell.insert(out_.death_cell.end(), cell, cell + 3);
        // The first of the longest edges in lexicographic order carries the value.
        std::uint32_t a = cell[0], b = cell[1];
        for (const auto& [c, d] : {std::pair{cell[0], cell[2]}, std::pair{cell[1], cell[2]}})
            if (edges_.length(ranks_.rank(c, d)) > edges_.length(ranks_.rank(a, b))) a = c, b = d;
        out_.death_at.insert(out_.death_at.end(), {a, b});
    }

    const RipsEdges& edges_;
    Ranks& ranks_;
    const RipsOptions& options_;
    Pairing& out_;
};

}  // namespace rips_detail

namespace rips_detail {

// From here on a tree beats rows of distances, in as few dimensions as let it leave out most of the points.
inline bool tree_pays(const Metric& metric, std::size_t points) {
    return !metric.is_matrix() && metric.dimension() > 0 && metric.dimension() <= 8 && metric.size() > points;
}

// visit(i, j, length) for all edges up to the threshold in lexicographic order, without all pairs where a tree can tell.
template <class Visit>
void for_edges(const Metric& metric, double threshold, const Stop& stop, const Visit& visit) {
    const auto n = static_cast<std::uint32_t>(metric.size());
    if (tree_pays(metric, 4096)) {
        const KdTree tree(metric);
        std::vector<std::pair<std::uint32_t, double>> near;
        for (std::uint32_t i = 0; i < n; ++i) {
            stop.check();
            near.clear();
            tree.within(i, threshold, [&](std::uint32_t j, double length) { near.emplace_back(j, length); });
            std::sort(near.begin(), near.end());
            for (const auto& [j, length] : near) visit(i, j, length);
        }
        return;
    }
    std::vector<double> row(n);
    for (std::uint32_t i = 0; i < n; ++i) {
        stop.check();
        metric.row(i, i + 1, row.data());
        for (std::uint32_t j = i + 1; j < n; ++j)
            if (const double length = row[j - i - 1]; length <= threshold && length < std::numeric_limits<double>::infinity()) visit(i, j, length);
    }
}

}  // namespace rips_detail

// Number of edges up to the threshold; stops at `most`.
inline std::size_t count_edges(const Metric& metric, double threshold, std::size_t most, const Stop& stop) {
    std::size_t count = 0;
    struct Enough {};
    try {
        rips_detail::for_edges(metric, threshold, stop, [&](std::uint32_t, std::uint32_t, double) {
            if (++count == most) throw Enough{};
        });
    } catch (const Enough&) {
    }
    return count;
}

// Persistence in degrees 0 and 1 of a filtered graph and the triangles in it.
inline Pairing rips_persistence(const RipsEdges& edges, const Metric* metric, const RipsOptions& options, const Stop& stop) {
    Pairing out;
    if (options.max_degree < 1) {
        rips_detail::append_components(edges.size(), rips_detail::forest_of(edges), options.keep_zero, out);
    } else if (options.matrix && edges.count() >= edges.size() * edges.size() / 256) {
        std::vector<std::uint32_t> order(edges.size());
        std::iota(order.begin(), order.end(), std::uint32_t{0});
        RankMatrix ranks(edges, metric != nullptr ? rips_detail::near_order(*metric, stop) : order, stop);
        rips_detail::Loops(edges, ranks, options, out).append(stop);
    } else {
        GraphRanks ranks(edges);
        rips_detail::Loops(edges, ranks, options, out).append(stop);
    }
    return out;
}

// Persistence of the Rips filtration of one sample, in degrees 0 to min(max_degree, 1).
inline Pairing rips_persistence(const Metric& metric, const RipsOptions& options, const Stop& stop) {
    if (options.max_degree < 1) {
        Pairing out;
        const auto forest = rips_detail::tree_pays(metric, 8192) ? KdTree(metric).spanning_forest(options.threshold, options.threads, stop)
                                                                 : spanning_forest(metric, options.threshold, stop);
        rips_detail::append_components(metric.size(), forest, options.keep_zero, out);
        return out;
    }
    if (metric.size() < 4096 || !(options.threshold < std::numeric_limits<double>::infinity())) {
        const RipsEdges edges(metric, options.threshold, options.keep_zero, stop);
        return rips_persistence(edges, &metric, options, stop);
    }
    std::vector<Ends> ends;
    std::vector<double> lengths;
    rips_detail::for_edges(metric, options.threshold, stop, [&](std::uint32_t i, std::uint32_t j, double length) {
        ends.push_back({i, j});
        lengths.push_back(length);
    });
    const RipsEdges edges(metric.size(), std::move(ends), std::move(lengths), stop);
    return rips_persistence(edges, &metric, options, stop);
}

}  // namespace isotopy
