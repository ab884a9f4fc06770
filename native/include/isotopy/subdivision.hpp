// Polyhedral complexes of dimension 1, 2 or 3, cut along the zero sets of functions that are affine on each of their cells.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "parallel.hpp"

namespace isotopy {

// Cells are convex. A round takes one value per vertex and function, cuts by the functions in order, and touches only the
// top cells that have both strict signs of a function: each keeps a place in the queues of the functions that cross it.
//
// Signs are those of real numbers. A value with an error bound decides its own sign where it is larger than the bound;
// where two functions cut an edge at nearly the same point, or a value is nearly 0, the entry stays open, and `run`
// returns for an answer. On an edge that a function does not cross the sign of a new vertex follows from the ends.
class Subdivision {
public:
    using Index = std::int32_t;

    struct Corner {  // of a face: a vertex, and the edge from it to the next one
        Index vertex, edge;
    };
    struct Range {
        std::size_t begin = 0, count = 0;
    };
    struct Cut {  // a vertex at (1 - t) a + t b, where the function in `column` is 0; t is off by at most `error`
        Index a, b, column;
        double t, error;
    };
    struct Entry {
        Index vertex, column;
    };
    struct Mark {  // the complex at some moment
        std::size_t vertices = 0;          // that it had, the first ones
        std::vector<std::uint8_t> inside;  // of every edge now: whether it is a part of one of its edges
        std::vector<Index> within;         // of every top cell now: the one of its top cells that it lies in
    };

    Subdivision(int dimension, std::size_t vertices, std::size_t bytes) : dimension_(dimension), vertices_(vertices), limit_(bytes) {
        if (dimension < 1 || dimension > 3) throw std::invalid_argument("dimension must be 1, 2 or 3");
        if (vertices > most_) throw std::length_error("too many vertices");
        mark_.vertices = vertices;
    }

    void add_edge(std::int64_t a, std::int64_t b) {
        if (a < 0 || b < 0 || a == b || static_cast<std::size_t>(std::max(a, b)) >= vertices_) throw std::invalid_argument("edges are out of range");
        ends_.push_back({static_cast<Index>(a), static_cast<Index>(b)});
        mark_.inside.push_back(1);
        if (dimension_ == 1) add_top();
    }

    void add_face(std::span<const std::int64_t> vertices, std::span<const std::int64_t> edges) {
        if (vertices.size() < 3 || edges.size() != vertices.size()) throw std::invalid_argument("faces need at least three vertices, and as many edges");
        faces_.push_back({corners_.size(), vertices.size()});
        for (std::size_t i = 0; i < vertices.size(); ++i) {
            const std::int64_t edge = edges[i], from = vertices[i], to = vertices[(i + 1) % vertices.size()];
            if (edge < 0 || static_cast<std::size_t>(edge) >= ends_.size()) throw std::invalid_argument("faces are out of range");
            const auto [a, b] = ends_[static_cast<std::size_t>(edge)];
            if ((a != from || b != to) && (a != to || b != from)) throw std::invalid_argument("faces do not run along their edges");
            corners_.push_back({static_cast<Index>(from), static_cast<Index>(edge)});
        }
        if (dimension_ == 2) add_top();
    }

    void add_cell(std::span<const std::int64_t> faces) {
        if (faces.size() < 4) throw std::invalid_argument("cells need at least four faces");
        cells_.push_back({lists_.size(), faces.size()});
        for (const std::int64_t face : faces) {
            if (face < 0 || static_cast<std::size_t>(face) >= faces_.size()) throw std::invalid_argument("cells are out of range");
            lists_.push_back(static_cast<Index>(face));
        }
        if (dimension_ == 3) add_top();
    }

    // Remembers the complex as it is now, until the next mark.
    void set_mark() {
        mark_ = {vertices_, std::vector<std::uint8_t>(ends_.size(), 1), std::vector<Index>(tops())};
        for (std::size_t top = 0; top < tops(); ++top) mark_.within[top] = static_cast<Index>(top);
    }
    void set_mark(Mark mark) {
        if (mark.vertices > vertices_ || mark.inside.size() != ends_.size() || mark.within.size() != tops()) throw std::invalid_argument("the mark does not fit");
        mark_ = std::move(mark);
    }
    const Mark& mark() const { return mark_; }
    std::size_t limit() const { return limit_; }

