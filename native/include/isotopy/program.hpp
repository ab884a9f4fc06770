// Small dense linear programs: the largest c . x over all x with rows . x <= bounds and |x| <= box.
//
// The dual simplex method: every basis it visits gives multipliers that are not negative, so its value bounds the optimum
// from above at any time, and the basis stays good when only the bounds change. The inverse of the basis is kept explicitly
// and made anew before an answer is given. The box only starts the method: `boxed` says whether an answer rests on it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "isotopy/parallel.hpp"

namespace isotopy {

enum class Verdict { optimal, below, empty, lost };

class Program {
public:
    // `rows` has m x q entries and outlives the program.
    Program(std::span<const double> rows, std::size_t variables, std::span<const double> objective)
        : rows_(rows), q_(variables), m_(variables == 0 ? 0 : rows.size() / variables), c_(objective.begin(), objective.end()), x_(q_), lambda_(q_), alpha_(q_) {
        start();
    }

    // Forgets the basis of the program before.
    void start() {
        basis_.resize(q_);
        inverse_.assign(q_ * q_, 0.0);
        for (std::size_t j = 0; j < q_; ++j) {
            basis_[j] = m_ + 2 * j + (c_[j] < 0 ? 1 : 0);
            inverse_[j * q_ + j] = c_[j] < 0 ? -1.0 : 1.0;
        }
        age_ = 0;
    }

    // Solves for these bounds, infinite ones being none, and this box. Gives up early, `below`, once the optimum is known
    // to be less than `least` whatever the box is. `empty`: no x at all, `lost`: rounding won.
    Verdict solve(std::span<const double> bounds, std::span<const double> box, double least, const Stop& stop) {
        bounds_ = bounds, box_ = box;
        for (const std::size_t row : basis_)
            if (!(bound(row) < std::numeric_limits<double>::infinity())) {  // gone since the last time
                start();
                break;
            }
        double size = 1.0;
        for (const double side : box_) size = std::max(size, side);
        const double tolerance = 1e-13 * size;
        bool fresh = false;  // the inverse was made anew for this basis
        std::size_t flat = 0;  // steps without progress
        double before = 0;
        for (std::size_t step = 0; step < 200 + 20 * (q_ + m_); ++step) {
            if (step % 64 == 63) stop.check();
            if (age_ > 40 + q_ && !renew()) return Verdict::lost;
            locate();
            if (value_ < least && !boxed()) {
                if (fresh) return Verdict::below;
                if (!renew()) return Verdict::lost;
                fresh = true;
                continue;
            }
            flat = step > 0 && value_ >= before - 1e-14 * size ? flat + 1 : 0;
            before = value_;
            const bool careful = flat > 2 * q_ + 10;  // Bland's rule ends what could go round in circles
            const std::size_t entering = violated(tolerance, careful);
            if (entering == none) {
                if (fresh) return Verdict::optimal;
                if (!renew()) return Verdict::lost;
                fresh = true;
                continue;
            }
            const std::size_t leaving = blocking(entering, careful);
            if (leaving == none) {
                if (fresh) return Verdict::empty;
                if (!renew()) return Verdict::lost;
                fresh = true;
                continue;
            }
            exchange(leaving, entering);
            fresh = false;
        }
        return Verdict::lost;
    }

    double value() const { return value_; }                // bounds the optimum from above
    const std::vector<double>& point() const { return x_; }
    std::size_t steps() const { return steps_; }

    // Whether the multipliers use a side of the box.
    bool boxed() const {
        double used = 0, all = 0;
        for (std::size_t i = 0; i < q_; ++i) (basis_[i] < m_ ? all : used) += std::abs(lambda_[i]);
        return used > 1e-12 * (used + all);
    }

    // Sum of the multipliers of rows below `count`.
    double weight(std::size_t count) const {
        double sum = 0;
        for (std::size_t i = 0; i < q_; ++i)
            if (basis_[i] < count) sum += std::max(0.0, lambda_[i]);
        return sum;
    }

private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    double bound(std::size_t row) const { return row < m_ ? bounds_[row] : box_[(row - m_) / 2]; }
    double entry(std::size_t row, std::size_t j) const {
        if (row < m_) return rows_[row * q_ + j];
        return (row - m_) / 2 != j ? 0.0 : (row - m_) % 2 == 0 ? 1.0 : -1.0;
    }

