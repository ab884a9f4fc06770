// Persistence of images: lower-star filtrations of the Freudenthal triangulation or of the cubical grid whose vertices are
// the pixels, and the cubical grid whose squares are the pixels.
//
// A mask of lower neighbors per pixel says which cells are paired on the spot (links.hpp); the pixel then points to a
// neighbor below and to one above it. Only critical edges are sorted. In their order, the two ends of each are followed
// down to minima, and components joined, the younger one dying; the edges that join nothing are loops, and in the reverse
// order the two sides of each are followed up to maxima, or out of the image, and regions joined: Alexander duality.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "isotopy/links.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"

namespace isotopy {

struct LevelSetOptions {
    Cells cells = Cells::freudenthal;
    bool superlevel = false;
    int max_degree = 1;
    bool keep_zero = false;
};

inline constexpr std::size_t largest_image = (std::size_t{1} << 28) - 1;  // pixels

// Works on images of one shape, one after the other; memory is taken once. Either append_pairs(values, out, stop), or, for
// threads, scan() on bands of rows that make up the image, in any order or at the same time, and then append_pairs() with
// the saddles of all bands.
template <class Real>
class Image {
public:
    using Key = decltype(monotone_key(Real{}));
    struct Saddle {
        Key key;
        std::uint32_t at;  // the pixel, and above it 4 bits: whether it lies in the first or last row, first or last column
    };

    Image(std::size_t rows, std::size_t columns, const LevelSetOptions& options)
        : rows_(rows), columns_(columns), size_(rows * columns), options_(options), links_(links_of(options.cells)), dual_(options.cells == Cells::cubical_top) {
        masks_ = std::make_unique_for_overwrite<std::uint8_t[]>(size_);
        below_ = std::make_unique_for_overwrite<std::uint32_t[]>(size_ + 1);
        if (options.max_degree > 0) above_ = std::make_unique_for_overwrite<std::uint32_t[]>(size_ + 1);
        for (std::size_t d = 0; d < directions; ++d) offsets_[d] = static_cast<std::uint32_t>(row_steps[d] * static_cast<std::int64_t>(columns) + column_steps[d]);
        offsets_[itself] = 0;
        for (std::size_t mask = 0; mask < 256; ++mask) {
            const Link& link = links_[mask];
            below_step_[mask] = offsets_[dual_ ? link.far : link.near];
            above_step_[mask] = offsets_[dual_ ? link.near : link.far];
            critical_[mask] = link.edges != 0;
        }
        find_vertex_steps();
        for (std::size_t walls = 0; walls < 16; ++walls)
            for (std::size_t d = 0; d < directions; ++d)
                missing_[walls][d] = ((walls & 1) != 0 && row_steps[d] < 0) || ((walls & 2) != 0 && row_steps[d] > 0) ||
                                     ((walls & 4) != 0 && column_steps[d] < 0) || ((walls & 8) != 0 && column_steps[d] > 0);
    }

    // Everything that a pixel can tell from its neighbors, for the rows begin .. end - 1; critical pixels go to saddles.
    void scan(const Real* values, std::size_t begin, std::size_t end, std::vector<Saddle>& saddles, const Stop& stop) {
        const std::size_t width = columns_ + 2;
        std::vector<Real> lines(3 * width, never);
        std::vector<std::uint32_t> places(width);
        Real *above = lines.data(), *here = above + width, *below = here + width;
        const Real sign = options_.superlevel ? Real{-1} : Real{1};
        const auto load = [&](std::size_t row, Real* line) {
            if (row < rows_)
                for (std::size_t j = 0; j < columns_; ++j) line[j + 1] = sign * values[row * columns_ + j];
            else
                std::fill(line + 1, line + 1 + columns_, never);
        };
        load(begin - 1, above);
        load(begin, here);
        for (std::size_t row = begin; row < end; ++row) {
            if (row % 64 == 0) stop.check();
            load(row + 1, below);
            std::uint8_t* masks = masks_.get() + row * columns_;
            if (options_.cells == Cells::freudenthal)
                find_masks<false>(above + 1, here + 1, below + 1, masks);
            else
                find_masks<true>(above + 1, here + 1, below + 1, masks);
            link_row(row, masks, here + 1, places.data(), saddles);
            std::swap(above, here);
            std::swap(here, below);
        }
    }

    void append_pairs(const Real* values, Pairing& out, const Stop& stop) {
        saddles_.clear();
        scan(values, 0, rows_, saddles_, stop);
        append_pairs(values, saddles_, out, stop);
    }

