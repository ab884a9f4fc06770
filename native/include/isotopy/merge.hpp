// Top cells of a subdivision that lie in one cell of its mark and have equal labels, united to one convex cell.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "subdivision.hpp"

namespace isotopy {

struct Merged {
    Subdivision complex;                       // with the mark of the one before
    std::vector<Subdivision::Index> vertices;  // numbers, before, of the vertices that are kept; they increase
    std::vector<Subdivision::Index> tops;      // and of the first part of every top cell
};

// Groups of the top cells with equal rows of `width` labels within one cell of the mark, by the first of each.
inline std::vector<Subdivision::Index> alike(const Subdivision& complex, std::span<const std::int32_t> labels, std::size_t width) {
    if (labels.size() != complex.tops() * width) throw std::invalid_argument("labels must have one row per top cell");
    const auto& within = complex.mark().within;
    const auto row = [&](Subdivision::Index top) { return labels.subspan(static_cast<std::size_t>(top) * width, width); };
    const auto cell = [&](Subdivision::Index top) { return within[static_cast<std::size_t>(top)]; };
    std::vector<Subdivision::Index> order(complex.tops()), groups(complex.tops());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](Subdivision::Index a, Subdivision::Index b) {
        if (cell(a) != cell(b)) return cell(a) < cell(b);
        const auto [x, y] = std::mismatch(row(a).begin(), row(a).end(), row(b).begin());
        return x == row(a).end() ? a < b : *x < *y;
    });
    for (std::size_t i = 0; i < order.size(); ++i) {
        const bool same = i > 0 && cell(order[i]) == cell(order[i - 1]) && std::equal(row(order[i]).begin(), row(order[i]).end(), row(order[i - 1]).begin());
        groups[static_cast<std::size_t>(order[i])] = same ? groups[static_cast<std::size_t>(order[i - 1])] : order[i];
    }
    return groups;
}

// From the walls down to the vertices. A wall between two parts of a group goes, and joins them. A lower part of the complex
// that came after the mark goes if nothing of the next dimension is left around it, or if two are: it joins those to one.
// For every cell that has one of these two has both. Two cells that share them are convex, so there they meet in a
// hyperplane, or a line; and if there is one cell only, they are on the outside, in one face of the cell of the mark,
// because what lies between them came later. All else is a corner of some cell, and so are all vertices of the mark.
class Merging {
public:
    using Index = Subdivision::Index;

    // Groups as in alike(); each has a convex union.
    Merging(const Subdivision& before, std::vector<Index> groups) : before_(before), groups_(std::move(groups)), top_(static_cast<std::size_t>(before.dimension())) {
        if (groups_.size() != before.tops()) throw std::invalid_argument("groups must have one number per top cell");
        const std::array<std::size_t, 4> counts{before.vertices(), before.ends().size(), before.faces(), before.cells()};
        for (std::size_t k = 0; k <= top_; ++k) {
            gone_[k].assign(counts[k], 0);
            joined_[k].resize(counts[k]);
            std::iota(joined_[k].begin(), joined_[k].end(), 0);
        }
    }

    Merged operator()(const Stop& stop) {
        for (std::size_t k = top_; k-- > 0;) stop.check(), settle(k);
        for (std::size_t top = 0; top < groups_.size(); ++top)
            if (first(top_, top) != groups_[top]) throw std::logic_error("a group is not in one piece");
        for (std::size_t k = 0; k <= top_; ++k) number(k);
        Merged made{Subdivision(before_.dimension(), firsts_[0].size(), before_.limit()), firsts_[0], firsts_[top_]};
        stop.check();
        add_edges(made.complex);
        if (top_ > 1) add_faces(made.complex);
        if (top_ > 2) add_cells(made.complex);
        Subdivision::Mark mark{before_.mark().vertices, {}, {}};
        for (const Index edge : firsts_[1]) mark.inside.push_back(before_.mark().inside[static_cast<std::size_t>(edge)]);
        for (const Index top : firsts_[top_]) mark.within.push_back(before_.mark().within[static_cast<std::size_t>(top)]);
        made.complex.set_mark(std::move(mark));
        return made;
    }

private:
    struct Around {  // what of the next dimension is around a part of the complex
        std::size_t count = 0;
        std::array<Index, 2> first{};

