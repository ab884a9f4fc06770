// Linking number of two closed polygons in space, by signed crossings of a projection in general position.
//
// The projection is along d = (e, e^2, 1) for e > 0 as small as need be: the sign of N . d is that of the first of N_z, N_x,
// N_y that is not 0. So three points are on one line in the projection only if they are in space, two vertices never fall on
// each other, and every crossing is a proper one, for all small e at once. Nothing is drawn at random, and all signs are
// exact: float64 with an error bound first, then integers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "parallel.hpp"
#include "whole.hpp"
#include "wide.hpp"

namespace isotopy {

using SpacePoint = std::array<double, 3>;

namespace linking_detail {

inline constexpr double unit = 0x1p-53, tiny = 0x1p-1060;  // coordinates are below 1: `tiny` covers what underflows
inline constexpr double no_underflow = 0x1p-900;

inline int sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

inline bool exact_difference(double a, double b, double difference) {
    const double back = difference + b, lost = difference - back;  // Knuth's two-sum
    return (a - back) + (lost + b) == 0;
}

inline bool exact_product(double a, double b, double product) {
    return a == 0 || b == 0 || (std::abs(product) > no_underflow && std::fma(a, b, -product) == 0);
}

// Sign of (b - a) x (c - a) in the plane of coordinates i, j.
inline int turn_exactly(const SpacePoint& a, const SpacePoint& b, const SpacePoint& c, std::size_t i, std::size_t j) {
    const std::array<double, 6> all{a[i], a[j], b[i], b[j], c[i], c[j]};
    const int lowest = Whole::lowest_bit(all);
    const Whole ai(a[i], lowest), aj(a[j], lowest);
    const Whole bi = Whole(b[i], lowest) - ai, bj = Whole(b[j], lowest) - aj, ci = Whole(c[i], lowest) - ai, cj = Whole(c[j], lowest) - aj;
    return (bi * cj - bj * ci).sign();
}

inline int turn(const SpacePoint& a, const SpacePoint& b, const SpacePoint& c, std::size_t i, std::size_t j, bool filtered) {
    if (!filtered) return turn_exactly(a, b, c, i, j);
    const double bi = b[i] - a[i], bj = b[j] - a[j], ci = c[i] - a[i], cj = c[j] - a[j];
    const double left = bi * cj, right = bj * ci, area = left - right;
    // Each product is off by a factor (1 + unit)^3, the difference by another.
    if (std::abs(area) > 8 * unit * (std::abs(left) + std::abs(right)) + tiny) return sign_of(area);
    if (exact_difference(b[i], a[i], bi) && exact_difference(b[j], a[j], bj) && exact_difference(c[i], a[i], ci) &&
        exact_difference(c[j], a[j], cj) && exact_product(bi, cj, left) && exact_product(bj, ci, right))
        return left > right ? 1 : left < right ? -1 : 0;
    return turn_exactly(a, b, c, i, j);
}

// Sign of the projected triangle a b c; 0 only where the three points are on a line in space.
inline int turn(const SpacePoint& a, const SpacePoint& b, const SpacePoint& c, bool filtered) {
    if (const int z = turn(a, b, c, 0, 1, filtered)) return z;
    if (const int x = turn(a, b, c, 1, 2, filtered)) return x;
    return turn(a, b, c, 2, 0, filtered);
}

// Sign of det(p1 - p0, q1 - q0, p0 - q0).
inline int volume(const SpacePoint& p0, const SpacePoint& p1, const SpacePoint& q0, const SpacePoint& q1, bool filtered) {
    if (filtered) {
        double sum = 0, size = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            const std::size_t j = (i + 1) % 3, k = (i + 2) % 3;
            const double left = (p1[i] - p0[i]) * (q1[j] - q0[j]), right = (p1[j] - p0[j]) * (q1[i] - q0[i]), height = p0[k] - q0[k];
            sum += (left - right) * height;
            size += (std::abs(left) + std::abs(right)) * std::abs(height);
        }
        // Each term is off by a factor (1 + unit)^6, the sums by two more.
        if (std::abs(sum) > 16 * unit * size + tiny) return sign_of(sum);
    }
    const std::array<double, 12> all{p0[0], p0[1], p0[2], p1[0], p1[1], p1[2], q0[0], q0[1], q0[2], q1[0], q1[1], q1[2]};
    const int lowest = Whole::lowest_bit(all);
    std::array<Whole, 3> u, v, w;
    for (std::size_t i = 0; i < 3; ++i) {
        const Whole p(p0[i], lowest), q(q0[i], lowest);
        u[i] = Whole(p1[i], lowest) - p, v[i] = Whole(q1[i], lowest) - q, w[i] = p - q;
    }
    Whole sum;
    for (std::size_t i = 0; i < 3; ++i) sum = sum + (u[i] * v[(i + 1) % 3] - u[(i + 1) % 3] * v[i]) * w[(i + 2) % 3];
    return sum.sign();
}

// Whether a point of the line through p and q is between them, ends included.
inline bool between(const SpacePoint& p, const SpacePoint& q, const SpacePoint& x) {
    for (std::size_t i = 0; i < 3; ++i)
        if (x[i] < std::min(p[i], q[i]) || x[i] > std::max(p[i], q[i])) return false;
    return true;
}

inline constexpr std::size_t run = 16;  // segments of a leaf

// Signs of left - right, 0 where rounding leaves them open.
inline double certain(double left, double right) {
    const double area = left - right, bound = 8 * unit * (std::abs(left) + std::abs(right)) + tiny;
    return static_cast<double>(area > bound) - static_cast<double>(area < -bound);
}

// The edge from p to q and the edges between vertices k and k + 1 of a run, k < run: the signs of the crossings at which p q
// is above. Where rounding leaves one open there is a mark.
ISOTOPY_WIDE static void crossings(const double* __restrict x, const double* __restrict y, const double* __restrict z, const double* __restrict p,
                                   const double* __restrict q, double* __restrict signs, double* __restrict marks) {
    const double px = p[0], py = p[1], pz = p[2], qx = q[0], qy = q[1], a = qx - px, b = qy - py, c = q[2] - pz;
    double sides[run + 1];
    for (std::size_t k = 0; k <= run; ++k) sides[k] = certain(a * (y[k] - py), b * (x[k] - px));
    for (std::size_t k = 0; k < run; ++k) {
        const double u = x[k + 1] - x[k], v = y[k + 1] - y[k], w = z[k + 1] - z[k];
        const double i = px - x[k], j = py - y[k], h = pz - z[k];
        const double along = certain(u * j, v * i) * certain(u * (qy - y[k]), v * (qx - x[k])), across = sides[k] * sides[k + 1];
        const double av = a * v, bu = b * u, bw = b * w, cv = c * v, cu = c * u, aw = a * w;
        const double size = (std::abs(av) + std::abs(bu)) * std::abs(h) + (std::abs(bw) + std::abs(cv)) * std::abs(i) + (std::abs(cu) + std::abs(aw)) * std::abs(j);
        const double height = ((av - bu) * h + (bw - cv) * i + (cu - aw) * j) * sides[k + 1], doubt = 16 * unit * size + tiny;
        const double above = static_cast<double>(height > doubt), below = static_cast<double>(height < -doubt);
        const double crossed = static_cast<double>(across < 0) * static_cast<double>(along < 0);
        signs[k] = crossed * above * sides[k + 1];
        marks[k] = static_cast<double>(across <= 0) * static_cast<double>(along <= 0) - crossed * (above + below);
    }
}

// A closed polygon with a tree of boxes over runs of segments: segments close in number are close in space.
class Polygon {
public:
    struct Node {
        SpacePoint low, high;
        std::size_t from, to, left = 0, right = 0;  // no children: 0