    // Classes of the image in degrees 0 to min(max_degree, 1); saddles in the order of pixels.
    void append_pairs(const Real* values, std::vector<Saddle>& saddles, Pairing& out, const Stop& stop) {
        values_ = values;
        radix_sort(saddles, stop);
        join_components(saddles, stop);
        if (options_.keep_zero) add_local_pairs(0, components_, stop);
        append(0, components_, out);
        const std::uint32_t oldest = find(below_.get(), 0);
        out.degree.push_back(0);
        out.essential.push_back(1);
        out.birth_cell.push_back(0);
        write_cell(0, oldest, 0, &out.birth_cell.back());
        out.birth_at.push_back(oldest);
        if (options_.max_degree < 1) return;
        join_regions(stop);
        if (options_.keep_zero) add_local_pairs(1, regions_, stop);
        sort_deaths(regions_, stop);
        append(1, regions_, out);
    }

private:
    struct Pair {
        std::uint32_t birth, death;  // pixels
        std::uint8_t birth_code, death_code;  // which cell of those that enter with the pixel
    };
    struct Loop {
        std::uint32_t at;
        std::uint32_t which;
    };
    static constexpr Real never = std::numeric_limits<Real>::infinity();
    static constexpr std::size_t chunk = 65536;  // steps between two looks at the stop
    static constexpr std::uint32_t pixel_bits = 28;
    static constexpr std::uint32_t pixel_mask = (std::uint32_t{1} << pixel_bits) - 1;

    // Of two equal values the pixel that comes first is the lower one.
    template <bool corners>
    void find_masks(const Real* above, const Real* here, const Real* below, std::uint8_t* masks) const {
        const auto width = static_cast<std::ptrdiff_t>(columns_);
        for (std::ptrdiff_t j = 0; j < width; ++j) {
            const Real value = here[j];
            int mask = (above[j] <= value) | (here[j + 1] < value) << 2 | (below[j + 1] < value) << 3 | (below[j] < value) << 4 | (here[j - 1] <= value) << 6 |
                       (above[j - 1] <= value) << 7;
            if constexpr (corners) mask |= (above[j + 1] <= value) << 1 | (below[j - 1] < value) << 5;
            masks[j] = static_cast<std::uint8_t>(mask);
        }
    }

    void link_row(std::size_t row, const std::uint8_t* masks, const Real* here, std::uint32_t* places, std::vector<Saddle>& saddles) {
        const auto first = static_cast<std::uint32_t>(row * columns_);
        const auto width = static_cast<std::uint32_t>(columns_);
        std::uint32_t* below = below_.get() + first;
        for (std::uint32_t j = 0; j < width; ++j) below[j] = first + j + below_step_[masks[j]];
        if (above_) {
            std::uint32_t* above = above_.get() + first;
            for (std::uint32_t j = 0; j < width; ++j) above[j] = first + j + above_step_[masks[j]];
            const bool edge_row = row == 0 || row + 1 == rows_;
            for (std::uint32_t j = 0; j < width; j += edge_row || width == 1 || j + 1 == width ? 1 : width - 1) above[j] = above_wall(first + j, row, j, masks[j]);
        }
        std::size_t count = 0;  // without a branch that could be guessed wrong
        for (std::uint32_t j = 0; j < width; ++j) {
            places[count] = j;
            count += critical_[masks[j]];
        }
        for (std::size_t place = 0; place < count; ++place) {
            const std::uint32_t j = places[place];
            saddles.push_back({monotone_key(here[j]), (first + j) | walls_of(row, j) << pixel_bits});
        }
    }

    std::uint32_t walls_of(std::size_t row, std::size_t column) const {
        return std::uint32_t{row == 0} | std::uint32_t{row + 1 == rows_} << 1 | std::uint32_t{column == 0} << 2 | std::uint32_t{column + 1 == columns_} << 3;
    }

    std::uint32_t above_wall(std::uint32_t pixel, std::size_t row, std::size_t column, std::uint8_t mask) const {
        const Link& link = links_[mask];
        const std::uint8_t d = dual_ ? link.near : link.far;
        return step(pixel, walls_of(row, column), d);
    }

    std::uint32_t outside() const { return static_cast<std::uint32_t>(size_); }

    std::uint32_t step(std::uint32_t pixel, std::uint32_t walls, std::uint8_t d) const {
        return walls != 0 && d != itself && missing_[walls][d] ? outside() : pixel + offsets_[d];
    }

    Real height(std::uint32_t pixel) const { return options_.superlevel ? -values_[pixel] : values_[pixel]; }

    bool before(std::uint32_t a, std::uint32_t b) const {
        const Real x = height(a), y = height(b);
        return x < y || (x == y && a < b);
    }

    static std::uint32_t find(const std::uint32_t* parent, std::uint32_t element) {
        while (parent[element] != element) element = parent[element];
        return element;
    }