    // Values and error bounds, one row of `columns` per vertex. An error bound may be infinite. With `doubt` every entry that
    // no other sign implies is left open, whatever its bound is.
    void begin(std::span<const double> values, std::span<const double> errors, std::size_t columns, bool doubt) {
        if (values.size() != vertices_ * columns || errors.size() != values.size()) throw std::invalid_argument("values and errors must have one row per vertex");
        if (!open_.empty()) throw std::logic_error("open entries wait for an answer");
        columns_ = columns, words_ = (columns + 63) / 64, doubt_ = doubt;
        values_.assign(values.begin(), values.end());
        errors_.assign(errors.begin(), errors.end());
        positive_.assign(vertices_ * words_, 0);
        negative_.assign(vertices_ * words_, 0);
        queues_.assign(columns, {});
        cuts_.clear();
        column_ = 0, stage_ = Stage::start;
        for (std::size_t top = 0; top < origin_.size(); ++top) origin_[top] = static_cast<Index>(top);
        for (std::size_t v = 0; v < vertices_; ++v)
            for (std::size_t c = 0; c < columns; ++c) classify(v, c);
    }

    // Entries whose sign is open; `decide` takes their values in this order, to within rounding. Numbers up to 2^-470 stand
    // for all that small, those from 2^1000 for all that large.
    const std::vector<Entry>& open() const { return open_; }

    void decide(std::span<const double> numbers) {
        if (numbers.size() != open_.size()) throw std::invalid_argument("one number per open entry is needed");
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            const auto v = static_cast<std::size_t>(open_[i].vertex), c = static_cast<std::size_t>(open_[i].column);
            if (!std::isfinite(numbers[i])) throw std::invalid_argument("numbers must be finite");
            const double size = std::abs(numbers[i]);  // at the ends of the range the number only stands for another one
            set(v, c, numbers[i], size >= huge_ ? std::numeric_limits<double>::infinity() : size > tiny_ ? size * unit_ : size);
            if (numbers[i] > 0) positive_[v * words_ + c / 64] |= bit(c);
            if (numbers[i] < 0) negative_[v * words_ + c / 64] |= bit(c);
        }
        open_.clear();
    }

    // Goes on until the round is over (true) or entries are open (false).
    bool run(const Stop& stop) {
        if (!open_.empty()) return false;
        if (stage_ == Stage::start) {
            for (std::size_t top = 0; top < origin_.size(); ++top) enqueue(top, 0);
            stage_ = Stage::cut;
        }
        for (; column_ < columns_; ++column_) {
            if (stage_ == Stage::cut) {
                stop.check();
                if (bytes() > limit_) throw std::bad_alloc();
                ++epoch_;
                find_hits();
                for (const Index top : hits_) cut(static_cast<std::size_t>(top));
                stage_ = Stage::split;
                if (!open_.empty()) return false;
            }
            std::size_t count = 0;
            for (const Index top : hits_) {
                if ((++count & 1023u) == 0) stop.check();
                split(static_cast<std::size_t>(top));
            }
            stage_ = Stage::cut;
        }
        agree();
        return true;
    }

    int dimension() const { return dimension_; }
    std::size_t vertices() const { return vertices_; }
    std::size_t columns() const { return columns_; }
    std::size_t tops() const { return origin_.size(); }
    const std::vector<std::array<Index, 2>>& ends() const { return ends_; }
    std::size_t faces() const { return faces_.size(); }
    std::size_t cells() const { return cells_.size(); }
    std::span<const Corner> face(std::size_t f) const { return {corners_.data() + faces_[f].begin, faces_[f].count}; }
    std::span<const Index> cell(std::size_t c) const { return {lists_.data() + cells_[c].begin, cells_[c].count}; }

    // Vertices of a top cell, in order around a face, several times each in three dimensions.
    template <class Visit>
    void each_vertex(std::size_t top, const Visit& visit) const {
        if (dimension_ == 1) {
            visit(ends_[top][0]), visit(ends_[top][1]);
        } else if (dimension_ == 2) {
            for (const Corner& corner : face(top)) visit(corner.vertex);
        } else {
            for (const Index f : cell(top))
                for (const Corner& corner : face(static_cast<std::size_t>(f))) visit(corner.vertex);
        }
    }

    // (1 - t) a + t b and a bound on its error, where t is off by at most `shift`.
    static void interpolate(const double* a, const double* b, double* to, const double* error_a, const double* error_b, double* error, std::size_t n, double t, double shift) {
        for (std::size_t c = 0; c < n; ++c) {
            const double difference = b[c] - a[c];
            to[c] = a[c] + t * difference;
            error[c] = std::max(error_a[c], error_b[c]) + shift * std::abs(difference) + 4 * unit_ * (std::abs(a[c]) + std::abs(b[c]));
        }
    }

