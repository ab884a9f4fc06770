// Gradient pairs in the lower star of a voxel, tabulated for every lower star that there is.
//
// The cells around an inner voxel v, without v itself, are the cells of a triangulated sphere, its link: Freudenthal's has 14
// vertices, 36 edges and 24 triangles (edges, triangles and tetrahedra at v), the cubical one is the octahedron (edges, squares
// and cubes at v). The cells that enter with v form a subcomplex L of that sphere. The first forest of L and the last one of
// the dual graph have no edge in common; they pair all cells but as many as L has classes (tree and cotree): v has as few
// critical cells as its lower star allows, for each further component of L an edge, for each further component of the rest of
// the sphere a 2-cell, and a 3-cell if L is the whole sphere. Forests by Kruskal make them the cells that the reduction of the
// textbook leaves, where cells of one star are ordered by dimension and vertices. Which L there is follows from which
// neighbors come before v: there are 16384 and 15935 kinds of lower stars.
//
// V. Robins, P. J. Wood, A. P. Sheppard, Theory and algorithms for constructing discrete Morse complexes from grayscale
// digital images, IEEE TPAMI 33 (2011); D. Eppstein, Dynamic generators of topologically embedded graphs, SODA 2003.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace isotopy {

using VoxelStep = std::array<int, 3>;  // from a voxel to a neighbor, axis by axis

