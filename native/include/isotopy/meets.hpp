// What pairs of points, segments and convex polygons in R^q have in common, where error bounds decide it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "image_rank.hpp"
#include "parallel.hpp"
#include "sure.hpp"

namespace isotopy {

// Hulls of nodes; a polygon's nodes are in order around it, and different numbers are different points.
//
// What is certain without any arithmetic comes first. Nodes that polygons of equal labels have lie in one plane. Where no
// coordinate is negative, and those that are 0 are known, two hulls meet in the faces that have coordinates which are 0 on
// neither. Then signs of determinants, each with its error; where one of them is open, so is the pair.
class Meets {
public:
    using Index = std::int32_t;
    enum class Status : std::int8_t { open = -1, nothing = 0, point = 1, segment = 2 };

    // `ends` are nodes, or crossings counted on from the number of nodes.
    struct Meet {
        Status status = Status::open;
        std::array<std::int64_t, 2> ends{-1, -1};
    };

    // Where the line through u and v crosses one through w and z, or, if w is -1, the plane of hull z.
    struct Crossing {
        std::int64_t u, v, w, z;
    };

    Meets(std::span<const double> values, std::span<const double> errors, std::size_t columns, std::span<const std::int64_t> offsets,
          std::span<const std::int64_t> nodes, std::span<const std::int64_t> labels, bool positive)
        : values_(values), errors_(errors), columns_(columns), labels_(labels), positive_(positive), rank_(values, errors, columns) {
        rows_ = columns == 0 ? 0 : values.size() / columns;
        if (columns == 0 || values.size() != rows_ * columns || errors.size() != values.size()) throw std::invalid_argument("values and errors must have one row per node");
        if (offsets.empty() || labels.size() + 1 != offsets.size()) throw std::invalid_argument("labels must have one entry per hull");
        starts_.assign(1, 0);
        for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
            if (offsets[i] < 0 || offsets[i + 1] <= offsets[i] || static_cast<std::size_t>(offsets[i + 1]) > nodes.size()) throw std::invalid_argument("offsets are out of range");
            for (std::int64_t at = offsets[i]; at < offsets[i + 1]; ++at) {
                const std::int64_t node = nodes[static_cast<std::size_t>(at)];
                if (node < 0 || static_cast<std::size_t>(node) >= rows_) throw std::invalid_argument("nodes are out of range");
                nodes_.push_back(static_cast<Index>(node));
                if (offsets[i + 1] - offsets[i] > 2 && labels[i] >= 0) members_.emplace_back(labels[i], static_cast<Index>(node));
            }
            starts_.push_back(nodes_.size());
        }
        std::sort(members_.begin(), members_.end());
        members_.erase(std::unique(members_.begin(), members_.end()), members_.end());
        words_ = (columns + 63) / 64;
        supports_.assign(rows_ * words_, 0);
        for (std::size_t node = 0; node < rows_; ++node)
            for (std::size_t c = 0; c < columns; ++c)
                if (!positive || values[node * columns + c] != 0 || errors[node * columns + c] != 0) supports_[node * words_ + c / 64] |= std::uint64_t{1} << (c % 64);
    }

    Meet operator()(std::size_t a, std::size_t b) {
        Face one{a, {}}, two{b, {}};
        one.nodes.assign(hull(a).begin(), hull(a).end()), two.nodes.assign(hull(b).begin(), hull(b).end());
        common_ = support(one.nodes);
        const auto other = support(two.nodes);
        for (std::size_t k = 0; k < words_; ++k) common_[k] &= other[k];
        for (Face* face : {&one, &two}) {
            const std::size_t before = face->nodes.size();
            std::erase_if(face->nodes, [&](Index node) { return !within(node, common_); });
            if (face->nodes.size() < before && face->nodes.size() > 2) return {};
        }
        if (one.nodes.empty() || two.nodes.empty()) return none_;
        if (one.nodes.size() < two.nodes.size()) std::swap(one, two);
        free_.clear();
        for (std::size_t c = 0; c < columns_ && free_.size() < 4; ++c)
            if (common_[c / 64] >> (c % 64) & 1) free_.push_back(c);
        if (two.nodes.size() == 1) return with_point(one, two.nodes[0]);
        if (one.nodes.size() == 2) return segments(one, two);
        if (two.nodes.size() == 2) return with_segment(one, two);
        return polygons(one, two);
    }

    std::size_t rows() const { return rows_; }
    std::span<const Crossing> crossings() const { return crossings_; }

