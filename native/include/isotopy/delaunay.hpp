// Persistence of a Delaunay complex with values on its simplices: weak alpha (longest edge) and alpha (smallest empty ball).
//
// The top simplices come from outside; faces are found by sorting vertices. Weak alpha: edges are ordered by (length, vertices),
// a simplex comes with its last edge. Alpha, from the top dimension down: a simplex has the radius of its smallest circumscribed
// ball where no vertex of a cofacet lies in that ball (Gabriel), else the value of the first cofacet; so every value is the
// circumradius of a carrier, which may be a coface. Vertices that lie on the ball, up to rounding, count as inside: values of
// cospherical points are then equal bits, taken from one carrier. A simplex that is flat up to rounding has the ball of a facet,
// the largest among those that are not nearly flat themselves.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"
#include "isotopy/reduction.hpp"

namespace isotopy {

struct DelaunayOptions {
    bool weak = true;
    int max_degree = 1;
    std::uint32_t modulus = 2;
    bool keep_zero = false;
};

namespace delaunay_detail {

using Vertex = std::uint32_t;
inline constexpr double on_sphere = 1e-12;  // relative to the squared radius: closer to the sphere than this is on it
inline constexpr double flat = 1e-13;       // relative to the squared longest edge: a squared height below this is none
inline constexpr double same = 1e-11;       // relative difference of radii that is rounding

// Simplices of every dimension up to the top, in lexicographic order, and the rows of their facets.
class Faces {
public:
    // tops: increasing vertex numbers below n, `width` each. `loose` edges are added to those of the tops.
    Faces(std::size_t n, std::size_t width, std::span<const Vertex> tops, std::span<const Vertex> loose, const Stop& stop) : n_(n) {
        vertices_.resize(width);
        facets_.resize(width);
        sort_unique(width, {tops.begin(), tops.end()}, vertices_[width - 1], nullptr, stop);
        for (std::size_t k = width - 1; k >= 1; --k) {  // faces of the k-simplices
            const std::vector<Vertex>& cells = vertices_[k];
            const std::size_t count = cells.size() / (k + 1);
            std::vector<Vertex> faces(count * (k + 1) * k);
            for (std::size_t cell = 0; cell < count; ++cell)
                for (std::size_t without = 0; without <= k; ++without) {
                    Vertex* face = faces.data() + (cell * (k + 1) + without) * k;
                    for (std::size_t i = 0; i <= k; ++i)
                        if (i != without) *face++ = cells[cell * (k + 1) + i];
                }
            const std::size_t from_cells = count * (k + 1);
            if (k == 1)
                for (Vertex v = 0; v < n; ++v) faces.push_back(v);
            if (k == 2) faces.insert(faces.end(), loose.begin(), loose.end());
            sort_unique(k, std::move(faces), vertices_[k - 1], &facets_[k], stop);
            facets_[k].resize(from_cells);
        }
        if (width == 1)  // no simplex but vertices
            sort_unique(1, all_vertices(), vertices_[0], nullptr, stop);
        else if (width == 2 && !loose.empty()) throw std::logic_error("loose edges need triangles");
    }

    std::size_t vertices() const noexcept { return n_; }
    std::size_t top() const noexcept { return vertices_.size() - 1; }
    std::size_t count(std::size_t k) const noexcept { return k < vertices_.size() ? vertices_[k].size() / (k + 1) : 0; }
    std::span<const Vertex> cell(std::size_t k, std::size_t row) const noexcept { return {vertices_[k].data() + row * (k + 1), k + 1}; }
    // Row, among the cells of dimension k-1, of the face without the i-th vertex.
    Place facet(std::size_t k, std::size_t row, std::size_t i) const noexcept { return facets_[k][row * (k + 1) + i]; }

private:
    std::vector<Vertex> all_vertices() const {
        std::vector<Vertex> all(n_);
        std::iota(all.begin(), all.end(), Vertex{0});
        return all;
    }

