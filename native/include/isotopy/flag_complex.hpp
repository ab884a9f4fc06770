// The flag complex of a Rips filtration: its simplices as numbers, and those of one dimension that are in no apparent pair.
//
// The order of cells is that of rips.hpp: edges by (length, vertices), their places in it are ranks; a simplex comes with its
// last edge, there by dimension, then by vertices. A simplex of dimension k >= 1 is one number: the rank of its last edge, then
// the other k-1 vertices, increasing, a digit each. Sets that share an edge compare as what is left of them, so numbers of one
// dimension compare as the filtration does, and vertices are read off without a table of binomials.
//
// Most simplices are read off as pairs without any algebra: the link of the last edge e in what came before is a flag complex,
// the lune of e. A simplex e * s whose first cofacet e * (s + w) has w before the first vertex of s is an apparent pair with it:
// it is the last facet of its first cofacet. Lunes are intersections of rows of one bit matrix, the graph of the edges before e,
// from which e is taken as the edges go by from last to first.
//
// U. Bauer, Ripser: efficient computation of Vietoris-Rips persistence barcodes, J. Appl. Comput. Topol. 5 (2021).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "isotopy/metric.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"

namespace isotopy::cohomology_detail {


using Key = std::uint64_t;
using Bits = std::vector<std::uint64_t>;

// Rows of n bits.
class BitMatrix {
public:
    explicit BitMatrix(std::size_t size) : words_((size + 63) / 64), bits_(size * words_, 0) {}
    std::size_t words() const noexcept { return words_; }
    const std::uint64_t* row(std::size_t i) const noexcept { return bits_.data() + i * words_; }
    void flip(std::size_t i, std::size_t j) noexcept {
        bits_[i * words_ + j / 64] ^= std::uint64_t{1} << (j % 64);
        bits_[j * words_ + i / 64] ^= std::uint64_t{1} << (i % 64);
    }

private:
    std::size_t words_;
    Bits bits_;
};

inline constexpr std::uint32_t no_vertex = std::numeric_limits<std::uint32_t>::max();

inline std::uint32_t first_bit(const std::uint64_t* a, std::size_t words) noexcept {
    for (std::size_t word = 0; word < words; ++word)
        if (a[word] != 0) return static_cast<std::uint32_t>(64 * word + static_cast<std::size_t>(std::countr_zero(a[word])));
    return no_vertex;
}

inline std::uint32_t first_common(const std::uint64_t* a, const std::uint64_t* b, std::size_t words) noexcept {
    for (std::size_t word = 0; word < words; ++word)
        if ((a[word] & b[word]) != 0) return static_cast<std::uint32_t>(64 * word + static_cast<std::size_t>(std::countr_zero(a[word] & b[word])));
    return no_vertex;
}

// Calls visit(vertex) for the bits that are set, in increasing order.
template <class Visit>
void each_bit(const std::uint64_t* a, std::size_t words, const Visit& visit) {
    for (std::size_t word = 0; word < words; ++word)
        for (std::uint64_t rest = a[word]; rest != 0; rest &= rest - 1)
            visit(static_cast<std::uint32_t>(64 * word + static_cast<std::size_t>(std::countr_zero(rest))));
}

// Edges up to a cutoff in order, the matrix of their ranks, and the graph of all of them.
class FlagComplex {
public:
    using Rank = std::uint32_t;
    static constexpr Rank never = std::numeric_limits<Rank>::max();

    struct Edge {
        std::uint64_t key;   // of the length
        std::uint32_t i, j;  // i < j
    };

    FlagComplex(const Metric& metric, double cutoff, const Stop& stop)
        : size_(metric.size()), digit_(static_cast<unsigned>(std::bit_width(size_ == 0 ? 0 : size_ - 1))), graph_(size_) {
        std::vector<double> row(size_);
        for (std::uint32_t i = 0; i < size_; ++i) {
            stop.check();
            metric.row(i, i, row.data() + i);
            for (std::uint32_t j = i + 1; j < size_; ++j)
                if (row[j] <= cutoff && row[j] < std::numeric_limits<double>::infinity()) edges_.push_back({monotone_key(row[j]), i, j});
        }
        radix_sort(edges_, stop);
        ranks_.assign(size_ * size_, never);
        for (std::size_t rank = 0; rank < edges_.size(); ++rank) {
            const Edge& edge = edges_[rank];
            ranks_[edge.i * size_ + edge.j] = ranks_[edge.j * size_ + edge.i] = static_cast<Rank>(rank);
            graph_.flip(edge.i, edge.j);
        }
    }

    std::size_t size() const noexcept { return size_; }
    unsigned digit() const noexcept { return digit_; }
    const std::vector<Edge>& edges() const noexcept { return edges_; }
    const Rank* row(std::size_t i) const noexcept { return ranks_.data() + i * size_; }
    const BitMatrix& graph() const noexcept { return graph_; }
    Rank rank_of(Key key, std::size_t dimension) const noexcept { return static_cast<Rank>(dimension == 1 ? key : key >> (digit_ * (dimension - 1))); }
    std::uint64_t length(Key key, std::size_t dimension) const noexcept { return edges_[rank_of(key, dimension)].key; }

    // Fills `others` with the increasing vertices besides the last edge.
    void others_of(Key key, std::size_t dimension, std::vector<std::uint32_t>& others) const {
        others.resize(dimension - 1);
        for (std::size_t place = others.size(); place-- > 0; key >>= digit_) others[place] = static_cast<std::uint32_t>(key & ((Key{1} << digit_) - 1));
    }