    // Coordinates of crossing k and their errors.
    void place(std::size_t k, double* value, double* error) const {
        const Crossing& at = crossings_[k];
        for (std::size_t c = 0; c < columns_; ++c) {
            const Sure from = coordinate(at.u, c), x = from + shares_[k] * (coordinate(at.v, c) - from);
            value[c] = x.value, error[c] = x.error;
        }
    }

private:
    using Mask = std::vector<std::uint64_t>;
    struct Face {
        std::size_t hull;
        std::vector<Index> nodes;
    };
    struct Spot {  // a node, or a point between u and v
        std::int64_t node = -1;
        Crossing crossing{};
        Sure share, at;  // at: along a line
    };
    using Axes = std::array<std::size_t, 2>;
    static constexpr Meet none_{Status::nothing, {-1, -1}};

    std::span<const Index> hull(std::size_t i) const { return {nodes_.data() + starts_[i], starts_[i + 1] - starts_[i]}; }
    Sure coordinate(std::int64_t node, std::size_t c) const {
        const std::size_t at = static_cast<std::size_t>(node) * columns_ + c;
        return {values_[at], errors_[at] * (1 + 0x1p-40)};
    }
    Mask support(std::span<const Index> nodes) const {
        Mask mask(words_, 0);
        for (const Index node : nodes)
            for (std::size_t k = 0; k < words_; ++k) mask[k] |= supports_[static_cast<std::size_t>(node) * words_ + k];
        return mask;
    }
    bool within(Index node, const Mask& mask) const {
        for (std::size_t k = 0; k < words_; ++k)
            if (supports_[static_cast<std::size_t>(node) * words_ + k] & ~mask[k]) return false;
        return true;
    }
    static bool has(const Face& face, Index node) { return std::find(face.nodes.begin(), face.nodes.end(), node) != face.nodes.end(); }
    static Meet at(Index node) { return {Status::point, {node, -1}}; }

    // Whether a node is known to lie in the plane of a polygon.
    bool in_plane(Index node, const Face& polygon) const {
        if (free_.size() == 2 || has(polygon, node)) return true;
        const std::int64_t label = labels_[polygon.hull];
        if (label >= 0 && std::binary_search(members_.begin(), members_.end(), std::pair{label, node})) return true;
        if (!positive_) return false;
        const Mask mask = support(polygon.nodes);
        int count = 0;
        for (const std::uint64_t word : mask) count += std::popcount(word);
        return count == 2 && within(node, mask);
    }

    bool spans(const Face& one, std::span<const Index> more, int rank) {
        together_.assign(one.nodes.begin(), one.nodes.end());
        together_.insert(together_.end(), more.begin(), more.end());
        return columns_ >= static_cast<std::size_t>(rank) && rank_(together_, rank) == rank;
    }

    // -- in a line or a plane

    Sure turn(Index a, Index b, const std::array<Sure, 2>& p, const Axes& axes) const {
        const Sure x = coordinate(a, axes[0]), y = coordinate(a, axes[1]);
        return (coordinate(b, axes[0]) - x) * (p[1] - y) - (coordinate(b, axes[1]) - y) * (p[0] - x);
    }
    std::array<Sure, 2> flat(Index node, const Axes& axes) const { return {coordinate(node, axes[0]), coordinate(node, axes[1])}; }
    Sure turn(Index a, Index b, Index c, const Axes& axes) const {
        if (c == a || c == b) return {};
        return turn(a, b, flat(c, axes), axes);
    }

    // Two coordinates in which a polygon has an area, and its sign; 0 if that is open.
    std::pair<Axes, int> shadow(const Face& polygon) const {
        const auto area = [&](const Axes& axes) {
            Sure sum;
            for (std::size_t k = 1; k + 1 < polygon.nodes.size(); ++k) sum = sum + turn(polygon.nodes[0], polygon.nodes[k], polygon.nodes[k + 1], axes);
            return sum;
        };
        Axes best{0, 0};
        Sure largest;
        for (std::size_t i = 0; i < columns_; ++i)
            for (std::size_t j = i + 1; j < columns_; ++j) {
                if (free_.size() < 4 && (std::find(free_.begin(), free_.end(), i) == free_.end() || std::find(free_.begin(), free_.end(), j) == free_.end())) continue;
                const Sure found = area({i, j});
                if (std::abs(found.value) - found.error > std::abs(largest.value) - largest.error) best = {i, j}, largest = found;
            }
        return {best, sign(largest).value_or(0)};
    }

    // Whether a point of a polygon's plane lies in it.
    std::optional<bool> inside(const Face& polygon, const std::array<Sure, 2>& p, Index node, const Axes& axes, int around) const {
        bool open = false;
        for (std::size_t k = 0; k < polygon.nodes.size(); ++k) {
            const Index a = polygon.nodes[k], b = polygon.nodes[(k + 1) % polygon.nodes.size()];
            if (node == a || node == b) continue;
            const auto side = sign(turn(a, b, p, axes));
            if (side && *side * around < 0) return false;
            open = open || !side;
        }
        return open ? std::nullopt : std::optional(true);
    }

