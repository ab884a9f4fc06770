// Cycles of vertices and edges that represent classes of degree 1.
//
// Edges have places in the order of the filtration. A class is born with its birth edge e, so a cycle through e of edges up to e
// is no boundary then, as no triangle on e has entered. It becomes one at the death t of the class exactly if it differs from
// the reduced boundary of t, a cycle through e as well, by a combination of cycles that are filled by then. The first choice is
// e and a shortest path between its ends among the edges before e, which is what one would draw. It is kept if the class never
// dies, or if that difference reduces to zero with the columns up to t; else the reduced boundary itself is taken, shortened
// across triangles that had entered before e. In either case the cycle is born with e and filled by t, not earlier.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <queue>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "isotopy/delaunay.hpp"
#include "isotopy/field.hpp"
#include "isotopy/flag_complex.hpp"
#include "isotopy/lower_star.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/reduction.hpp"
#include "isotopy/rips.hpp"

namespace isotopy {

// Cycles of some classes, one after the other: edges from tail to head, and their coefficients.
struct Cycles {
    std::vector<std::int64_t> size;  // number of edges, per class
    std::vector<std::int64_t> edges;  // tail, head
    std::vector<std::int64_t> coefficients;
};

namespace cycle_detail {

// Edges by their places, the last one first, and their coefficients modulo p.
using Chain = std::map<Place, std::uint32_t, std::greater<>>;

inline void add_term(Chain& chain, Place edge, std::uint32_t coefficient, const Field& field) {
    if (coefficient == 0) return;
    const auto [entry, is_new] = chain.try_emplace(edge, coefficient);
    if (is_new) return;
    entry->second = field.add(entry->second, coefficient);
    if (entry->second == 0) chain.erase(entry);
}

inline void add_chain(Chain& chain, const Chain& other, std::uint32_t factor, const Field& field) {
    for (const auto& [edge, coefficient] : other) add_term(chain, edge, field.multiply(coefficient, factor), field);
}

// A space has: vertices(), number(v); ends(place), the tail and the head of an edge, weight(place), place(a, b) or no_place,
// each_edge(v, visit(w, place)); fill(place, bound, chain) to take an edge that ends the chain out of it by a column of the
// reduction that comes before the bound, or false if there is none; is_filled(a, b, c, birth): whether the triangle came before.
template <class Space>
class CycleFinder {
public:
    CycleFinder(Space& space, std::uint32_t modulus, const Stop& stop)
        : space_(space), field_(modulus), stop_(stop), distance_(space.vertices(), std::numeric_limits<double>::infinity()), through_(space.vertices()) {}

    // reduced: the reduced boundary of the triangle that ends the class, the last column before the bound; null for an essential
    // class.
    void find(Place birth, const Chain* reduced, Place bound, Cycles& out) {
        stop_.check();
        const auto [first, last] = space_.ends(birth);
        if (shortest_path(last, first, birth)) {
            Chain cycle;
            add_term(cycle, birth, 1, field_);
            for (std::uint32_t v = first; v != last; v = tail(v)) add_term(cycle, through_[v], sign(through_[v], tail(v)), field_);
            if (reduced == nullptr || is_filled_by(cycle, *reduced, birth, bound)) return append_walk(birth, out);
        }
        if (reduced == nullptr) return out.size.push_back(0);  // not of a class of degree 1
        Chain cycle = *reduced;
        shorten(cycle, birth);
        append_chain(cycle, birth, out);
    }

private:
    std::uint32_t tail(std::uint32_t v) const { return other_end(through_[v], v); }
    std::uint32_t other_end(Place edge, std::uint32_t v) const {
        const auto [a, b] = space_.ends(edge);
        return a == v ? b : a;
    }
    // Of an edge that is walked from this end.
    std::uint32_t sign(Place edge, std::uint32_t from) const { return space_.ends(edge).first == from ? 1 : field_.negative(1); }