    // Of the round: its new vertices, all values and errors, and the top cell before it that each one lies in.
    const std::vector<Cut>& cuts() const { return cuts_; }
    bool over() const { return stage_ == Stage::cut && column_ == columns_ && values_.size() == vertices_ * columns_; }
    // Values become those of a function that is the identity above 0 and has this slope below.
    void activate(double slope) {
        if (!over()) throw std::logic_error("values are there once, when the round is over");
        const double steepness = std::abs(slope);
        for (std::size_t i = 0; i < values_.size(); ++i) {
            const bool on = values_[i] > 0;
            values_[i] = on ? values_[i] : slope * values_[i];
            if (!on) errors_[i] = slope == 0 ? 0 : steepness * errors_[i] + unit_ * std::abs(values_[i]);  // errors may be infinite
        }
    }
    std::vector<double> take_values() { return std::move(values_); }
    std::vector<double> take_errors() { return std::move(errors_); }
    const std::vector<Index>& origin() const { return origin_; }

    // For each top cell a bit per function: whether it takes positive (negative) values there, as little-endian bytes.
    std::pair<std::vector<std::uint8_t>, std::vector<std::uint8_t>> signs() {
        const std::size_t width = (columns_ + 7) / 8;
        std::pair<std::vector<std::uint8_t>, std::vector<std::uint8_t>> found;
        found.first.resize(tops() * width), found.second.resize(tops() * width);
        for (std::size_t top = 0; top < tops(); ++top) {
            gather(top, 0);
            for (std::size_t byte = 0; byte < width; ++byte) {
                found.first[top * width + byte] = static_cast<std::uint8_t>(above_[byte / 8] >> (8 * (byte % 8)));
                found.second[top * width + byte] = static_cast<std::uint8_t>(below_[byte / 8] >> (8 * (byte % 8)));
            }
        }
        return found;
    }

    // Drops what earlier splits left behind.
    void compact() {
        std::vector<Corner> corners;
        for (Range& range : faces_) {
            const std::size_t start = corners.size();
            corners.insert(corners.end(), corners_.begin() + static_cast<std::ptrdiff_t>(range.begin), corners_.begin() + static_cast<std::ptrdiff_t>(range.begin + range.count));
            range.begin = start;
        }
        corners_ = std::move(corners);
        std::vector<Index> lists;
        for (Range& range : cells_) {
            const std::size_t start = lists.size();
            lists.insert(lists.end(), lists_.begin() + static_cast<std::ptrdiff_t>(range.begin), lists_.begin() + static_cast<std::ptrdiff_t>(range.begin + range.count));
            range.begin = start;
        }
        lists_ = std::move(lists);
    }

    std::size_t bytes() const {
        return 8 * (values_.capacity() + errors_.capacity() + positive_.capacity() + negative_.capacity()) + sizeof(Cut) * cuts_.capacity() +
               sizeof(Corner) * corners_.capacity() + 16 * (ends_.capacity() + faces_.capacity() + cells_.capacity()) + 4 * lists_.capacity() + 8 * vertices_ + mark_.inside.capacity() + 4 * mark_.within.capacity();
    }

private:
    enum class Stage { start, cut, split };

    static constexpr std::size_t most_ = std::numeric_limits<Index>::max() / 2;
    static constexpr double unit_ = 0x1p-53, tiny_ = 0x1p-470, huge_ = 0x1p1000;  // products with tiny_ do not underflow
    static std::uint64_t bit(std::size_t column) { return std::uint64_t{1} << (column % 64); }

    void add_top() {
        mark_.within.push_back(static_cast<Index>(tops()));
        origin_.push_back(static_cast<Index>(tops()));
    }

    void add_half(std::size_t top) {
        origin_.push_back(origin_[top]);
        mark_.within.push_back(mark_.within[top]);
    }

    int sign(Index vertex) const {  // at the current function
        const std::size_t word = static_cast<std::size_t>(vertex) * words_ + column_ / 64;
        return (positive_[word] & bit(column_)) != 0 ? 1 : (negative_[word] & bit(column_)) != 0 ? -1 : 0;
    }

    void set(std::size_t vertex, std::size_t column, double value, double error) {
        values_[vertex * columns_ + column] = value;
        errors_[vertex * columns_ + column] = error;
    }

