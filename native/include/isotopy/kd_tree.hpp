// A k-d tree over the points of one sample: pairs up to a threshold, and the minimum spanning forest without all pairs.
//
// Bounds are rounded like distances: the difference from a point to a box is never larger than to any point in it, axis by
// axis, so the computed bound never exceeds the computed square of a distance.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "isotopy/metric.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/spanning_forest.hpp"
#include "isotopy/union_find.hpp"

namespace isotopy {

class KdTree {
public:
    static constexpr std::size_t leaf = 16;

    explicit KdTree(const Metric& metric) : metric_(metric), dimension_(metric.dimension()), order_(metric.size()) {
        std::iota(order_.begin(), order_.end(), std::uint32_t{0});
        if (!order_.empty()) build(0, order_.size());
        points_.resize(order_.size() * dimension_);
        for (std::size_t place = 0; place < order_.size(); ++place)
            std::copy_n(metric.point(order_[place]), dimension_, points_.data() + place * dimension_);
    }

    // visit(j, length) for every point j > i at a distance of at most `threshold` from i.
    template <class Visit>
    void within(std::uint32_t i, double threshold, const Visit& visit) const {
        const double* center = metric_.point(i);
        const double limit = loosened(threshold * threshold);
        std::uint32_t open[deepest];
        std::size_t count = 0;
        open[count++] = 0;
        while (count != 0) {
            const std::uint32_t index = open[--count];
            const Node& node = nodes_[index];
            if (bound(index, center) > limit) continue;
            if (node.right != 0) {
                open[count++] = node.right;
                open[count++] = index + 1;
                continue;
            }
            for (std::size_t place = node.first; place < node.last; ++place) {
                if (order_[place] <= i) continue;
                const double length = std::sqrt(square(center, place));
                if (length <= threshold) visit(order_[place], length);
            }
        }
    }

    // Boruvka's algorithm: in every round, every component takes the first edge that leaves it.
    std::vector<Edge> spanning_forest(double threshold, std::size_t threads, const Stop& stop) const {
        const std::size_t n = order_.size();
        constexpr double infinity = std::numeric_limits<double>::infinity();
        const Edge nothing{infinity, 0, 0};
        std::vector<Edge> forest;
        UnionFind components(n);
        std::vector<std::uint32_t> component(n), node_component(nodes_.size());
        std::vector<Edge> nearest(n, {-1, 0, 0}), leaving(n);  // of every point, the first edge that leaves its component
        for (;;) {
            for (std::uint32_t v = 0; v < n; ++v) component[v] = components.find(v);
            for (std::size_t index = nodes_.size(); index-- > 0;) {  // children come after their parent
                const Node& node = nodes_[index];
                std::uint32_t common = component[order_[node.first]];
                if (node.right != 0) {
                    common = node_component[index + 1] == node_component[node.right] ? node_component[node.right] : several;
                } else {
                    for (std::size_t place = node.first; place < node.last; ++place)
                        if (component[order_[place]] != common) common = several;
                }
                node_component[index] = common;
            }
            constexpr std::size_t together = 256;
            parallel_within((n + together - 1) / together, threads, stop, [&](std::size_t part, const Stop& inner) {
                inner.check();
                for (std::size_t place = part * together; place < std::min(n, (part + 1) * together); ++place) {
                    const std::uint32_t v = order_[place];
                    // An edge found before stays the first one for as long as it leaves the component.
                    const Edge& known = nearest[v];
                    if (known.length >= 0 && (known.length == infinity || component[known.i] != component[known.j])) continue;
                    nearest[v] = first_leaving(v, component, node_component, threshold);
                }
            });
            std::fill(leaving.begin(), leaving.end(), nothing);
            for (std::uint32_t v = 0; v < n; ++v)
                if (nearest[v].length < infinity && before(nearest[v], leaving[component[v]])) leaving[component[v]] = nearest[v];
            bool grown = false;
            for (std::uint32_t root = 0; root < n; ++root) {
                const Edge& edge = leaving[root];
                if (edge.length == infinity) continue;
                const std::uint32_t a = components.find(edge.i), b = components.find(edge.j);
                if (a == b) continue;  // both sides took it
                components.hang(std::max(a, b), std::min(a, b));
                forest.push_back(edge);
                grown = true;
            }
            if (!grown) break;
        }
        std::sort(forest.begin(), forest.end(), [](const Edge& a, const Edge& b) { return before(a, b); });
        return forest;
    }

private:
    static constexpr std::size_t deepest = 64;  // halves of 2^32 points, and a sibling per level
    static constexpr std::uint32_t several = std::numeric_limits<std::uint32_t>::max();