        bool leaf() const { return left == 0; }
    };

    explicit Polygon(std::vector<SpacePoint> points) : points_(std::move(points)) {
        const std::size_t segments = points_.size();
        points_.push_back(points_.front());
        for (std::size_t i = 0; i < segments + run; ++i) {  // runs are read as a whole
            const SpacePoint& point = points_[std::min(i, segments)];
            x_.push_back(point[0]), y_.push_back(point[1]), z_.push_back(point[2]);
        }
        build(0, segments);
    }

    const SpacePoint& start(std::size_t segment) const { return points_[segment]; }
    const SpacePoint& end(std::size_t segment) const { return points_[segment + 1]; }
    const double* x(std::size_t vertex) const { return x_.data() + vertex; }
    const double* y(std::size_t vertex) const { return y_.data() + vertex; }
    const double* z(std::size_t vertex) const { return z_.data() + vertex; }
    const Node& node(std::size_t index) const { return nodes_[index]; }

private:
    std::size_t build(std::size_t from, std::size_t to) {
        const std::size_t index = nodes_.size();
        nodes_.push_back({start(from), start(from), from, to});
        if (to - from <= run) {
            Node& own = nodes_[index];
            for (std::size_t segment = from; segment < to; ++segment)
                for (const SpacePoint& point : {start(segment), end(segment)})
                    for (std::size_t i = 0; i < 3; ++i) own.low[i] = std::min(own.low[i], point[i]), own.high[i] = std::max(own.high[i], point[i]);
            return index;
        }
        const std::size_t middle = from + ((to - from - 1) / run + 1) / 2 * run, left = build(from, middle), right = build(middle, to);
        Node& own = nodes_[index];
        own.left = left, own.right = right;
        for (std::size_t i = 0; i < 3; ++i) {
            own.low[i] = std::min(nodes_[left].low[i], nodes_[right].low[i]);
            own.high[i] = std::max(nodes_[left].high[i], nodes_[right].high[i]);
        }
        return index;
    }