    // From two elements to the roots of their sets, halving the paths. Both at once: neither length can be guessed.
    static void find_both(std::uint32_t* parent, std::uint32_t& a, std::uint32_t& b) {
        std::uint32_t next_a, next_b;
        do {
            next_a = parent[a];
            next_b = parent[b];
            a = parent[a] = parent[next_a];
            b = parent[b] = parent[next_b];
        } while (((a ^ next_a) | (b ^ next_b)) != 0);
    }

    // Here and in join_regions(): what an edge does is as good as random, so that its outcomes are written in any case and
    // counted where they hold. What the loops read is copied, as the compiler cannot know that it does not change.
    void join_components(const std::vector<Saddle>& saddles, const Stop& stop) {
        std::uint32_t* parent = below_.get();
        const auto offsets = offsets_;
        const bool dual = dual_, keep_zero = options_.keep_zero;
        const Real sign = options_.superlevel ? Real{-1} : Real{1};
        const Real* values = values_;
        std::size_t joins = 0, loops = 0;
        for (std::size_t begin = 0; begin < saddles.size(); begin += chunk) {
            stop.check();
            const std::size_t end = std::min(saddles.size(), begin + chunk);
            components_.resize(joins + 3 * (end - begin));
            loops_.resize(loops + 3 * (end - begin));
            Pair* joined = components_.data();
            Loop* looped = loops_.data();
            for (std::size_t place = begin; place < end; ++place) {
                const std::uint32_t at = saddles[place].at, pixel = at & pixel_mask;
                const Link& link = links_[masks_[pixel]];
                const Real height = values[pixel];
                for (std::uint32_t which = 0; which < link.edges; ++which) {
                    const CriticalEdge& edge = link.edge[which];
                    std::uint32_t a = pixel + offsets[dual ? edge.left : itself], b = pixel + offsets[dual ? edge.right : edge.end];
                    find_both(parent, a, b);
                    const Real x = sign * values[a], y = sign * values[b];
                    const bool swap = (y < x) | ((y <= x) & (b < a)), same = a == b;
                    const std::uint32_t elder = swap ? b : a, younger = swap ? a : b;
                    parent[younger] = elder;
                    joined[joins] = {younger, pixel, 0, edge.code};
                    joins += std::size_t{!same && (keep_zero || values[younger] != height)};
                    looped[loops] = {at, which};
                    loops += std::size_t{same};
                }
            }
            if (!above_) loops = 0;
        }
        components_.resize(joins);
        loops_.resize(loops);
    }

    void join_regions(const Stop& stop) {
        std::uint32_t* parent = above_.get();
        parent[outside()] = outside();
        const std::uint32_t out = outside();
        const std::uint8_t last = last_code();
        const bool dual = dual_, keep_zero = options_.keep_zero;
        const Real sign = options_.superlevel ? Real{-1} : Real{1};
        const Real* values = values_;
        std::size_t joins = 0;
        regions_.resize(loops_.size());
        Pair* joined = regions_.data();
        for (std::size_t place = loops_.size(); place-- > 0;) {
            if (place % chunk == 0) stop.check();
            const std::uint32_t pixel = loops_[place].at & pixel_mask, walls = loops_[place].at >> pixel_bits;
            const CriticalEdge& edge = links_[masks_[pixel]].edge[loops_[place].which];
            std::uint32_t a = dual ? pixel : step(pixel, walls, edge.left), b = step(pixel, walls, dual ? edge.end : edge.right);
            find_both(parent, a, b);
            if (a == b) throw std::logic_error("a loop must separate two regions");
            if (a == out) std::swap(a, b);
            const Real x = sign * values[a], y = b == out ? never : sign * values[b];
            const bool swap = (y < x) | ((y <= x) & (b < a));
            const std::uint32_t elder = swap ? a : b, younger = swap ? b : a;
            parent[younger] = elder;
            joined[joins] = {pixel, younger, edge.code, last};
            joins += std::size_t{keep_zero || values[younger] != values[pixel]};
        }
        regions_.resize(joins);
    }

    // Code of the critical top cell of a maximum: the last one of its pixel.
    std::uint8_t last_code() const { return dual_ ? 0 : static_cast<std::uint8_t>(surroundings(options_.cells).corner_count - 1); }

    void add_local_pairs(std::uint8_t degree, std::vector<Pair>& pairs, const Stop& stop) const {
        for (std::uint32_t pixel = 0; pixel < size_; ++pixel) {
            if (pixel % 65536 == 0) stop.check();
            const Link& link = links_[masks_[pixel]];
            for (std::size_t which = 0; which < link.pairs; ++which)
                if (link.pair[which].degree == degree) pairs.push_back({pixel, pixel, link.pair[which].birth, link.pair[which].death});
        }
        if (degree == 0) sort_deaths(pairs, stop);
    }

