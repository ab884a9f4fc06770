// The minimum spanning forest of a sample in the total order of its edges by (length, vertices): it is unique, ties or not.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

#include "isotopy/metric.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/wide.hpp"

namespace isotopy {

struct Edge {
    double length;
    std::uint32_t i, j;  // i < j
};

inline bool before(const Edge& a, const Edge& b) noexcept {
    if (a.length != b.length) return a.length < b.length;
    return a.i != b.i ? a.i < b.i : a.j < b.j;
}

inline Edge make_edge(double length, std::size_t a, std::size_t b) noexcept {
    return {length, static_cast<std::uint32_t>(std::min(a, b)), static_cast<std::uint32_t>(std::max(a, b))};
}

namespace forest_detail {

// Squares and lengths are 0 or larger, so their bits, read as integers, have the same order, and differences count units in the
// last place. Different squares have different roots unless they lie within a few units of each other.
using Bits = std::int64_t;
inline constexpr Bits units = 8;
inline Bits bits_of(double value) noexcept { return std::bit_cast<Bits>(value + 0.0); }  // -0 becomes +0
inline double value_of(Bits bits) noexcept { return std::bit_cast<double>(bits); }

struct Step {
    Bits smallest;
    bool close;  // some entries were left alone: old and new are closer than the units
};

// The edge of every outside vertex to the tree, after vertex `current` came in with the squares `row`. Where two edges of a
// vertex are equally long, the one with the smaller parent is first, whatever the vertex.
ISOTOPY_WIDE static Step improve(const double* __restrict row, Bits* __restrict best, Bits* __restrict parent, std::size_t count, Bits current,
                                 Bits margin) {
    Bits smallest = std::numeric_limits<Bits>::max(), close = 0;
    for (std::size_t k = 0; k < count; ++k) {
        const Bits old = best[k], fresh = bits_of(row[k]), gap = fresh - old;
        // Masks, all ones or zero: choices without branches.
        const Bits less = -static_cast<Bits>(gap < -margin), same = -static_cast<Bits>(gap == 0), near = -static_cast<Bits>(gap <= margin);
        const Bits take = less | (same & -static_cast<Bits>(current < parent[k]));
        const Bits kept = (fresh & less) | (old & ~less);
        parent[k] = (current & take) | (parent[k] & ~take);
        best[k] = kept;
        close |= near & ~less & ~same;
        smallest = std::min(smallest, kept);
    }
    return {smallest, close != 0};
}

struct Candidates {
    Bits first, count;
};

// The entries that are at most `limit`: the place of the first one, and their number.
ISOTOPY_WIDE static Candidates candidates(const Bits* best, std::size_t count, Bits limit) {
    Candidates found{std::numeric_limits<Bits>::max(), 0};
    for (std::size_t k = 0; k < count; ++k) {
        const Bits is_one = -static_cast<Bits>(best[k] <= limit);
        found.first = std::min(found.first, (static_cast<Bits>(k) & is_one) | (std::numeric_limits<Bits>::max() & ~is_one));
        found.count -= is_one;
    }
    return found;
}

// Prim's algorithm on rows of squares (points) or of lengths (matrix), O(n^2) time and O(n d) memory. Vertices that came in
// are swapped out, so that rows become shorter.
class Prim {
public:
    explicit Prim(const Metric& metric)
        : metric_(metric), outside_(metric.size() - 1), stride_(outside_), id_(stride_), parent_(stride_, 0), best_(stride_), row_(stride_),
          margin_(metric.is_matrix() ? 0 : units) {
        for (std::size_t k = 0; k < outside_; ++k) id_[k] = static_cast<std::uint32_t>(k + 1);
        if (!metric.is_matrix()) {
            columns_.resize(stride_ * metric.dimension());
            for (std::size_t axis = 0; axis < metric.dimension(); ++axis)
                std::copy_n(metric.columns() + axis * metric.size() + 1, outside_, columns_.data() + axis * stride_);
        }
        fill_row(0);
        for (std::size_t k = 0; k < outside_; ++k) best_[k] = bits_of(row_[k]);
    }