    // Distinct rows of `width` numbers in lexicographic order; where[i]: place of row i among them.
    void sort_unique(std::size_t width, std::vector<Vertex> rows, std::vector<Vertex>& distinct, std::vector<Place>* where, const Stop& stop) const {
        const std::size_t count = rows.size() / width;
        std::vector<Place> order(count), next(count), start(n_ + 1);
        std::iota(order.begin(), order.end(), Place{0});
        for (std::size_t column = width; column-- > 0;) {  // stable counting sorts from the last vertex to the first
            stop.check();
            std::fill(start.begin(), start.end(), Place{0});
            for (std::size_t row = 0; row < count; ++row) ++start[rows[row * width + column] + 1];
            for (std::size_t v = 0; v < n_; ++v) start[v + 1] += start[v];
            for (const Place row : order) next[start[rows[row * width + column]]++] = row;
            order.swap(next);
        }
        if (where != nullptr) where->resize(count);
        distinct.clear();
        distinct.reserve(rows.size() / 2 + width);
        for (const Place row : order) {
            const Vertex* cell = rows.data() + std::size_t{row} * width;
            if (distinct.empty() || !std::equal(cell, cell + width, distinct.end() - static_cast<std::ptrdiff_t>(width)))
                distinct.insert(distinct.end(), cell, cell + width);
            if (where != nullptr) (*where)[row] = static_cast<Place>(distinct.size() / width - 1);
        }
    }