    // Dijkstra from the source among edges before the bound; through_ is the edge by which a vertex is reached.
    bool shortest_path(std::uint32_t source, std::uint32_t target, Place bound) {
        using Entry = std::pair<double, std::uint32_t>;
        for (const std::uint32_t vertex : reached_) distance_[vertex] = std::numeric_limits<double>::infinity();
        std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
        distance_[source] = 0;
        reached_.assign(1, source);
        queue.push({0.0, source});
        while (!queue.empty()) {
            const auto [length, vertex] = queue.top();
            queue.pop();
            if (vertex == target) return true;
            if (length > distance_[vertex]) continue;
            space_.each_edge(vertex, [&](std::uint32_t other, Place edge) {
                if (edge >= bound) return;
                const double longer = length + space_.weight(edge);
                if (longer < distance_[other]) {
                    if (distance_[other] == std::numeric_limits<double>::infinity()) reached_.push_back(other);
                    distance_[other] = longer;
                    through_[other] = edge;
                    queue.push({longer, other});
                }
            });
        }
        return false;
    }

    bool is_filled_by(const Chain& cycle, const Chain& reduced, Place birth, Place bound) {
        Chain rest = cycle;
        add_chain(rest, reduced, field_.negative(field_.inverse(reduced.at(birth))), field_);
        while (!rest.empty()) {
            stop_.check();
            if (!space_.fill(rest.begin()->first, bound, rest)) return false;
        }
        return true;
    }

    // Takes detours a, b, c to a, c where the triangle had entered before the birth and b is on no other edge of the cycle.
    void shorten(Chain& cycle, Place birth) {
        for (bool shorter = true; shorter;) {
            shorter = false;
            stop_.check();
            std::map<std::uint32_t, std::vector<Place>> at;
            for (const auto& [edge, coefficient] : cycle)
                for (const std::uint32_t end : {space_.ends(edge).first, space_.ends(edge).second}) at[end].push_back(edge);
            for (const auto& [b, edges] : at) {
                if (edges.size() != 2 || cycle.count(edges[0]) == 0 || cycle.count(edges[1]) == 0) continue;
                const std::uint32_t a = other_end(edges[0], b), c = other_end(edges[1], b);
                const Place across = a == c ? no_place : space_.place(a, c);
                if (across == no_place || across >= birth || edges[0] == birth || edges[1] == birth || !space_.is_filled(a, b, c, birth)) continue;
                // The boundary of a, b, c runs along ab, bc and ca.
                const std::uint32_t factor = field_.negative(field_.multiply(cycle.at(edges[0]), sign(edges[0], a)));
                add_term(cycle, edges[0], field_.multiply(factor, sign(edges[0], a)), field_);
                add_term(cycle, edges[1], field_.multiply(factor, sign(edges[1], b)), field_);
                add_term(cycle, across, field_.multiply(factor, sign(across, c)), field_);
                shorter = true;
                break;  // the numbers of edges at a and c may have changed
            }
        }
    }

    void append_walk(Place birth, Cycles& out) {
        std::int64_t size = 1;
        const auto [first, last] = space_.ends(birth);
        push(first, last, 1, out);
        std::vector<std::uint32_t> walk;
        for (std::uint32_t v = first; v != last; v = tail(v)) walk.push_back(v);
        std::uint32_t from = last;
        for (std::size_t step = walk.size(); step-- > 0; ++size) {
            push(from, walk[step], 1, out);
            from = walk[step];
        }
        out.size.push_back(size);
    }

    void append_chain(const Chain& cycle, Place birth, Cycles& out) {
        const std::uint32_t scale = field_.inverse(cycle.at(birth));
        for (const auto& [edge, coefficient] : cycle) {
            const auto [a, b] = space_.ends(edge);
            push(a, b, field_.multiply(coefficient, scale), out);
        }
        out.size.push_back(static_cast<std::int64_t>(cycle.size()));
    }

    void push(std::uint32_t a, std::uint32_t b, std::uint32_t coefficient, Cycles& out) const {
        for (const std::uint32_t v : {a, b}) out.edges.push_back(space_.number(v));
        out.coefficients.push_back(static_cast<std::int64_t>(coefficient));
    }

