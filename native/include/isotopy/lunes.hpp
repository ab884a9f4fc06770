// Components of the lunes of edges: which vertices k have ik and jk before the edge ij, and which of them are joined by edges
// before it.
//
// Nearly all lunes have one component, and one vertex near the middle of the edge is joined to all others. Such a witness is
// confirmed on summaries of sixteen vertices at a time; it is guessed from a nearby edge first.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "isotopy/rips_edges.hpp"
#include "isotopy/wide.hpp"

namespace isotopy {

// A triangle on the edge of this rank with `vertex`, the smallest one of a component of its lune; `inner` lies in the component
// that holds the smallest vertex of all, which is another one.
struct LuneTriangle {
    std::uint32_t rank, vertex, inner;
};

namespace lune_detail {

// later[k] = the later one of the edges ik and jk.
ISOTOPY_WIDE static void later_edges(const Rank* to_i, const Rank* to_j, std::size_t n, Rank* later) {
    for (std::size_t k = 0; k < n; ++k) later[k] = std::max(to_i[k], to_j[k]);
}

// The smallest of them.
ISOTOPY_WIDE static Rank closest(const Rank* a, const Rank* b, std::size_t n) {
    Rank smallest = never;
    for (std::size_t k = 0; k < n; ++k) smallest = std::min(smallest, std::max(a[k], b[k]));
    return smallest;
}

struct Row {
    const Rank *ranks, *smallest, *largest;
};

// The smallest, over k, of the latest edge of k in some rows, if it comes before `limit`; else `limit`.
template <std::size_t count>
inline Rank closest_in_blocks(const Row (&rows)[count], std::size_t blocks, Rank limit) {
    for (std::size_t start = 0; start < blocks; start += lanes) {
        std::uint32_t open = 0;
        for (std::size_t k = 0; k < lanes; ++k) {
            Rank bound = rows[0].smallest[start + k];
            for (std::size_t row = 1; row < count; ++row) bound = std::max(bound, rows[row].smallest[start + k]);
            open |= static_cast<std::uint32_t>(bound < limit) << k;
        }
        for (; open != 0; open &= open - 1) {
            const std::size_t first = (start + static_cast<std::size_t>(std::countr_zero(open))) * lanes;
            for (std::size_t k = first; k < first + lanes; ++k) {
                Rank later = rows[0].ranks[k];
                for (std::size_t row = 1; row < count; ++row) later = std::max(later, rows[row].ranks[k]);
                limit = std::min(limit, later);
            }
        }
    }
    return limit;
}

ISOTOPY_WIDE static Rank closest_of_two(Row a, Row b, std::size_t blocks, Rank limit) { return closest_in_blocks<2>({a, b}, blocks, limit); }

ISOTOPY_WIDE static Rank closest_of_four(Row a, Row b, Row c, Row d, std::size_t blocks, Rank limit) {
    return closest_in_blocks<4>({a, b, c, d}, blocks, limit);
}

// The vertices of a lune that are not joined to the middle one, up to `most` of them; their number. A block of vertices matters
// only if it may hold some of the lune, and some that are not joined to the middle.
ISOTOPY_WIDE static std::size_t apart_from(Row i, Row j, Row middle, std::size_t blocks, Rank rank, std::size_t most, std::uint32_t* out) {
    std::size_t found = 0;
    for (std::size_t start = 0; start < blocks; start += lanes) {
        std::uint32_t open = 0;
        for (std::size_t k = 0; k < lanes; ++k) {
            const std::size_t block = start + k;
            const bool some = std::max(i.smallest[block], j.smallest[block]) < rank && middle.largest[block] >= rank;
            open |= static_cast<std::uint32_t>(some) << k;
        }
        for (; open != 0; open &= open - 1) {
            const std::size_t first = (start + static_cast<std::size_t>(std::countr_zero(open))) * lanes;
            std::uint32_t apart = 0;
            for (std::size_t k = 0; k < lanes; ++k) {
                const bool some = std::max(i.ranks[first + k], j.ranks[first + k]) < rank && middle.ranks[first + k] >= rank;
                apart |= static_cast<std::uint32_t>(some) << k;
            }
            for (; apart != 0; apart &= apart - 1) {
                if (found == most) return found;
                out[found++] = static_cast<std::uint32_t>(first + static_cast<std::size_t>(std::countr_zero(apart)));
            }
        }
    }
    return found;
}

}  // namespace lune_detail

class LuneFinder {
public:
    // Ranks among `vertices`; place[vertex] is the row of each of them.
    LuneFinder(const RipsEdges& edges, const RankBlock& block, const std::uint32_t* vertices, const std::uint32_t* place)
        : edges_(edges), block_(block), vertices_(vertices), place_(place), apart_(block.size()), later_(block.stride()) {}

    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

    // Appends the triangles of the lune of the edge between rows i and j, if it has more than one component. `guess`: a row
    // that may be the witness, or none; the witness that was found comes back.
    std::uint32_t visit(std::uint32_t i, std::uint32_t j, Rank rank, std::uint32_t guess, std::vector<LuneTriangle>& out) {
        Rank limit = rank;
        if (guess != none) {
            const Rank later = std::max(block_.row(i)[guess], block_.row(j)[guess]);
            if (later < rank) {
                if (apart(i, j, guess, rank, 1) == 0) return guess;
                limit = later + 1;
            }
        }
        const Rank closest = lune_detail::closest_of_two(row(i), row(j), block_.summary(), limit);
        if (closest >= rank) return none;
        const std::uint32_t middle = other_end(closest, i, j);
        const std::size_t count = apart(i, j, middle, rank, apart_.size());
        if (count != 0 && !one_component(i, j, rank, middle, count)) components(i, j, rank, middle, out);
        return middle;
    }

private:
    lune_detail::Row row(std::uint32_t a) const noexcept { return {block_.row(a), block_.smallest(a), block_.largest(a)}; }

