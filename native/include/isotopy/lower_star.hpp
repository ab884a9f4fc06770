// Persistence of lower-star filtrations: a function on the vertices of a simplicial complex, a simplex enters with its last vertex.
//
// Vertices are ordered by (value, number). Cells come in the lower star of their last vertex, there by dimension, then by
// vertices; so within a dimension their order is that of (last vertex, vertices), which one counting sort gives.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"
#include "isotopy/reduction.hpp"

namespace isotopy {

// A simplicial complex that all samples share; views of arrays that the caller keeps.
struct StarComplex {
    // Per dimension k the vertex numbers of the cells, k+1 each, increasing; cells in lexicographic order. Numbers may have gaps.
    std::vector<std::span<const std::int64_t>> vertices;
    // Per dimension k the facets of each cell: the row, among the cells of dimension k-1, of the face without the i-th vertex.
    std::vector<std::span<const std::int64_t>> facets;

    std::size_t dimensions() const noexcept { return vertices.size(); }
    std::size_t cells(std::size_t k) const noexcept { return k < vertices.size() ? vertices[k].size() / (k + 1) : 0; }
};

struct StarOptions {
    bool superlevel = false;
    std::size_t max_degree = 1;
    std::uint32_t modulus = 2;
    bool keep_zero = false;
};

// The cells of one sample in the order of its filtration.
class StarOrder {
public:
    // values: one per vertex number. Only dimensions up to max_degree + 1 are ordered.
    StarOrder(const StarComplex& complex, std::span<const double> values, const StarOptions& options, const Stop& stop) : complex_(complex) {
        struct Item {
            std::uint64_t key;
            Place row;
        };
        const std::size_t count = complex.cells(0);
        std::vector<Item> items(count);
        for (std::size_t row = 0; row < count; ++row) {
            const double value = values[static_cast<std::size_t>(complex.vertices[0][row])];
            items[row] = {monotone_key(options.superlevel ? -value : value), static_cast<Place>(row)};
        }
        radix_sort(items, stop);
        const std::size_t dimensions = std::min(complex.dimensions(), options.max_degree + 2);
        order_.resize(dimensions);
        last_.resize(dimensions);
        facets_.resize(dimensions);
        if (dimensions == 0) return;
        order_[0].resize(count);
        last_[0].resize(count);
        keys_.resize(count);
        std::vector<Place> place(count), last_of(count), below;  // per row, in lexicographic order
        for (std::size_t at = 0; at < count; ++at) {
            order_[0][at] = items[at].row;
            last_[0][at] = place[items[at].row] = static_cast<Place>(at);
            keys_[at] = items[at].key;
        }
        last_of = place;
        for (std::size_t k = 1; k < dimensions; ++k) {
            stop.check();
            below = std::move(place);
            place = sort_dimension(k, last_of, below);
        }
    }

    std::size_t dimensions() const noexcept { return order_.size(); }
    std::size_t cells(std::size_t k) const noexcept { return k < order_.size() ? order_[k].size() : 0; }
    std::span<const std::int64_t> vertices(std::size_t k, Place cell) const noexcept {
        return complex_.vertices[k].subspan(order_[k][cell] * (k + 1), k + 1);
    }
    // The vertex that a cell enters with, as a place and as a number.
    Place last(std::size_t k, Place cell) const noexcept { return last_[k][cell]; }
    std::int64_t carrier(std::size_t k, Place cell) const noexcept { return vertices(0, last_[k][cell])[0]; }
    std::uint64_t key(std::size_t k, Place cell) const noexcept { return keys_[last_[k][cell]]; }

    std::vector<Boundary> boundaries() const {
        std::vector<Boundary> result;
        for (std::size_t k = 1; k < order_.size(); ++k) result.push_back({order_[k - 1].size(), k + 1, facets_[k], {}, {}});
        return result;
    }

private:
    // Orders the k-cells and returns their places. last_of: per row of the dimension below, then of this one.
    std::vector<Place> sort_dimension(std::size_t k, std::vector<Place>& last_of, const std::vector<Place>& below) {
        const std::size_t count = complex_.cells(k), width = k + 1;
        const std::span<const std::int64_t> facets = complex_.facets[k];
        std::vector<Place> last(count), place(count), start(keys_.size() + 1, 0);
        for (std::size_t row = 0; row < count; ++row) {
            const auto first = static_cast<std::size_t>(facets[row * width]), second = static_cast<std::size_t>(facets[row * width + 1]);
            last[row] = std::max(last_of[first], last_of[second]);
            ++start[last[row] + 1];
        }
        for (std::size_t vertex = 1; vertex < start.size(); ++vertex) start[vertex] += start[vertex - 1];
        order_[k].resize(count);
        last_[k].resize(count);
        facets_[k].resize(count * width);
        for (std::size_t row = 0; row < count; ++row) {
            const Place at = start[last[row]]++;
            place[row] = at;
            order_[k][at] = static_cast<Place>(row);
            last_[k][at] = last[row];
            for (std::size_t face = 0; face < width; ++face)
                facets_[k][at * width + face] = below[static_cast<std::size_t>(facets[row * width + face])];
        }
        last_of = std::move(last);
        return place;
    }

    const StarComplex& complex_;
    std::vector<std::vector<Place>> order_, last_, facets_;  // per dimension, in the order of the filtration
    std::vector<std::uint64_t> keys_;                        // of the vertices, in order
};

// Persistence of one sample; birth_at and death_at are vertex numbers.
inline Pairing lower_star_persistence(const StarComplex& complex, std::span<const double> values, const StarOptions& options, const Stop& stop) {
    const StarOrder order(complex, values, options, stop);
    Pairing out;
    if (order.dimensions() == 0) return out;
    const auto boundaries = order.boundaries();
    const auto found = filtered_persistence(order.cells(0), boundaries, std::min(options.max_degree, complex.dimensions() - 1), options.modulus, stop);
    const auto append = [&](std::size_t k, Place cell, std::vector<std::int64_t>& vertices, std::vector<std::int64_t>& at) {
        const auto corners = order.vertices(k, cell);
        vertices.insert(vertices.end(), corners.begin(), corners.end());
        at.push_back(order.carrier(k, cell));
    };
    for (std::size_t k = 0; k < found.size(); ++k) {
        for (std::size_t pair = 0; pair < found[k].birth.size(); ++pair) {
            const Place birth = found[k].birth[pair], death = found[k].death[pair];
            if (!options.keep_zero && order.key(k, birth) == order.key(k + 1, death)) continue;
            out.degree.push_back(static_cast<std::int64_t>(k));
            out.essential.push_back(0);
            append(k, birth, out.birth_cell, out.birth_at);
            append(k + 1, death, out.death_cell, out.death_at);
        }
        for (const Place cell : found[k].essential) {
            out.degree.push_back(static_cast<std::int64_t>(k));
            out.essential.push_back(1);
            append(k, cell, out.birth_cell, out.birth_at);
        }
    }
    return out;
}

}  // namespace isotopy