    std::vector<SpacePoint> points_;  // the first one again at the end
    std::vector<double> x_, y_, z_;
    std::vector<Node> nodes_;
};

}  // namespace linking_detail

struct Linking {
    std::int64_t number = 0;
    std::optional<std::pair<std::size_t, std::size_t>> touching;  // segments with a common point: there is no number
};

// Sum of the signs of the crossings at which `a` passes over `b`; right-handed ones count 1. Vertices of finite
// coordinates, at least one each; the last is joined to the first. Repeated vertices are harmless, and so are crossings of a
// curve with itself.
inline Linking linking_number(std::span<const double> a, std::span<const double> b, const Stop& stop) {
    using namespace linking_detail;
    double largest = 0;
    for (const std::span<const double> all : {a, b})
        for (const double x : all) largest = std::max(largest, std::abs(x));
    int exponent = 0;
    std::frexp(largest, &exponent);
    // A power of two makes all coordinates smaller than 1 and changes no sign; where it would round, error bounds are off.
    bool filtered = true;
    for (const std::span<const double> all : {a, b})
        for (const double x : all) filtered = filtered && std::ldexp(std::ldexp(x, -exponent), exponent) == x;
    const auto polygon = [&](std::span<const double> all) {
        std::vector<SpacePoint> points(all.size() / 3);
        for (std::size_t i = 0; i < points.size(); ++i)
            for (std::size_t k = 0; k < 3; ++k) points[i][k] = filtered ? std::ldexp(all[3 * i + k], -exponent) : all[3 * i + k];
        return Polygon(std::move(points));
    };
    const Polygon one = polygon(a), two = polygon(b);
    Linking result;

    // Whether the two have a common point; counts the crossing if there is one.
    const auto meet = [&](std::size_t i, std::size_t j) {
        const SpacePoint &p = one.start(i), &q = one.end(i), &r = two.start(j), &s = two.end(j);
        for (std::size_t k = 0; k < 3; ++k) {
            if (std::max(p[k], q[k]) < std::min(r[k], s[k])) return false;  // in z: `a` is below
            if (k < 2 && std::min(p[k], q[k]) > std::max(r[k], s[k])) return false;
        }
        const int from = turn(p, q, r, filtered), to = turn(p, q, s, filtered);
        if (from == to && from != 0) return false;
        const int start = turn(r, s, p, filtered), end = turn(r, s, q, filtered);
        // Three points on a line in space: the segments meet in an end of one of them, or they do not cross at all.
        if (from == 0 || to == 0 || start == 0 || end == 0)
            return (from == 0 && between(p, q, r)) || (to == 0 && between(p, q, s)) || (start == 0 && between(r, s, p)) || (end == 0 && between(r, s, q));
        if (start == end) return false;
        const int above = volume(p, q, r, s, filtered);
        if (above == 0) return true;
        if (above == to) result.number += to;  // to: the sign of (q - p) x (s - r) . d
        return false;
    };

    std::array<double, run> signs{}, marks;
    marks.fill(1);  // as it stays where nothing is filtered
    std::vector<std::pair<std::size_t, std::size_t>> waiting{{0, 0}};
    while (!waiting.empty()) {
        const auto [i, j] = waiting.back();
        waiting.pop_back();
        stop.check();
        const Polygon::Node &first = one.node(i), &second = two.node(j);
        bool apart = first.high[2] < second.low[2];
        for (std::size_t k = 0; k < 2; ++k) apart = apart || first.high[k] < second.low[k] || second.high[k] < first.low[k];
        if (apart) continue;
        if (first.leaf() && second.leaf()) {
            for (std::size_t s = first.from; s < first.to; ++s) {
                const SpacePoint &p = one.start(s), &q = one.end(s);
                if (std::max(p[2], q[2]) < second.low[2] || std::max(p[0], q[0]) < second.low[0] || std::min(p[0], q[0]) > second.high[0] ||
                    std::max(p[1], q[1]) < second.low[1] || std::min(p[1], q[1]) > second.high[1])
                    continue;
                const std::size_t from = second.from, count = second.to - from;
                if (filtered) crossings(two.x(from), two.y(from), two.z(from), p.data(), q.data(), signs.data(), marks.data());
                for (std::size_t t = 0; t < count; ++t) {
                    result.number += static_cast<std::int64_t>(signs[t]);
                    if (marks[t] != 0 && meet(s, from + t)) {
                        result.touching = {s, from + t};
                        return result;
                    }
                }
            }
        } else if (second.leaf() || (!first.leaf() && first.to - first.from >= second.to - second.from)) {
            waiting.emplace_back(first.right, j), waiting.emplace_back(first.left, j);
        } else {
            waiting.emplace_back(i, second.right), waiting.emplace_back(i, second.left);
        }
    }
    return result;
}

}  // namespace isotopy