    std::size_t n_;
    std::vector<std::vector<Vertex>> vertices_;
    std::vector<std::vector<Place>> facets_;
};

// The smallest ball with all vertices of a simplex on its sphere.
struct Ball {
    double square = 0;       // of the radius
    bool flat = false;       // the simplex has no height, up to rounding
    double flatness = 1;     // smallest pivot over the longest edge, squared
};

// Center in `center` (d numbers). Cholesky with pivoting of the Gram matrix of the edges at the first vertex.
inline Ball circumscribed(std::span<const double> points, std::size_t d, std::span<const Vertex> cell, std::span<double> center, std::vector<double>& work) {
    const std::size_t k = cell.size() - 1;
    const double* origin = points.data() + std::size_t{cell[0]} * d;
    std::copy(origin, origin + d, center.begin());
    if (k == 0) return {};
    if (k == 1) {
        const double* other = points.data() + std::size_t{cell[1]} * d;
        double square = 0;
        for (std::size_t axis = 0; axis < d; ++axis) {
            const double edge = other[axis] - origin[axis];
            square += edge * edge;
            center[axis] += edge / 2;
        }
        return {square / 4, false, 1};
    }
    work.assign(k * d + k * k + 2 * k, 0.0);
    double* edges = work.data();
    double* gram = edges + k * d;
    double* half = gram + k * k;
    double* solution = half + k;
    double longest = 0;
    for (std::size_t i = 0; i < k; ++i) {
        const double* other = points.data() + std::size_t{cell[i + 1]} * d;
        for (std::size_t axis = 0; axis < d; ++axis) edges[i * d + axis] = other[axis] - origin[axis];
    }
    for (std::size_t i = 0; i < k; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            double product = 0;
            for (std::size_t axis = 0; axis < d; ++axis) product += edges[i * d + axis] * edges[j * d + axis];
            gram[i * k + j] = gram[j * k + i] = product;
        }
    for (std::size_t i = 0; i < k; ++i) {
        half[i] = gram[i * k + i] / 2;
        longest = std::max(longest, gram[i * k + i]);
    }
    // Elimination with diagonal pivots: pivots are squared heights over what came before.
    std::array<std::size_t, 32> order{};
    if (k > order.size()) throw std::invalid_argument("simplices have too many vertices");
    for (std::size_t i = 0; i < k; ++i) order[i] = i;
    double smallest = longest;
    for (std::size_t step = 0; step < k; ++step) {
        std::size_t pivot = step;
        for (std::size_t i = step + 1; i < k; ++i)
            if (gram[order[i] * k + order[i]] > gram[order[pivot] * k + order[pivot]]) pivot = i;
        std::swap(order[step], order[pivot]);
        const std::size_t p = order[step];
        const double value = gram[p * k + p];
        smallest = std::min(smallest, value);
        if (!(value > delaunay_detail::flat * longest)) return {0, true, longest > 0 ? std::max(0.0, value / longest) : 0};
        for (std::size_t i = step + 1; i < k; ++i) {
            const std::size_t row = order[i];
            const double factor = gram[row * k + p] / value;
            for (std::size_t j = step + 1; j < k; ++j) gram[row * k + order[j]] -= factor * gram[p * k + order[j]];
            half[row] -= factor * half[p];
        }
    }
    for (std::size_t step = k; step-- > 0;) {
        const std::size_t p = order[step];
        double value = half[p];
        for (std::size_t j = step + 1; j < k; ++j) value -= gram[p * k + order[j]] * solution[order[j]];
        solution[p] = value / gram[p * k + p];
    }
    double square = 0;
    for (std::size_t axis = 0; axis < d; ++axis) {
        double shift = 0;
        for (std::size_t i = 0; i < k; ++i) shift += solution[i] * edges[i * d + axis];
        center[axis] += shift;
        square += shift * shift;
    }
    return {square, false, smallest / longest};
}

// Values of all simplices and the simplex that carries each; per dimension.
struct Values {
    struct Carrier {
        std::uint8_t dimension;
        Place row;
    };
    std::vector<std::vector<double>> square;  // of the radius (alpha) or of the longest edge (weak)
    std::vector<std::vector<Carrier>> carrier;
};

inline Values alpha_values(std::span<const double> points, std::size_t d, const Faces& faces, const Stop& stop) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const std::size_t top = faces.top();
    Values values;
    values.square.resize(top + 1);
    values.carrier.resize(top + 1);
    std::vector<double> work, center(d);
    for (std::size_t k = top + 1; k-- > 0;) {
        const std::size_t count = faces.count(k);
        std::vector<double> centers(count * d);
        std::vector<double>& square = values.square[k];
        auto& carrier = values.carrier[k];
        square.resize(count);
        carrier.resize(count);
        std::vector<std::uint8_t> gabriel(count, 1);
        for (std::size_t row = 0; row < count; ++row) {
            if (row % 4096 == 0) stop.check();
            carrier[row] = {static_cast<std::uint8_t>(k), static_cast<Place>(row)};
            const auto own = std::span(centers).subspan(row * d, d);
            Ball ball = circumscribed(points, d, faces.cell(k, row), own, work);
            for (std::size_t dimension = k, at = row; ball.flat; --dimension) {
                double best = 0;
                for (std::size_t i = 0; i <= dimension; ++i) {
                    const Place facet = faces.facet(dimension, at, i);
                    best = std::max(best, circumscribed(points, d, faces.cell(dimension - 1, facet), center, work).flatness);
                }
                Place chosen = faces.facet(dimension, at, 0);
                ball = {-1, false, 0};
                for (std::size_t i = 0; i <= dimension; ++i) {
                    const Place facet = faces.facet(dimension, at, i);
                    const Ball found = circumscribed(points, d, faces.cell(dimension - 1, facet), center, work);
                    if (found.flatness < 0.01 * best || found.square <= ball.square) continue;
                    ball = found;
                    chosen = facet;
                    std::copy(center.begin(), center.end(), own.begin());
                }
                at = chosen;
                carrier[row] = {static_cast<std::uint8_t>(dimension - 1), chosen};
            }
            square[row] = ball.square;
        }
        if (k == top) continue;
        // Vertices of cofacets inside the ball, and the first cofacet.
        std::vector<double> first(count, infinity);
        std::vector<Values::Carrier> first_carrier(count);
        const auto& above = values.square[k + 1];
        for (std::size_t row = 0; row < above.size(); ++row) {
            if (row % 4096 == 0) stop.check();
            const auto cell = faces.cell(k + 1, row);
            for (std::size_t i = 0; i <= k + 1; ++i) {
                const Place face = faces.facet(k + 1, row, i);
                if (above[row] < first[face]) {
                    first[face] = above[row];
                    first_carrier[face] = values.carrier[k + 1][row];
                }
                if (gabriel[face] == 0 || k == 0) continue;
                const double* vertex = points.data() + std::size_t{cell[i]} * d;
                double distance = 0;
                for (std::size_t axis = 0; axis < d; ++axis) {
                    const double difference = vertex[axis] - centers[std::size_t{face} * d + axis];
                    distance += difference * difference;
                }
                if (distance <= square[face] * (1 + on_sphere)) gabriel[face] = 0;
            }
        }
        if (k == 0) continue;
        for (std::size_t row = 0; row < count; ++row)
            if ((gabriel[row] == 0 && first[row] < infinity) || first[row] < square[row]) {
                square[row] = first[row];
                carrier[row] = first_carrier[row];
            }
    }
    return values;
}

inline Values weak_values(const Faces& faces, const std::vector<Place>& edge_place, const std::vector<double>& lengths, std::size_t highest) {
    Values values;
    values.square.resize(highest + 1);
    values.carrier.resize(highest + 1);
    values.square[0].assign(faces.count(0), 0.0);
    for (std::size_t row = 0; row < faces.count(0); ++row) values.carrier[0].push_back({0, static_cast<Place>(row)});
    for (std::size_t k = 1; k <= highest; ++k) {
        const std::size_t count = faces.count(k);
        values.carrier[k].resize(count);
        values.square[k].resize(count);
        for (std::size_t row = 0; row < count; ++row) {
            Place last = k == 1 ? static_cast<Place>(row) : values.carrier[k - 1][faces.facet(k, row, 0)].row;
            for (std::size_t i = 1; k > 1 && i <= k; ++i) {
                const Place other = values.carrier[k - 1][faces.facet(k, row, i)].row;
                if (edge_place[other] > edge_place[last]) last = other;
            }
            values.carrier[k][row] = {1, last};
            values.square[k][row] = lengths[last];
        }
    }
    return values;
}

// The simplices of one cloud of n points in R^d in the order of their filtration, from the top simplices of its Delaunay complex
// (increasing vertex numbers, `width` each). Only dimensions up to max_degree + 1 are ordered.
class DelaunayOrder {
public:
    DelaunayOrder(std::span<const double> points, std::size_t d, std::size_t width, std::span<const Vertex> tops, std::span<const Vertex> loose,
                  const DelaunayOptions& options, const Stop& stop)
        : points_(points), d_(d), weak_(options.weak), faces_(points.size() / d, width, tops, loose, stop),
          highest_(std::min(faces_.top(), static_cast<std::size_t>(options.max_degree) + 1)), place_(highest_ + 1), order_(highest_ + 1) {
        if (weak_) {
            std::vector<double> squares(faces_.count(1));
            for (std::size_t row = 0; row < squares.size(); ++row) squares[row] = square_of_edge(row);
            sort(0, [](std::size_t row) { return static_cast<std::uint64_t>(row); }, stop);
            if (highest_ >= 1) sort(1, [&](std::size_t row) { return monotone_key(squares[row]); }, stop);
            values_ = weak_values(faces_, highest_ >= 1 ? place_[1] : std::vector<Place>{}, squares, highest_);
            for (std::size_t k = 2; k <= highest_; ++k) sort(k, [&](std::size_t row) { return std::uint64_t{last_edge(k, row)}; }, stop);
        } else {
            values_ = alpha_values(points, d, faces_, stop);
            for (std::size_t k = 0; k <= highest_; ++k) sort(k, [&](std::size_t row) { return monotone_key(values_.square[k][row]); }, stop);
        }
        columns_.resize(highest_);
        for (std::size_t k = 1; k <= highest_; ++k) {
            auto& facets = columns_[k - 1];
            facets.resize(faces_.count(k) * (k + 1));
            for (std::size_t at = 0; at < order_[k].size(); ++at)
                for (std::size_t i = 0; i <= k; ++i) facets[at * (k + 1) + i] = place_[k - 1][faces_.facet(k, order_[k][at], i)];
        }
    }