    std::vector<Edge> edges(double threshold, const Stop& stop) {
        std::vector<Edge> forest;
        forest.reserve(outside_);
        Bits smallest = *std::min_element(best_.begin(), best_.begin() + static_cast<std::ptrdiff_t>(outside_));
        while (outside_ != 0) {
            stop.check();
            const std::size_t chosen = first_of(smallest);
            const std::uint32_t current = id_[chosen];
            const Edge edge = edge_at(chosen);
            if (edge.length <= threshold && edge.length < std::numeric_limits<double>::infinity()) forest.push_back(edge);
            remove(chosen);
            fill_row(current);
            const Step step = improve(row_.data(), best_.data(), parent_.data(), outside_, current, margin_);
            smallest = step.close ? settle(current) : step.smallest;
        }
        std::sort(forest.begin(), forest.end(), [](const Edge& a, const Edge& b) { return before(a, b); });
        return forest;
    }

private:
    double length_of(Bits best) const noexcept { return metric_.is_matrix() ? value_of(best) : std::sqrt(value_of(best)); }

    // Squares of the distances (lengths from a matrix) of all outside vertices.
    void fill_row(std::uint32_t current) {
        if (metric_.is_matrix()) {
            const double* row = metric_.matrix_row(current);
            for (std::size_t k = 0; k < outside_; ++k) row_[k] = row[id_[k]];
        } else {
            squared_distances(columns_.data(), stride_, metric_.point(current), metric_.dimension(), outside_, row_.data());
        }
    }

    // Squares that nearly tie are compared by their roots; the smallest square comes back.
    Bits settle(std::uint32_t current) {
        Bits smallest = std::numeric_limits<Bits>::max();
        for (std::size_t k = 0; k < outside_; ++k) {
            const Bits fresh = bits_of(row_[k]);
            if (fresh != best_[k] && std::abs(fresh - best_[k]) <= margin_) {
                const double length = length_of(fresh), old = length_of(best_[k]);
                if (length < old || (length == old && current < parent_[k])) {
                    best_[k] = fresh;
                    parent_[k] = current;
                }
            }
            smallest = std::min(smallest, best_[k]);
        }
        return smallest;
    }

    // Place of the vertex whose edge comes first, among those at the smallest square or so close that roots may tie.
    std::size_t first_of(Bits smallest) {
        const Bits limit = smallest > std::numeric_limits<Bits>::max() - margin_ ? smallest : smallest + margin_;
        const Candidates found = candidates(best_.data(), outside_, limit);
        auto chosen = static_cast<std::size_t>(found.first);
        if (found.count == 1) return chosen;
        Edge first = edge_at(chosen);
        for (std::size_t k = chosen + 1; k < outside_; ++k) {
            if (best_[k] > limit) continue;
            const Edge edge = edge_at(k);
            if (before(edge, first)) chosen = k, first = edge;
        }
        return chosen;
    }

    Edge edge_at(std::size_t place) const noexcept {
        return make_edge(length_of(best_[place]), static_cast<std::size_t>(parent_[place]), id_[place]);
    }

    void remove(std::size_t place) {
        --outside_;
        id_[place] = id_[outside_];
        parent_[place] = parent_[outside_];
        best_[place] = best_[outside_];
        for (std::size_t start = 0; start < columns_.size(); start += stride_) columns_[start + place] = columns_[start + outside_];
    }

    const Metric& metric_;
    std::size_t outside_, stride_;
    std::vector<std::uint32_t> id_;
    std::vector<Bits> parent_, best_;
    std::vector<double> row_, columns_;
    Bits margin_;
};

}  // namespace forest_detail

// Edges of the forest up to the threshold, sorted; infinite ones are left out.
inline std::vector<Edge> spanning_forest(const Metric& metric, double threshold, const Stop& stop) {
    if (metric.size() < 2) return {};
    return forest_detail::Prim(metric).edges(threshold, stop);
}

}  // namespace isotopy