    // By value, then by pixel, then by code.
    void sort_deaths(std::vector<Pair>& pairs, const Stop& stop) const {
        struct Item {
            Key key;
            Pair pair;
        };
        std::vector<Item> items(pairs.size());
        for (std::size_t place = 0; place < pairs.size(); ++place) items[place] = {monotone_key(height(pairs[place].death)), pairs[place]};
        radix_sort(items, stop);
        for (auto first = items.begin(); first != items.end();) {  // equal values
            const auto end = std::find_if(first + 1, items.end(), [&](const Item& item) { return item.key != first->key; });
            if (end - first > 1)
                std::sort(first, end, [](const Item& a, const Item& b) { return std::pair(a.pair.death, a.pair.death_code) < std::pair(b.pair.death, b.pair.death_code); });
            first = end;
        }
        for (std::size_t place = 0; place < pairs.size(); ++place) pairs[place] = items[place].pair;
    }

    void append(std::size_t degree, const std::vector<Pair>& pairs, Pairing& out) const {
        const std::size_t count = pairs.size();
        out.degree.insert(out.degree.end(), count, static_cast<std::int64_t>(degree));
        out.essential.insert(out.essential.end(), count, std::uint8_t{0});
        const auto more = [&](std::vector<std::int64_t>& numbers, std::size_t width) {
            numbers.resize(numbers.size() + width * count);
            return numbers.data() + (numbers.size() - width * count);
        };
        const std::size_t born = corners(degree), dies = corners(degree + 1);
        std::int64_t *birth_cell = more(out.birth_cell, born), *death_cell = more(out.death_cell, dies);
        std::int64_t *birth_at = more(out.birth_at, 1), *death_at = more(out.death_at, 1);
        for (const Pair& pair : pairs) {
            write_cell(degree, pair.birth, pair.birth_code, birth_cell);
            write_cell(degree + 1, pair.death, pair.death_code, death_cell);
            birth_cell += born;
            death_cell += dies;
            *birth_at++ = pair.birth;
            *death_at++ = pair.death;
        }
    }

    // Number of vertices of a cell of dimension k.
    std::size_t corners(std::size_t k) const { return options_.cells == Cells::freudenthal ? k + 1 : std::size_t{1} << k; }

    // The vertices of a cell of dimension k that enters with the pixel, sorted.
    void write_cell(std::size_t k, std::uint32_t pixel, std::uint8_t code, std::int64_t* to) const {
        const auto first = static_cast<std::int64_t>(dual_ ? pixel + pixel / columns_ : pixel);
        const auto& steps = vertex_steps_[k][code];
        for (std::size_t j = 0; j < corners(k); ++j) to[j] = first + steps[j];
    }

    // From a pixel to the vertices of the cells that enter with it. With pixels as top cells these are corners of pixels, of
    // which a row has one more, counted from the one before the pixel.
    void find_vertex_steps() {
        const Surroundings around = surroundings(options_.cells);
        const auto row = static_cast<std::int64_t>(columns_);
        for (std::size_t k = 0; k < 3; ++k)
            for (std::size_t code = 0; code < 6; ++code) {
                auto& steps = vertex_steps_[k][code];
                if (dual_) {
                    const std::array<std::int64_t, 4> corner{0, 1, row + 1, row + 2};
                    constexpr std::array<std::array<std::uint8_t, 2>, 4> ends{{{0, 1}, {0, 2}, {1, 3}, {2, 3}}};
                    if (k == 2)
                        steps = corner;
                    else if (code < 4)
                        steps = k == 0 ? std::array<std::int64_t, 4>{corner[code]} : std::array<std::int64_t, 4>{corner[ends[code][0]], corner[ends[code][1]]};
                    continue;
                }
                std::size_t count = 1;  // the pixel itself
                for (std::size_t d = 0; k > 0 && d < directions; ++d)
                    if (((k == 1 ? 1u << around.edges[code] : around.corners[code]) >> d & 1u) != 0) steps[count++] = row_steps[d] * row + column_steps[d];
                std::sort(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(count));
            }
    }

    std::size_t rows_, columns_, size_;
    LevelSetOptions options_;
    const std::array<Link, 256>& links_;
    std::array<std::array<std::array<std::int64_t, 4>, 6>, 3> vertex_steps_{};
    bool dual_;  // pixels are top cells: edges separate components and join regions
    std::array<std::uint32_t, directions + 1> offsets_{};
    std::array<std::uint32_t, 256> below_step_{}, above_step_{};
    std::array<std::uint8_t, 256> critical_{};
    std::array<std::array<bool, directions>, 16> missing_{};
    std::unique_ptr<std::uint8_t[]> masks_;
    std::unique_ptr<std::uint32_t[]> below_, above_;  // per pixel: a neighbor on the way down, up; then sets of pixels
    std::vector<Saddle> saddles_;
    std::vector<Pair> components_, regions_;
    std::vector<Loop> loops_;
    const Real* values_ = nullptr;
};

}  // namespace isotopy