    const Faces& faces() const noexcept { return faces_; }
    std::size_t cells(std::size_t k) const noexcept { return k <= highest_ ? order_[k].size() : 0; }
    // Of a cell by its place: its vertices, the simplex that carries its value, and the square of the value (of a length or radius).
    std::span<const Vertex> vertices(std::size_t k, Place at) const noexcept { return faces_.cell(k, order_[k][at]); }
    std::span<const Vertex> carrier(std::size_t k, Place at) const noexcept {
        const auto found = values_.carrier[k][order_[k][at]];
        return faces_.cell(found.dimension, found.row);
    }
    double square(std::size_t k, Place at) const noexcept { return values_.square[k][order_[k][at]]; }
    double length(Place edge) const noexcept { return std::sqrt(square_of_edge(order_[1][edge])); }

    // Views of what this holds.
    std::vector<Boundary> boundaries() const {
        std::vector<Boundary> found;
        for (std::size_t k = 1; k <= highest_; ++k) found.push_back({faces_.count(k - 1), k + 1, columns_[k - 1], {}, {}});
        return found;
    }

    // Whether the triangle on three points, in increasing order, is there and had entered before an edge did.
    bool is_filled(const std::array<Vertex, 3>& corners, Place edge) const {
        if (highest_ < 2) return false;
        std::size_t low = 0, high = faces_.count(2);
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            const auto cell = faces_.cell(2, middle);
            if (std::lexicographical_compare(cell.begin(), cell.end(), corners.begin(), corners.end())) low = middle + 1;
            else high = middle;
        }
        if (low == faces_.count(2) || !std::ranges::equal(faces_.cell(2, low), corners)) return false;
        return weak_ ? last_edge(2, low) < edge : values_.square[2][low] < square(1, edge);
    }

private:
    template <class Key>
    void sort(std::size_t k, const Key& key, const Stop& stop) {
        struct Item {
            std::uint64_t key;
            Place row;
        };
        std::vector<Item> items(faces_.count(k));
        for (std::size_t row = 0; row < items.size(); ++row) items[row] = {key(row), static_cast<Place>(row)};
        radix_sort(items, stop);
        place_[k].resize(items.size());
        order_[k].resize(items.size());
        for (std::size_t at = 0; at < items.size(); ++at) {
            order_[k][at] = items[at].row;
            place_[k][items[at].row] = static_cast<Place>(at);
        }
    }

