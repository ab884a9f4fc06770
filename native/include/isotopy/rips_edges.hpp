// The edges of a Rips filtration in their total order by (length, vertices), and their ranks in that order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "isotopy/metric.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"
#include "isotopy/wide.hpp"

namespace isotopy {

using Rank = std::int32_t;
inline constexpr Rank never = std::numeric_limits<Rank>::max();  // of edges that do not enter
inline constexpr std::size_t lanes = 16;                         // ranks in a wide vector; rows are filled up to a multiple

inline std::size_t filled_up(std::size_t count) noexcept { return (count + lanes - 1) / lanes * lanes; }

struct Ends {
    std::uint32_t i, j;  // i < j
};

// The edges of one sample in their total order, eight bytes each.
class RipsEdges {
public:
    // All edges of a metric up to the threshold. Beyond the smallest row maximum of the distances the complex is a cone, so
    // longer edges only make pairs of length zero; they are left out unless asked for. The metric must stay alive.
    RipsEdges(const Metric& metric, double threshold, bool cone_too, const Stop& stop) : size_(metric.size()), metric_(&metric) {
        if (size_ > packed) throw std::length_error("too many points for the matrix of all distances");
        std::vector<double> row(size_), farthest(size_, 0.0);
        double largest = 0;  // finite one
        for (std::size_t i = 0; i + 1 < size_; ++i) {
            stop.check();
            metric.row(i, i + 1, row.data());
            double last = keep_larger(farthest.data() + i + 1, row.data(), size_ - i - 1);
            farthest[i] = std::max(farthest[i], last);
            if (last == infinity) last = largest_finite(row.data(), size_ - i - 1);
            largest = std::max(largest, last);
        }
        double cutoff = threshold;
        if (!cone_too && size_ > 0) cutoff = std::min(cutoff, *std::min_element(farthest.begin(), farthest.end()));
        const double scale = scale_for(std::min(cutoff, largest));
        std::vector<Item> found(size_);
        for (std::size_t i = 0; i + 1 < size_; ++i) {
            stop.check();
            metric.row(i, i + 1, row.data());
            std::size_t count = 0;
            for (std::size_t j = i + 1; j < size_; ++j) {
                const double length = row[j - i - 1];
                found[count] = {key_of(length, scale), static_cast<std::uint32_t>(i << 16 | j)};
                count += length <= cutoff && length < infinity ? 1u : 0u;
            }
            items_.insert(items_.end(), found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count));
        }
        sort(stop);
    }

    // Edges from a list in lexicographic order, with i < j and finite lengths.
    RipsEdges(std::size_t size, std::vector<Ends> ends, std::vector<double> lengths, const Stop& stop)
        : size_(size), ends_(std::move(ends)), lengths_(std::move(lengths)) {
        if (ends_.size() >= static_cast<std::size_t>(never)) throw std::length_error("more edges than ranks of 32 bits can tell apart");
        const double scale = scale_for(lengths_.empty() ? 0.0 : *std::max_element(lengths_.begin(), lengths_.end()));
        items_.reserve(ends_.size());
        for (std::size_t index = 0; index < ends_.size(); ++index)
            items_.push_back({key_of(lengths_[index], scale), static_cast<std::uint32_t>(index)});
        sort(stop);
    }

    RipsEdges(const RipsEdges&) = delete;
    RipsEdges& operator=(const RipsEdges&) = delete;

    std::size_t size() const noexcept { return size_; }  // number of vertices
    std::size_t count() const noexcept { return items_.size(); }
    Ends ends(std::size_t rank) const noexcept { return unpack(items_[rank].code); }
    double length(std::size_t rank) const noexcept { return length_of(items_[rank].code); }

private:
    static constexpr std::size_t packed = std::size_t{1} << 16;  // so many vertices have edges that fit into 32 bits
    static constexpr double infinity = std::numeric_limits<double>::infinity();
    static constexpr double keys = 0x1p22;  // two passes of the radix sort

    struct Item {
        std::uint32_t key, code;  // the length, rounded down; the two ends, or the place in the list
    };

    // Lengths up to `largest` get keys below 2^22, shorter ones smaller or equal ones.
    static double scale_for(double largest) noexcept {
        const double scale = largest > 0 ? (keys - 1) / largest : 0.0;
        return scale < infinity ? scale : 0.0;
    }
    static std::uint32_t key_of(double length, double scale) noexcept {
        return static_cast<std::uint32_t>(static_cast<std::int32_t>(std::min(length * scale, keys - 1)));
    }

    Ends unpack(std::uint32_t code) const noexcept { return metric_ == nullptr ? ends_[code] : Ends{code >> 16, code & 0xffff}; }

    double length_of(std::uint32_t code) const noexcept {
        return metric_ == nullptr ? lengths_[code] : metric_->distance(code >> 16, code & 0xffff);
    }

