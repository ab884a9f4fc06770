// Optimal matchings of two persistence diagrams: points may go to the diagonal instead of to each other.
//
// Wasserstein: with c the cost of a pair (ground distance to the power of the order), alpha and beta the costs of going to the
// diagonal, a pair is of use only where c < alpha + beta. Rows choose a column at c - beta or their own diagonal at alpha; what
// is left is a sparse assignment problem in which columns may stay free. It is solved exactly, by row reduction and shortest
// augmenting paths (Jonker and Volgenant, Computing 38, 1987) with a heap on the sparse graph.
//
// Bottleneck: the answer is a distance of a pair or of a point to the diagonal; it is found by bisection over these. A threshold
// is feasible when a matching of pairs within it covers all points that are farther from the diagonal; such a matching is grown
// by augmenting paths, first over the points of one diagram, then, without uncovering them, over those of the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <queue>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "isotopy/parallel.hpp"

namespace isotopy {

struct DiagramPoint {
    double birth, death;
};

// The norm L_p of the plane, 1 <= p <= infinity, and powers of it.
class GroundNorm {
public:
    GroundNorm(double p, double order) : p_(p), order_(order), to_diagonal_(std::isinf(p) ? 0.5 : std::pow(2.0, 1.0 / p - 1.0)) {}

    double distance(const DiagramPoint& a, const DiagramPoint& b) const {
        const double x = std::abs(a.birth - b.birth), y = std::abs(a.death - b.death);
        if (std::isinf(p_)) return std::max(x, y);
        if (p_ == 1.0) return x + y;
        if (p_ == 2.0) return std::sqrt(x * x + y * y);
        const double longest = std::max(x, y);
        if (longest == 0.0) return 0.0;
        return longest * std::pow(std::pow(x / longest, p_) + std::pow(y / longest, p_), 1.0 / p_);
    }
    double to_diagonal(const DiagramPoint& a) const { return std::abs(a.death - a.birth) * to_diagonal_; }
    double power(double distance) const {
        if (order_ == 1.0) return distance;
        return order_ == 2.0 ? distance * distance : std::pow(distance, order_);
    }
    double root(double cost) const {
        if (order_ == 1.0) return cost;
        return order_ == 2.0 ? std::sqrt(cost) : std::pow(cost, 1.0 / order_);
    }

private:
    double p_, order_, to_diagonal_;
};

namespace matching_detail {

inline constexpr std::int32_t nobody = -1;

// The points of a diagram by increasing birth, so that the neighbors of a birth are an interval.
class ByBirth {
public:
    explicit ByBirth(std::span<const DiagramPoint> points) : order_(points.size()), births_(points.size()) {
        std::iota(order_.begin(), order_.end(), std::int32_t{0});
        std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t i, std::int32_t j) {
            return points[static_cast<std::size_t>(i)].birth < points[static_cast<std::size_t>(j)].birth;
        });
        for (std::size_t place = 0; place < order_.size(); ++place) births_[place] = points[static_cast<std::size_t>(order_[place])].birth;
    }
    // Calls visit(index) for the points whose births differ by at most `reach`; visit may end it by returning false.
    template <class Visit>
    void near(double birth, double reach, const Visit& visit) const {
        auto place = static_cast<std::size_t>(std::lower_bound(births_.begin(), births_.end(), birth - reach) - births_.begin());
        for (; place < births_.size() && births_[place] - birth <= reach; ++place)
            if (!visit(static_cast<std::size_t>(order_[place]))) return;
    }

private:
    std::vector<std::int32_t> order_;
    std::vector<double> births_;
};

// A reach that is not too short by rounding.
inline double widened(double reach, const DiagramPoint& point) {
    return reach + 1e-12 * (reach + std::abs(point.birth));
}

}  // namespace matching_detail