    Space& space_;
    Field field_;
    const Stop& stop_;
    std::vector<double> distance_;         // from the source of the last search, infinite where it did not come
    std::vector<std::uint32_t> reached_;  // where it came
    std::vector<Place> through_;
};

// The cells of a lower-star filtration; vertices are places.
class StarCells {
public:
    StarCells(const StarComplex& complex, const StarOrder& order) : complex_(complex), order_(order) {}
    std::size_t count(std::size_t k) const noexcept { return order_.cells(k); }
    std::vector<Boundary> boundaries() const { return order_.boundaries(); }
    std::int64_t number(std::uint32_t vertex) const { return order_.vertices(0, vertex)[0]; }
    double weight(Place) const noexcept { return 1; }

    bool is_filled(std::uint32_t a, std::uint32_t b, std::uint32_t c, Place birth) const {
        if (std::max({a, b, c}) >= order_.last(1, birth) || complex_.dimensions() < 3) return false;
        std::array<std::int64_t, 3> cell{number(a), number(b), number(c)};
        std::sort(cell.begin(), cell.end());
        std::size_t low = 0, high = complex_.cells(2);
        const auto row = [&](std::size_t index) { return complex_.vertices[2].subspan(3 * index, 3); };
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            if (std::lexicographical_compare(row(middle).begin(), row(middle).end(), cell.begin(), cell.end())) low = middle + 1;
            else high = middle;
        }
        return low < complex_.cells(2) && std::equal(cell.begin(), cell.end(), row(low).begin());
    }

private:
    const StarComplex& complex_;
    const StarOrder& order_;
};

// Those of a Delaunay complex; vertices are points.
class DelaunayCells {
public:
    explicit DelaunayCells(const delaunay_detail::DelaunayOrder& order) : order_(order) {}
    std::size_t count(std::size_t k) const noexcept { return order_.cells(k); }
    std::vector<Boundary> boundaries() const { return order_.boundaries(); }
    std::int64_t number(std::uint32_t vertex) const { return order_.vertices(0, vertex)[0]; }
    double weight(Place edge) const noexcept { return order_.length(edge); }

    bool is_filled(std::uint32_t a, std::uint32_t b, std::uint32_t c, Place birth) const {
        std::array<std::uint32_t, 3> corners{};
        std::ranges::transform(std::array{a, b, c}, corners.begin(), [&](std::uint32_t v) { return order_.vertices(0, v)[0]; });
        std::ranges::sort(corners);
        return order_.is_filled(corners, birth);
    }

private:
    const delaunay_detail::DelaunayOrder& order_;
};

// A filtration whose edges and triangles are explicit.
template <class Column, class Cells>
class ExplicitSpace {
public:
    ExplicitSpace(const Cells& cells, std::uint32_t modulus, const Stop& stop)
        : cells_(cells), field_(modulus), boundaries_(cells.boundaries()),
          triangles_(boundaries_.size() > 1 ? boundaries_[1] : Boundary{cells.count(1), 3, {}, {}, {}}, modulus), start_(cells.count(0) + 1, 0) {
        triangles_.run(stop);
        for (Place edge = 0; edge < cells.count(1); ++edge)
            for (const std::uint32_t end : {ends(edge).first, ends(edge).second}) ++start_[end + 1];
        std::partial_sum(start_.begin(), start_.end(), start_.begin());
        edges_.resize(2 * cells.count(1));
        std::vector<std::size_t> next(start_.begin(), start_.end() - 1);
        for (Place edge = 0; edge < cells.count(1); ++edge)
            for (const std::uint32_t end : {ends(edge).first, ends(edge).second}) edges_[next[end]++] = edge;
    }

    std::size_t vertices() const noexcept { return cells_.count(0); }
    std::int64_t number(std::uint32_t vertex) const { return cells_.number(vertex); }
    // Facets are rows without the i-th vertex: the second is the one with the smaller number.
    std::pair<std::uint32_t, std::uint32_t> ends(Place edge) const {
        const auto facets = boundaries_[0].column(edge);
        return {facets[1], facets[0]};
    }
    double weight(Place edge) const noexcept { return cells_.weight(edge); }

