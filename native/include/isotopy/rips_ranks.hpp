// Ranks of edges by their ends, the edges with an empty lune, and the lunes with several components: for many edges on a
// matrix of all ranks, for few on the lists at every vertex. Rows are independent of each other, so threads share them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "isotopy/lunes.hpp"
#include "isotopy/metric.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rips_edges.hpp"

namespace isotopy {

namespace rips_detail {

inline constexpr std::uint32_t none = LuneFinder::none;

// Vertices so that sixteen in turn lie close together: halves, again and again, by which of two far points is nearer.
inline std::vector<std::uint32_t> near_order(const Metric& metric, const Stop& stop) {
    std::vector<std::uint32_t> order(metric.size());
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    std::vector<double> lead(metric.size());
    std::vector<std::span<std::uint32_t>> open{order};
    while (!open.empty()) {
        stop.check();
        const std::span<std::uint32_t> part = open.back();
        open.pop_back();
        if (part.size() <= lanes) continue;
        const auto farthest = [&](std::uint32_t from) {
            for (const std::uint32_t v : part) lead[v] = metric.distance(from, v);
            return *std::max_element(part.begin(), part.end(), [&](std::uint32_t a, std::uint32_t b) { return lead[a] < lead[b]; });
        };
        const std::uint32_t one = farthest(part.front()), other = farthest(one);  // lead: distances from `one`
        for (const std::uint32_t v : part) {
            lead[v] -= metric.distance(other, v);
            if (!std::isfinite(lead[v])) lead[v] = 0;
        }
        const std::size_t half = filled_up(part.size() / 2);
        std::nth_element(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(half), part.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return lead[a] != lead[b] ? lead[a] < lead[b] : a < b; });
        open.push_back(part.first(half));
        open.push_back(part.subspan(half));
    }
    return order;
}

// Runs work(row, found) for all rows on some threads and joins what was found, row by row.
template <class Found, class Make>
std::vector<Found> over_rows(std::size_t rows, std::size_t threads, const Stop& stop, const Make& make) {
    constexpr std::size_t together = 32;
    std::vector<std::vector<Found>> found((rows + together - 1) / together);
    parallel_within(found.size(), threads, stop, [&](std::size_t part, const Stop& inner) {
        auto work = make();
        for (std::size_t row = part * together; row < std::min(rows, (part + 1) * together); ++row) {
            inner.check();
            work(row, found[part]);
        }
    });
    std::vector<Found> all;
    for (const auto& part : found) all.insert(all.end(), part.begin(), part.end());
    return all;
}

// Bit k of masks[block]: whether the lune of the edge between this row and row 16 block + k holds none of eight neighbors.
ISOTOPY_WIDE static void open_lunes(const Rank* row, const Rank* const* near, const Rank* ranks, std::size_t first, std::size_t blocks,
                                    std::uint32_t* masks) {
    const Rank *n0 = near[0], *n1 = near[1], *n2 = near[2], *n3 = near[3], *n4 = near[4], *n5 = near[5], *n6 = near[6], *n7 = near[7];
    const Rank r0 = ranks[0], r1 = ranks[1], r2 = ranks[2], r3 = ranks[3], r4 = ranks[4], r5 = ranks[5], r6 = ranks[6], r7 = ranks[7];
    for (std::size_t block = first; block < blocks; ++block) {
        std::uint32_t mask = 0;
        for (std::size_t k = 0; k < lanes; ++k) {
            const std::size_t j = block * lanes + k;
            Rank later = std::min(std::max(n0[j], r0), std::max(n1[j], r1));
            later = std::min(later, std::min(std::max(n2[j], r2), std::max(n3[j], r3)));
            later = std::min(later, std::min(std::max(n4[j], r4), std::max(n5[j], r5)));
            later = std::min(later, std::min(std::max(n6[j], r6), std::max(n7[j], r7)));
            mask |= static_cast<std::uint32_t>(later >= row[j] && row[j] != never) << k;
        }
        masks[block] = mask;
    }
}

}  // namespace rips_detail

// All ranks as a matrix, its rows in an order in which neighbors lie close together.
class RankMatrix {
public:
    RankMatrix(const RipsEdges& edges, std::vector<std::uint32_t> order, const Stop& stop) : edges_(edges), order_(std::move(order)), place_(edges.size()) {
        for (std::size_t row = 0; row < order_.size(); ++row) place_[order_[row]] = static_cast<std::uint32_t>(row);
        block_.reset(edges.size());
        near_.assign(edges.size() * neighbors, rips_detail::none);
        std::vector<std::uint8_t> known(edges.size(), 0);
        for (std::size_t rank = 0; rank < edges.count(); ++rank) {
            if (rank % 65536 == 0) stop.check();
            const std::uint32_t a = place_[edges.ends(rank).i], b = place_[edges.ends(rank).j];
            block_.row(a)[b] = block_.row(b)[a] = static_cast<Rank>(rank);
            if (known[a] < neighbors) near_[a * neighbors + known[a]++] = b;
            if (known[b] < neighbors) near_[b * neighbors + known[b]++] = a;
        }
    }

