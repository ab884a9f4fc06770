#include "isotopy/image.hpp"

#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "isotopy/signal.hpp"

using namespace isotopy;

using Vertices = std::vector<std::int64_t>;
using Pairs = std::multiset<std::tuple<Vertices, Vertices, std::int64_t, std::int64_t>>;  // cells and their pixels (empty, -1: essential)

struct Entry {
    std::size_t place, dimension;
    Vertices cell;
    std::int64_t pixel;
    bool operator<(const Entry& other) const { return std::tie(place, dimension, cell) < std::tie(other.place, other.dimension, other.cell); }
};

// Every cell of the grid, found anew: the subsets of unit squares that have the form of a cell.
static std::vector<Entry> all_cells(std::int64_t rows, std::int64_t columns, Cells kind, const std::vector<std::size_t>& place) {
    const bool top = kind == Cells::cubical_top;
    const std::int64_t high = rows + top, wide = columns + top;  // vertices
    std::vector<Entry> entries;
    const auto add = [&](std::size_t dimension, std::int64_t i, std::int64_t j, const std::vector<std::pair<int, int>>& steps) {
        Entry entry{0, dimension, {}, -1};
        std::set<std::int64_t> pixels;
        int tall = 0, broad = 0;
        for (const auto& [a, b] : steps) {
            if (i + a >= high || j + b >= wide) return;
            entry.cell.push_back((i + a) * wide + j + b);
            if (!top) pixels.insert((i + a) * columns + j + b);
            tall = std::max(tall, a);
            broad = std::max(broad, b);
        }
        if (top)
            for (std::int64_t y = tall == 1 ? i : i - 1; y <= i; ++y)
                for (std::int64_t x = broad == 1 ? j : j - 1; x <= j; ++x)
                    if (y >= 0 && x >= 0 && y < rows && x < columns) pixels.insert(y * columns + x);
        for (const std::int64_t pixel : pixels)
            if (entry.pixel < 0 || (place[std::size_t(pixel)] < place[std::size_t(entry.pixel)]) == top) entry.pixel = pixel;
        entry.place = place[std::size_t(entry.pixel)];
        entries.push_back(entry);
    };
    for (std::int64_t i = 0; i < high; ++i)
        for (std::int64_t j = 0; j < wide; ++j) {
            add(0, i, j, {{0, 0}});
            add(1, i, j, {{0, 0}, {0, 1}});
            add(1, i, j, {{0, 0}, {1, 0}});
            if (kind != Cells::freudenthal) {
                add(2, i, j, {{0, 0}, {0, 1}, {1, 0}, {1, 1}});
                continue;
            }
            add(1, i, j, {{0, 0}, {1, 1}});
            add(2, i, j, {{0, 0}, {0, 1}, {1, 1}});
            add(2, i, j, {{0, 0}, {1, 0}, {1, 1}});
        }
    std::sort(entries.begin(), entries.end());
    return entries;
}

// The textbook reduction over Z/2.
static Pairs reduce(const std::vector<Entry>& entries, bool degree_one) {
    std::map<std::size_t, std::set<std::size_t>> columns;
    std::set<std::size_t> born;
    Pairs pairs;
    for (std::size_t index = 0; index < entries.size(); ++index) {
        std::set<std::size_t> column;
        for (std::size_t face = 0; face < index; ++face)
            if (entries[face].dimension + 1 == entries[index].dimension &&
                std::includes(entries[index].cell.begin(), entries[index].cell.end(), entries[face].cell.begin(), entries[face].cell.end()))
                column.insert(face);
        while (!column.empty() && columns.count(*column.rbegin()) != 0)
            for (const std::size_t row : std::set<std::size_t>(columns.at(*column.rbegin())))
                if (!column.insert(row).second) column.erase(row);
        if (column.empty()) {
            born.insert(index);
            continue;
        }
        const Entry &birth = entries[*column.rbegin()], &death = entries[index];
        born.erase(*column.rbegin());
        columns[*column.rbegin()] = column;
        if (birth.dimension == 0 || degree_one) pairs.insert({birth.cell, death.cell, birth.pixel, death.pixel});
    }
    for (const std::size_t index : born) pairs.insert({entries[index].cell, {}, entries[index].pixel, -1});
    return pairs;
}

static Pairs to_pairs(const Pairing& pairing, bool simplices) {
    Pairs pairs;
    auto birth = pairing.birth_cell.begin(), death = pairing.death_cell.begin();
    auto born = pairing.birth_at.begin(), dies = pairing.death_at.begin();
    for (std::size_t index = 0; index < pairing.degree.size(); ++index) {
        const std::ptrdiff_t k = pairing.degree[index];
        const auto corners = [&](std::ptrdiff_t dimension) { return simplices ? dimension + 1 : std::ptrdiff_t{1} << dimension; };
        const Vertices first(birth, birth + corners(k));
        birth += corners(k);
        Vertices last;
        if (pairing.essential[index] == 0) {
            last.assign(death, death + corners(k + 1));
            death += corners(k + 1);
        }
        pairs.insert({first, last, *born++, pairing.essential[index] == 0 ? *dies++ : -1});
    }
    CHECK(birth == pairing.birth_cell.end() && death == pairing.death_cell.end());
    CHECK(born == pairing.birth_at.end() && dies == pairing.death_at.end());
    return pairs;
}