    template <class Visit>
    void each_edge(std::uint32_t vertex, const Visit& visit) const {
        for (std::size_t entry = start_[vertex]; entry < start_[vertex + 1]; ++entry) {
            const auto [a, b] = ends(edges_[entry]);
            visit(a == vertex ? b : a, edges_[entry]);
        }
    }

    // Edges of a triangle in the order of its facets: without the first vertex, without the second, without the third.
    Chain reduced(Place triangle) const {
        Chain chain;
        triangles_.entries(triangle, [&](Place edge, auto coefficient) { add_term(chain, edge, static_cast<std::uint32_t>(coefficient), field_); });
        return chain;
    }

    bool fill(Place edge, Place bound, Chain& chain) const {
        const Place owner = triangles_.owner(edge);
        if (owner == no_place || owner >= bound) return false;
        const Chain column = reduced(owner);
        add_chain(chain, column, field_.negative(field_.multiply(chain.at(edge), field_.inverse(column.at(edge)))), field_);
        return true;
    }

    Place place(std::uint32_t a, std::uint32_t b) const {
        Place found = no_place;
        each_edge(a, [&](std::uint32_t other, Place edge) { found = other == b ? edge : found; });
        return found;
    }

    bool is_filled(std::uint32_t a, std::uint32_t b, std::uint32_t c, Place birth) const { return cells_.is_filled(a, b, c, birth); }

    // The place of the vertex with this number; there is one.
    std::uint32_t vertex(std::int64_t wanted) {
        if (place_of_.empty())
            for (std::uint32_t v = 0; v < vertices(); ++v) place_of_[number(v)] = v;
        return place_of_.at(wanted);
    }

    // The triangle that ends the class of an edge, or no_place.
    Place death(Place edge) const { return triangles_.owner(edge); }

private:
    const Cells& cells_;
    Field field_;
    std::vector<Boundary> boundaries_;
    ColumnReducer<Column> triangles_;
    std::vector<std::size_t> start_;  // per vertex
    std::vector<Place> edges_;
    std::unordered_map<std::int64_t, std::uint32_t> place_of_;
};

template <class Column, class Cells>
Cycles explicit_cycles(const Cells& cells, std::uint32_t modulus, std::span<const std::int64_t> births, const Stop& stop) {
    Cycles out;
    ExplicitSpace<Column, Cells> space(cells, modulus, stop);
    CycleFinder finder(space, modulus, stop);
    for (std::size_t entry = 0; entry + 1 < births.size(); entry += 2) {
        const Place birth = space.place(space.vertex(births[entry]), space.vertex(births[entry + 1]));
        if (birth == no_place) throw std::invalid_argument("births must be edges of the complex");
        const Place death = space.death(birth);
        if (death == no_place) {
            finder.find(birth, nullptr, no_place, out);
        } else {
            const Chain reduced = space.reduced(death);
            finder.find(birth, &reduced, death + 1, out);
        }
    }
    return out;
}

template <class Cells>
Cycles cycles_of(const Cells& cells, std::uint32_t modulus, std::span<const std::int64_t> births, const Stop& stop) {
    return modulus == 2 ? explicit_cycles<BinaryColumn>(cells, modulus, births, stop) : explicit_cycles<PrimeColumn>(cells, modulus, births, stop);
}

// A Rips filtration: triangles are implicit. An edge with something in its lune is filled by the triangle to the vertex nearest
// to its middle; one with an empty lune by the reduced boundary of the triangle that ends its class. Columns of the second kind
// are worked out in the order of the deaths, up to the last one that is needed; the bound counts them.
class RipsSpace {
public:
    RipsSpace(const Metric& metric, double cutoff, std::uint32_t modulus, const Stop& stop)
        : complex_(metric, cutoff, stop), field_(modulus), stop_(stop) {
        const Pairing low = rips_persistence(metric, {cutoff, 1, modulus, true}, stop);
        std::size_t birth = 0, death = 0;
        for (std::size_t index = 0; index < low.degree.size(); ++index) {
            const auto width = static_cast<std::size_t>(low.degree[index]) + 1;
            const bool dies = low.essential[index] == 0;
            if (dies && width == 2) {
                const Place edge = complex_.row(static_cast<std::size_t>(low.birth_cell[birth]))[static_cast<std::size_t>(low.birth_cell[birth + 1])];
                std::array<std::uint32_t, 3> v{};
                for (std::size_t corner = 0; corner < 3; ++corner) v[corner] = static_cast<std::uint32_t>(low.death_cell[death + corner]);
                Place last = complex_.row(v[0])[v[1]];
                std::uint32_t third = v[2];
                if (complex_.row(v[0])[v[2]] > last) last = complex_.row(v[0])[v[2]], third = v[1];
                if (complex_.row(v[1])[v[2]] > last) last = complex_.row(v[1])[v[2]], third = v[0];
                if (last == edge) apparent_[edge] = third;
                else ends_.push_back({complex_.key_of(last, std::span<const std::uint32_t>(&third, 1)), edge, last, third});
            }
            birth += width;
            if (dies) death += width + 1;
        }
        std::sort(ends_.begin(), ends_.end(), [](const End& a, const End& b) { return a.key < b.key; });
        for (Place index = 0; index < ends_.size(); ++index) end_of_[ends_[index].birth] = index;
    }