inline VoxelStep operator+(const VoxelStep& a, const VoxelStep& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
inline VoxelStep operator-(const VoxelStep& a, const VoxelStep& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

// The cells around a voxel. Neighbors are numbered: first those along edges, the vertices of the sphere; in the cubical case
// then those across squares and cubes, numbered as the edges and triangles of the sphere.
class VoxelLink {
public:
    static constexpr std::uint8_t none = 255;

    enum class Cells { freudenthal, cubical };

    explicit VoxelLink(Cells cells) : cells_(cells) {
        const auto inside = [](const VoxelStep& s) {
            const int least = std::min({s[0], s[1], s[2]}), most = std::max({s[0], s[1], s[2]});
            return (least == 0 && most == 1) || (least == -1 && most == 0) || (least == most && most * most == 1);
        };
        if (cells == Cells::freudenthal) {
            for (int code = 0; code < 27; ++code)
                if (const VoxelStep s{code / 9 - 1, code / 3 % 3 - 1, code % 3 - 1}; inside(s)) steps_.push_back(s);
        } else {
            steps_ = {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}, {0, 0, 1}, {0, 1, 0}, {1, 0, 0}};
        }
        vertices_ = steps_.size();
        const auto joined = [&](std::size_t a, std::size_t b) {
            if (cells == Cells::cubical) return a + b != vertices_ - 1;  // not opposite
            return inside(steps_[b] - steps_[a]);
        };
        for (std::size_t a = 0; a < vertices_; ++a)
            for (std::size_t b = a + 1; b < vertices_; ++b)
                if (joined(a, b)) ends_.push_back({static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b)});
        for (std::size_t a = 0; a < vertices_; ++a)
            for (std::size_t b = a + 1; b < vertices_; ++b)
                for (std::size_t c = b + 1; c < vertices_; ++c)
                    if (joined(a, b) && joined(a, c) && joined(b, c))
                        corners_.push_back({static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b), static_cast<std::uint8_t>(c)});
        sort_by_vertices(ends_);
        sort_by_vertices(corners_);
        for (const auto& [a, b, c] : corners_) sides_.push_back({edge(a, b), edge(a, c), edge(b, c)});
        wings_.assign(ends_.size(), {none, none});
        at_.assign(vertices_, 0);
        for (std::size_t e = 0; e < ends_.size(); ++e)
            for (const std::uint8_t a : ends_[e]) at_[a] |= std::uint64_t{1} << e;
        for (std::size_t t = 0; t < sides_.size(); ++t)
            for (const std::uint8_t e : sides_[t]) wings_[e][wings_[e][0] == none ? 0 : 1] = static_cast<std::uint8_t>(t);
        if (cells == Cells::cubical) {
            for (const auto& [a, b] : ends_) steps_.push_back(steps_[a] + steps_[b]);
            for (const auto& [a, b, c] : corners_) steps_.push_back(steps_[a] + steps_[b] + steps_[c]);
        }
    }

    bool cubical() const noexcept { return cells_ == Cells::cubical; }
    std::size_t vertices() const noexcept { return vertices_; }
    std::size_t edges() const noexcept { return ends_.size(); }
    std::size_t triangles() const noexcept { return corners_.size(); }
    std::size_t neighbors() const noexcept { return steps_.size(); }
    const VoxelStep& step(std::size_t neighbor) const { return steps_[neighbor]; }
    const std::array<std::uint8_t, 2>& ends(std::size_t e) const { return ends_[e]; }
    const std::array<std::uint8_t, 2>& wings(std::size_t e) const { return wings_[e]; }      // the triangles beside it
    const std::array<std::uint8_t, 3>& sides(std::size_t t) const { return sides_[t]; }      // its edges
    const std::array<std::uint8_t, 3>& corners(std::size_t t) const { return corners_[t]; }  // its vertices
    std::uint64_t edges_at(std::size_t a) const { return at_[a]; }

    std::uint8_t edge(std::size_t a, std::size_t b) const {
        const std::array<std::uint8_t, 2> wanted{static_cast<std::uint8_t>(std::min(a, b)), static_cast<std::uint8_t>(std::max(a, b))};
        return static_cast<std::uint8_t>(std::find(ends_.begin(), ends_.end(), wanted) - ends_.begin());
    }

    // The direction of a step that is an edge; `none` for any other.
    std::uint8_t direction(const VoxelStep& s) const {
        const auto place = std::find(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(vertices_), s) - steps_.begin();
        return place == static_cast<std::ptrdiff_t>(vertices_) ? none : static_cast<std::uint8_t>(place);
    }

    // Neighbors that are vertices, besides the voxel, of the k-cell numbered `place` at it.
    std::size_t others(std::size_t k, std::size_t place, std::array<std::uint8_t, 7>& out) const {
        std::size_t count = 0;
        const auto add = [&](std::size_t neighbor) { out[count++] = static_cast<std::uint8_t>(neighbor); };
        if (k == 1) add(place);
        if (k == 2) {
            for (const std::uint8_t a : ends_[place]) add(a);
            if (cubical()) add(vertices_ + place);
        }
        if (k == 3) {
            for (const std::uint8_t a : corners_[place]) add(a);
            if (cubical()) {
                for (const std::uint8_t e : sides_[place]) add(vertices_ + e);
                add(vertices_ + edges() + place);
            }
        }
        return count;
    }

private:
    // By the vertices of the cells at the voxel, row-major: the corners of a simplex of the sphere are directions.
    template <class Simplex>
    void sort_by_vertices(std::vector<Simplex>& simplices) const {
        const auto vertices = [&](const Simplex& simplex) {
            std::vector<VoxelStep> result{VoxelStep{}};
            for (const std::uint8_t a : simplex) {
                const std::size_t count = cubical() ? result.size() : 1;
                for (std::size_t i = 0; i < count; ++i) result.push_back(result[i] + steps_[a]);
            }
            std::sort(result.begin(), result.end());
            return result;
        };
        std::sort(simplices.begin(), simplices.end(), [&](const Simplex& x, const Simplex& y) { return vertices(x) < vertices(y); });
    }

    Cells cells_;
    std::size_t vertices_ = 0;
    std::vector<VoxelStep> steps_;
    std::vector<std::array<std::uint8_t, 2>> ends_, wings_;
    std::vector<std::array<std::uint8_t, 3>> corners_, sides_;
    std::vector<std::uint64_t> at_;
};

// A subcomplex of the link: the cells that enter with the voxel.
struct LowerLink {
    std::uint32_t vertices = 0;
    std::uint64_t edges = 0;
    std::uint32_t triangles = 0;
};

