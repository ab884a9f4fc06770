// Which of many points, segments and convex polygons in R^q may meet, when vertices are known up to error bounds.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "image_rank.hpp"
#include "parallel.hpp"
#include "sure.hpp"

namespace isotopy {

// Hulls of nodes; a polygon's nodes are in order around it. Equal numbers are equal points.
//
// A tree of boxes leaves the pairs that are close. Two hulls are apart where a linear function, found by Wolfe's algorithm
// for the nearest point of a hull, is larger on one than on the other by more than the errors; where they share a node, it
// must be positive on one less that node, and negative on the other. Two polygons that share a side meet nowhere else if
// they span R^3, or lie on two sides of it in two of the coordinates.
class Hulls {
public:
    using Pair = std::array<std::int64_t, 2>;

    // One row of `columns` coordinates per node; hull i has nodes[offsets[i]:offsets[i+1]]. Equal labels, from 0, say that
    // nobody asks about the two.
    Hulls(std::span<const double> values, std::span<const double> errors, std::size_t columns, std::span<const std::int64_t> offsets,
          std::span<const std::int64_t> nodes, std::span<const std::int64_t> labels)
        : values_(values), errors_(errors), columns_(columns), labels_(labels), rank_(values, errors, columns) {
        const std::size_t rows = columns == 0 ? 0 : values.size() / columns;
        if (columns == 0 || values.size() != rows * columns || errors.size() != values.size()) throw std::invalid_argument("values and errors must have one row per node");
        if (offsets.empty() || labels.size() + 1 != offsets.size()) throw std::invalid_argument("offsets and labels must have one entry per hull");
        for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
            const std::int64_t begin = offsets[i], end = offsets[i + 1];
            if (begin < 0 || end <= begin || static_cast<std::size_t>(end) > nodes.size()) throw std::invalid_argument("offsets are out of range");
            hulls_.push_back({nodes_.size(), static_cast<std::size_t>(end - begin)});
            for (std::int64_t at = begin; at < end; ++at) {
                const std::int64_t node = nodes[static_cast<std::size_t>(at)];
                if (node < 0 || static_cast<std::size_t>(node) >= rows || node > std::numeric_limits<Index>::max()) throw std::invalid_argument("nodes are out of range");
                nodes_.push_back(static_cast<Index>(node));
            }
        }
        low_.resize(hulls_.size() * columns), high_.resize(low_.size());
        for (std::size_t i = 0; i < hulls_.size(); ++i)
            for (std::size_t c = 0; c < columns; ++c) {
                double low = std::numeric_limits<double>::infinity(), high = -low;
                for (const Index node : hull(i)) {
                    const double value = at(node)[c], error = slack_ * error_at(node)[c] + 4 * unit_ * std::abs(value);
                    low = std::min(low, value - error), high = std::max(high, value + error);
                    if (!(error < std::numeric_limits<double>::infinity()) || std::isnan(value)) low = -std::numeric_limits<double>::infinity(), high = -low;
                }
                low_[i * columns + c] = low, high_[i * columns + c] = high;
            }
    }

    // All pairs, in order, that are not certainly apart (but for a common node or side).
    std::vector<Pair> pairs(std::size_t bytes, const Stop& stop) {
        std::vector<Pair> found;
        each_close([&](std::size_t a, std::size_t b) {
            if (!alike(a, b) && !apart(a, b)) {
                if (sizeof(Pair) * found.size() > bytes) throw std::bad_alloc();
                found.push_back({static_cast<std::int64_t>(std::min(a, b)), static_cast<std::int64_t>(std::max(a, b))});
            }
        }, stop);
        std::sort(found.begin(), found.end());
        return found;
    }

    // For each hull whether its box meets that of another.
    std::vector<std::uint8_t> touching(const Stop& stop) {
        std::vector<std::uint8_t> found(hulls_.size());
        each_close([&](std::size_t a, std::size_t b) {
            if (!alike(a, b)) found[a] = found[b] = 1;
        }, stop);
        return found;
    }

private:
    using Index = std::int32_t;
    struct Range {
        std::size_t begin = 0, count = 0;
    };