    // The radix sort is stable, so that equal lengths stay in lexicographic order. Different lengths with one key are sorted
    // by comparisons.
    void sort(const Stop& stop) {
        radix_sort(items_, stop);
        std::vector<std::pair<double, std::uint32_t>> run;
        for (std::size_t first = 0, last = 1; first < items_.size(); first = last++) {
            while (last < items_.size() && items_[last].key == items_[first].key) ++last;
            if (last - first == 1) continue;
            stop.check();
            run.clear();
            for (std::size_t index = first; index < last; ++index) run.emplace_back(length_of(items_[index].code), items_[index].code);
            if (std::is_sorted(run.begin(), run.end())) continue;
            std::sort(run.begin(), run.end());
            for (std::size_t index = first; index < last; ++index) items_[index].code = run[index - first].second;
        }
    }

    // farthest[k] = max(farthest[k], row[k]); the largest of the row comes back.
    ISOTOPY_WIDE static double keep_larger(double* farthest, const double* row, std::size_t count) {
        double largest = 0;
        for (std::size_t k = 0; k < count; ++k) {
            largest = row[k] > largest ? row[k] : largest;
            farthest[k] = row[k] > farthest[k] ? row[k] : farthest[k];
        }
        return largest;
    }

    static double largest_finite(const double* row, std::size_t count) {
        double largest = 0;
        for (std::size_t k = 0; k < count; ++k)
            if (row[k] < infinity) largest = std::max(largest, row[k]);
        return largest;
    }

    std::size_t size_;
    std::vector<Item> items_;
    const Metric* metric_ = nullptr;
    std::vector<Ends> ends_;
    std::vector<double> lengths_;
};

// The edges at every vertex, in their order.
class RankLists {
public:
    struct Entry {
        std::uint32_t vertex;
        Rank rank;
    };

    RankLists(const RipsEdges& edges, std::size_t first, std::size_t last, bool both_ends) : starts_(edges.size() + 1, 0) {
        for (std::size_t rank = first; rank < last; ++rank) {
            const Ends edge = edges.ends(rank);
            ++starts_[edge.i + 1];
            if (both_ends) ++starts_[edge.j + 1];
        }
        std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
        entries_.resize(starts_.back());
        std::vector<std::size_t> next(starts_.begin(), starts_.end() - 1);
        for (std::size_t rank = first; rank < last; ++rank) {
            const Ends edge = edges.ends(rank);
            entries_[next[edge.i]++] = {edge.j, static_cast<Rank>(rank)};
            if (both_ends) entries_[next[edge.j]++] = {edge.i, static_cast<Rank>(rank)};
        }
    }

    std::span<const Entry> of(std::size_t vertex) const noexcept {
        return {entries_.data() + starts_[vertex], starts_[vertex + 1] - starts_[vertex]};
    }

    // Those before a rank.
    std::span<const Entry> of(std::size_t vertex, Rank rank) const noexcept {
        const auto all = of(vertex);
        const auto end = std::partition_point(all.begin(), all.end(), [=](const Entry& entry) { return entry.rank < rank; });
        return all.first(static_cast<std::size_t>(end - all.begin()));
    }

private:
    std::vector<std::size_t> starts_;
    std::vector<Entry> entries_;
};

// Ranks of the edges among some vertices, a square block: row by row, rows filled up with `never`; -1 on the diagonal, so that
// a vertex counts as joined to itself. Every row has a summary of its smallest and largest entries, sixteen by sixteen.
class RankBlock {
public:
    void reset(std::size_t size) {
        size_ = size;
        stride_ = filled_up(size);
        summary_ = filled_up(stride_ / lanes);
        ranks_.assign(size * stride_, never);
        for (std::size_t a = 0; a < size; ++a) ranks_[a * stride_ + a] = -1;
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t stride() const noexcept { return stride_; }
    std::size_t summary() const noexcept { return summary_; }
    Rank* row(std::size_t a) noexcept { return ranks_.data() + a * stride_; }
    const Rank* row(std::size_t a) const noexcept { return ranks_.data() + a * stride_; }
    const Rank* smallest(std::size_t a) const noexcept { return smallest_.data() + a * summary_; }
    const Rank* largest(std::size_t a) const noexcept { return largest_.data() + a * summary_; }

    void summarize() {
        smallest_.assign(size_ * summary_, never);
        largest_.assign(size_ * summary_, -1);
        for (std::size_t a = 0; a < size_; ++a) summarize_row(row(a), size_, smallest_.data() + a * summary_, largest_.data() + a * summary_);
    }

private:
    ISOTOPY_WIDE static void summarize_row(const Rank* row, std::size_t count, Rank* smallest, Rank* largest) {
        for (std::size_t block = 0; block * lanes < count; ++block) {
            Rank low = never, high = -1;
            for (std::size_t k = block * lanes; k < block * lanes + lanes; ++k) {
                low = std::min(low, row[k]);
                high = std::max(high, k < count ? row[k] : -1);
            }
            smallest[block] = low;
            largest[block] = high;
        }
    }

    std::size_t size_ = 0, stride_ = 0, summary_ = 0;
    std::vector<Rank> ranks_, smallest_, largest_;
};

}  // namespace isotopy