// Pairs of cells of the lower star, as cells of the link; one dimension is added to make them cells at the voxel.
struct StarPairs {
    static constexpr std::uint8_t none = VoxelLink::none;

    std::uint8_t first = none;               // the vertex paired with the voxel itself; none if there is none
    std::uint32_t roots = 0;                 // vertices that are critical, the first ones of further components
    std::uint64_t walls = 0;                 // edges that are critical
    std::array<std::uint8_t, 14> joined{};   // of a vertex: the edge paired with it, which joins it to what came before
    std::array<std::uint8_t, 14> next{};     // of a vertex: the next one on the way to the first of its component
    std::array<std::uint8_t, 24> opened{};   // of a triangle: the edge paired with it; none if it is critical
    std::array<std::uint8_t, 24> region{};   // of a triangle: the component of the rest of the sphere that the dual path reaches
    std::array<std::uint8_t, 24> witness{};  // of such a component: a neighbor of the voxel that comes later and lies in it
    std::uint8_t regions = 0;

    StarPairs(const VoxelLink& link, const LowerLink& lower) {
        joined.fill(none);
        next.fill(none);
        opened.fill(none);
        region.fill(none);
        cut(link, lower, lower.edges & ~grow(link, lower));
    }

private:
    // The first forest, by the elder rule; then the ways to the first vertices.
    std::uint64_t grow(const VoxelLink& link, const LowerLink& lower) {
        std::array<std::uint8_t, 14> root{}, queue{};
        for (std::uint8_t a = 0; a < link.vertices(); ++a) root[a] = a;
        std::uint64_t tree = 0;
        for (std::uint64_t left = lower.edges; left != 0; left &= left - 1) {
            const auto e = static_cast<std::uint8_t>(std::countr_zero(left));
            const std::uint8_t x = root[link.ends(e)[0]], y = root[link.ends(e)[1]];
            if (x == y) continue;
            const std::uint8_t elder = std::min(x, y), younger = std::max(x, y);
            joined[younger] = e;
            tree |= std::uint64_t{1} << e;
            for (std::uint8_t& r : root)
                if (r == younger) r = elder;
        }
        for (std::uint32_t left = lower.vertices; left != 0;) {
            const auto start = static_cast<std::uint8_t>(std::countr_zero(left));
            if (first == none) first = start;
            else roots |= std::uint32_t{1} << start;
            left &= left - 1;
            std::size_t count = 0;
            queue[count++] = start;
            for (std::size_t head = 0; head < count; ++head)
                for (std::uint64_t out = link.edges_at(queue[head]) & tree; out != 0; out &= out - 1) {
                    const auto& [a, b] = link.ends(static_cast<std::size_t>(std::countr_zero(out)));
                    const std::uint8_t other = a == queue[head] ? b : a;
                    if ((left >> other & 1) == 0) continue;
                    left &= ~(std::uint32_t{1} << other);
                    next[other] = queue[head];
                    queue[count++] = other;
                }
        }
        return tree;
    }

    // The last forest of the dual graph, by the elder rule from the last edge on: the rest of the sphere came first, then the
    // last triangle. Edges between two components of the rest are critical.
    void cut(const VoxelLink& link, const LowerLink& lower, std::uint64_t cotree) {
        std::array<std::uint8_t, 24> queue{};
        std::size_t count = 0, head = 0;
        for (std::uint8_t t = 0; t < link.triangles(); ++t) {
            if ((lower.triangles >> t & 1) != 0 || region[t] != none) continue;
            witness[regions] = missing(link, lower, t);
            region[t] = regions;
            for (queue[count++] = t; head < count; ++head)
                for (const std::uint8_t e : link.sides(queue[head])) {
                    const std::uint8_t other = link.wings(e)[0] == queue[head] ? link.wings(e)[1] : link.wings(e)[0];
                    if ((lower.edges >> e & 1) != 0 || region[other] != none) continue;
                    region[other] = regions;
                    queue[count++] = other;
                }
            ++regions;
        }
        // Until it reaches a region, a tree is named by its last triangle.
        std::array<std::uint8_t, 24>& name = region;
        constexpr std::uint8_t triangle = 64;
        for (std::uint8_t t = 0; t < link.triangles(); ++t)
            if (name[t] == none) name[t] = static_cast<std::uint8_t>(triangle + t);
        for (std::uint64_t left = cotree; left != 0;) {
            const auto e = static_cast<std::uint8_t>(63 - std::countl_zero(left));
            left &= ~(std::uint64_t{1} << e);
            std::uint8_t elder = name[link.wings(e)[0]], younger = name[link.wings(e)[1]];
            if (elder < triangle && younger < triangle) {
                walls |= std::uint64_t{1} << e;
                continue;
            }
            if (younger < triangle || (elder >= triangle && younger > elder)) std::swap(elder, younger);
            opened[younger - triangle] = e;
            for (std::uint8_t& n : name)
                if (n == younger) n = elder;
        }
    }