    static constexpr double unit_ = 0x1p-53, slack_ = 1 + 0x1p-30;
    static constexpr std::size_t leaf_ = 4, rounds_ = 60, most_ = 12;

    std::span<const Index> hull(std::size_t i) const { return {nodes_.data() + hulls_[i].begin, hulls_[i].count}; }
    const double* at(Index node) const { return values_.data() + static_cast<std::size_t>(node) * columns_; }
    const double* error_at(Index node) const { return errors_.data() + static_cast<std::size_t>(node) * columns_; }
    bool alike(std::size_t a, std::size_t b) const { return labels_[a] >= 0 && labels_[a] == labels_[b]; }

    // Node k of the tree has children 2k + 1 and 2k + 2, and halves the range of its parent.
    template <class Visit>
    void each_close(const Visit& visit, const Stop& stop) {
        order_.resize(hulls_.size());
        for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
        boxes_.clear();
        if (!order_.empty()) build(0, order_.size(), stop);
        std::vector<std::pair<std::size_t, std::size_t>> waiting{{0, 0}};
        std::size_t steps = 0;
        while (!waiting.empty() && !boxes_.empty()) {
            if ((++steps & 1023u) == 0) stop.check();
            const auto [one, two] = waiting.back();
            waiting.pop_back();
            const Box &a = boxes_[one], &b = boxes_[two];
            if (one != two && !meet(a.low.data(), a.high.data(), b.low.data(), b.high.data())) continue;
            if (a.left == 0 && b.left == 0) {
                for (std::size_t i = a.begin; i < a.end; ++i)
                    for (std::size_t j = one == two ? i + 1 : b.begin; j < b.end; ++j)
                        if (meet(low(order_[i]), high(order_[i]), low(order_[j]), high(order_[j]))) visit(order_[i], order_[j]);
            } else if (one == two) {
                waiting.insert(waiting.end(), {{a.left, a.left}, {a.right, a.right}, {a.left, a.right}});
            } else if (b.left == 0 || (a.left != 0 && a.end - a.begin >= b.end - b.begin)) {
                waiting.insert(waiting.end(), {{a.left, two}, {a.right, two}});
            } else {
                waiting.insert(waiting.end(), {{one, b.left}, {one, b.right}});
            }
        }
    }

    struct Box {
        std::size_t begin, end, left = 0, right = 0;  // of order_; children, 0 for none
        std::vector<double> low, high;
    };

    const double* low(std::size_t i) const { return low_.data() + i * columns_; }
    const double* high(std::size_t i) const { return high_.data() + i * columns_; }
    bool meet(const double* low_a, const double* high_a, const double* low_b, const double* high_b) const {
        for (std::size_t c = 0; c < columns_; ++c)
            if (low_a[c] > high_b[c] || low_b[c] > high_a[c]) return false;
        return true;
    }

    std::size_t build(std::size_t begin, std::size_t end, const Stop& stop) {
        stop.check();
        const std::size_t number = boxes_.size();
        boxes_.push_back({begin, end, 0, 0, std::vector<double>(low(order_[begin]), low(order_[begin]) + columns_), std::vector<double>(high(order_[begin]), high(order_[begin]) + columns_)});
        std::size_t widest = 0;
        double width = -1;
        for (std::size_t c = 0; c < columns_; ++c) {
            double least = std::numeric_limits<double>::infinity(), most = -least;
            for (std::size_t i = begin; i < end; ++i) {
                boxes_[number].low[c] = std::min(boxes_[number].low[c], low(order_[i])[c]);
                boxes_[number].high[c] = std::max(boxes_[number].high[c], high(order_[i])[c]);
                least = std::min(least, middle(order_[i], c)), most = std::max(most, middle(order_[i], c));
            }
            if (most - least > width) width = most - least, widest = c;
        }
        if (end - begin > leaf_) {
            const std::size_t half = begin + (end - begin) / 2;
            const auto first = order_.begin();
            std::nth_element(first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(half), first + static_cast<std::ptrdiff_t>(end),
                             [&](std::size_t a, std::size_t b) { return middle(a, widest) < middle(b, widest); });
            const std::size_t left = build(begin, half, stop), right = build(half, end, stop);
            boxes_[number].left = left, boxes_[number].right = right;
        }
        return number;
    }

