// Vietoris-Rips persistence in degrees from 2 on, over any prime field, by implicit cohomology.
//
// Coboundaries of k-simplices (flag_complex.hpp) are reduced from the last simplex to the first, the pivot being the first
// cofacet. Columns are never stored: the reduction keeps which simplices were added. Simplices that end a class of the degree
// below are left out (clearing), and so are apparent pairs.
//
// U. Bauer, Ripser: efficient computation of Vietoris-Rips persistence barcodes, J. Appl. Comput. Topol. 5 (2021).
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "isotopy/field.hpp"
#include "isotopy/flag_complex.hpp"
#include "isotopy/pairing.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rips.hpp"

namespace isotopy {

namespace cohomology_detail {

struct Column {
    Key simplex;
    std::uint32_t coefficient;
};

// Keys in a heap, the smallest on top; equal ones are summed up when they come out.
class Heap {
public:
    explicit Heap(std::uint32_t modulus) : field_(modulus) {}
    void clear() noexcept { entries_.clear(); }
    std::size_t size() const noexcept { return entries_.size(); }
    void push(Key simplex, std::uint32_t coefficient) {
        entries_.push_back({simplex, coefficient});
        std::push_heap(entries_.begin(), entries_.end(), later);
    }
    // Empties a vector into the heap, which is empty itself.
    void take(std::vector<Column>& entries) {
        entries_.swap(entries);
        std::make_heap(entries_.begin(), entries_.end(), later);
    }
    // Takes out the first simplex with a coefficient that is not zero.
    bool pop(Column& out) {
        while (!entries_.empty()) {
            out = take();
            while (!entries_.empty() && entries_.front().simplex == out.simplex) out.coefficient = field_.add(out.coefficient, take().coefficient);
            if (out.coefficient != 0) return true;
        }
        return false;
    }

private:
    static bool later(const Column& a, const Column& b) noexcept { return a.simplex > b.simplex; }
    Column take() {
        std::pop_heap(entries_.begin(), entries_.end(), later);
        const Column last = entries_.back();
        entries_.pop_back();
        return last;
    }
    std::vector<Column> entries_;
    Field field_;
};

// A heap for one column while it is reduced: what comes out never goes back behind what came out before, so entries wait in one
// bucket per last edge, unsorted, until their edge is the next. Most of them wait in vain.
class ColumnHeap {
public:
    ColumnHeap(std::uint32_t modulus, std::size_t edges, std::size_t shift) : active_(modulus), buckets_(edges), shift_(shift) {}

    void clear() noexcept {
        active_.clear();
        for (const std::uint32_t rank : waiting_) buckets_[rank].clear();
        waiting_.clear();
        current_ = 0;
        size_ = 0;
    }
    std::size_t size() const noexcept { return size_; }
    void push(Key simplex, std::uint32_t coefficient) {
        const auto rank = static_cast<std::uint32_t>(simplex >> shift_);
        ++size_;
        if (rank <= current_) return active_.push(simplex, coefficient);
        if (buckets_[rank].empty()) {
            waiting_.push_back(rank);
            std::push_heap(waiting_.begin(), waiting_.end(), std::greater<>());
        }
        buckets_[rank].push_back({simplex, coefficient});
    }
    bool pop(Column& out) {
        while (!active_.pop(out)) {
            if (waiting_.empty()) return false;
            std::pop_heap(waiting_.begin(), waiting_.end(), std::greater<>());
            current_ = waiting_.back();
            waiting_.pop_back();
            active_.take(buckets_[current_]);
        }
        return true;
    }

private:
    Heap active_;  // entries of edges up to the current one
    std::vector<std::vector<Column>> buckets_;
    std::vector<std::uint32_t> waiting_;  // edges with entries, the first on top
    std::uint32_t current_ = 0;
    std::size_t shift_, size_ = 0;
};

// Reduces the columns of one degree in the order in which they are given.
class Reducer {
public:
    using Rank = FlagComplex::Rank;
    using Deaths = std::unordered_map<Key, std::uint32_t>;  // first cofacets of reduced columns; which column it is

    Reducer(const FlagComplex& complex, std::size_t degree, std::uint32_t modulus, std::size_t budget, const Stop& stop)
        : complex_(complex), degree_(degree), field_(modulus), column_(modulus, complex.edges().size(), complex.digit() * degree),
          added_(modulus), budget_(budget), stop_(stop) {}

