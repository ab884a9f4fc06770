// What the neighbors of a pixel say about the cells that enter with it, for every set of lower neighbors: tables, made by
// the compiler with the textbook reduction.
//
// Pixels are ordered by (value, number), so that no two are equal. A cell enters with its last pixel, or, where pixels are
// top cells, with its first one; the cells that enter with one pixel are ordered by dimension, then by vertices. Nearly all
// of them are paired with each other, the rest is critical: a class can only be born or die there.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace isotopy {

enum class Cells { freudenthal, cubical, cubical_top };

// Neighbors are numbered clockwise from the one above: N NE E SE S SW W NW. Bit d of a mask says that neighbor d is lower.
inline constexpr std::size_t directions = 8;
inline constexpr std::array<int, directions> row_steps{-1, -1, 0, 1, 1, 1, 0, -1};
inline constexpr std::array<int, directions> column_steps{0, 1, 1, 1, 0, -1, -1, -1};

// The cells around a pixel, in the order of their vertices: an edge per neighbor in `edges`, and, between two of them, a
// triangle or square that lies among the neighbors in `corners` (masks). With pixels as top cells: the edges of the square
// and its vertices, seen as the cells dual to these.
struct Surroundings {
    std::size_t edge_count, corner_count;
    std::array<std::uint8_t, 6> edges;
    std::array<std::uint8_t, 6> corners;
    std::uint8_t ring;  // the neighbors that matter
};

constexpr std::uint8_t mask_of(unsigned a, unsigned b) { return static_cast<std::uint8_t>(1u << a | 1u << b); }

constexpr Surroundings surroundings(Cells cells) {
    if (cells == Cells::freudenthal)
        return {6, 6, {7, 0, 6, 2, 4, 3}, {mask_of(7, 0), mask_of(7, 6), mask_of(0, 2), mask_of(6, 4), mask_of(2, 3), mask_of(4, 3)}, 0b11011101};
    return {4, 4, {0, 6, 2, 4, 0, 0}, {0b11000001, 0b00000111, 0b01110000, 0b00011100, 0, 0}, 0b11111111};
}

// Two cells that enter with the same pixel and belong together; codes are places in the lists above (0 for the center).
struct LocalPair {
    std::uint8_t degree, birth, death;
};

// A critical edge: it meets the center and neighbor `end`, and separates the neighbors `left` and `right`.
struct CriticalEdge {
    std::uint8_t code, end, left, right;
};

inline constexpr std::uint8_t itself = directions;

// `near` is a neighbor across the edge that the center is paired with (or across one of the same run), `far` one of the
// others: each leads to the extremum of its side, step by step; `itself` where the center is the extremum.
struct Link {
    std::uint8_t near = itself, far = itself;
    std::uint8_t edges = 0, pairs = 0;
    std::array<CriticalEdge, 3> edge{};
    std::array<LocalPair, 6> pair{};
};