    double middle(std::size_t i, std::size_t c) const {  // never NaN: sorting needs an order
        const double value = low(i)[c] / 2 + high(i)[c] / 2;
        return std::isfinite(value) ? value : 0;
    }

    bool apart(std::size_t a, std::size_t b) {
        Index shared[2] = {-1, -1};
        std::size_t count = 0;
        for (const Index node : hull(a))
            if (std::find(hull(b).begin(), hull(b).end(), node) != hull(b).end()) {
                if (count < 2) shared[count] = node;
                ++count;
            }
        if (count == 0) return distant(a, b);
        if (hulls_[a].count == 1 || hulls_[b].count == 1) return true;
        if (count == 1) return pointed(a, b, shared[0]);
        if (count > 2 || hulls_[a].count < 3 || hulls_[b].count < 3 || !side(a, shared[0], shared[1]) || !side(b, shared[0], shared[1])) return false;
        return solid(a, b) || hinged(a, b, shared[0], shared[1]);
    }

    // Whether two coordinates have a polygon on each side of their common side.
    bool hinged(std::size_t a, std::size_t b, Index u, Index v) const {
        std::size_t first = 0, second = columns_;
        const auto length = [&](std::size_t c) { return std::abs(at(u)[c] - at(v)[c]); };
        for (std::size_t c = 1; c < columns_; ++c)
            if (length(c) > length(first)) first = c;
        double widest = 0;  // the coordinate in which the other corners are farthest from the line
        const auto off = [&](Index node, std::size_t c) {
            return (at(v)[first] - at(u)[first]) * (at(node)[c] - at(u)[c]) - (at(v)[c] - at(u)[c]) * (at(node)[first] - at(u)[first]);
        };
        for (std::size_t c = 0; c < columns_; ++c)
            for (const Index node : hull(a))
                if (c != first && std::abs(off(node, c)) > widest) widest = std::abs(off(node, c)), second = c;
        if (second == columns_) return false;
        const auto known = [&](Index node, std::size_t c) { return Sure{at(node)[c], slack_ * error_at(node)[c]}; };
        int sides[2] = {0, 0};
        for (const std::size_t i : {a, b})
            for (const Index node : hull(i)) {
                if (node == u || node == v) continue;
                const Sure turn = (known(v, first) - known(u, first)) * (known(node, second) - known(u, second)) -
                                  (known(v, second) - known(u, second)) * (known(node, first) - known(u, first));
                const int found = sign(turn).value_or(0);
                int& own = sides[i == a ? 0 : 1];
                if (found == 0 || found == -own) return false;
                own = found;
            }
        return sides[0] == -sides[1];
    }

    bool side(std::size_t i, Index one, Index two) const {
        const auto nodes = hull(i);
        const auto first = static_cast<std::size_t>(std::find(nodes.begin(), nodes.end(), one) - nodes.begin()), n = nodes.size();
        return nodes[(first + 1) % n] == two || nodes[(first + n - 1) % n] == two;
    }

    bool solid(std::size_t a, std::size_t b) {  // the two span R^3
        together_.assign(hull(a).begin(), hull(a).end());
        together_.insert(together_.end(), hull(b).begin(), hull(b).end());
        return columns_ >= 3 && rank_(together_, 3) == 3;
    }