    Meet with_point(const Face& face, Index node) {
        if (has(face, node)) return at(node);
        if (face.nodes.size() == 1) return none_;
        if (face.nodes.size() == 2) {
            if (free_.size() != 1) return {};
            const Sure from = coordinate(face.nodes[0], free_[0]), to = coordinate(face.nodes[1], free_[0]), x = coordinate(node, free_[0]);
            const auto one = sign(x - from), two = sign(x - to);
            if (!one || !two) return {};
            return *one * *two < 0 ? at(node) : none_;
        }
        if (!in_plane(node, face)) return spans(face, {&node, 1}, 3) ? none_ : Meet{};
        const auto [axes, around] = shadow(face);
        if (around == 0) return {};
        const auto found = inside(face, flat(node, axes), node, axes, around);
        return found ? *found ? at(node) : none_ : Meet{};
    }

    Meet segments(const Face& one, const Face& two) {
        if (free_.size() == 1) return overlap(one.nodes, two.nodes, free_[0]);
        for (const Index node : one.nodes)
            if (has(two, node)) return spans(one, two.nodes, 2) ? at(node) : Meet{};
        if (free_.size() != 2) return {};
        const Axes axes{free_[0], free_[1]};
        const Index u = one.nodes[0], v = one.nodes[1], w = two.nodes[0], z = two.nodes[1];
        const Sure from = turn(w, z, u, axes), to = turn(w, z, v, axes);
        const auto a = sign(turn(u, v, w, axes)), b = sign(turn(u, v, z, axes)), c = sign(from), d = sign(to);
        if ((a && b && *a * *b > 0) || (c && d && *c * *d > 0)) return none_;
        if (!a || !b || !c || !d || *a * *b * *c * *d == 0) return {};
        return one_end({-1, {u, v, w, z}, from / (from - to), {}});
    }

    // Of segments of one line.
    Meet overlap(std::span<const Index> one, std::span<const Index> two, std::size_t column) {
        Spot ends[2][2];
        for (std::size_t i = 0; i < 2; ++i) {
            const auto& nodes = i == 0 ? one : two;
            for (std::size_t k = 0; k < 2; ++k) ends[i][k].node = nodes[k], ends[i][k].at = coordinate(nodes[k], column);
            const auto order = compare(ends[i][0], ends[i][1]);
            if (!order || *order == 0) return {};
            if (*order > 0) std::swap(ends[i][0], ends[i][1]);
        }
        return between(ends[0], ends[1]);
    }

    // The part of a segment in a polygon's plane that the polygon covers.
    Meet clipped(const Face& polygon, Index u, Index v) {
        const auto [axes, around] = shadow(polygon);
        if (around == 0) return {};
        Spot low{u, {}, {}, {}}, high{v, {}, {}, {}};
        for (std::size_t k = 0; k < polygon.nodes.size(); ++k) {
            const Index a = polygon.nodes[k], b = polygon.nodes[(k + 1) % polygon.nodes.size()];
            const Sure from = turn(a, b, u, axes), to = turn(a, b, v, axes);
            auto one = sign(from), two = sign(to);
            if (!one || !two) return {};
            *one *= around, *two *= around;
            if (*one < 0 && *two < 0) return none_;
            if (*one >= 0 && *two >= 0) continue;
            Spot cut;
            if (*one * *two == 0) cut.node = *one == 0 ? u : v;
            else cut.crossing = {u, v, a, b}, cut.share = from / (from - to);
            Spot& end = *one < 0 ? low : high;
            const Index first = *one < 0 ? u : v, last = *one < 0 ? v : u;
            if (end.node == last || (cut.node >= 0 && cut.node == end.node)) continue;
            if (end.node == first || cut.node == last) {
                end = cut;
                continue;
            }
            const auto order = sign(cut.share - end.share);
            if (!order) return {};
            if (*order * (*one < 0 ? 1 : -1) > 0) end = cut;
        }
        if (low.node == v || high.node == u) return low.node == high.node ? one_end(low) : none_;
        if (low.node < 0 && high.node < 0) {
            const auto order = sign(high.share - low.share);
            if (!order || *order == 0) return {};
            if (*order < 0) return none_;
        }
        return both_ends(low, high);
    }

    // -- in space

    struct Plane {
        Index origin;
        std::array<Sure, 3> normal;
    };