    // Calls paired(simplex, cofacet) or essential(simplex).
    template <class Paired, class Essential>
    void reduce(Key simplex, const Paired& paired, const Essential& essential) {
        added_.clear();
        Key facet = 0;
        Column smallest{};
        if (first_cofacet(simplex, smallest) && is_free(smallest.simplex, facet)) {  // an emergent pair
            keep(simplex, smallest);
            return paired(simplex, smallest.simplex);
        }
        column_.clear();
        buffer_.clear();
        cofacets(simplex, [&](Key cofacet, std::uint32_t coefficient) { buffer_.push_back({cofacet, coefficient}); });
        if (buffer_.empty()) return essential(simplex);
        smallest = *std::min_element(buffer_.begin(), buffer_.end(), [](const Column& a, const Column& b) { return a.simplex < b.simplex; });
        if (is_free(smallest.simplex, facet)) {
            keep(simplex, smallest);
            return paired(simplex, smallest.simplex);
        }
        for (const Column& entry : buffer_) column_.push(entry.simplex, entry.coefficient);
        Column pivot{};
        while (column_.pop(pivot)) {
            const auto owner = deaths_.find(pivot.simplex);
            if (owner != deaths_.end()) {
                const Kept& other = kept_[owner->second];
                const std::uint32_t factor = field_.negative(field_.multiply(pivot.coefficient, field_.inverse(other.lead)));
                column_.push(pivot.simplex, pivot.coefficient);
                add(other.simplex, factor);
                for (std::size_t entry = other.first; entry < other.last; ++entry) add(terms_[entry].simplex, field_.multiply(factor, terms_[entry].coefficient));
            } else if (apparent_facet(pivot.simplex, facet)) {
                column_.push(pivot.simplex, pivot.coefficient);
                const std::uint32_t lead = sign_in(facet, pivot.simplex);
                add(facet, field_.negative(field_.multiply(pivot.coefficient, field_.inverse(lead))));
            } else {
                keep(simplex, pivot);
                return paired(simplex, pivot.simplex);
            }
        }
        essential(simplex);
    }

    Deaths take_deaths() { return std::move(deaths_); }

private:
    struct Kept {
        Key simplex;
        std::uint32_t lead;  // coefficient of the pivot
        std::size_t first, last;  // of the terms that were added to the coboundary of the simplex
    };

    // Bytes of what grows; vectors and tables take up to twice what they hold.
    std::size_t taken() const noexcept {
        return 2 * sizeof(Column) * (column_.size() + added_.size() + terms_.size()) + (2 * sizeof(Kept) + 64) * kept_.size();
    }

    void add(Key simplex, std::uint32_t factor) {
        if (taken() > budget_) throw std::bad_alloc();
        added_.push(simplex, factor);
        cofacets(simplex, [&](Key cofacet, std::uint32_t coefficient) { column_.push(cofacet, field_.multiply(factor, coefficient)); });
        stop_.check();
    }

    void keep(Key simplex, const Column& pivot) {
        const std::size_t first = terms_.size();
        Column term{};
        while (added_.pop(term)) terms_.push_back(term);
        deaths_.emplace(pivot.simplex, static_cast<std::uint32_t>(kept_.size()));
        kept_.push_back({simplex, pivot.coefficient, first, terms_.size()});
    }

    // Whether a cofacet is the pivot of no column yet, neither reduced nor apparent.
    bool is_free(Key cofacet, Key& facet) { return deaths_.find(cofacet) == deaths_.end() && !apparent_facet(cofacet, facet); }

    // The first cofacet, if it has the last edge of the simplex: then there is no need to look at the others.
    bool first_cofacet(Key simplex, Column& cofacet) {
        complex_.vertices_of(simplex, degree_, vertices_);
        const Rank rank = complex_.rank_of(simplex, degree_);
        rows_.clear();
        for (const std::uint32_t vertex : vertices_) rows_.push_back(complex_.row(vertex));
        for (std::size_t word = 0; word < complex_.graph().words(); ++word) {
            std::uint64_t rest = ~std::uint64_t{0};
            for (const std::uint32_t vertex : vertices_) rest &= complex_.graph().row(vertex)[word];
            for (; rest != 0; rest &= rest - 1) {
                const auto w = static_cast<std::uint32_t>(64 * word + static_cast<std::size_t>(std::countr_zero(rest)));
                bool joined = true;
                for (const Rank* row : rows_) joined = joined && row[w] < rank;
                if (!joined) continue;
                const auto below = std::lower_bound(vertices_.begin(), vertices_.end(), w) - vertices_.begin();
                complex_.others_of(simplex, degree_, others_);
                others_.insert(std::lower_bound(others_.begin(), others_.end(), w), w);
                cofacet = {complex_.key_of(rank, others_), (below & 1) != 0 ? field_.negative(1) : 1};
                return true;
            }
        }
        return false;
    }