// Pairs closer than their ways to the diagonal, as rows of a sparse matrix.
class UsefulPairs {
public:
    UsefulPairs(std::span<const DiagramPoint> a, std::span<const DiagramPoint> b, const GroundNorm& norm, std::size_t most, const Stop& stop)
        : alpha_(a.size()), columns_(b.size()) {
        std::vector<double> beta(b.size());
        for (std::size_t j = 0; j < b.size(); ++j) beta[j] = norm.power(norm.to_diagonal(b[j]));
        const double largest = beta.empty() ? 0.0 : *std::max_element(beta.begin(), beta.end());
        const matching_detail::ByBirth sorted(b);
        start_.reserve(a.size() + 1);
        start_.push_back(0);
        for (std::size_t i = 0; i < a.size(); ++i) {
            stop.check();
            alpha_[i] = norm.power(norm.to_diagonal(a[i]));
            const double reach = matching_detail::widened(norm.root(alpha_[i] + largest), a[i]);
            sorted.near(a[i].birth, reach, [&](std::size_t j) {
                const double distance = norm.distance(a[i], b[j]);
                if (distance > reach) return true;
                const double price = norm.power(distance) - beta[j];
                if (price < alpha_[i]) {
                    if (entries_.size() == most) return over_ = true, false;
                    entries_.push_back({price, static_cast<std::int32_t>(j)});
                }
                return true;
            });
            if (over_) return;
            start_.push_back(entries_.size());
        }
    }

    struct Entry {
        double price;  // cost of the pair less the column's way to the diagonal
        std::int32_t column;
    };
    std::size_t rows() const noexcept { return alpha_.size(); }
    std::size_t columns() const noexcept { return columns_; }
    double diagonal(std::size_t row) const noexcept { return alpha_[row]; }
    std::span<const Entry> row(std::size_t i) const noexcept { return {entries_.data() + start_[i], start_[i + 1] - start_[i]}; }
    bool over() const noexcept { return over_; }  // more than `most` pairs: the rest was left out

private:
    std::vector<double> alpha_;
    std::size_t columns_;
    std::vector<std::size_t> start_;
    std::vector<Entry> entries_;
    bool over_ = false;
};

// Cheapest choice of a column, or of the diagonal, for every row; each column at most once.
class Assignment {
public:
    Assignment(const UsefulPairs& pairs, int passes, const Stop& stop)
        : pairs_(pairs), stop_(stop), column_of_(pairs.rows(), matching_detail::nobody), row_of_(pairs.columns(), matching_detail::nobody),
          price_(pairs.columns(), 0.0), distance_(pairs.columns(), infinity), from_(pairs.columns(), matching_detail::nobody),
          done_(pairs.columns(), 0) {
        std::vector<std::int32_t> open(pairs.rows());
        std::iota(open.begin(), open.end(), std::int32_t{0});
        for (int pass = 0; pass < passes && !open.empty(); ++pass) open = reduce(open);
        for (const std::int32_t row : open) augment(row);
    }

    // Column of each row, -1 for the diagonal.
    std::vector<std::int32_t> take() { return std::move(column_of_); }

private:
    static constexpr double infinity = std::numeric_limits<double>::infinity();
    using Entry = UsefulPairs::Entry;