    // The point of the Minkowski difference nearest to 0, as far as is needed.
    bool distant(std::size_t a, std::size_t b) {
        const std::size_t n = columns_;
        x_.assign(n, 0), error_.assign(n, 0), size_.assign(n, 0);
        for (const std::size_t i : {a, b})
            for (std::size_t c = 0; c < n; ++c) {
                double mean = 0, error = 0, size = 0;
                for (const Index node : hull(i)) mean += at(node)[c], error = std::max(error, error_at(node)[c]), size = std::max(size, std::abs(at(node)[c]));
                x_[c] += (i == a ? mean : -mean) / static_cast<double>(hulls_[i].count);
                error_[c] += error, size_[c] += size;
            }
        begin();
        for (std::size_t round = 0; round < rounds_; ++round) {
            const auto [p, least] = lowest(a, 1);
            const auto [q, most] = lowest(b, -1);
            double doubt = 0;
            for (std::size_t c = 0; c < n; ++c) doubt += std::abs(x_[c]) * (error_[c] + static_cast<double>(n + 4) * unit_ * size_[c]);
            if (least + most > slack_ * doubt) return true;
            next_.resize(n);
            for (std::size_t c = 0; c < n; ++c) next_[c] = at(p)[c] - at(q)[c];
            if (!nearer()) return false;
        }
        return false;
    }

    std::pair<Index, double> lowest(std::size_t i, double sign) const {
        Index best = hull(i)[0];
        double least = std::numeric_limits<double>::infinity();
        for (const Index node : hull(i)) {
            double sum = 0;
            for (std::size_t c = 0; c < columns_; ++c) sum += sign * x_[c] * at(node)[c];
            if (sum < least) least = sum, best = node;
        }
        return {best, least};
    }

    // A function that is positive on a less `apex`, and negative on b less it.
    bool pointed(std::size_t a, std::size_t b, Index apex) {
        const std::size_t n = columns_;
        rays_.clear(), doubts_.clear();
        for (const std::size_t i : {a, b})
            for (const Index node : hull(i)) {
                if (node == apex) continue;
                double length = 0;
                for (std::size_t c = 0; c < n; ++c) length = std::max(length, std::abs(at(node)[c] - at(apex)[c]));
                if (!(length > 0) || !std::isfinite(length)) return false;
                for (std::size_t c = 0; c < n; ++c) {
                    const double difference = at(node)[c] - at(apex)[c];
                    rays_.push_back((i == a ? difference : -difference) / length);
                    doubts_.push_back((error_at(node)[c] + error_at(apex)[c] + unit_ * std::abs(difference)) / length + 2 * unit_);
                }
            }
        const std::size_t count = rays_.size() / n;
        x_.assign(n, 0);
        for (std::size_t k = 0; k < count; ++k)
            for (std::size_t c = 0; c < n; ++c) x_[c] += rays_[k * n + c] / static_cast<double>(count);
        begin();
        for (std::size_t round = 0; round < rounds_; ++round) {
            bool sure = true;
            std::size_t worst = 0;
            double least = std::numeric_limits<double>::infinity();
            for (std::size_t k = 0; k < count; ++k) {
                double sum = 0, doubt = 0;
                for (std::size_t c = 0; c < n; ++c) {
                    sum += x_[c] * rays_[k * n + c];
                    doubt += std::abs(x_[c]) * (doubts_[k * n + c] + static_cast<double>(n + 4) * unit_ * std::abs(rays_[k * n + c]));
                }
                sure = sure && sum > slack_ * doubt;
                if (sum < least) least = sum, worst = k;
            }
            if (sure) return true;
            next_.assign(rays_.begin() + static_cast<std::ptrdiff_t>(worst * n), rays_.begin() + static_cast<std::ptrdiff_t>((worst + 1) * n));
            if (!nearer()) return false;
        }
        return false;
    }

    // x_ starts as the only point of the corral, the points whose hull it lies in.
    void begin() { corral_ = x_, weights_.assign(1, 1.0); }