    // The neighbor whose absence keeps a triangle out.
    static std::uint8_t missing(const VoxelLink& link, const LowerLink& lower, std::uint8_t t) {
        for (const std::uint8_t a : link.corners(t))
            if ((lower.vertices >> a & 1) == 0) return a;
        for (const std::uint8_t e : link.sides(t))
            if ((lower.edges >> e & 1) == 0) return static_cast<std::uint8_t>(link.vertices() + e);
        return static_cast<std::uint8_t>(link.vertices() + link.edges() + t);
    }
};

// What the algorithms need of a lower star.
struct VoxelStar {
    static constexpr std::uint8_t none = VoxelLink::none;

    std::uint64_t next = 0;       // 4 bits per direction: the next one in the tree
    std::uint32_t first_wall = 0;  // its critical 2-cells in VoxelStars::walls
    std::uint16_t inner = 0;      // directions whose edges are paired with 2-cells
    std::uint16_t roots = 0;      // directions whose edges are critical
    std::uint8_t walls = 0;       // number of critical 2-cells
    std::uint8_t down = none;     // direction to a voxel before; none at a minimum
    std::uint8_t up = none;       // neighbor that comes later; none at a maximum
};

struct Wall {
    std::uint8_t edge, left, right;  // of the link; neighbors of the voxel on the two sides, which come later
};

// All lower stars of one kind of cells. The key of a lower star has a bit for each neighbor: those of its cells, in the order
// of their numbers, where a cubical cell counts when all its faces do.
class VoxelStars {
public:
    explicit VoxelStars(VoxelLink::Cells cells) : link_(cells) {
        const auto list = [&](const LowerLink& lower) {
            const StarPairs pairs(link_, lower);
            VoxelStar star;
            for (std::size_t a = 0; a < link_.vertices(); ++a) {
                if (pairs.next[a] == VoxelLink::none) continue;
                star.next |= std::uint64_t{pairs.next[a]} << (4 * a);
                star.inner = static_cast<std::uint16_t>(star.inner | 1u << a);
            }
            star.roots = static_cast<std::uint16_t>(pairs.roots);
            star.down = pairs.first;
            if (pairs.regions != 0) star.up = pairs.witness[0];
            star.first_wall = static_cast<std::uint32_t>(walls_.size());
            for (std::uint64_t left = pairs.walls; left != 0; left &= left - 1) {
                const auto e = static_cast<std::uint8_t>(std::countr_zero(left));
                const auto& [s, t] = link_.wings(e);
                walls_.push_back({e, pairs.witness[pairs.region[s]], pairs.witness[pairs.region[t]]});
                ++star.walls;
            }
            stars_.push_back(star);
        };
        if (!link_.cubical()) {
            for (std::uint32_t key = 0; key < std::uint32_t{1} << link_.vertices(); ++key) list(lower_link(key));
            return;
        }
        edges_between_.resize(64);
        for (std::uint32_t vertices = 0; vertices < 64; ++vertices) edges_between_[vertices] = spanned(2, vertices);
        triangles_between_.resize(4096);
        for (std::uint32_t edges = 0; edges < 4096; ++edges) triangles_between_[edges] = static_cast<std::uint8_t>(spanned(3, edges));
        place_.assign(std::size_t{1} << place_bits, {free, 0});
        const auto subsets = [](std::uint32_t of, const auto& visit) {
            for (std::uint32_t subset = of;; subset = (subset - 1) & of) {
                visit(subset);
                if (subset == 0) return;
            }
        };
        subsets(63, [&](std::uint32_t vertices) {
            subsets(edges_between_[vertices], [&](std::uint32_t edges) {
                subsets(triangles_between_[edges], [&](std::uint32_t triangles) {
                    const std::uint32_t key = vertices | edges << 6 | triangles << 18;
                    std::size_t place = scatter(key);
                    while (place_[place].key != free) place = (place + 1) % place_.size();
                    place_[place] = {key, static_cast<std::uint16_t>(stars_.size())};
                    list(lower_link(key));
                });
            });
        });
    }