    void classify(std::size_t v, std::size_t c) {
        const double value = values_[v * columns_ + c], error = errors_[v * columns_ + c];
        if (doubt_) open_.push_back({static_cast<Index>(v), static_cast<Index>(c)});
        else if (value > error) positive_[v * words_ + c / 64] |= bit(c);
        else if (-value > error) negative_[v * words_ + c / 64] |= bit(c);
        else if (!(error == 0)) open_.push_back({static_cast<Index>(v), static_cast<Index>(c)});
    }

    // Which functions are positive, and which negative, somewhere on a top cell.
    void gather(std::size_t top, std::size_t from) {
        above_.assign(words_, 0), below_.assign(words_, 0);
        each_vertex(top, [&](Index vertex) {
            const std::size_t row = static_cast<std::size_t>(vertex) * words_;
            for (std::size_t w = from; w < words_; ++w) above_[w] |= positive_[row + w], below_[w] |= negative_[row + w];
        });
    }

    void enqueue(std::size_t top, std::size_t column) {
        if (column >= columns_) return;
        gather(top, column / 64);
        for (std::size_t w = column / 64; w < words_; ++w) {
            std::uint64_t crossing = above_[w] & below_[w];
            if (w == column / 64) crossing &= ~std::uint64_t{0} << (column % 64);
            for (; crossing != 0; crossing &= crossing - 1)
                queues_[64 * w + static_cast<std::size_t>(std::countr_zero(crossing))].push_back(static_cast<Index>(top));
        }
    }

    void find_hits() {
        hits_.clear();
        seen_.resize(tops(), 0);
        for (const Index top : queues_[column_]) {
            if (seen_[static_cast<std::size_t>(top)] == epoch_) continue;
            seen_[static_cast<std::size_t>(top)] = epoch_;
            int signs = 0;
            each_vertex(static_cast<std::size_t>(top), [&](Index vertex) {
                const int s = sign(vertex);
                signs |= s > 0 ? 1 : s < 0 ? 2 : 0;
            });
            if (signs == 3) hits_.push_back(top);
        }
        queues_[column_] = {};
        edge_cut_.resize(ends_.size());
        face_split_.resize(faces_.size());
    }

    void cut(std::size_t top) {
        if (dimension_ == 1) {
            cut_edge(top);
        } else if (dimension_ == 2) {
            for (const Corner& corner : face(top)) cut_edge(static_cast<std::size_t>(corner.edge));
        } else {
            for (const Index f : cell(top))
                for (const Corner& corner : face(static_cast<std::size_t>(f))) cut_edge(static_cast<std::size_t>(corner.edge));
        }
    }

    struct Halves {  // edge (a, b), cut at vertex v, is (a, v) from then on, and `second` is (v, b)
        std::uint32_t epoch = 0;
        Index vertex = 0, second = 0;
    };

    void cut_edge(std::size_t edge) {
        const auto [a, b] = ends_[edge];
        if (edge_cut_[edge].epoch == epoch_ || sign(a) * sign(b) >= 0) return;
        if (vertices_ >= most_ || ends_.size() >= most_ || faces_.size() >= most_) throw std::length_error("too many cells");
        const auto v = static_cast<Index>(vertices_), second = static_cast<Index>(ends_.size());
        add_vertex(a, b);
        ends_[edge] = {a, v};
        ends_.push_back({v, b});
        edge_cut_[edge] = {epoch_, v, second};
        edge_cut_.push_back({epoch_, v, 0});  // this half is not cut again: its end v has sign 0
        mark_.inside.push_back(mark_.inside[edge]);
        if (dimension_ == 1) add_half(edge);
    }

    void add_vertex(Index a, Index b) {
        const std::size_t v = vertices_++, n = columns_, first = static_cast<std::size_t>(a) * n, last = static_cast<std::size_t>(b) * n;
        const double a0 = std::abs(values_[first + column_]), b0 = std::abs(values_[last + column_]), za = std::max(a0, tiny_), zb = std::max(b0, tiny_);
        const double ea = errors_[first + column_] + (za - a0), eb = errors_[last + column_] + (zb - b0), size = za + zb;
        const double t = za / size;
        const double shift = std::min(1.0, (ea * (zb / size) + eb * (za / size)) / std::max(size - ea - eb, tiny_) * (1 + 0x1p-40) + 4 * unit_);
        cuts_.push_back({a, b, static_cast<Index>(column_), t, shift});
        values_.resize((v + 1) * n), errors_.resize((v + 1) * n);
        interpolate(values_.data() + first, values_.data() + last, values_.data() + v * n, errors_.data() + first, errors_.data() + last, errors_.data() + v * n, n, t, shift);
        const std::size_t words = words_, row = v * words, from = static_cast<std::size_t>(a) * words, to = static_cast<std::size_t>(b) * words;
        positive_.resize(row + words), negative_.resize(row + words);
        for (std::size_t w = 0; w < words; ++w) {
            std::uint64_t crossing = (positive_[from + w] & negative_[to + w]) | (negative_[from + w] & positive_[to + w]);
            positive_[row + w] = (positive_[from + w] | positive_[to + w]) & ~crossing;
            negative_[row + w] = (negative_[from + w] | negative_[to + w]) & ~crossing;
            for (; crossing != 0; crossing &= crossing - 1) {
                const std::size_t c = 64 * w + static_cast<std::size_t>(std::countr_zero(crossing));
                if (c == column_) set(v, c, 0, 0);
                else classify(v, c);
            }
        }
    }