    // Takes `next_` into the corral and x_ to the point nearest to 0 that is a convex combination of it; false at the end.
    bool nearer() {
        const std::size_t n = columns_;
        double square = 0, product = 0;
        for (std::size_t c = 0; c < n; ++c) square += x_[c] * x_[c], product += x_[c] * next_[c];
        if (!(square - product > 0x1p-45 * square) || weights_.size() > most_) return false;
        corral_.insert(corral_.end(), next_.begin(), next_.end());
        weights_.push_back(0);
        while (true) {
            const std::size_t k = weights_.size();
            if (!solve(k)) return false;
            double share = 1;
            for (std::size_t i = 0; i < k; ++i)
                if (goal_[i] <= 0) share = std::min(share, weights_[i] / (weights_[i] - goal_[i]));
            const bool inside = std::all_of(goal_.begin(), goal_.end(), [](double weight) { return weight > 0; });
            std::size_t kept = 0;
            bool dropped = false;
            for (std::size_t i = 0; i < k; ++i) {
                const double weight = inside ? goal_[i] : weights_[i] + share * (goal_[i] - weights_[i]);
                if (!inside && (weight <= 0 || (goal_[i] <= 0 && weights_[i] / (weights_[i] - goal_[i]) <= share))) {
                    dropped = true;
                    continue;
                }
                weights_[kept] = weight;
                std::copy_n(corral_.begin() + static_cast<std::ptrdiff_t>(i * n), n, corral_.begin() + static_cast<std::ptrdiff_t>(kept * n));
                ++kept;
            }
            weights_.resize(kept), corral_.resize(kept * n);
            if (kept == 0 || (!inside && !dropped)) return false;
            if (inside) break;
        }
        std::fill(x_.begin(), x_.end(), 0.0);
        for (std::size_t i = 0; i < weights_.size(); ++i)
            for (std::size_t c = 0; c < n; ++c) x_[c] += weights_[i] * corral_[i * n + c];
        return true;
    }

    // The affine combination of the corral nearest to 0: (G + 1 1^T) u = 1, weights u / sum u.
    bool solve(std::size_t k) {
        const std::size_t n = columns_;
        matrix_.assign(k * (k + 1), 1);
        double scale = 0;
        for (std::size_t i = 0; i < k; ++i)
            for (std::size_t c = 0; c < n; ++c) scale = std::max(scale, std::abs(corral_[i * n + c]));
        if (!(scale > 0) || !std::isfinite(scale)) return false;
        for (std::size_t i = 0; i < k; ++i)
            for (std::size_t j = 0; j < k; ++j)
                for (std::size_t c = 0; c < n; ++c) matrix_[i * (k + 1) + j] += (corral_[i * n + c] / scale) * (corral_[j * n + c] / scale);
        for (std::size_t pivot = 0; pivot < k; ++pivot) {
            std::size_t best = pivot;
            for (std::size_t i = pivot + 1; i < k; ++i)
                if (std::abs(matrix_[i * (k + 1) + pivot]) > std::abs(matrix_[best * (k + 1) + pivot])) best = i;
            if (!(std::abs(matrix_[best * (k + 1) + pivot]) > 0x1p-48)) return false;
            for (std::size_t j = 0; j <= k; ++j) std::swap(matrix_[pivot * (k + 1) + j], matrix_[best * (k + 1) + j]);
            for (std::size_t i = 0; i < k; ++i) {
                if (i == pivot) continue;
                const double factor = matrix_[i * (k + 1) + pivot] / matrix_[pivot * (k + 1) + pivot];
                for (std::size_t j = pivot; j <= k; ++j) matrix_[i * (k + 1) + j] -= factor * matrix_[pivot * (k + 1) + j];
            }
        }
        goal_.resize(k);
        double sum = 0;
        for (std::size_t i = 0; i < k; ++i) sum += goal_[i] = matrix_[i * (k + 1) + k] / matrix_[i * (k + 1) + i];
        if (!(std::abs(sum) > 0)) return false;
        for (double& weight : goal_) weight /= sum;
        return true;
    }

    std::span<const double> values_, errors_;
    std::size_t columns_;
    std::span<const std::int64_t> labels_;
    ImageRank rank_;
    std::vector<Range> hulls_;
    std::vector<Index> nodes_, together_;
    std::vector<double> low_, high_, x_, error_, size_, rays_, doubts_, corral_, weights_, next_, matrix_, goal_;
    std::vector<std::size_t> order_;
    std::vector<Box> boxes_;
};

}  // namespace isotopy