    struct Node {
        std::uint32_t first, last;  // places in the order
        std::uint32_t right;        // the left child is the next node; 0: a leaf
        std::uint32_t least;        // smallest vertex
    };

    // Squares just above may still have a root that ties.
    static double loosened(double square) noexcept { return square * (1 + 0x1p-49); }

    std::uint32_t build(std::size_t first, std::size_t last) {
        const auto index = static_cast<std::uint32_t>(nodes_.size());
        nodes_.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last), 0,
                          *std::min_element(order_.begin() + static_cast<std::ptrdiff_t>(first), order_.begin() + static_cast<std::ptrdiff_t>(last))});
        std::size_t widest = 0;
        double width = -1;
        for (std::size_t axis = 0; axis < dimension_; ++axis) {
            double low = std::numeric_limits<double>::infinity(), high = -low;
            for (std::size_t place = first; place < last; ++place) {
                const double value = metric_.point(order_[place])[axis];
                low = std::min(low, value);
                high = std::max(high, value);
            }
            boxes_.push_back(low);
            boxes_.push_back(high);
            if (high - low > width) width = high - low, widest = axis;
        }
        if (last - first <= leaf) return index;
        const std::size_t middle = (first + last) / 2;
        std::nth_element(order_.begin() + static_cast<std::ptrdiff_t>(first), order_.begin() + static_cast<std::ptrdiff_t>(middle),
                         order_.begin() + static_cast<std::ptrdiff_t>(last), [&](std::uint32_t a, std::uint32_t b) {
                             const double x = metric_.point(a)[widest], y = metric_.point(b)[widest];
                             return x != y ? x < y : a < b;
                         });
        build(first, middle);
        const std::uint32_t right = build(middle, last);
        nodes_[index].right = right;
        return index;
    }

    // At most the square of the distance to any point of the node.
    double bound(std::uint32_t index, const double* center) const noexcept {
        const double* box = boxes_.data() + index * 2 * dimension_;
        double sum = 0;
        for (std::size_t axis = 0; axis < dimension_; ++axis) {
            const double outside = std::max({box[2 * axis] - center[axis], center[axis] - box[2 * axis + 1], 0.0});
            sum += outside * outside;
        }
        return sum;
    }

    double square(const double* center, std::size_t place) const noexcept {
        const double* other = points_.data() + place * dimension_;
        double sum = 0;
        for (std::size_t axis = 0; axis < dimension_; ++axis) sum += (other[axis] - center[axis]) * (other[axis] - center[axis]);
        return sum;
    }

    // The first edge in the order that joins v to another component, or an infinite one.
    Edge first_leaving(std::uint32_t v, const std::vector<std::uint32_t>& component, const std::vector<std::uint32_t>& node_component,
                       double threshold) const {
        const double* center = metric_.point(v);
        Edge best{std::numeric_limits<double>::infinity(), 0, 0};
        double limit = loosened(threshold * threshold);
        std::pair<double, std::uint32_t> open[deepest];
        std::size_t count = 0;
        open[count++] = {0.0, 0};
        while (count != 0) {
            const auto [distance, index] = open[--count];
            const Node& node = nodes_[index];
            // Where a node could only tie, its smallest vertex decides: among edges of one length at v, smaller ends come first.
            if (distance > limit || node_component[index] == component[v] || !before(make_edge(std::sqrt(distance), v, node.least), best))
                continue;
            if (node.right != 0) {
                const double left = bound(index + 1, center), right = bound(node.right, center);
                const bool left_first = left <= right;
                open[count++] = left_first ? std::pair{right, node.right} : std::pair{left, index + 1};
                open[count++] = left_first ? std::pair{left, index + 1} : std::pair{right, node.right};
                continue;
            }
            for (std::size_t place = node.first; place < node.last; ++place) {
                const std::uint32_t other = order_[place];
                if (component[other] == component[v]) continue;
                const double squared = square(center, place);
                if (squared > limit) continue;
                const Edge edge = make_edge(std::sqrt(squared), v, other);
                if (edge.length <= threshold && before(edge, best)) {
                    best = edge;
                    limit = loosened(squared);
                }
            }
        }
        return best;
    }

    const Metric& metric_;
    std::size_t dimension_;
    std::vector<std::uint32_t> order_;  // points, leaf by leaf
    std::vector<Node> nodes_;
    std::vector<double> boxes_;   // per node and axis: smallest and largest coordinate
    std::vector<double> points_;  // in the order
};

}  // namespace isotopy