    // Calls visit(cofacet, sign) for all cofacets within the complex.
    template <class Visit>
    void cofacets(Key simplex, const Visit& visit) {
        complex_.vertices_of(simplex, degree_, vertices_);
        const Rank rank = complex_.rank_of(simplex, degree_);
        const std::size_t words = complex_.graph().words();
        rows_.clear();
        for (const std::uint32_t vertex : vertices_) rows_.push_back(complex_.row(vertex));
        for (std::size_t word = 0; word < words; ++word) {
            std::uint64_t rest = ~std::uint64_t{0};
            for (const std::uint32_t vertex : vertices_) rest &= complex_.graph().row(vertex)[word];
            for (; rest != 0; rest &= rest - 1) {
                const auto w = static_cast<std::uint32_t>(64 * word + static_cast<std::size_t>(std::countr_zero(rest)));
                Rank last = rank;
                std::size_t end = vertices_.size();  // the vertex that the last edge joins to w, if it does
                for (std::size_t place = 0; place < rows_.size(); ++place)
                    if (rows_[place][w] > last) last = rows_[place][w], end = place;
                Key key = last;
                std::size_t below = 0;
                const unsigned digit = complex_.digit();
                if (end == vertices_.size()) {
                    const auto& edge = complex_.edges()[rank];
                    bool placed = false;
                    for (const std::uint32_t vertex : vertices_) {
                        if (vertex < w) ++below;
                        else if (!placed) key = key << digit | w, placed = true;
                        if (vertex != edge.i && vertex != edge.j) key = key << digit | vertex;
                    }
                    if (!placed) key = key << digit | w;
                } else {
                    for (std::size_t place = 0; place < vertices_.size(); ++place) {
                        below += vertices_[place] < w ? 1u : 0u;
                        if (place != end) key = key << digit | vertices_[place];
                    }
                }
                visit(key, (below & 1) != 0 ? field_.negative(1) : 1);
            }
        }
    }

    // Whether a (k+1)-simplex is the first cofacet of its last facet, which is the one without the first of the other vertices.
    bool apparent_facet(Key cofacet, Key& facet) {
        complex_.others_of(cofacet, degree_ + 1, others_);
        const Rank rank = complex_.rank_of(cofacet, degree_ + 1);
        const auto& edge = complex_.edges()[rank];
        const std::uint32_t first = others_.front();
        rows_.clear();
        rows_.push_back(complex_.row(edge.i));
        rows_.push_back(complex_.row(edge.j));
        for (std::size_t place = 1; place < others_.size(); ++place) rows_.push_back(complex_.row(others_[place]));
        const std::uint64_t *a = complex_.graph().row(edge.i), *b = complex_.graph().row(edge.j);
        for (std::size_t word = 0; word <= first / 64; ++word) {
            std::uint64_t rest = a[word] & b[word];
            if (word == first / 64) rest &= (std::uint64_t{1} << (first % 64)) - 1;
            for (; rest != 0; rest &= rest - 1) {
                const std::size_t w = 64 * word + static_cast<std::size_t>(std::countr_zero(rest));
                bool joined = true;
                for (const Rank* row : rows_) joined = joined && row[w] < rank;
                if (joined) return false;
            }
        }
        facet = complex_.key_of(rank, std::span<const std::uint32_t>(others_).subspan(1));
        return true;
    }

    // The coefficient of a cofacet in the coboundary of a facet.
    std::uint32_t sign_in(Key facet, Key cofacet) {
        complex_.vertices_of(facet, degree_, vertices_);
        complex_.vertices_of(cofacet, degree_ + 1, others_);
        std::size_t place = 0;
        while (place < vertices_.size() && vertices_[place] == others_[place]) ++place;
        return (place & 1) != 0 ? field_.negative(1) : 1;
    }