    std::size_t rank(std::uint32_t i, std::uint32_t j) const noexcept { return static_cast<std::size_t>(block_.row(place_[i])[place_[j]]); }

    // The vertex of the lune closest to both ends.
    std::uint32_t middle(std::size_t rank) const {
        const Ends edge = edges_.ends(rank);
        const Rank later = lune_detail::closest(block_.row(place_[edge.i]), block_.row(place_[edge.j]), block_.stride());
        const Ends half = edges_.ends(static_cast<std::size_t>(later));
        return half.i == edge.i || half.i == edge.j ? half.j : half.i;
    }

    // The smallest vertex of the lune.
    std::uint32_t first(std::size_t rank) const {
        const Ends edge = edges_.ends(rank);
        const Rank *to_i = block_.row(place_[edge.i]), *to_j = block_.row(place_[edge.j]);
        std::uint32_t k = 0;
        while (std::max(to_i[place_[k]], to_j[place_[k]]) >= static_cast<Rank>(rank)) ++k;
        return k;
    }

    // Ranks of the edges with an empty lune, the relative neighborhood graph. Nearly all others have one of the nearest
    // neighbors of an end in their lune.
    std::vector<Rank> empty_lunes(std::size_t threads, const Stop& stop) const {
        const std::size_t n = edges_.size();
        auto found = rips_detail::over_rows<Rank>(n, threads, stop, [&] {
            return [this, n, masks = std::vector<std::uint32_t>(block_.stride() / lanes)](std::size_t a, std::vector<Rank>& out) mutable {
                const Rank* row = block_.row(a);
                const Rank* near[neighbors];
                Rank ranks[neighbors];
                for (std::size_t q = 0; q < neighbors; ++q) {
                    const std::uint32_t b = near_[a * neighbors + q];
                    near[q] = b == rips_detail::none ? row : block_.row(b);
                    ranks[q] = b == rips_detail::none ? never : row[b];
                }
                rips_detail::open_lunes(row, near, ranks, (a + 1) / lanes, masks.size(), masks.data());
                for (std::size_t block = (a + 1) / lanes; block < masks.size(); ++block) {
                    for (std::uint32_t open = masks[block]; open != 0; open &= open - 1) {
                        const std::size_t b = block * lanes + static_cast<std::size_t>(std::countr_zero(open));
                        if (b > a && b < n && is_empty(row, b)) out.push_back(row[b]);
                    }
                }
            };
        });
        std::sort(found.begin(), found.end());
        return found;
    }

    // The triangles of lunes with several components, of the edges with first <= rank < last.
    std::vector<LuneTriangle> triangles(std::size_t first, std::size_t last, std::size_t threads, const Stop& stop) {
        const std::size_t parts = block_.stride() / lanes;
        if (witness_.empty()) {
            block_.summarize();
            witness_.assign(edges_.size() * parts, rips_detail::none);
        }
        const RankLists lists(edges_, first, last, false);
        return rips_detail::over_rows<LuneTriangle>(edges_.size(), threads, stop, [&] {
            return [this, &lists, parts, finder = LuneFinder(edges_, block_, order_.data(), place_.data())](std::size_t row, std::vector<LuneTriangle>& out) mutable {
                for (const auto& [vertex, rank] : lists.of(order_[row])) {
                    const std::uint32_t other = place_[vertex];
                    std::uint32_t& witness = witness_[row * parts + other / lanes];
                    witness = finder.visit(static_cast<std::uint32_t>(row), other, rank, witness, out);
                }
            };
        });
    }

private:
    static constexpr std::size_t neighbors = 8;

    bool is_empty(const Rank* row, std::size_t b) const {
        const Rank* other = block_.row(b);
        for (std::size_t q = 0; q < neighbors; ++q) {
            const std::uint32_t k = near_[b * neighbors + q];
            if (k != rips_detail::none && std::max(row[k], other[k]) < row[b]) return false;
        }
        return lune_detail::closest(row, other, block_.stride()) >= row[b];
    }

    const RipsEdges& edges_;
    std::vector<std::uint32_t> order_, place_;  // vertex of a row; row of a vertex
    RankBlock block_;
    std::vector<std::uint32_t> near_;  // rows of the nearest neighbors of every row
    std::vector<std::uint32_t> witness_;  // per row and block: the last one of an edge from this row into this block
};