    static std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }
    double reduced(const Entry& entry) const { return entry.price - price_[at(entry.column)]; }

    // Each open row takes its best column and lowers its price by the lead over the second best; who is driven out goes on at
    // once where the price fell, else waits for the next pass. A row whose diagonal is best is settled: prices only fall.
    std::vector<std::int32_t> reduce(const std::vector<std::int32_t>& open) {
        std::vector<std::int32_t> later;
        auto steps = static_cast<std::ptrdiff_t>(8 * pairs_.rows());  // price wars are left to the shortest paths
        for (const std::int32_t first : open) {
            stop_.check();
            for (std::int32_t row = first; row != matching_detail::nobody;) {
                double best = pairs_.diagonal(at(row)), second = infinity;
                std::int32_t column = matching_detail::nobody;
                for (const Entry& entry : pairs_.row(at(row))) {
                    const double value = reduced(entry);
                    if (value < best) second = best, best = value, column = entry.column;
                    else if (value < second) second = value;
                }
                column_of_[at(row)] = column;
                if (column == matching_detail::nobody) break;
                const std::int32_t driven = row_of_[at(column)];
                row_of_[at(column)] = row;
                price_[at(column)] -= second - best;
                row = matching_detail::nobody;
                if (driven == matching_detail::nobody) break;
                column_of_[at(driven)] = matching_detail::nobody;
                if (second > best && steps-- > 0) row = driven;
                else later.push_back(driven);
            }
        }
        return later;
    }

    void augment(std::int32_t start) {
        stop_.check();
        touched_.clear();
        heap_ = {};
        double end = infinity;
        std::int32_t last_row = start, last_column = matching_detail::nobody;
        const auto scan = [&](std::int32_t row, double offset) {
            const double to_diagonal = offset + pairs_.diagonal(at(row));
            if (to_diagonal < end) end = to_diagonal, last_row = row, last_column = matching_detail::nobody;
            for (const Entry& entry : pairs_.row(at(row))) {
                const std::size_t j = at(entry.column);
                const double value = offset + reduced(entry);
                if (value >= distance_[j] || value >= end || done_[j] != 0) continue;
                if (distance_[j] == infinity) touched_.push_back(entry.column);
                distance_[j] = value;
                from_[j] = row;
                if (row_of_[j] == matching_detail::nobody) end = value, last_row = row, last_column = entry.column;
                else heap_.push({value, entry.column});
            }
        };
        scan(start, 0.0);
        while (!heap_.empty() && heap_.top().first < end) {
            const auto [value, column] = heap_.top();
            heap_.pop();
            const std::size_t j = at(column);
            if (done_[j] != 0 || value > distance_[j]) continue;
            done_[j] = 1;
            const std::int32_t row = row_of_[j];
            double here = 0.0;  // reduced cost of the pair that the row has
            for (const Entry& entry : pairs_.row(at(row)))
                if (entry.column == column) here = reduced(entry);
            scan(row, value - here);
        }
        for (const std::int32_t column : touched_) {
            const std::size_t j = at(column);
            if (done_[j] != 0) price_[j] += distance_[j] - end;
            distance_[j] = infinity;
            done_[j] = 0;
        }
        // Back along the path: each row on it moves to the column by which it was reached last.
        std::int32_t row = last_row, column = last_column;
        while (true) {
            const std::int32_t before = column_of_[at(row)];
            column_of_[at(row)] = column;
            if (column != matching_detail::nobody) row_of_[at(column)] = row;
            if (row == start) return;
            column = before;
            row = from_[at(before)];
        }
    }

    const UsefulPairs& pairs_;
    const Stop& stop_;
    std::vector<std::int32_t> column_of_, row_of_;
    std::vector<double> price_, distance_;
    std::vector<std::int32_t> from_;
    std::vector<std::uint8_t> done_;
    std::vector<std::int32_t> touched_;
    std::priority_queue<std::pair<double, std::int32_t>, std::vector<std::pair<double, std::int32_t>>, std::greater<>> heap_;
};

// For every point of the first diagram its partner in the second, -1 for the diagonal; empty where more than `most` pairs would
// have to be held. Passes of row reduction save time; the answer is optimal without them, too.
inline std::vector<std::int32_t> wasserstein_matching(std::span<const DiagramPoint> a, std::span<const DiagramPoint> b, const GroundNorm& norm,
                                                      std::size_t most, bool& over, const Stop& stop, int passes = 3) {
    const UsefulPairs pairs(a, b, norm, most, stop);
    over = pairs.over();
    if (over) return {};
    return Assignment(pairs, passes, stop).take();
}