    const FlagComplex& complex_;
    std::size_t degree_;
    Field field_;
    ColumnHeap column_;
    Heap added_;
    std::vector<Column> buffer_;
    std::vector<Kept> kept_;
    std::vector<Column> terms_;
    Deaths deaths_;
    std::vector<std::uint32_t> vertices_, others_;
    std::vector<const Rank*> rows_;
    std::size_t budget_;
    const Stop& stop_;
};

struct Classes {
    std::vector<std::pair<Key, Key>> pairs;
    std::vector<Key> essential;
};

// What a pair takes, as vectors grow to twice what they hold: its keys, and if it is written its cells, the copies of them in
// the table of the batch, and what the caller makes of those (measured: 310 bytes in degree 2, 380 in degree 3).
inline std::size_t bytes_per_class(std::size_t degree, bool written) noexcept { return written ? 64 + 40 * (2 * degree + 3) : 32; }

// Appends a cell of the given dimension, and the longest edge that carries its value: the first one in lexicographic order.
inline void append_cell(const FlagComplex& complex, Key key, std::size_t dimension, std::vector<std::int64_t>& cell, std::vector<std::int64_t>& at) {
    std::vector<std::uint32_t> vertices;
    complex.vertices_of(key, dimension, vertices);
    cell.insert(cell.end(), vertices.begin(), vertices.end());
    const std::uint64_t longest = complex.length(key, dimension);
    for (std::size_t a = 0; a < vertices.size(); ++a)
        for (std::size_t b = a + 1; b < vertices.size(); ++b)
            if (complex.edges()[complex.row(vertices[a])[vertices[b]]].key == longest) {
                at.insert(at.end(), {vertices[a], vertices[b]});
                return;
            }
}

inline void append_classes(const FlagComplex& complex, Classes& found, std::size_t degree, bool keep_zero, Pairing& out, const Stop& stop) {
    std::sort(found.pairs.begin(), found.pairs.end(), [&](const auto& a, const auto& b) {
        stop.check();  // pairs of length zero are millions
        return a.second < b.second;
    });
    std::sort(found.essential.begin(), found.essential.end());
    for (const auto& [birth, death] : found.pairs) {
        stop.check();
        if (!keep_zero && complex.length(birth, degree) == complex.length(death, degree + 1)) continue;
        out.degree.push_back(static_cast<std::int64_t>(degree));
        out.essential.push_back(0);
        append_cell(complex, birth, degree, out.birth_cell, out.birth_at);
        append_cell(complex, death, degree + 1, out.death_cell, out.death_at);
    }
    for (const Key birth : found.essential) {
        out.degree.push_back(static_cast<std::int64_t>(degree));
        out.essential.push_back(1);
        append_cell(complex, birth, degree, out.birth_cell, out.birth_at);
    }
}

// Copies classes of degrees 0 and 1, without those of length zero if so asked; triangles that end a class of another edge go
// into `deaths`.
inline void append_low_degrees(const FlagComplex& complex, const Pairing& low, bool keep_zero, Pairing& out, Reducer::Deaths& deaths, const Stop& stop) {
    std::size_t birth = 0, death = 0, birth_at = 0, death_at = 0;
    const auto length = [&](std::int64_t a, std::int64_t b) {
        return a == b ? monotone_key(0.0) : complex.edges()[complex.row(static_cast<std::size_t>(a))[static_cast<std::size_t>(b)]].key;
    };
    const auto copy = [](const std::vector<std::int64_t>& from, std::size_t first, std::size_t count, std::vector<std::int64_t>& to) {
        to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(first), from.begin() + static_cast<std::ptrdiff_t>(first + count));
    };
    for (std::size_t index = 0; index < low.degree.size(); ++index) {
        stop.check();
        const auto width = static_cast<std::size_t>(low.degree[index]) + 1;
        const bool dies = low.essential[index] == 0;
        if (dies && width == 2) {
            std::uint32_t corners[3];
            for (std::size_t place = 0; place < 3; ++place) corners[place] = static_cast<std::uint32_t>(low.death_cell[death + place]);
            FlagComplex::Rank last = complex.row(corners[0])[corners[1]];
            std::uint32_t other = corners[2];
            if (const auto rank = complex.row(corners[0])[corners[2]]; rank > last) last = rank, other = corners[1];
            if (const auto rank = complex.row(corners[1])[corners[2]]; rank > last) last = rank, other = corners[0];
            deaths.emplace(complex.key_of(last, std::span<const std::uint32_t>(&other, 1)), 0);
        }
        const std::size_t ends = width == 1 ? 0 : 2;  // classes of degree 0 are born at 0, without an edge
        const auto born = [&] { return ends == 0 ? monotone_key(0.0) : length(low.birth_at[birth_at], low.birth_at[birth_at + 1]); };
        if (!dies || keep_zero || born() != length(low.death_at[death_at], low.death_at[death_at + 1])) {
            out.degree.push_back(low.degree[index]);
            out.essential.push_back(low.essential[index]);
            copy(low.birth_cell, birth, width, out.birth_cell);
            copy(low.birth_at, birth_at, ends, out.birth_at);
            if (dies) copy(low.death_cell, death, width + 1, out.death_cell), copy(low.death_at, death_at, 2, out.death_at);
        }
        birth += width;
        birth_at += ends;
        if (dies) death += width + 1, death_at += 2;
    }
}

}  // namespace cohomology_detail

