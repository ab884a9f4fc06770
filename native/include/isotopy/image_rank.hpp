// Certain lower bounds of the rank of an affine map on a cell, from the images of the cell's vertices and their errors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "subdivision.hpp"

namespace isotopy {

// Gaussian elimination with error bounds on the differences of images: a pivot counts where it is larger than its error.
class ImageRank {
public:
    // Values and errors hold a row of `columns` numbers per vertex.
    ImageRank(std::span<const double> values, std::span<const double> errors, std::size_t columns)
        : values_(values), errors_(errors), columns_(columns) {}

    // The rank on the affine hull of the vertices is at least this; `most` is never exceeded.
    std::int8_t operator()(std::span<const Subdivision::Index> vertices, int most) {
        if (vertices.size() < 2) return 0;
        most = std::min(most, static_cast<int>(columns_));
        int found = 0;
        for (const std::size_t n : {std::min(few_, columns_), columns_})  // a few columns are mostly enough
            if (found < most) found = std::max(found, rank(vertices, most, n, 0x1p10));
        return static_cast<std::int8_t>(found == most ? found : std::max(found, rank(vertices, most, columns_, 1)));
    }

private:
    static constexpr double unit_ = 0x1p-53, slack_ = 1 + 0x1p-40;
    static constexpr std::size_t few_ = 8;

    // Of the first n columns. Takes differences one by one, and the largest entry of each as a pivot where it is `margin`
    // times larger than its error.
    int rank(std::span<const Subdivision::Index> vertices, int most, std::size_t n, double margin) {
        value_.resize(static_cast<std::size_t>(most + 1) * n), error_.resize(value_.size());
        pivots_.clear();
        const std::size_t origin = static_cast<std::size_t>(vertices[0]) * columns_;
        for (std::size_t i = 1; i < vertices.size(); ++i) {
            const std::size_t image = static_cast<std::size_t>(vertices[i]) * columns_, row = pivots_.size();
            double *to = value_.data() + row * n, *error = error_.data() + row * n;
            for (std::size_t c = 0; c < n; ++c) {
                to[c] = values_[image + c] - values_[origin + c];
                error[c] = (errors_[image + c] + errors_[origin + c] + unit_ * std::abs(to[c])) * slack_;
            }
            for (std::size_t done = 0; done < row; ++done) eliminate(done, row, n, pivots_[done]);
            std::size_t column = 0;
            double best = 0;
            for (std::size_t c = 0; c < n; ++c) {
                const double size = std::abs(to[c]);
                if (size > best && size > margin * error[c]) best = size, column = c;
            }
            if (!(best > 0)) continue;
            pivots_.push_back(column);
            if (static_cast<int>(pivots_.size()) == most) break;
        }
        return static_cast<int>(pivots_.size());
    }

    void eliminate(std::size_t pivot, std::size_t row, std::size_t n, std::size_t column) {
        const double *p = value_.data() + pivot * n, *ep = error_.data() + pivot * n;
        double *v = value_.data() + row * n, *e = error_.data() + row * n;
        const double size = std::abs(p[column]), factor = v[column] / p[column];
        const double slip = (e[column] + std::abs(factor) * ep[column]) / (size - ep[column]) * slack_ + 2 * unit_ * std::abs(factor);
        for (std::size_t c = 0; c < n; ++c) {
            const double product = factor * p[c];
            e[c] = (e[c] + std::abs(factor) * ep[c] + slip * (std::abs(p[c]) + ep[c]) + 2 * unit_ * (std::abs(product) + std::abs(v[c]))) * slack_;
            v[c] -= product;
        }
        v[column] = 0, e[column] = 0;  // by construction
    }

    std::span<const double> values_, errors_;
    std::size_t columns_;
    std::vector<std::size_t> pivots_;
    std::vector<double> value_, error_;
};

// For every top cell of a subdivision.
inline std::vector<std::int8_t> image_ranks(const Subdivision& complex, std::span<const double> values, std::span<const double> errors, std::size_t columns,
                                            const Stop& stop) {
    ImageRank rank(values, errors, columns);
    std::vector<std::int8_t> found(complex.tops());
    std::vector<Subdivision::Index> vertices;
    for (std::size_t top = 0; top < found.size(); ++top) {
        if ((top & 1023u) == 0) stop.check();
        vertices.clear();
        complex.each_vertex(top, [&](Subdivision::Index vertex) { vertices.push_back(vertex); });
        if (complex.dimension() == 3) {
            std::sort(vertices.begin(), vertices.end());
            vertices.erase(std::unique(vertices.begin(), vertices.end()), vertices.end());
        }
        found[top] = rank(vertices, complex.dimension());
    }
    return found;
}

}  // namespace isotopy