    Key key_of(Rank rank, std::span<const std::uint32_t> others) const noexcept {
        Key key = rank;
        for (const std::uint32_t vertex : others) key = key << digit_ | vertex;
        return key;
    }

    // Fills `vertices` with those of the simplex, increasing.
    void vertices_of(Key key, std::size_t dimension, std::vector<std::uint32_t>& vertices) const {
        others_of(key, dimension, vertices);
        const Edge& edge = edges_[rank_of(key, dimension)];
        vertices.insert(std::lower_bound(vertices.begin(), vertices.end(), edge.i), edge.i);
        vertices.insert(std::lower_bound(vertices.begin(), vertices.end(), edge.j), edge.j);
    }

    // Whether simplices of this dimension fit into a key.
    bool holds(std::size_t dimension) const noexcept {
        const auto ranks = static_cast<unsigned>(std::bit_width(edges_.size()));
        return ranks + static_cast<std::size_t>(digit_) * (dimension - 1) <= 64;
    }

private:
    std::size_t size_;
    unsigned digit_;  // bits per vertex
    std::vector<Edge> edges_;
    std::vector<Rank> ranks_;
    BitMatrix graph_;
};

// The columns of one degree: k-simplices that are neither apparent births nor apparent deaths, from the last to the first.
// found(simplex) is called for them, apparent(simplex, cofacet) for apparent pairs if wanted.
template <class Found, class Apparent>
class Enumerator {
public:
    Enumerator(const FlagComplex& complex, std::size_t degree, bool want_apparent, const Found& found, const Apparent& apparent)
        : complex_(complex), degree_(degree), want_apparent_(want_apparent), found_(found), apparent_(apparent), before_(complex.graph()),
          common_(degree, Bits(before_.words())) {}

    void run(const Stop& stop) {
        const std::size_t words = before_.words();
        for (std::size_t rank = complex_.edges().size(); rank-- > 0;) {
            if ((rank & 0xff) == 0) stop.check();
            const auto& edge = complex_.edges()[rank];
            before_.flip(edge.i, edge.j);
            std::uint64_t any = 0;
            for (std::size_t word = 0; word < words; ++word) any |= common_[0][word] = before_.row(edge.i)[word] & before_.row(edge.j)[word];
            if (any == 0) continue;
            simplices_.clear();
            others_.assign(degree_ - 1, 0);
            extend(static_cast<FlagComplex::Rank>(rank), degree_ - 1, static_cast<std::uint32_t>(complex_.size()), stop);
            std::sort(simplices_.begin(), simplices_.end(), std::greater<>());
            for (const Key simplex : simplices_) found_(simplex);
        }
    }

private:
    // common_[d]: vertices joined to the edge and to the d chosen ones, which are others_[left], others_[left + 1], ...
    void extend(FlagComplex::Rank rank, std::size_t left, std::uint32_t below, const Stop& stop) {
        const std::size_t words = before_.words(), depth = degree_ - 1 - left;
        const std::uint64_t* common = common_[depth].data();
        const std::uint32_t first = left == 1 ? first_bit(common, words) : no_vertex;
        if (left > 1) stop.check();
        const std::size_t reach = std::min(words, (std::size_t{below} + 63) / 64);
        each_bit(common, reach, [&](std::uint32_t vertex) {
            if (vertex >= below) return;
            others_[left - 1] = vertex;
            if (left == 1) {
                const std::uint32_t cofacet = first_common(common, before_.row(vertex), words);
                if (cofacet < vertex) {
                    if (want_apparent_) tell(rank, cofacet);
                } else if (vertex != first) {
                    simplices_.push_back(complex_.key_of(rank, others_));
                }
                return;
            }
            std::uint64_t any = 0;
            for (std::size_t word = 0; word < words; ++word) any |= common_[depth + 1][word] = common[word] & before_.row(vertex)[word];
            if (any != 0) extend(rank, left - 1, vertex, stop);
        });
    }

    void tell(FlagComplex::Rank rank, std::uint32_t cofacet) {
        cofacet_.assign(1, cofacet);
        cofacet_.insert(cofacet_.end(), others_.begin(), others_.end());
        apparent_(complex_.key_of(rank, others_), complex_.key_of(rank, cofacet_));
    }

    const FlagComplex& complex_;
    std::size_t degree_;
    bool want_apparent_;
    const Found& found_;
    const Apparent& apparent_;
    BitMatrix before_;  // the graph of the edges before the one at hand
    std::vector<Bits> common_;
    std::vector<std::uint32_t> others_, cofacet_;
    std::vector<Key> simplices_;
};

// The smallest row maximum of the distances: from there on the complex is a cone.
inline double enclosing_radius(const Metric& metric, const Stop& stop) {
    std::vector<double> row(metric.size()), farthest(metric.size(), 0.0);
    for (std::size_t i = 0; i < metric.size(); ++i) {
        stop.check();
        metric.row(i, i, row.data() + i);
        for (std::size_t j = i + 1; j < metric.size(); ++j) farthest[i] = std::max(farthest[i], row[j]), farthest[j] = std::max(farthest[j], row[j]);
    }
    return metric.size() == 0 ? 0.0 : *std::min_element(farthest.begin(), farthest.end());
}

}  // namespace isotopy::cohomology_detail