// The pair, or the point and the diagonal (-1), that is farthest apart in an optimal bottleneck matching; -1, -1 if all is equal.
class Bottleneck {
public:
    Bottleneck(std::span<const DiagramPoint> a, std::span<const DiagramPoint> b, const GroundNorm& norm, const Stop& stop)
        : a_(a), b_(b), norm_(norm), stop_(stop), a_by_birth_(a), b_by_birth_(b), a_diagonal_(a.size()), b_diagonal_(b.size()),
          a_match_(a.size(), matching_detail::nobody), b_match_(b.size(), matching_detail::nobody), seen_(std::max(a.size(), b.size()), 0),
          from_(std::max(a.size(), b.size())) {
        for (std::size_t i = 0; i < a.size(); ++i) a_diagonal_[i] = norm.to_diagonal(a[i]);
        for (std::size_t j = 0; j < b.size(); ++j) b_diagonal_[j] = norm.to_diagonal(b[j]);
    }

    std::pair<std::int64_t, std::int64_t> critical() {
        const double threshold = solve();
        for (std::size_t i = 0; i < a_.size(); ++i) {
            const std::int32_t j = a_match_[i];
            const double cost = j == matching_detail::nobody ? a_diagonal_[i] : norm_.distance(a_[i], b_[static_cast<std::size_t>(j)]);
            if (cost == threshold) return {static_cast<std::int64_t>(i), j};
        }
        for (std::size_t j = 0; j < b_.size(); ++j)
            if (b_match_[j] == matching_detail::nobody && b_diagonal_[j] == threshold) return {-1, static_cast<std::int64_t>(j)};
        if (!a_.empty() || !b_.empty()) throw std::logic_error("an optimal matching must attain its value");
        return {-1, -1};
    }

private:
    static std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }

    // The smallest feasible threshold; a_match_ and b_match_ are then a matching within it.
    double solve() {
        double low = 0.0, high = 0.0;
        for (std::size_t i = 0; i < a_.size(); ++i) {
            low = std::max(low, nearest(a_[i], a_diagonal_[i], b_, b_by_birth_));
            high = std::max(high, a_diagonal_[i]);
        }
        for (std::size_t j = 0; j < b_.size(); ++j) {
            low = std::max(low, nearest(b_[j], b_diagonal_[j], a_, a_by_birth_));
            high = std::max(high, b_diagonal_[j]);
        }
        if (feasible(low)) return low;
        // Now low is not feasible and high is.
        std::vector<double> candidates;
        for (;;) {
            const std::size_t count = collect(low, high, candidates);
            if (count <= candidates.size()) break;
            std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(candidates.size() / 2), candidates.end());
            const double middle = candidates[candidates.size() / 2];
            (feasible(middle) ? high : low) = middle;
        }
        candidates.push_back(high);
        std::sort(candidates.begin(), candidates.end());
        candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
        std::size_t first = 0, last = candidates.size() - 1;
        while (first < last) {
            const std::size_t middle = first + (last - first) / 2;
            if (feasible(candidates[middle])) last = middle;
            else first = middle + 1;
        }
        feasible(candidates[last]);
        return candidates[last];
    }

    double nearest(const DiagramPoint& point, double to_diagonal, std::span<const DiagramPoint> others, const matching_detail::ByBirth& sorted) const {
        stop_.check();
        double smallest = to_diagonal;
        sorted.near(point.birth, matching_detail::widened(to_diagonal, point), [&](std::size_t other) {
            smallest = std::min(smallest, norm_.distance(point, others[other]));
            return true;
        });
        return smallest;
    }

    // Values between low and high (both left out) that the answer can have; every one where there are few, else one in so many.
    // Returns how many there are.
    std::size_t collect(double low, double high, std::vector<double>& values) const {
        constexpr std::size_t most = 1 << 14;
        values.clear();
        std::size_t count = 0, stride = 1;
        const auto offer = [&](double value) {
            if (!(value > low && value < high)) return;
            if (count++ % stride != 0) return;
            values.push_back(value);
            if (values.size() < 2 * most) return;
            stride *= 2;
            for (std::size_t place = 0; place < most; ++place) values[place] = values[2 * place];
            values.resize(most);
        };
        for (const double value : a_diagonal_) offer(value);
        for (const double value : b_diagonal_) offer(value);
        for (std::size_t i = 0; i < a_.size(); ++i) {
            stop_.check();
            b_by_birth_.near(a_[i].birth, matching_detail::widened(high, a_[i]), [&](std::size_t j) {
                const double distance = norm_.distance(a_[i], b_[j]);
                if (distance <= std::max(a_diagonal_[i], b_diagonal_[j])) offer(distance);  // else both go to the diagonal
                return true;
            });
        }
        return count;
    }

    // Whether pairs within the threshold can cover all points farther than it from the diagonal; keeps what it found.
    bool feasible(double threshold) {
        for (std::size_t i = 0; i < a_.size(); ++i) {
            const std::int32_t j = a_match_[i];
            if (j == matching_detail::nobody || norm_.distance(a_[i], b_[at(j)]) <= threshold) continue;
            a_match_[i] = matching_detail::nobody;
            b_match_[at(j)] = matching_detail::nobody;
        }
        return cover(threshold, a_, b_, a_diagonal_, b_by_birth_, a_match_, b_match_) && cover(threshold, b_, a_, b_diagonal_, a_by_birth_, b_match_, a_match_);
    }

    // Augments until every point of `x` that needs a partner has one. A path ends at a free point of y, or drives out a point of
    // x that needs none; points of y that have partners keep having one.
    bool cover(double threshold, std::span<const DiagramPoint> x, std::span<const DiagramPoint> y, const std::vector<double>& diagonal,
               const matching_detail::ByBirth& y_by_birth, std::vector<std::int32_t>& x_match, std::vector<std::int32_t>& y_match) {
        for (std::size_t root = 0; root < x.size(); ++root) {
            if (x_match[root] != matching_detail::nobody || diagonal[root] <= threshold) continue;
            stop_.check();
            ++round_;
            queue_.assign(1, static_cast<std::int32_t>(root));
            std::int32_t end = matching_detail::nobody;
            for (std::size_t head = 0; head < queue_.size() && end == matching_detail::nobody; ++head) {
                const std::int32_t i = queue_[head];
                y_by_birth.near(x[at(i)].birth, matching_detail::widened(threshold, x[at(i)]), [&](std::size_t j) {
                    if (seen_[j] == round_ || norm_.distance(x[at(i)], y[j]) > threshold) return true;
                    seen_[j] = round_;
                    from_[j] = i;
                    const std::int32_t owner = y_match[j];
                    if (owner == matching_detail::nobody || diagonal[at(owner)] <= threshold) {
                        end = static_cast<std::int32_t>(j);
                        return false;
                    }
                    queue_.push_back(owner);
                    return true;
                });
            }
            if (end == matching_detail::nobody) return false;
            if (y_match[at(end)] != matching_detail::nobody) x_match[at(y_match[at(end)])] = matching_detail::nobody;
            while (end != matching_detail::nobody) {
                const std::int32_t i = from_[at(end)], before = x_match[at(i)];
                x_match[at(i)] = end;
                y_match[at(end)] = i;
                end = before;
            }
        }
        return true;
    }

    std::span<const DiagramPoint> a_, b_;
    const GroundNorm& norm_;
    const Stop& stop_;
    matching_detail::ByBirth a_by_birth_, b_by_birth_;
    std::vector<double> a_diagonal_, b_diagonal_;
    std::vector<std::int32_t> a_match_, b_match_;
    std::vector<std::uint32_t> seen_;
    std::vector<std::int32_t> from_, queue_;
    std::uint32_t round_ = 0;
};

}  // namespace isotopy