    std::size_t vertices() const noexcept { return complex_.size(); }
    std::int64_t number(std::uint32_t vertex) const noexcept { return vertex; }
    std::pair<std::uint32_t, std::uint32_t> ends(Place edge) const { return {complex_.edges()[edge].i, complex_.edges()[edge].j}; }
    Place place(std::uint32_t a, std::uint32_t b) const noexcept { return complex_.row(a)[b]; }
    double weight(Place edge) const noexcept { return std::bit_cast<double>(complex_.edges()[edge].key ^ (std::uint64_t{1} << 63)); }

    template <class Visit>
    void each_edge(std::uint32_t vertex, const Visit& visit) const {
        for (std::uint32_t other = 0; other < complex_.size(); ++other)
            if (complex_.row(vertex)[other] != FlagComplex::never) visit(other, complex_.row(vertex)[other]);
    }

    bool is_filled(std::uint32_t a, std::uint32_t b, std::uint32_t c, Place birth) const noexcept {
        return std::max({place(a, b), place(b, c), place(a, c)}) < birth;
    }

    bool fill(Place edge, Place bound, Chain& chain) {
        const std::uint32_t coefficient = chain.at(edge);
        const std::uint32_t middle = middle_of(edge);
        if (middle != no_vertex) {
            add_triangle(chain, edge, middle, field_.negative(coefficient));
            return true;
        }
        const auto end = end_of_.find(edge);
        if (end == end_of_.end() || end->second >= bound) return false;
        const Chain& column = reduced_end(end->second);
        add_chain(chain, column, field_.negative(field_.multiply(coefficient, field_.inverse(column.at(edge)))), field_);
        return true;
    }

    void find(Place birth, CycleFinder<RipsSpace>& finder, Cycles& out) {
        if (const auto third = apparent_.find(birth); third != apparent_.end()) {  // filled at once
            Chain column;
            add_triangle(column, birth, third->second, 1);
            const Key key = complex_.key_of(birth, std::span<const std::uint32_t>(&third->second, 1));
            const auto bound = std::lower_bound(ends_.begin(), ends_.end(), key, [](const End& a, Key b) { return a.key < b; }) - ends_.begin();
            return finder.find(birth, &column, static_cast<Place>(bound), out);
        }
        const auto end = end_of_.find(birth);
        if (end == end_of_.end()) return finder.find(birth, nullptr, no_place, out);
        finder.find(birth, &reduced_end(end->second), end->second + 1, out);
    }

private:
    using FlagComplex = cohomology_detail::FlagComplex;
    using Key = cohomology_detail::Key;
    static constexpr std::uint32_t no_vertex = cohomology_detail::no_vertex;