    // Values of new vertices never contradict their signs.
    void agree() {
        for (std::size_t v = vertices_ - cuts_.size(); v < vertices_; ++v)
            for (std::size_t c = 0; c < columns_; ++c) {
                const bool plus = (positive_[v * words_ + c / 64] & bit(c)) != 0, minus = (negative_[v * words_ + c / 64] & bit(c)) != 0;
                double &value = values_[v * columns_ + c], &error = errors_[v * columns_ + c];
                const double kept = plus ? std::max(value, tiny_) : minus ? std::min(value, -tiny_) : 0;
                error = plus || minus ? error + std::abs(kept - value) : 0;
                value = kept;
            }
    }

    void split(std::size_t top) {
        std::size_t second = top;
        if (dimension_ == 1) {
            second = static_cast<std::size_t>(edge_cut_[top].second);
        } else if (dimension_ == 2) {
            second = split_face(top);
            add_half(top);
        } else {
            second = split_cell(top);
            add_half(top);
        }
        enqueue(top, column_ + 1);
        enqueue(second, column_ + 1);
    }

    // Two faces for one, the first on the negative side; the edge between them is the last one that is made.
    std::size_t split_face(std::size_t f) {
        cycle_.clear();
        for (const Corner& corner : face(f)) {
            const auto edge = static_cast<std::size_t>(corner.edge);
            const Halves& halves = edge_cut_[edge];
            if (halves.epoch != epoch_ || ends_[edge][1] != halves.vertex) {  // not cut, or the second half of one that was
                cycle_.push_back(corner);
            } else if (ends_[edge][0] == corner.vertex) {
                cycle_.push_back(corner), cycle_.push_back({halves.vertex, halves.second});
            } else {
                cycle_.push_back({corner.vertex, halves.second}), cycle_.push_back({halves.vertex, corner.edge});
            }
        }
        const std::size_t size = cycle_.size();
        std::size_t start = size, length = 0;
        for (std::size_t i = 0; i < size; ++i)
            if (sign(cycle_[i].vertex) > 0 && sign(cycle_[i == 0 ? size - 1 : i - 1].vertex) == 0) {
                if (start != size) throw std::logic_error("the signs of a face are not those of an affine function");
                start = i;
            }
        if (start == size) throw std::logic_error("the signs of a face are not those of an affine function");
        while (length < size && sign(cycle_[(start + length) % size].vertex) > 0) ++length;
        const std::size_t before = (start + size - 1) % size, after = (start + length) % size;
        if (before == after || sign(cycle_[after].vertex) != 0) throw std::logic_error("the signs of a face are not those of an affine function");
        const Index p = cycle_[before].vertex, q = cycle_[after].vertex;
        const auto edge = static_cast<Index>(ends_.size());
        ends_.push_back({p, q});
        mark_.inside.push_back(0);
        edge_cut_.push_back({});
        const std::size_t second = faces_.size();
        const Range above{corners_.size(), length + 2};
        for (std::size_t i = 0; i <= length; ++i) corners_.push_back(cycle_[(before + i) % size]);
        corners_.push_back({q, edge});
        const Range under{corners_.size(), size - length};
        for (std::size_t i = 0; i + 1 < size - length; ++i) corners_.push_back(cycle_[(after + i) % size]);
        corners_.push_back({p, edge});
        faces_.push_back(above);
        faces_[f] = under;
        face_split_.push_back({});
        return second;
    }

    struct Parts {
        std::uint32_t epoch = 0;
        Index second = 0;
    };

    bool crossed(std::size_t f) const {
        bool plus = false, minus = false;
        for (const Corner& corner : face(f)) {
            const int s = sign(corner.vertex);
            plus = plus || s > 0, minus = minus || s < 0;
        }
        return plus && minus;
    }