    // x and the multipliers of the basis, and its value.
    void locate() {
        value_ = 0;
        for (std::size_t j = 0; j < q_; ++j) x_[j] = 0;
        for (std::size_t i = 0; i < q_; ++i) {
            const double b = bound(basis_[i]);
            double l = 0;
            for (std::size_t j = 0; j < q_; ++j) {
                x_[j] += inverse_[j * q_ + i] * b;
                l += inverse_[j * q_ + i] * c_[j];
            }
            lambda_[i] = l;
            value_ += l * b;
        }
    }

    // A row that x breaks: the worst one, or the first.
    std::size_t violated(double tolerance, bool first) const {
        std::size_t worst = none;
        double most = tolerance;
        for (std::size_t row = 0; row < m_; ++row) {
            if (!(bounds_[row] < std::numeric_limits<double>::infinity())) continue;
            double excess = -bounds_[row];
            for (std::size_t j = 0; j < q_; ++j) excess += rows_[row * q_ + j] * x_[j];
            if (excess <= most) continue;
            if (first) return row;
            most = excess, worst = row;
        }
        for (std::size_t j = 0; j < q_; ++j) {
            const double excess = std::abs(x_[j]) - box_[j];
            if (excess <= most) continue;
            most = excess, worst = m_ + 2 * j + (x_[j] < 0 ? 1 : 0);
            if (first) return worst;
        }
        return worst;
    }

    // The row of the basis that gives way to `entering`, so that no multiplier becomes negative.
    std::size_t blocking(std::size_t entering, bool first) {
        for (std::size_t i = 0; i < q_; ++i) {
            double a = 0;
            for (std::size_t j = 0; j < q_; ++j) a += inverse_[j * q_ + i] * entry(entering, j);
            alpha_[i] = a;
        }
        double smallest = std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < q_; ++i)
            if (alpha_[i] > 1e-10) smallest = std::min(smallest, std::max(0.0, lambda_[i]) / alpha_[i]);
        std::size_t best = none;
        for (std::size_t i = 0; i < q_; ++i) {
            if (!(alpha_[i] > 1e-10) || std::max(0.0, lambda_[i]) / alpha_[i] > smallest + 1e-13) continue;
            if (best == none || (first ? basis_[i] < basis_[best] : alpha_[i] > alpha_[best])) best = i;
        }
        return best;
    }

    void exchange(std::size_t leaving, std::size_t entering) {
        for (std::size_t j = 0; j < q_; ++j) {
            const double factor = inverse_[j * q_ + leaving] / alpha_[leaving];
            for (std::size_t i = 0; i < q_; ++i) inverse_[j * q_ + i] -= factor * alpha_[i];
            inverse_[j * q_ + leaving] = factor;
        }
        basis_[leaving] = entering;
        ++age_, ++steps_;
    }

    // The inverse by Gauss-Jordan elimination; false if the rows are dependent in float64.
    bool renew() {
        std::vector<double> work(q_ * q_), result(q_ * q_, 0.0);
        for (std::size_t i = 0; i < q_; ++i) {
            for (std::size_t j = 0; j < q_; ++j) work[i * q_ + j] = entry(basis_[i], j);
            result[i * q_ + i] = 1;
        }
        for (std::size_t column = 0; column < q_; ++column) {
            std::size_t pivot = column;
            for (std::size_t i = column; i < q_; ++i)
                if (std::abs(work[i * q_ + column]) > std::abs(work[pivot * q_ + column])) pivot = i;
            if (std::abs(work[pivot * q_ + column]) < 1e-14) return false;
            for (std::size_t j = 0; j < q_ && pivot != column; ++j) {
                std::swap(work[pivot * q_ + j], work[column * q_ + j]);
                std::swap(result[pivot * q_ + j], result[column * q_ + j]);
            }
            const double scale = 1 / work[column * q_ + column];
            for (std::size_t j = 0; j < q_; ++j) work[column * q_ + j] *= scale, result[column * q_ + j] *= scale;
            for (std::size_t i = 0; i < q_; ++i) {
                const double factor = work[i * q_ + column];
                if (i == column || factor == 0) continue;
                for (std::size_t j = 0; j < q_; ++j) {
                    work[i * q_ + j] -= factor * work[column * q_ + j];
                    result[i * q_ + j] -= factor * result[column * q_ + j];
                }
            }
        }
        inverse_ = std::move(result);
        age_ = 0;
        return true;
    }

    std::span<const double> rows_, bounds_, box_;
    std::size_t q_, m_;
    std::vector<double> c_, x_, lambda_, alpha_, inverse_;
    std::vector<std::size_t> basis_;
    double value_ = 0;
    std::size_t age_ = 0, steps_ = 0;
};

}  // namespace isotopy