// The same on the lists of edges at every vertex, in O(edges) memory.
class GraphRanks {
public:
    explicit GraphRanks(const RipsEdges& edges) : edges_(edges), lists_(edges, 0, edges.count(), true) {}

    std::size_t rank(std::uint32_t i, std::uint32_t j) const noexcept {
        auto list = lists_.of(i);
        if (lists_.of(j).size() < list.size()) list = lists_.of(j), std::swap(i, j);
        for (const auto& entry : list)
            if (entry.vertex == j) return static_cast<std::size_t>(entry.rank);
        return no_rank;
    }

    std::uint32_t middle(std::size_t rank) const {
        Rank best = never;
        std::uint32_t found = rips_detail::none;
        for_lune(rank, [&](std::uint32_t vertex, Rank later) {
            if (later < best) best = later, found = vertex;
        });
        return found;
    }

    std::uint32_t first(std::size_t rank) const {
        std::uint32_t found = rips_detail::none;
        for_lune(rank, [&](std::uint32_t vertex, Rank) { found = std::min(found, vertex); });
        return found;
    }

    std::vector<Rank> empty_lunes(std::size_t threads, const Stop& stop) const {
        auto found = rips_detail::over_rows<Rank>(edges_.size(), threads, stop, [&] {
            return [this, to_i = std::vector<Rank>(edges_.size(), never)](std::size_t i, std::vector<Rank>& out) mutable {
                for (const auto& [k, rank] : lists_.of(i)) to_i[k] = rank;
                for (const auto& [j, rank] : lists_.of(i)) {
                    if (j < i) continue;
                    bool empty = true;
                    for (const auto& [k, other] : lists_.of(j)) {  // in their order, so that the lune is met early
                        if (other >= rank || to_i[k] < rank) {
                            empty = other >= rank;
                            break;
                        }
                    }
                    if (empty) out.push_back(rank);
                }
                for (const auto& [k, rank] : lists_.of(i)) to_i[k] = never;
            };
        });
        std::sort(found.begin(), found.end());
        return found;
    }

    std::vector<LuneTriangle> triangles(std::size_t first, std::size_t last, std::size_t threads, const Stop& stop) const {
        const auto low = static_cast<Rank>(first), high = static_cast<Rank>(last);
        return rips_detail::over_rows<LuneTriangle>(edges_.size(), threads, stop, [&] {
            return [this, low, high, block = RankBlock(), vertices = std::vector<std::uint32_t>(),
                    place = std::vector<std::uint32_t>(edges_.size(), rips_detail::none)](std::size_t i, std::vector<LuneTriangle>& out) mutable {
                const auto list = lists_.of(i, high);
                vertices.assign(1, static_cast<std::uint32_t>(i));
                bool any = false;
                for (const auto& [k, rank] : list) {
                    vertices.push_back(k);
                    any = any || (k > i && rank >= low);
                }
                if (!any) return;
                for (std::size_t row = 0; row < vertices.size(); ++row) place[vertices[row]] = static_cast<std::uint32_t>(row);
                block.reset(vertices.size());
                for (std::size_t row = 0; row < vertices.size(); ++row)
                    for (const auto& [k, rank] : lists_.of(vertices[row], high))
                        if (place[k] != rips_detail::none) block.row(row)[place[k]] = rank;
                block.summarize();
                LuneFinder finder(edges_, block, vertices.data(), place.data());
                std::uint32_t guess = rips_detail::none;
                for (const auto& [k, rank] : list)
                    if (k > i && rank >= low) guess = finder.visit(0, place[k], rank, guess, out);
                for (const std::uint32_t vertex : vertices) place[vertex] = rips_detail::none;
            };
        });
    }

private:
    static constexpr std::size_t no_rank = static_cast<std::size_t>(never);

    // visit(vertex, later one of its edges to both ends) for every vertex of the lune.
    template <class Visit>
    void for_lune(std::size_t rank, const Visit& visit) const {
        const auto limit = static_cast<Rank>(rank);
        auto one = lists_.of(edges_.ends(rank).i, limit), other = lists_.of(edges_.ends(rank).j, limit);
        std::vector<RankLists::Entry> sorted(one.begin(), one.end());
        const auto by_vertex = [](const RankLists::Entry& a, const RankLists::Entry& b) { return a.vertex < b.vertex; };
        std::sort(sorted.begin(), sorted.end(), by_vertex);
        for (const auto& entry : other) {
            const auto match = std::lower_bound(sorted.begin(), sorted.end(), entry, by_vertex);
            if (match != sorted.end() && match->vertex == entry.vertex) visit(entry.vertex, std::max(entry.rank, match->rank));
        }
    }

    const RipsEdges& edges_;
    RankLists lists_;
};

}  // namespace isotopy