    std::size_t apart(std::uint32_t i, std::uint32_t j, std::uint32_t middle, Rank rank, std::size_t most) {
        return lune_detail::apart_from(row(i), row(j), row(middle), block_.summary(), rank, most, apart_.data());
    }

    // The row of the vertex k of an edge ik or jk.
    std::uint32_t other_end(Rank rank, std::uint32_t i, std::uint32_t j) const {
        const Ends edge = edges_.ends(static_cast<std::size_t>(rank));
        const std::uint32_t a = place_[edge.i], b = place_[edge.j];
        return a == i || a == j ? b : a;
    }

    // Grows a connected set of hubs from the middle until each of the `count` vertices apart from it is joined to one. May say
    // no where a vertex is connected to the hubs only through others that are not joined to them either.
    bool one_component(std::uint32_t i, std::uint32_t j, Rank rank, std::uint32_t middle, std::size_t count) {
        hubs_.assign(1, middle);
        while (count != 0) {
            const std::uint32_t vertex = apart_[0];
            std::uint32_t bridge = none;
            for (auto hub = hubs_.rbegin(); hub != hubs_.rend() && bridge == none; ++hub) {
                const Rank last = lune_detail::closest_of_four(row(i), row(j), row(vertex), row(*hub), block_.summary(), rank);
                if (last == rank) continue;
                const Ends edge = edges_.ends(static_cast<std::size_t>(last));  // from the bridge to i, j, vertex or the hub
                const std::uint32_t a = place_[edge.i], b = place_[edge.j];
                bridge = a == i || a == j || a == vertex || a == *hub ? b : a;
            }
            if (bridge == none) return false;
            hubs_.push_back(bridge);
            const Rank* to_bridge = block_.row(bridge);
            count = static_cast<std::size_t>(std::remove_if(apart_.begin(), apart_.begin() + static_cast<std::ptrdiff_t>(count),
                                                            [=](std::uint32_t k) { return to_bridge[k] < rank; }) - apart_.begin());
        }
        return true;
    }

    // The components of a lune in which some vertices are not joined to the middle one.
    void components(std::uint32_t i, std::uint32_t j, Rank rank, std::uint32_t middle, std::vector<LuneTriangle>& out) {
        lune_detail::later_edges(block_.row(i), block_.row(j), block_.stride(), later_.data());
        left_.clear();
        std::uint32_t first = none;
        for (std::uint32_t k = 0; k < block_.size(); ++k) {
            if (later_[k] >= rank) continue;
            left_.push_back(k);
            first = std::min(first, vertices_[k]);
        }
        std::uint32_t inner = none;
        const std::size_t start = out.size();
        for (std::uint32_t root = middle;; root = left_.front()) {
            const Component found = component(rank, root);
            if (found.smallest == first) inner = vertices_[found.middle];
            else out.push_back({static_cast<std::uint32_t>(rank), found.smallest, none});
            if (left_.empty()) break;
        }
        for (std::size_t index = start; index < out.size(); ++index) out[index].inner = inner;
    }

    struct Component {
        std::uint32_t smallest, middle;  // a vertex; a row
    };

    // Moves the component of one row out of left_. Members come in by hubs: for a vertex that is left, the member closest to
    // it is likely to be joined to many others as well.
    Component component(Rank rank, std::uint32_t root) {
        member_.assign(block_.stride(), never);
        Component found{vertices_[root], root};
        const auto take_neighbors = [&](std::uint32_t hub) {
            const Rank* to_hub = block_.row(hub);
            auto keep = left_.begin();
            for (const std::uint32_t k : left_) {
                if (to_hub[k] >= rank) {
                    *keep++ = k;
                    continue;
                }
                member_[k] = 0;
                found.smallest = std::min(found.smallest, vertices_[k]);
                if (later_[k] < later_[found.middle]) found.middle = k;
            }
            left_.erase(keep, left_.end());
        };
        take_neighbors(root);
        for (bool grown = true; grown;) {
            grown = false;
            for (std::size_t index = 0; index < left_.size();) {
                const std::uint32_t k = left_[index];
                const Rank nearest = lune_detail::closest(block_.row(k), member_.data(), block_.stride());
                if (nearest >= rank) {
                    ++index;
                    continue;
                }
                const Ends edge = edges_.ends(static_cast<std::size_t>(nearest));
                take_neighbors(place_[edge.i] == k ? place_[edge.j] : place_[edge.i]);  // k is one of them
                grown = true;
            }
        }
        return found;
    }

    const RipsEdges& edges_;
    const RankBlock& block_;
    const std::uint32_t *vertices_, *place_;
    std::vector<std::uint32_t> apart_, hubs_, left_;  // rows
    std::vector<Rank> later_;                         // per row: the later edge to i and j
    std::vector<Rank> member_;  // 0 for members of the component at hand, `never` for others
};

}  // namespace isotopy