        void add(Index part) {
            if (count < 2) first[count] = part;
            ++count;
        }
    };

    template <class Visit>
    void each_facet(std::size_t k, std::size_t part, const Visit& visit) const {
        if (k == 1) {
            for (const Index vertex : before_.ends()[part]) visit(static_cast<std::size_t>(vertex));
        } else if (k == 2) {
            for (const Subdivision::Corner& corner : before_.face(part)) visit(static_cast<std::size_t>(corner.edge));
        } else {
            for (const Index face : before_.cell(part)) visit(static_cast<std::size_t>(face));
        }
    }

    void settle(std::size_t k) {
        std::vector<Around> around(gone_[k].size());
        for (std::size_t part = 0; part < gone_[k + 1].size(); ++part)
            if (gone_[k + 1][part] == 0) each_facet(k + 1, part, [&](std::size_t facet) { around[facet].add(static_cast<Index>(part)); });
        for (std::size_t part = 0; part < around.size(); ++part) {
            const auto [count, two] = around[part];
            const bool pair = count == 2;
            if (k + 1 == top_) gone_[k][part] = pair && groups_[static_cast<std::size_t>(two[0])] == groups_[static_cast<std::size_t>(two[1])];
            else gone_[k][part] = later(k, part) && (pair || count == 0);
            if (gone_[k][part] != 0 && pair) join(k + 1, two[0], two[1]);
        }
    }

    bool later(std::size_t k, std::size_t part) const { return k == 0 ? part >= before_.mark().vertices : before_.mark().inside[part] == 0; }

    Index first(std::size_t k, std::size_t part) {
        auto& to = joined_[k];
        while (static_cast<std::size_t>(to[part]) != part) part = static_cast<std::size_t>(to[part] = to[static_cast<std::size_t>(to[part])]);
        return static_cast<Index>(part);
    }

    void join(std::size_t k, Index a, Index b) {
        const auto [low, high] = std::minmax({first(k, static_cast<std::size_t>(a)), first(k, static_cast<std::size_t>(b))});
        joined_[k][static_cast<std::size_t>(high)] = low;
    }

    // New numbers, in the order of first parts; all parts of dimension k, each new one's together.
    void number(std::size_t k) {
        const std::size_t count = gone_[k].size();
        numbers_[k].assign(count, -1);
        for (std::size_t part = 0; part < count; ++part) {
            if (gone_[k][part] != 0) continue;
            const auto start = static_cast<std::size_t>(first(k, part));
            if (start == part) numbers_[k][part] = static_cast<Index>(firsts_[k].size()), firsts_[k].push_back(static_cast<Index>(part));
            else numbers_[k][part] = numbers_[k][start];
        }
        auto& offsets = offsets_[k];
        offsets.assign(firsts_[k].size() + 1, 0);
        for (const Index n : numbers_[k])
            if (n >= 0) ++offsets[static_cast<std::size_t>(n) + 1];
        std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
        parts_[k].resize(offsets.back());
        std::vector<std::size_t> next(offsets.begin(), offsets.end() - 1);
        for (std::size_t part = 0; part < count; ++part)
            if (numbers_[k][part] >= 0) parts_[k][next[static_cast<std::size_t>(numbers_[k][part])]++] = static_cast<Index>(part);
    }

    std::span<const Index> parts(std::size_t k, std::size_t number) const { return {parts_[k].data() + offsets_[k][number], offsets_[k][number + 1] - offsets_[k][number]}; }

    Index vertex(Index before) const { return numbers_[0][static_cast<std::size_t>(before)]; }
    Index edge(Index before) const { return numbers_[1][static_cast<std::size_t>(before)]; }

    void add_edges(Subdivision& to) const {
        std::vector<Index> ends;
        for (std::size_t e = 0; e < firsts_[1].size(); ++e) {
            ends.clear();
            for (const Index part : parts(1, e))
                for (const Index end : before_.ends()[static_cast<std::size_t>(part)])
                    if (vertex(end) >= 0) ends.push_back(vertex(end));
            if (ends.size() != 2) throw std::logic_error("an edge does not have two ends");
            to.add_edge(ends[0], ends[1]);
        }
    }