    std::size_t split_cell(std::size_t c) {
        above_faces_.clear(), under_faces_.clear(), rim_.clear();
        for (const Index f : cell(c)) {
            const auto number = static_cast<std::size_t>(f);
            if (face_split_[number].epoch != epoch_ && crossed(number)) {
                const std::size_t second = split_face(number);
                face_split_[number] = {epoch_, static_cast<Index>(second)};
            }
            if (face_split_[number].epoch == epoch_) {
                under_faces_.push_back(f), above_faces_.push_back(face_split_[number].second);
                continue;
            }
            const auto around = face(number);
            const bool plus = std::any_of(around.begin(), around.end(), [&](const Corner& corner) { return sign(corner.vertex) > 0; });
            (plus ? above_faces_ : under_faces_).push_back(f);
        }
        links_.resize(vertices_);
        for (const Index f : above_faces_) {
            const auto around = face(static_cast<std::size_t>(f));
            for (std::size_t i = 0; i < around.size(); ++i) {
                const Index from = around[i].vertex, to = around[(i + 1) % around.size()].vertex;
                if (sign(from) != 0 || sign(to) != 0) continue;
                link(c, from, to, around[i].edge), link(c, to, from, around[i].edge);
                rim_.push_back({from, around[i].edge});
            }
        }
        const std::size_t sides = rim_.size();
        if (sides < 3) throw std::logic_error("the signs of a cell are not those of an affine function");
        const Range range{corners_.size(), sides};
        Index at = rim_[0].vertex, edge = -1;
        for (std::size_t i = 0; i < sides; ++i) {  // around the cut
            const Link& links = links_[static_cast<std::size_t>(at)];
            if (links.epoch != epoch_ || links.cell != static_cast<Index>(c) || links.count != 2) throw std::logic_error("the signs of a cell are not those of an affine function");
            const std::size_t way = links.edge[0] == edge ? 1 : 0;
            edge = links.edge[way];
            corners_.push_back({at, edge});
            at = links.to[way];
        }
        if (at != rim_[0].vertex) throw std::logic_error("the signs of a cell are not those of an affine function");
        const auto wall = static_cast<Index>(faces_.size());
        faces_.push_back(range);
        face_split_.push_back({});
        above_faces_.push_back(wall), under_faces_.push_back(wall);
        const std::size_t second = cells_.size();
        cells_[c] = {lists_.size(), under_faces_.size()};
        lists_.insert(lists_.end(), under_faces_.begin(), under_faces_.end());
        cells_.push_back({lists_.size(), above_faces_.size()});
        lists_.insert(lists_.end(), above_faces_.begin(), above_faces_.end());
        return second;
    }

    struct Link {  // of a vertex on the rim of a cut: the two edges there and where they lead
        std::uint32_t epoch = 0;
        Index cell = -1;
        std::uint32_t count = 0;
        std::array<Index, 2> to{}, edge{};
    };

    void link(std::size_t cell, Index from, Index to, Index edge) {
        Link& links = links_[static_cast<std::size_t>(from)];
        if (links.epoch != epoch_ || links.cell != static_cast<Index>(cell)) links = {epoch_, static_cast<Index>(cell), 0, {}, {}};
        if (links.count == 2) throw std::logic_error("the signs of a cell are not those of an affine function");
        links.to[links.count] = to, links.edge[links.count] = edge;
        ++links.count;
    }

    int dimension_;
    std::size_t vertices_, limit_;
    std::vector<std::array<Index, 2>> ends_;
    std::vector<Corner> corners_;
    std::vector<Range> faces_, cells_;
    std::vector<Index> lists_, origin_;
    Mark mark_;

    std::size_t columns_ = 0, words_ = 0, column_ = 0;
    Stage stage_ = Stage::start;
    bool doubt_ = false;
    std::uint32_t epoch_ = 0;
    std::vector<double> values_, errors_;
    std::vector<std::uint64_t> positive_, negative_, above_, below_;
    std::vector<std::vector<Index>> queues_;
    std::vector<Index> hits_, above_faces_, under_faces_;
    std::vector<std::uint32_t> seen_;
    std::vector<Cut> cuts_;
    std::vector<Entry> open_;
    std::vector<Halves> edge_cut_;
    std::vector<Parts> face_split_;
    std::vector<Corner> cycle_, rim_;
    std::vector<Link> links_;
};

}  // namespace isotopy