namespace link_detail {

// From direction d clockwise (step 1) or back (step 7), the first neighbor of the ring outside of the mask.
constexpr std::uint8_t first_outside(unsigned mask, unsigned ring, unsigned d, unsigned step) {
    for (unsigned count = 0; count < directions; ++count) {
        d = (d + step) % directions;
        if ((ring >> d & 1u) != 0 && (mask >> d & 1u) == 0) return static_cast<std::uint8_t>(d);
    }
    return itself;
}

// The middle of the run of `mask` around direction d, among the neighbors in `allowed`.
constexpr std::uint8_t middle(unsigned mask, unsigned ring, unsigned allowed, unsigned d) {
    const unsigned before = first_outside(mask, ring, d, directions - 1), after = first_outside(mask, ring, d, 1);
    if (before == itself) return static_cast<std::uint8_t>(d);
    std::array<unsigned, directions> run{};
    std::size_t length = 0;
    for (unsigned place = (before + 1) % directions; place != after; place = (place + 1) % directions)
        if ((mask & allowed & ring) >> place & 1u) run[length++] = place;
    return static_cast<std::uint8_t>(run[length / 2]);
}

constexpr Link make_link(Cells cells, unsigned lower) {
    const Surroundings around = surroundings(cells);
    const bool top = cells == Cells::cubical_top;
    const unsigned ring = around.ring, present = ring & (top ? ~lower : lower);
    const std::size_t edges = around.edge_count, corners = around.corner_count, count = 1 + edges + corners;
    // Ranks in the order of entrance: center, edges, corners; reversed in dimension where pixels are top cells.
    const auto center_rank = top ? edges + corners : std::size_t{0};
    const auto edge_rank = [&](std::size_t e) { return top ? corners + e : 1 + e; };
    const auto corner_rank = [&](std::size_t c) { return top ? c : 1 + edges + c; };
    std::array<unsigned, 13> boundary{};
    unsigned here = 1u << center_rank;
    for (std::size_t e = 0; e < edges; ++e) {
        if ((present >> around.edges[e] & 1u) == 0) continue;
        here |= 1u << edge_rank(e);
        (top ? boundary[center_rank] : boundary[edge_rank(e)]) |= 1u << (top ? edge_rank(e) : center_rank);
    }
    for (std::size_t c = 0; c < corners; ++c) {
        if ((unsigned{around.corners[c]} & ~present) != 0) continue;
        here |= 1u << corner_rank(c);
        for (std::size_t e = 0; e < edges; ++e)
            if ((unsigned{around.corners[c]} >> around.edges[e] & 1u) != 0)
                (top ? boundary[edge_rank(e)] : boundary[corner_rank(c)]) |= 1u << (top ? corner_rank(c) : edge_rank(e));
    }
    // Column reduction; codes are ranks within a dimension.
    std::array<std::size_t, 13> owner{};
    for (std::size_t& column : owner) column = count;
    unsigned critical = here;
    Link link;
    std::size_t center_partner = count;
    const std::size_t points = top ? corners : 1;
    for (std::size_t rank = 0; rank < count; ++rank) {
        if ((here >> rank & 1u) == 0) continue;
        unsigned column = boundary[rank];
        std::size_t low = count;
        while (column != 0) {
            low = static_cast<std::size_t>(std::bit_width(column)) - 1;
            if (owner[low] == count) break;
            column ^= boundary[owner[low]];
        }
        if (column == 0) continue;
        owner[low] = rank;
        boundary[rank] = column;
        critical &= ~(1u << low | 1u << rank);
        const bool loop = low >= points;
        link.pair[link.pairs++] = {static_cast<std::uint8_t>(loop), static_cast<std::uint8_t>(loop ? low - points : low),
                                   static_cast<std::uint8_t>(loop ? rank - points - edges : rank - points)};
        if (low == center_rank) center_partner = rank;
        if (rank == center_rank) center_partner = low;
    }
    for (std::size_t e = 0; e < edges; ++e) {
        const unsigned d = around.edges[e];
        if (edge_rank(e) == center_partner) link.near = middle(present, ring, edges == 6 ? ring : 0b01010101u, d);
        if ((critical >> edge_rank(e) & 1u) != 0)
            link.edge[link.edges++] = {static_cast<std::uint8_t>(e), static_cast<std::uint8_t>(d), first_outside(present, ring, d, directions - 1),
                                       first_outside(present, ring, d, 1)};
    }
    // Any neighbor on the far side will do; the middle of the longest run is close to the steepest one.
    const unsigned absent = ring & ~present;
    std::size_t longest = 0;
    for (unsigned d = 0; d < directions; ++d) {
        if ((absent >> d & 1u) == 0) continue;
        std::size_t length = 0;
        unsigned place = d;
        for (; length < directions && ((absent >> place & 1u) != 0 || (ring >> place & 1u) == 0); ++length) place = (place + 1) % directions;
        if (length > longest) {
            longest = length;
            link.far = middle(absent, ring, ring, d);
        }
    }
    return link;
}

constexpr std::array<Link, 256> make_links(Cells cells) {
    std::array<Link, 256> links{};
    for (unsigned lower = 0; lower < 256; ++lower)
        if ((lower & ~unsigned{surroundings(cells).ring}) == 0) links[lower] = make_link(cells, lower);
    return links;
}

inline constexpr std::array<std::array<Link, 256>, 3> links{make_links(Cells::freudenthal), make_links(Cells::cubical), make_links(Cells::cubical_top)};

}  // namespace link_detail

inline const std::array<Link, 256>& links_of(Cells cells) { return link_detail::links[static_cast<std::size_t>(cells)]; }

}  // namespace isotopy
