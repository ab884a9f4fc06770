// Persistence of signals, grids of dimension 1, in degree 0: one pass with a stack.
//
// Numbers of cells are the same in all conventions. Samples are vertices, an edge enters with the later of its ends: a
// class is born at a minimum i and dies with the edge (i, i + 1) of a maximum i. Or samples are edges i between the vertices
// i and i + 1, which enter with the first of their edges: a class is born with the vertex i of a minimum and dies with the
// edge i of a maximum.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "isotopy/image.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"

namespace isotopy {

template <class Real>
class Signal {
public:
    explicit Signal(const LevelSetOptions& options) : options_(options) {}

    // Classes of one signal.
    void append_pairs(const Real* values, std::size_t size, Pairing& out, const Stop& stop) {
        if (size == 0) return;
        values_ = values;
        size_ = size;
        classes_.clear();
        open_.clear();
        const std::uint32_t oldest = options_.superlevel ? sweep<true>(stop) : sweep<false>(stop);
        if (options_.keep_zero)
            add_local_pairs(stop);
        else
            std::erase_if(classes_, [&, seen = std::size_t{0}](const Class& c) mutable {
                if (++seen % 65536 == 0) stop.check();
                return values_[c.birth] == values_[c.death];
            });
        sort_deaths(stop);
        const std::size_t count = classes_.size();
        out.degree.insert(out.degree.end(), count + 1, std::int64_t{0});
        out.essential.insert(out.essential.end(), count, std::uint8_t{0});
        out.essential.push_back(1);
        const auto more = [](std::vector<std::int64_t>& numbers, std::size_t by) {
            numbers.resize(numbers.size() + by);
            return numbers.data() + (numbers.size() - by);
        };
        std::int64_t *birth_cell = more(out.birth_cell, count + 1), *death_cell = more(out.death_cell, 2 * count);
        std::int64_t *birth_at = more(out.birth_at, count + 1), *death_at = more(out.death_at, count);
        for (const Class& c : classes_) {
            if ((&c - classes_.data()) % 65536 == 0) stop.check();
            *birth_cell++ = c.birth_vertex;
            *death_cell++ = c.death_vertex;
            *death_cell++ = c.death_vertex + 1;
            *birth_at++ = c.birth;
            *death_at++ = c.death;
        }
        *birth_cell = *birth_at = oldest;
    }

private:
    struct Class {
        std::uint32_t birth, death;                 // samples
        std::uint32_t birth_vertex, death_vertex;  // the vertex; the first of the edge
    };
    struct Basin {
        std::uint32_t minimum, wall;  // the maximum on its right: place in classes_
    };

    Real height(std::uint32_t sample) const { return options_.superlevel ? -values_[sample] : values_[sample]; }

    // Whether a is lower than b, where a < b.
    template <bool superlevel>
    bool rises(std::uint32_t a, std::uint32_t b) const {
        return superlevel ? values_[a] >= values_[b] : values_[a] <= values_[b];
    }

    template <bool superlevel>
    bool before(std::uint32_t a, std::uint32_t b) const {
        return a < b ? rises<superlevel>(a, b) : !rises<superlevel>(b, a);
    }

    // From left to right: basins between walls that fall from the bottom of the stack to its top. One class per maximum.
    template <bool superlevel>
    std::uint32_t sweep(const Stop& stop) {
        const auto last = static_cast<std::uint32_t>(size_ - 1);
        std::uint32_t here = 0, minimum = 0;
        const auto join = [&] {
            const Basin left = open_.back();
            open_.pop_back();
            const bool older = before<superlevel>(left.minimum, minimum);
            classes_[left.wall].birth = classes_[left.wall].birth_vertex = older ? minimum : left.minimum;
            if (older) minimum = left.minimum;
        };
        for (;;) {
            while (here < last && !rises<superlevel>(here, here + 1))
                if (++here % 65536 == 0) stop.check();
            minimum = here;
            while (here < last && rises<superlevel>(here, here + 1))
                if (++here % 65536 == 0) stop.check();
            if (here == last) break;
            while (!open_.empty() && rises<superlevel>(classes_[open_.back().wall].death, here)) join();
            open_.push_back({minimum, static_cast<std::uint32_t>(classes_.size())});
            classes_.push_back({0, here, 0, here});
        }
        while (!open_.empty()) {
            if (open_.size() % 65536 == 0) stop.check();
            join();
        }
        return minimum;
    }

    // Cells that enter with the same sample and belong together.
    void add_local_pairs(const Stop& stop) {
        const auto count = static_cast<std::uint32_t>(size_);
        const std::size_t maxima = classes_.size();
        for (std::uint32_t i = 0; i < count; ++i) {
            if (i % 65536 == 0) stop.check();
            const bool left = i > 0 && !(height(i) < height(i - 1)), right = i + 1 < count && height(i + 1) < height(i);  // lower ones
            if (options_.cells == Cells::cubical_top) {
                if (!left || !right) classes_.push_back({i, i, right ? i : i + 1, i});
            } else if (left || right) {
                classes_.push_back({i, i, i, left ? i - 1 : i});
            }
        }
        std::inplace_merge(classes_.begin(), classes_.begin() + static_cast<std::ptrdiff_t>(maxima), classes_.end(), [](const Class& a, const Class& b) {
            return a.death < b.death || (a.death == b.death && a.death_vertex < b.death_vertex);
        });
    }

    // By value; classes are in the order of their deaths among equal ones.
    void sort_deaths(const Stop& stop) {
        struct Item {
            decltype(monotone_key(Real{})) key;
            Class found;
        };
        std::vector<Item> items(classes_.size());
        stop.check();
        for (std::size_t place = 0; place < items.size(); ++place) {
            if (place % 65536 == 0) stop.check();
            items[place] = {monotone_key(height(classes_[place].death)), classes_[place]};
        }
        radix_sort(items, stop);
        for (std::size_t place = 0; place < items.size(); ++place) {
            if (place % 65536 == 0) stop.check();
            classes_[place] = items[place].found;
        }
    }

    LevelSetOptions options_;
    const Real* values_ = nullptr;
    std::size_t size_ = 0;
    std::vector<Class> classes_;
    std::vector<Basin> open_;
};

}  // namespace isotopy