// Thrown where simplices of so many points and dimensions cannot be numbered.
class TooManyPoints : public std::length_error {
public:
    TooManyPoints() : std::length_error("simplices do not fit into 64 bits") {}
};

// Bytes that classes may take which are held until a whole batch is done; its threads take from it.
class Room {
public:
    explicit Room(std::size_t bytes) : left_(bytes) {}
    void take(std::size_t bytes) {
        std::size_t left = left_.load(std::memory_order_relaxed);
        do {
            if (left < bytes) throw std::bad_alloc();
        } while (!left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed));
    }

private:
    std::atomic<std::size_t> left_;
};

// Persistence of the Rips filtration of one sample in degrees 0 to max_degree, max_degree >= 2. The reduction takes at most
// `budget` bytes, and so do the classes while they are worked on; with keep_zero they take from the room that a batch shares.
// It fails where it would need more.
inline Pairing rips_cohomology(const Metric& metric, const RipsOptions& options, std::size_t budget, const Stop& stop, Room* shared = nullptr) {
    using namespace cohomology_detail;
    // Edges beyond the enclosing radius only make pairs of length zero.
    const double cutoff = options.keep_zero ? options.threshold : std::min(options.threshold, enclosing_radius(metric, stop));
    const auto top = static_cast<std::size_t>(options.max_degree);
    const FlagComplex complex(metric, cutoff, stop);
    if (!complex.holds(top + 1)) throw TooManyPoints();
    Room own(budget), &room = shared != nullptr ? *shared : own;
    Pairing out;
    Reducer::Deaths deaths;  // simplices of the degree at hand that end a class of another than an apparent pair
    // Pairs of length zero are wanted here, as their triangles are no columns.
    append_low_degrees(complex, rips_persistence(metric, {cutoff, 1, options.modulus, true, options.threads}, stop), options.keep_zero, out, deaths, stop);
    for (std::size_t degree = 2; degree <= top; ++degree) {
        Reducer reducer(complex, degree, options.modulus, budget, stop);
        Classes classes;
        const std::size_t each = bytes_per_class(degree, options.keep_zero);
        constexpr std::size_t at_once = 256;  // classes: fewer changes of what threads share
        const auto paired = [&](Key birth, Key death) {
            if (!options.keep_zero && classes.pairs.size() > budget / each) throw std::bad_alloc();
            if (const std::size_t size = classes.pairs.size(); options.keep_zero && (size < at_once || size % at_once == 0))
                room.take(size < at_once ? each : at_once * each);
            classes.pairs.emplace_back(birth, death);
        };
        const auto essential = [&](Key birth) { classes.essential.push_back(birth); };
        const auto found = [&](Key simplex) {
            if (deaths.find(simplex) == deaths.end()) reducer.reduce(simplex, paired, essential);
        };
        Enumerator(complex, degree, options.keep_zero, found, paired).run(stop);
        append_classes(complex, classes, degree, options.keep_zero, out, stop);
        deaths = reducer.take_deaths();
    }
    return out;
}

}  // namespace isotopy