    std::optional<Plane> plane(const Face& polygon) const {  // by its largest triangle at the first corner
        Plane best{polygon.nodes[0], {}};
        double largest = 0;
        for (std::size_t i = 1; i < polygon.nodes.size(); ++i)
            for (std::size_t j = i + 1; j < polygon.nodes.size(); ++j) {
                const auto u = difference(polygon.nodes[i], best.origin), v = difference(polygon.nodes[j], best.origin);
                const auto normal = cross(u, v);
                double size = 0;
                for (const Sure& x : normal) size = std::max(size, std::abs(x.value));
                if (size > largest) largest = size, best.normal = normal;
            }
        return largest > 0 ? std::optional(best) : std::nullopt;
    }
    std::array<Sure, 3> difference(Index a, Index b) const {
        return {coordinate(a, free_[0]) - coordinate(b, free_[0]), coordinate(a, free_[1]) - coordinate(b, free_[1]), coordinate(a, free_[2]) - coordinate(b, free_[2])};
    }
    static std::array<Sure, 3> cross(const std::array<Sure, 3>& u, const std::array<Sure, 3>& v) {
        return {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
    }
    Sure height(Index node, const Face& polygon, const Plane& plane) const {
        if (in_plane(node, polygon)) return {};
        const auto d = difference(node, plane.origin);
        return plane.normal[0] * d[0] + plane.normal[1] * d[1] + plane.normal[2] * d[2];
    }

    Meet with_segment(const Face& polygon, const Face& segment) {
        const Index u = segment.nodes[0], v = segment.nodes[1];
        const bool first = in_plane(u, polygon), second = in_plane(v, polygon);
        if (first && second) return clipped(polygon, u, v);
        if (first || second) return spans(polygon, segment.nodes, 3) ? with_point(polygon, first ? u : v) : Meet{};
        if (free_.size() != 3) return {};
        const auto base = plane(polygon);
        const auto [axes, around] = shadow(polygon);
        if (!base || around == 0) return {};
        const Sure from = height(u, polygon, *base), to = height(v, polygon, *base);
        const auto one = sign(from), two = sign(to);
        if (!one || !two || *one * *two == 0) return {};
        if (*one == *two) return none_;
        const Spot spot{-1, {u, v, -1, static_cast<std::int64_t>(polygon.hull)}, from / (from - to), {}};
        std::array<Sure, 2> p;
        for (std::size_t k = 0; k < 2; ++k) p[k] = coordinate(u, axes[k]) + spot.share * (coordinate(v, axes[k]) - coordinate(u, axes[k]));
        const auto found = inside(polygon, p, -1, axes, around);
        return found ? *found ? one_end(spot) : none_ : Meet{};
    }

    Meet polygons(const Face& one, const Face& two) {
        if (!spans(one, two.nodes, 3)) return {};
        std::vector<Index> flat_one, flat_two;  // corners in the plane of the other
        for (const Index node : one.nodes)
            if (in_plane(node, two)) flat_one.push_back(node);
        for (const Index node : two.nodes)
            if (in_plane(node, one)) flat_two.push_back(node);
        const bool side_one = side(one, flat_one), side_two = side(two, flat_two);
        if (side_one && side_two) return overlap(flat_one, flat_two, longest(flat_one));
        if (side_two) return clipped(one, flat_two[0], flat_two[1]);
        if (side_one) return clipped(two, flat_one[0], flat_one[1]);
        if (free_.size() != 3) return {};
        const auto below = plane(one), above = plane(two);
        if (!below || !above) return {};
        const auto line = cross(below->normal, above->normal);
        std::size_t along = 0;
        for (std::size_t k = 1; k < 3; ++k)
            if (std::abs(line[k].value) > std::abs(line[along].value)) along = k;
        if (!sign(line[along]).value_or(0)) return {};
        Spot first[2], second[2];
        const int n = slice(two, one, *below, free_[along], first), m = slice(one, two, *above, free_[along], second);
        if (n < 0 || m < 0) return {};
        return n == 0 || m == 0 ? none_ : between(first, second);
    }

    static bool side(const Face& polygon, std::span<const Index> nodes) {
        if (nodes.size() != 2) return false;
        const auto n = polygon.nodes.size();
        for (std::size_t k = 0; k < n; ++k) {
            const Index a = polygon.nodes[k], b = polygon.nodes[(k + 1) % n];
            if ((a == nodes[0] && b == nodes[1]) || (a == nodes[1] && b == nodes[0])) return true;
        }
        return false;
    }

    std::size_t longest(std::span<const Index> nodes) const {
        std::size_t best = 0;
        double length = -1;
        for (std::size_t c = 0; c < columns_; ++c) {
            const double size = std::abs(coordinate(nodes[0], c).value - coordinate(nodes[1], c).value);
            if (size > length) length = size, best = c;
        }
        return best;
    }

    // The ends of what a polygon has in the plane of another, in order along a coordinate: their number, or -1.
    int slice(const Face& cut, const Face& by, const Plane& base, std::size_t column, Spot (&ends)[2]) const {
        std::vector<Sure> heights;
        std::vector<int> signs;
        for (const Index node : cut.nodes) {
            heights.push_back(height(node, by, base));
            const auto found = sign(heights.back());
            if (!found) return -1;
            signs.push_back(*found);
        }
        int count = 0;
        const auto take = [&](const Spot& spot) {
            if (count < 2) ends[count] = spot;
            ++count;
        };
        for (std::size_t k = 0; k < cut.nodes.size(); ++k) {
            const std::size_t next = (k + 1) % cut.nodes.size();
            const Index u = cut.nodes[k], v = cut.nodes[next];
            const Sure x = coordinate(u, column);
            if (signs[k] == 0) take({u, {}, {}, x});
            if (signs[k] * signs[next] < 0) {
                const Sure share = heights[k] / (heights[k] - heights[next]);
                take({-1, {u, v, -1, static_cast<std::int64_t>(by.hull)}, share, x + share * (coordinate(v, column) - x)});
            }
        }
        if (count > 2) return -1;
        if (count == 1) ends[1] = ends[0];
        if (count == 2) {
            const auto order = compare(ends[0], ends[1]);
            if (!order || *order == 0) return -1;
            if (*order > 0) std::swap(ends[0], ends[1]);
        }
        return count;
    }

    static std::optional<int> compare(const Spot& one, const Spot& two) {
        if (one.node >= 0 && one.node == two.node) return 0;
        return sign(one.at - two.at);
    }

    // What two intervals of a line have in common.
    Meet between(const Spot (&one)[2], const Spot (&two)[2]) {
        const auto low = compare(one[0], two[0]), high = compare(one[1], two[1]);
        const auto before = compare(one[1], two[0]), after = compare(two[1], one[0]);
        if ((before && *before < 0) || (after && *after < 0)) return none_;
        if (!low || !high) return {};
        const Spot &first = *low >= 0 ? one[0] : two[0], &last = *high <= 0 ? one[1] : two[1];
        const auto order = compare(first, last);
        if (!order) return {};
        return *order > 0 ? none_ : *order == 0 ? one_end(first) : both_ends(first, last);
    }

    Meet one_end(const Spot& spot) {
        const auto end = number(spot);
        return end ? Meet{Status::point, {*end, -1}} : Meet{};
    }
    Meet both_ends(const Spot& low, const Spot& high) {
        const auto one = number(low), two = number(high);
        return one && two ? Meet{Status::segment, {*one, *two}} : Meet{};
    }

    std::optional<std::int64_t> number(const Spot& spot) {
        if (spot.node >= 0) return spot.node;
        if (!(spot.share.error < 1)) return std::nullopt;
        const Crossing& c = spot.crossing;
        std::array<std::int64_t, 4> key{std::min(c.u, c.v), std::max(c.u, c.v), c.w, c.z};
        if (c.w < 0) {
            const std::int64_t label = labels_[static_cast<std::size_t>(c.z)];
            if (label >= 0) key[2] = -1, key[3] = label;
            else key[2] = -2;
        } else {
            std::array<std::int64_t, 2> other{std::min(c.w, c.z), std::max(c.w, c.z)};
            if (other[0] < key[0] || (other[0] == key[0] && other[1] < key[1])) key = {other[0], other[1], key[0], key[1]};
            else key[2] = other[0], key[3] = other[1];
        }
        const auto [place, fresh] = numbers_.try_emplace(key, static_cast<std::int64_t>(rows_ + crossings_.size()));
        if (fresh) crossings_.push_back(c), shares_.push_back(spot.share);
        return place->second;
    }

    std::span<const double> values_, errors_;
    std::size_t columns_, rows_ = 0, words_ = 0;
    std::span<const std::int64_t> labels_;
    bool positive_;
    ImageRank rank_;
    std::vector<std::size_t> starts_, free_;
    std::vector<Index> nodes_, together_;
    std::vector<std::pair<std::int64_t, Index>> members_;  // labels of polygons and their nodes
    std::vector<std::uint64_t> supports_;
    Mask common_;
    std::map<std::array<std::int64_t, 4>, std::int64_t> numbers_;
    std::vector<Crossing> crossings_;
    std::vector<Sure> shares_;
};

}  // namespace isotopy