    struct End {  // of a class by a triangle whose last edge is another than that of the birth
        Key key;
        Place birth, last;
        std::uint32_t third;
    };

    std::uint32_t middle_of(Place edge) const {
        const auto [i, j] = ends(edge);
        const Place *a = complex_.row(i), *b = complex_.row(j);
        Place best = edge;
        std::uint32_t found = no_vertex;
        for (std::uint32_t k = 0; k < complex_.size(); ++k)
            if (std::max(a[k], b[k]) < best) best = std::max(a[k], b[k]), found = k;
        return found;
    }

    // Adds a multiple of the boundary of a triangle that runs along its last edge.
    void add_triangle(Chain& chain, Place edge, std::uint32_t third, std::uint32_t factor) const {
        const auto [i, j] = ends(edge);
        add_term(chain, edge, factor, field_);
        add_term(chain, place(j, third), j < third ? factor : field_.negative(factor), field_);
        add_term(chain, place(third, i), third < i ? factor : field_.negative(factor), field_);
    }

    // Column by column, as each needs earlier ones only.
    const Chain& reduced_end(Place index) {
        while (reduced_.size() <= index) {
            const End& end = ends_[reduced_.size()];
            const auto bound = static_cast<Place>(reduced_.size());
            Chain chain;
            add_triangle(chain, end.last, end.third, 1);
            add_triangle(chain, end.last, apparent_.at(end.last), field_.negative(1));
            while (chain.begin()->first != end.birth) {
                stop_.check();
                if (!fill(chain.begin()->first, bound, chain)) throw std::logic_error("a pair does not fit to the reduction");
            }
            reduced_.push_back(std::move(chain));
        }
        return reduced_[index];
    }

    FlagComplex complex_;
    Field field_;
    const Stop& stop_;
    std::unordered_map<Place, std::uint32_t> apparent_;  // per edge that is filled at once: the third vertex
    std::vector<End> ends_;                              // in the order of the deaths
    std::unordered_map<Place, Place> end_of_;            // per birth
    std::deque<Chain> reduced_;
};

}  // namespace cycle_detail

// births: two vertices of every edge that creates a class of degree 1, one after the other.
inline Cycles lower_star_cycles(const StarComplex& complex, std::span<const double> values, const StarOptions& options, std::span<const std::int64_t> births,
                                const Stop& stop) {
    if (births.empty()) return {};
    const StarOrder order(complex, values, options, stop);
    return cycle_detail::cycles_of(cycle_detail::StarCells(complex, order), options.modulus, births, stop);
}

// Of a Delaunay complex; arguments as for delaunay_persistence.
inline Cycles delaunay_cycles(std::span<const double> points, std::size_t d, std::size_t width, std::span<const std::uint32_t> tops,
                              std::span<const std::uint32_t> loose, const DelaunayOptions& options, std::span<const std::int64_t> births, const Stop& stop) {
    if (births.empty()) return {};
    const delaunay_detail::DelaunayOrder order(points, d, width, tops, loose, options, stop);
    return cycle_detail::cycles_of(cycle_detail::DelaunayCells(order), options.modulus, births, stop);
}

// cutoff: no death of these classes, and no birth, is above.
inline Cycles rips_cycles(const Metric& metric, double cutoff, std::uint32_t modulus, std::span<const std::int64_t> births, const Stop& stop) {
    Cycles out;
    if (births.empty()) return out;
    cycle_detail::RipsSpace space(metric, cutoff, modulus, stop);
    cycle_detail::CycleFinder finder(space, modulus, stop);
    for (std::size_t entry = 0; entry + 1 < births.size(); entry += 2) {
        const Place birth = space.place(static_cast<std::uint32_t>(births[entry]), static_cast<std::uint32_t>(births[entry + 1]));
        if (birth == no_place) throw std::invalid_argument("births must be edges up to the cutoff");
        space.find(birth, finder, out);
    }
    return out;
}

}  // namespace isotopy