template <class Real>
static std::vector<std::size_t> places(const std::vector<Real>& values, bool superlevel) {
    std::vector<std::size_t> order(values.size()), place(values.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return superlevel ? values[a] > values[b] : values[a] < values[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    return place;
}

template <class Real>
static void images_are_those_of_the_textbook(Cells kind) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    Stop stop;
    for (int round = 0; round < 150; ++round) {
        const bool framed = round % 4 == 3;  // low all around: maxima meet each other before they meet the outside
        const std::size_t rows = (framed ? 5 : 1) + random() % (framed ? 3 : 6), columns = (framed ? 5 : 1) + random() % (framed ? 4 : 6);
        std::vector<Real> values(rows * columns);
        for (Real& value : values) value = static_cast<Real>(round % 3 == 0 ? normal(random) : double(random() % (round % 3 == 1 ? 2 : 5)) - 2.0);
        const bool superlevel = round % 8 < 4, both = round % 5 != 0;
        for (std::size_t i = 0; framed && i < rows * columns; ++i)
            if (i < columns || i >= (rows - 1) * columns || i % columns == 0 || i % columns == columns - 1) values[i] = superlevel ? Real{9} : Real{-9};
        const auto entries = all_cells(std::int64_t(rows), std::int64_t(columns), kind, places(values, superlevel));
        const Pairs expected = reduce(entries, both);

        const LevelSetOptions options{kind, superlevel, both ? 1 : 0, true};
        Image<Real> image(rows, columns, options);
        for (int again = 0; again < 2; ++again) {  // memory is used again
            Pairing out;
            image.append_pairs(values.data(), out, stop);
            CHECK(to_pairs(out, kind == Cells::freudenthal) == expected);
        }
        // Bands from the last to the first.
        std::vector<typename Image<Real>::Saddle> saddles, band;
        for (std::size_t row = rows; row-- > 0;) {
            band.clear();
            image.scan(values.data(), row, row + 1, band, stop);
            saddles.insert(saddles.begin(), band.begin(), band.end());
        }
        Pairing banded;
        image.append_pairs(values.data(), saddles, banded, stop);
        CHECK(to_pairs(banded, kind == Cells::freudenthal) == expected);
        // Without pairs of length zero.
        Pairs longer;
        for (const auto& pair : expected)
            if (std::get<3>(pair) < 0 || values[std::size_t(std::get<2>(pair))] != values[std::size_t(std::get<3>(pair))]) longer.insert(pair);
        Pairing found;
        Image<Real>(rows, columns, {kind, superlevel, both ? 1 : 0, false}).append_pairs(values.data(), found, stop);
        CHECK(to_pairs(found, kind == Cells::freudenthal) == longer);
    }
}

// Cells of a line: vertices and edges; with samples as edges, these are the lower side of pixels in one row.
static void signals_are_those_of_the_textbook(Cells kind) {
    std::mt19937 random(8);
    Stop stop;
    for (int round = 0; round < 300; ++round) {
        const std::size_t size = random() % 14;
        std::vector<float> values(size);
        for (float& value : values) value = float(random() % (round % 3 == 0 ? 2 : round % 3 == 1 ? 5 : 1000));
        const bool superlevel = round % 2 == 0;
        const auto place = places(values, superlevel);
        std::vector<Entry> entries;
        const bool top = kind == Cells::cubical_top;
        for (std::int64_t v = 0; size > 0 && v < std::int64_t(size) + top; ++v) {
            const auto first = [&](std::int64_t a, std::int64_t b) { return a < 0 || (b < std::int64_t(size) && place[std::size_t(b)] < place[std::size_t(a)]) ? b : a; };
            const std::int64_t at = top ? first(v - 1, v) : v;
            entries.push_back({place[std::size_t(at)], 0, {v}, at});
            if (v + 1 >= std::int64_t(size) + top) continue;
            const std::int64_t edge_at = top || place[std::size_t(v)] > place[std::size_t(v + 1)] ? v : v + 1;
            entries.push_back({place[std::size_t(edge_at)], 1, {v, v + 1}, edge_at});
        }
        std::sort(entries.begin(), entries.end());
        const Pairs expected = reduce(entries, false);
        Pairing out;
        Signal<float>({kind, superlevel, 0, true}).append_pairs(values.data(), size, out, stop);
        CHECK(to_pairs(out, true) == expected);
        Pairs longer;
        for (const auto& pair : expected)
            if (std::get<3>(pair) < 0 || values[std::size_t(std::get<2>(pair))] != values[std::size_t(std::get<3>(pair))]) longer.insert(pair);
        Pairing found;
        Signal<float>({kind, superlevel, 0, false}).append_pairs(values.data(), size, found, stop);
        CHECK(to_pairs(found, true) == longer);
    }
}

static void a_stop_is_heard() {
    Stop stop;
    stop.request();
    std::vector<float> values(100, 0.0f);
    for (const bool scanning : {true, false}) {
        bool stopped = false;
        Image<float> image(10, 10, {});
        std::vector<Image<float>::Saddle> saddles;
        if (!scanning) image.scan(values.data(), 0, 10, saddles, Stop());
        Pairing out;
        try {
            if (scanning)
                image.scan(values.data(), 0, 10, saddles, stop);
            else
                image.append_pairs(values.data(), saddles, out, stop);
        } catch (const Cancelled&) {
            stopped = true;
        }
        CHECK(stopped || !scanning);
    }
}

int main() {
    for (const Cells kind : {Cells::freudenthal, Cells::cubical, Cells::cubical_top}) {
        images_are_those_of_the_textbook<double>(kind);
        images_are_those_of_the_textbook<float>(kind);
        signals_are_those_of_the_textbook(kind);
    }
    a_stop_is_heard();
    return 0;
}