    void add_faces(Subdivision& to) {
        std::vector<std::int64_t> vertices, edges;
        for (std::size_t f = 0; f < firsts_[2].size(); ++f) {
            vertices.clear(), edges.clear();
            for (const auto& [from, side] : rim(f))
                if (vertex(from) >= 0) vertices.push_back(vertex(from)), edges.push_back(edge(side));
            to.add_face(vertices, edges);
        }
    }

    // Corners around a face, those that are gone among them.
    std::span<const Subdivision::Corner> rim(std::size_t f) {
        const auto faces = parts(2, f);
        if (faces.size() == 1) return before_.face(static_cast<std::size_t>(faces[0]));
        ways_.resize(before_.vertices());
        std::size_t sides = 0;
        Index start = -1;
        for (const Index part : faces) {
            const auto around = before_.face(static_cast<std::size_t>(part));
            for (std::size_t i = 0; i < around.size(); ++i) {
                if (edge(around[i].edge) < 0) continue;
                const Index from = around[i].vertex, to = around[(i + 1) % around.size()].vertex;
                way(f, from, {to, around[i].edge}), way(f, to, {from, around[i].edge});
                if (start < 0) start = from;
                ++sides;
            }
        }
        cycle_.clear();
        Index at = start, last = -1;
        for (std::size_t i = 0; i < sides; ++i) {
            const Ways& ways = ways_[static_cast<std::size_t>(at)];
            if (ways.face != static_cast<Index>(f) || ways.count != 2) throw std::logic_error("a face is not closed");
            const Subdivision::Corner& next = ways.to[ways.to[0].edge == last ? 1 : 0];
            cycle_.push_back({at, next.edge});
            at = next.vertex, last = next.edge;
            if (at == start && i + 1 < sides) throw std::logic_error("a face has a hole");
        }
        if (at != start) throw std::logic_error("a face is not closed");
        return cycle_;
    }

    struct Ways {  // from a vertex along the rim of a face
        Index face = -1;
        std::size_t count = 0;
        std::array<Subdivision::Corner, 2> to{};
    };

    void way(std::size_t f, Index from, const Subdivision::Corner& to) {
        Ways& ways = ways_[static_cast<std::size_t>(from)];
        if (ways.face != static_cast<Index>(f)) ways = {static_cast<Index>(f), 0, {}};
        if (ways.count == 2) throw std::logic_error("a face is not closed");
        ways.to[ways.count++] = to;
    }

    void add_cells(Subdivision& to) const {
        std::vector<std::int64_t> faces;
        std::vector<Index> seen(firsts_[2].size(), -1);
        for (std::size_t c = 0; c < firsts_[3].size(); ++c) {
            faces.clear();
            for (const Index part : parts(3, c))
                for (const Index face : before_.cell(static_cast<std::size_t>(part))) {
                    const Index n = numbers_[2][static_cast<std::size_t>(face)];
                    if (n < 0 || seen[static_cast<std::size_t>(n)] == static_cast<Index>(c)) continue;
                    seen[static_cast<std::size_t>(n)] = static_cast<Index>(c);
                    faces.push_back(n);
                }
            to.add_cell(faces);
        }
    }

    const Subdivision& before_;
    std::vector<Index> groups_;
    std::size_t top_;
    std::array<std::vector<std::uint8_t>, 4> gone_;
    std::array<std::vector<Index>, 4> joined_, numbers_, firsts_, parts_;
    std::array<std::vector<std::size_t>, 4> offsets_;
    std::vector<Ways> ways_;
    std::vector<Subdivision::Corner> cycle_;
};

// With labels as in alike(); nothing where no two cells are.
inline std::optional<Merged> merge(const Subdivision& before, std::span<const std::int32_t> labels, std::size_t width, const Stop& stop) {
    std::vector<Subdivision::Index> groups = alike(before, labels, width);
    bool distinct = true;
    for (std::size_t top = 0; top < groups.size(); ++top) distinct = distinct && static_cast<std::size_t>(groups[top]) == top;
    if (distinct) return std::nullopt;
    return Merging(before, std::move(groups))(stop);
}

}  // namespace isotopy