    const VoxelLink& link() const noexcept { return link_; }
    const VoxelStar& operator[](std::size_t index) const { return stars_[index]; }
    const Wall& wall(std::size_t index) const { return walls_[index]; }
    std::size_t size() const noexcept { return stars_.size(); }

    // The key, from the set of neighbors that come before.
    std::uint32_t key(std::uint32_t before) const {
        if (!link_.cubical()) return before;
        const std::uint32_t edges = before >> 6 & edges_between_[before & 63];
        return (before & 63) | edges << 6 | (before >> 18 & triangles_between_[edges]) << 18;
    }

    std::uint16_t index(std::uint32_t key) const {
        if (!link_.cubical()) return static_cast<std::uint16_t>(key);
        for (std::size_t place = scatter(key);; place = (place + 1) % (std::size_t{1} << place_bits))
            if (place_[place].key == key) return place_[place].index;
    }

    LowerLink lower_link(std::uint32_t key) const {
        if (link_.cubical()) return {key & 63, key >> 6 & 4095, key >> 18};
        LowerLink lower{key, 0, 0};
        for (std::size_t e = 0; e < link_.edges(); ++e)
            if ((key >> link_.ends(e)[0] & key >> link_.ends(e)[1] & 1) != 0) lower.edges |= std::uint64_t{1} << e;
        for (std::size_t t = 0; t < link_.triangles(); ++t)
            if ((lower.edges >> link_.sides(t)[0] & key >> link_.corners(t)[2] & 1) != 0) lower.triangles |= std::uint32_t{1} << t;
        return lower;
    }

private:
    struct Place {
        std::uint32_t key;
        std::uint16_t index;
    };
    static constexpr std::uint32_t free = ~std::uint32_t{0};
    static constexpr unsigned place_bits = 15;

    static std::size_t scatter(std::uint32_t key) { return (key * std::uint32_t{2654435769u}) >> (32 - place_bits); }

    // Edges all of whose ends, triangles all of whose edges are in the set.
    std::uint32_t spanned(std::size_t size, std::uint32_t set) const {
        std::uint32_t result = 0;
        const auto holds = [&](std::size_t member) { return (set >> member & 1) != 0; };
        for (std::size_t cell = 0; cell < (size == 2 ? link_.edges() : link_.triangles()); ++cell)
            if (size == 2 ? holds(link_.ends(cell)[0]) && holds(link_.ends(cell)[1])
                          : holds(link_.sides(cell)[0]) && holds(link_.sides(cell)[1]) && holds(link_.sides(cell)[2]))
                result |= std::uint32_t{1} << cell;
        return result;
    }

    VoxelLink link_;
    std::vector<VoxelStar> stars_;
    std::vector<Wall> walls_;
    std::vector<std::uint32_t> edges_between_;
    std::vector<std::uint8_t> triangles_between_;
    std::vector<Place> place_;
};

// Made once, when first needed; never changed.
template <VoxelLink::Cells cells>
const VoxelStars& voxel_stars() {
    static const VoxelStars stars(cells);
    return stars;
}

}  // namespace isotopy
