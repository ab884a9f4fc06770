// Distances of one sample: from coordinates (n, d), or from a symmetric matrix (n, n).
//
// Squares are summed axis by axis in double precision and rounded step by step, so a distance has the same bits in every
// kernel, on every machine, and from both of its ends.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "isotopy/wide.hpp"

namespace isotopy {

namespace metric_detail {

// The first three axes in one pass.
ISOTOPY_WIDE static void first_squares(const double* __restrict x, const double* __restrict y, const double* __restrict z,
                                       const double (&center)[3], std::size_t count, double* __restrict out) {
    for (std::size_t j = 0; j < count; ++j) {
        const double dx = x[j] - center[0], dy = y[j] - center[1], dz = z[j] - center[2];
        out[j] = (dx * dx + dy * dy) + dz * dz;
    }
}

ISOTOPY_WIDE static void add_squares(const double* column, double center, std::size_t count, double* out) {
    for (std::size_t j = 0; j < count; ++j) {
        const double difference = column[j] - center;
        out[j] += difference * difference;
    }
}

ISOTOPY_WIDE static void take_roots(std::size_t count, double* out) {
    for (std::size_t j = 0; j < count; ++j) out[j] = std::sqrt(out[j]);
}

}  // namespace metric_detail

// Squares of the distances from one point to `count` others, whose coordinates lie axis by axis, `stride` apart.
inline void squared_distances(const double* columns, std::size_t stride, const double* center, std::size_t dimension, std::size_t count,
                              double* out) {
    if (dimension < 3) {
        std::fill(out, out + count, 0.0);
        for (std::size_t axis = 0; axis < dimension; ++axis) metric_detail::add_squares(columns + axis * stride, center[axis], count, out);
        return;
    }
    metric_detail::first_squares(columns, columns + stride, columns + 2 * stride, {center[0], center[1], center[2]}, count, out);
    for (std::size_t axis = 3; axis < dimension; ++axis) metric_detail::add_squares(columns + axis * stride, center[axis], count, out);
}

inline double distance_of(const double* a, const double* b, std::size_t dimension) noexcept {
    double sum = 0;
    for (std::size_t axis = 0; axis < dimension; ++axis) sum += (a[axis] - b[axis]) * (a[axis] - b[axis]);
    return std::sqrt(sum);
}

struct MatrixSurvey {
    double smallest = std::numeric_limits<double>::infinity();  // NaN if there is one
    double largest = 0, diagonal = 0, asymmetry = 0;             // largest finite entry; on the diagonal; difference across it
};

// What a matrix must show before it may be read as one of distances; tile by tile, so that columns stay in the cache.
inline MatrixSurvey survey_matrix(std::span<const double> matrix, std::size_t size) {
    constexpr std::size_t tile = 64;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    MatrixSurvey found;
    bool nan = false;
    for (std::size_t top = 0; top < size; top += tile) {
        for (std::size_t left = top; left < size; left += tile) {
            for (std::size_t i = top; i < std::min(size, top + tile); ++i) {
                for (std::size_t j = std::max(i, left); j < std::min(size, left + tile); ++j) {
                    const double a = matrix[i * size + j], b = matrix[j * size + i];
                    nan = nan || a != a || b != b;
                    found.smallest = std::min(found.smallest, std::min(a, b));
                    found.largest = std::max({found.largest, a < infinity ? a : 0.0, b < infinity ? b : 0.0});
                    if (a != b) found.asymmetry = std::max(found.asymmetry, std::abs(a - b));
                }
            }
        }
    }
    for (std::size_t i = 0; i < size; ++i) found.diagonal = std::max(found.diagonal, matrix[i * size + i]);
    if (nan) found.smallest = std::numeric_limits<double>::quiet_NaN();
    return found;
}

class Metric {
public:
    static Metric of_points(std::span<const double> points, std::size_t size, std::size_t dimension) {
        Metric metric;
        metric.size_ = size;
        metric.dimension_ = dimension;
        metric.data_ = points;
        metric.columns_.resize(size * dimension);  // so that a row of distances is a few straight loops
        for (std::size_t point = 0; point < size; ++point)
            for (std::size_t axis = 0; axis < dimension; ++axis) metric.columns_[axis * size + point] = points[point * dimension + axis];
        return metric;
    }

    // The entries above the diagonal count.
    static Metric of_matrix(std::span<const double> matrix, std::size_t size) {
        Metric metric;
        metric.size_ = size;
        metric.data_ = matrix;
        metric.is_matrix_ = true;
        const MatrixSurvey survey = survey_matrix(matrix, size);
        if (survey.asymmetry == 0 && survey.diagonal == 0) return metric;
        metric.columns_.assign(matrix.begin(), matrix.end());  // the entries above the diagonal, mirrored; zeros on it
        for (std::size_t i = 0; i < size; ++i) {
            metric.columns_[i * size + i] = 0;
            for (std::size_t j = i + 1; j < size; ++j) metric.columns_[j * size + i] = matrix[i * size + j];
        }
        metric.data_ = metric.columns_;
        return metric;
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t dimension() const noexcept { return dimension_; }
    bool is_matrix() const noexcept { return is_matrix_; }
    const double* columns() const noexcept { return columns_.data(); }                               // coordinates axis by axis
    const double* point(std::size_t i) const noexcept { return data_.data() + i * dimension_; }      // its coordinates
    const double* matrix_row(std::size_t i) const noexcept { return data_.data() + i * size_; }

    // out[j - first] = distance of i and j, for j >= first.
    void row(std::size_t i, std::size_t first, double* out) const {
        const std::size_t count = size_ - first;
        if (is_matrix_) {
            std::copy(matrix_row(i) + first, matrix_row(i) + size_, out);
            return;
        }
        squared_distances(columns_.data() + first, size_, point(i), dimension_, count, out);
        metric_detail::take_roots(count, out);
    }

    double distance(std::size_t i, std::size_t j) const noexcept {
        if (is_matrix_) return data_[i * size_ + j];
        return distance_of(point(i), point(j), dimension_);
    }

    Metric(Metric&&) = default;
    Metric(const Metric&) = delete;

private:
    Metric() = default;
    std::size_t size_ = 0, dimension_ = 0;
    bool is_matrix_ = false;
    std::vector<double> columns_;  // coordinates axis by axis, or a mirrored matrix
    std::span<const double> data_;
};

}  // namespace isotopy