    Place last_edge(std::size_t k, std::size_t row) const noexcept { return place_[1][values_.carrier[k][row].row]; }

    double square_of_edge(std::size_t row) const noexcept {
        const auto ends = faces_.cell(1, row);
        double square = 0;
        for (std::size_t axis = 0; axis < d_; ++axis) {
            const double difference = points_[std::size_t{ends[1]} * d_ + axis] - points_[std::size_t{ends[0]} * d_ + axis];
            square += difference * difference;
        }
        return square;
    }

    std::span<const double> points_;
    std::size_t d_;
    bool weak_;
    Faces faces_;
    std::size_t highest_;
    Values values_;
    std::vector<std::vector<Place>> place_, order_, columns_;  // per dimension: place of each row, row of each place; facets
};

}  // namespace delaunay_detail

// Persistence of one cloud, see DelaunayOrder. Carriers in birth_at and death_at have d + 1 entries, -1 where there are fewer vertices.
inline Pairing delaunay_persistence(std::span<const double> points, std::size_t d, std::size_t width, std::span<const std::uint32_t> tops,
                                    std::span<const std::uint32_t> loose, const DelaunayOptions& options, const Stop& stop) {
    Pairing out;
    if (d == 0 || points.size() < d) return out;
    const delaunay_detail::DelaunayOrder order(points, d, width, tops, loose, options, stop);
    const std::size_t degrees = std::min(static_cast<std::size_t>(options.max_degree), order.faces().top());
    const auto boundaries = order.boundaries();
    const auto found = filtered_persistence(order.faces().vertices(), boundaries, degrees, options.modulus, stop);

    const auto append = [&](std::size_t k, Place at, std::vector<std::int64_t>& cells, std::vector<std::int64_t>& carriers) {
        const auto cell = order.vertices(k, at), carrier = order.carrier(k, at);
        cells.insert(cells.end(), cell.begin(), cell.end());
        carriers.insert(carriers.end(), carrier.begin(), carrier.end());
        carriers.insert(carriers.end(), d + 1 - carrier.size(), -1);
    };
    for (std::size_t k = 0; k < found.size(); ++k) {
        for (std::size_t pair = 0; pair < found[k].birth.size(); ++pair) {
            const Place birth = found[k].birth[pair], death = found[k].death[pair];
            const double born = order.square(k, birth), dies = order.square(k + 1, death);
            if (!options.keep_zero && (options.weak ? born == dies : dies - born <= 2 * delaunay_detail::same * dies)) continue;
            out.degree.push_back(static_cast<std::int64_t>(k));
            out.essential.push_back(0);
            append(k, birth, out.birth_cell, out.birth_at);
            append(k + 1, death, out.death_cell, out.death_at);
        }
        for (const Place cell : found[k].essential) {
            out.degree.push_back(static_cast<std::int64_t>(k));
            out.essential.push_back(1);
            append(k, cell, out.birth_cell, out.birth_at);
        }
    }
    return out;
}

}  // namespace isotopy
