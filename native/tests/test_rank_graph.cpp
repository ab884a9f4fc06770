// Echelon forms, and ranks of graphs of sparse maps, against plain elimination of the whole product.
#include "isotopy/rank_graph.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "matrix.hpp"

namespace {

using isotopy::Gate;

constexpr std::uint32_t prime = 1048573;
constexpr std::size_t plenty = std::size_t{1} << 40;

// Rows of random bands, some of them repeated or sums of others, one by one.
void echelon_forms_have_the_rank() {
    for (std::uint32_t seed = 0; seed < 600; ++seed) {
        std::mt19937 random(seed);
        const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
        const std::uint32_t p = seed % 3 == 0 ? 3 : seed % 3 == 1 ? 5 : prime;
        const std::size_t width = 1 + below(seed < 300 ? 8 : 60), count = 1 + below(2 * width);
        Matrix matrix(count, width);
        isotopy::Echelon echelon(width, p);
        std::vector<double> row(width, 0.0);
        for (std::size_t r = 0; r < count; ++r) {
            const std::size_t begin = below(width + 1), end = begin + below(width + 1 - begin), kind = below(4);
            for (std::size_t c = begin; c < end; ++c) matrix.at(r, c) = static_cast<std::uint32_t>(below(p));
            if (kind == 0 && r > 1)
                for (std::size_t c = 0; c < width; ++c) matrix.at(r, c) = (matrix.at(below(1) + r - 1, c) + 2 * matrix.at(r - 2, c)) % p;
            std::size_t first = 0, last = width;
            while (first < last && matrix.at(r, first) == 0) ++first;
            while (first < last && matrix.at(r, last - 1) == 0) --last;
            for (std::size_t c = first; c < last; ++c) row[c] = matrix.at(r, c);
            const std::size_t before = echelon.rank();
            CHECK(echelon.add(row.data(), first, last) == (echelon.rank() == before + 1));
            CHECK(std::all_of(row.begin(), row.end(), [](double entry) { return entry == 0.0; }));
        }
        CHECK(static_cast<int>(echelon.rank()) == plain_rank(matrix, p));
        std::vector<std::uint32_t> columns = echelon.columns();
        std::sort(columns.begin(), columns.end());
        CHECK(std::adjacent_find(columns.begin(), columns.end()) == columns.end());
    }
}

// More products than a double holds exactly: the last row is cleared with all others, which add odd numbers near 2^40 to
// its last two entries.
void long_sums_stay_exact() {
    const std::size_t width = isotopy::most_products + 400;
    isotopy::Echelon echelon(width, prime);
    std::vector<double> row(width, 0.0);
    for (std::size_t r = 0; r + 2 < width; ++r) {
        row[r] = 1.0, row[width - 2] = row[width - 1] = prime - 2.0;
        CHECK(echelon.add(row.data(), r, width));
    }
    std::fill(row.begin(), row.end(), 2.0);
    row[width - 1] = 5.0;
    CHECK(echelon.add(row.data(), 0, width));
    row[width - 2] = 2.0 + 4.0 * static_cast<double>(width - 2), row[width - 1] = row[width - 2] + 3.0;  // what is left of it
    CHECK(!echelon.add(row.data(), width - 2, width));

    std::vector<float> ones(1, prime - 1.0f);
    const std::vector<isotopy::Multiple> terms(3 * isotopy::most_products, isotopy::Multiple{ones.data(), 0, 1, prime - 1.0});
    double sum = 0.0;
    isotopy::sum_multiples(terms, &sum, 0, 1, prime);
    CHECK(sum == 3.0 * isotopy::most_products);
}

// A random graph of patches and gates, and the product of its matrices at one sample.
struct Random {
    std::mt19937 generator;
    std::vector<Matrix> products;                // of each node
    std::vector<std::size_t> first{0};           // number of the first row of each node
    std::vector<std::vector<std::size_t>> ways;  // of each row, those that it depends on
    std::vector<std::vector<std::uint8_t>> active;
    std::vector<std::vector<std::int32_t>> picked;

    std::size_t below(std::size_t n) { return static_cast<std::size_t>(generator() % n); }

    void add(const Matrix& product) {
        products.push_back(product);
        first.push_back(first.back() + product.rows);
        ways.resize(first.back());
    }

    // Most paths from the inputs to the rows of a node without a common row: a flow through rows that are split in two.
    std::size_t paths(std::size_t node) const {
        const std::size_t rows = first[node + 1], size = 2 * rows + 2, source = 2 * rows, sink = source + 1;
        std::vector<std::vector<int>> room(size, std::vector<int>(size, 0));
        for (std::size_t v = 0; v < rows; ++v) {
            room[2 * v][2 * v + 1] = 1;
            for (const std::size_t u : ways[v]) room[2 * u + 1][2 * v] = 1;
        }
        for (std::size_t v = 0; v < first[1]; ++v) room[source][2 * v] = 1;
        for (std::size_t v = first[node]; v < first[node + 1]; ++v) room[2 * v + 1][sink] = 1;
        for (std::size_t flow = 0;; ++flow) {
            std::vector<std::size_t> from(size, size), queue{source};
            for (std::size_t head = 0; head < queue.size() && from[sink] == size; ++head)
                for (std::size_t w = 0; w < size; ++w)
                    if (room[queue[head]][w] > 0 && from[w] == size && w != source) from[w] = queue[head], queue.push_back(w);
            if (from[sink] == size) return flow;
            for (std::size_t w = sink; w != source; w = from[w]) --room[from[w]][w], ++room[w][from[w]];
        }
    }

    Matrix stacked(const std::vector<std::size_t>& nodes) const {
        Matrix all(0, products[0].columns);
        for (const std::size_t node : nodes) {
            all.rows += products[node].rows;
            all.entries.insert(all.entries.end(), products[node].entries.begin(), products[node].entries.end());
        }
        return all;
    }

    std::size_t patches(isotopy::RankGraph& graph, const std::vector<std::size_t>& inputs) {
        const Matrix source = stacked(inputs);
        isotopy::Patches map{1 + below(3), 1 + below(3), 1 + below(4), 1 + below(5), {}, {}};
        if (below(4) == 0) map.terms = source.rows;
        for (std::size_t i = 0; i < map.groups * map.places * map.terms; ++i)
            map.sources.push_back(source.rows == 0 ? -1 : static_cast<std::int32_t>(below(source.rows + 1)) - 1);
        for (std::size_t i = 0; i < map.groups * map.rows * map.terms; ++i)
            map.weights.push_back(below(3) == 0 ? 0.0f : static_cast<float>(below(9) == 0 ? prime : below(3) == 0 ? 1 : below(prime)));
        std::vector<std::size_t> vertices;
        for (const std::size_t input : inputs)
            for (std::size_t v = first[input]; v < first[input + 1]; ++v) vertices.push_back(v);
        Matrix product(map.size(), source.columns);
        add(product);
        for (std::size_t g = 0; g < map.groups; ++g)
            for (std::size_t r = 0; r < map.rows; ++r)
                for (std::size_t q = 0; q < map.places; ++q)
                    for (std::size_t t = 0; t < map.terms; ++t) {
                        const std::int32_t from = map.sources[(g * map.places + q) * map.terms + t];
                        const auto weight = static_cast<std::uint64_t>(map.weights[(g * map.rows + r) * map.terms + t]);
                        const std::size_t row = (g * map.rows + r) * map.places + q;
                        if (from >= 0 && weight > 0) ways[*(first.end() - 2) + row].push_back(vertices[static_cast<std::size_t>(from)]);
                        for (std::size_t c = 0; c < source.columns && from >= 0; ++c) {
                            std::uint32_t& entry = product.at(row, c);
                            entry = static_cast<std::uint32_t>((entry + weight * source.at(static_cast<std::size_t>(from), c)) % prime);
                        }
                    }
        products.back() = product;
        return graph.add_patches(inputs, map);
    }

    std::size_t gate(isotopy::RankGraph& graph, std::size_t input) {
        auto kind = static_cast<Gate>(below(4));
        const Matrix source = products[input];
        if (source.rows == 0 && kind == Gate::picked_rows) kind = Gate::all_rows;
        const auto slope = static_cast<std::uint32_t>(1 + below(prime - 1));
        Matrix product(kind == Gate::picked_rows ? 1 + below(6) : source.rows, source.columns);
        std::vector<std::uint8_t> mask(product.rows);
        std::vector<std::int32_t> rows(product.rows);
        add(product);
        for (std::size_t i = 0; i < product.rows; ++i) {
            mask[i] = below(3) > 0;
            rows[i] = static_cast<std::int32_t>(below(source.rows));
            const std::size_t from = kind == Gate::picked_rows ? static_cast<std::size_t>(rows[i]) : i;
            const std::uint64_t factor = mask[i] || kind == Gate::all_rows || kind == Gate::picked_rows ? 1 : kind == Gate::two_slopes ? slope : 0;
            if (factor > 0) ways[*(first.end() - 2) + i].push_back(first[input] + from);
            for (std::size_t c = 0; c < source.columns; ++c) product.at(i, c) = static_cast<std::uint32_t>(source.at(from, c) * factor % prime);
        }
        if (kind != Gate::all_rows) active.push_back(mask), picked.push_back(rows);
        products.back() = product;
        return graph.add_gate(input, kind, product.rows, slope);
    }
};

void graphs_have_the_rank_of_the_product() {
    std::size_t refused = 0, tighter = 0, open = 0;
    for (std::uint32_t seed = 0; seed < 500; ++seed) {
        Random random{std::mt19937(seed), {}, {0}, {}, {}, {}};
        const std::size_t width = 1 + random.below(12);
        std::vector<std::int32_t> columns(width);
        for (std::size_t i = 0; i < width; ++i) columns[i] = static_cast<std::int32_t>(i);
        std::shuffle(columns.begin(), columns.end(), random.generator);
        isotopy::RankGraph graph(columns, prime);
        random.add(Matrix(width, width));
        for (std::size_t i = 0; i < width; ++i) random.products[0].at(i, i) = 1;
        std::vector<std::size_t> nodes{0};
        const bool sequential = seed % 2 == 0;
        for (std::size_t layer = 0, depth = 1 + random.below(5); layer < depth; ++layer) {
            std::vector<std::size_t> inputs{nodes.back()};
            while (!sequential && random.below(2) == 0) inputs.push_back(nodes[random.below(nodes.size())]);
            std::size_t node = random.patches(graph, inputs);
            if (random.below(2) == 0) node = random.patches(graph, {node});
            node = random.gate(graph, node);
            graph.add_layer(node, sequential ? layer : 0);
            nodes.push_back(node);
        }
        const std::size_t depth = graph.depth();
        std::vector<const std::uint8_t*> active;
        std::vector<const std::int32_t*> picked;
        for (std::size_t k = 0; k < graph.gates(); ++k) active.push_back(random.active[k].data()), picked.push_back(random.picked[k].data());
        std::vector<std::int32_t> wanted, loose, none(depth, 0);
        for (std::size_t k = 0; k < depth; ++k) {
            wanted.push_back(plain_rank(random.products[nodes[k + 1]], prime));
            loose.push_back(wanted.back() + static_cast<std::int32_t>(random.below(2)));
        }
        std::vector<std::int32_t> highest, above;
        for (std::size_t k = 0; k < depth; ++k) {
            const std::size_t node = nodes[k + 1], rows = random.products[node].rows, paths = random.paths(node);
            highest.push_back(static_cast<std::int32_t>(std::min(rows, width)));
            above.push_back(wanted[k] == highest[k] ? highest[k] : static_cast<std::int32_t>(paths));
            CHECK(wanted[k] <= above[k]);
            tighter += above[k] < highest[k], open += wanted[k] < above[k];
        }
        std::vector<std::int32_t> found = none, bound = highest;
        graph.ranks(active, picked, bound.data(), found.data(), plenty, isotopy::Stop());
        CHECK(found == wanted && bound == above);
        found = none, bound = wanted;
        graph.ranks(active, picked, bound.data(), found.data(), plenty, isotopy::Stop());
        CHECK(found == wanted && bound == wanted);
        // with less and less memory: the same ranks, or none
        for (std::size_t bytes = 1 << 22; bytes > 0; bytes /= 2) {
            found = none, bound = loose;
            try {
                graph.ranks(active, picked, bound.data(), found.data(), bytes, isotopy::Stop());
                CHECK(found == wanted);
            } catch (const std::bad_alloc&) {
                ++refused;
            }
        }
    }
    CHECK(refused > 0 && tighter > 100 && open > 100);
}

// Rows that see one to three of the rows before: paths get into each other's way, turn off and give rows up.
void paths_are_as_many_as_a_flow_finds() {
    for (std::uint32_t seed = 33500; seed < 35000; ++seed) {  // 34866: a row that was given up is used again
        Random random{std::mt19937(seed), {}, {0}, {}, {}, {}};
        const std::size_t width = 4 + random.below(9), depth = 2 + random.below(4), spread = 2 + random.below(3);
        std::vector<std::int32_t> columns(width);
        for (std::size_t i = 0; i < width; ++i) columns[i] = static_cast<std::int32_t>(i);
        isotopy::RankGraph graph(columns, prime);
        random.add(Matrix(width, 0));
        std::size_t node = 0, before = width;
        for (std::size_t layer = 0; layer < depth; ++layer) {
            isotopy::Patches map{4 + random.below(9), 1, 1, 1 + random.below(3), {}, {}};
            random.add(Matrix(map.groups, 0));
            for (std::size_t i = 0; i < map.groups * map.terms; ++i) {
                const std::size_t from = (i / map.terms + random.below(spread)) % before;
                map.sources.push_back(static_cast<std::int32_t>(from)), map.weights.push_back(static_cast<float>(prime));
                random.ways[random.first[layer + 1] + i / map.terms].push_back(random.first[layer] + from);
            }
            node = graph.add_patches({node}, map);
            before = map.groups;
        }
        graph.add_layer(node, 0);
        auto upper = static_cast<std::int32_t>(std::min(width, before)), lower = 0;
        graph.ranks({}, {}, &upper, &lower, plenty, isotopy::Stop());
        CHECK(lower == 0 && upper == static_cast<std::int32_t>(random.paths(depth)));
    }
}

// Many equal windows: once a row is dependent, random sums of the others find the rest.
void dependent_rows_are_skipped_but_not_missed() {
    for (std::uint32_t seed = 0; seed < 40; ++seed) {
        std::mt19937 generator(seed);
        const std::size_t width = 20, count = 300, rank = 1 + seed % 20;
        std::vector<std::int32_t> columns(width), sources(width);
        for (std::size_t i = 0; i < width; ++i) columns[i] = sources[i] = static_cast<std::int32_t>(i);
        isotopy::Patches map{1, 1, count, width, sources, {}};
        Matrix matrix(count, width), basis(rank, width);
        for (auto& entry : basis.entries) entry = static_cast<std::uint32_t>(1 + generator() % (prime - 1));
        for (std::size_t r = 0; r < count; ++r) {  // few directions at first, more and more later
            const std::size_t some = 1 + r * rank / count;
            for (std::size_t k = 0; k < std::min(some, rank); ++k) {
                const std::uint64_t factor = 1 + generator() % (prime - 1);
                for (std::size_t c = 0; c < width; ++c)
                    matrix.at(r, c) = static_cast<std::uint32_t>((matrix.at(r, c) + factor * basis.at(k, c)) % prime);
            }
            for (std::size_t c = 0; c < width; ++c) map.weights.push_back(static_cast<float>(matrix.at(r, c)));
        }
        isotopy::RankGraph graph(columns, prime);
        graph.add_layer(graph.add_patches({0}, map), 0);
        const auto dense = graph.matrix(1);
        CHECK(dense == matrix.entries);
        std::int32_t upper = width, found = 0;
        graph.ranks({}, {}, &upper, &found, plenty, isotopy::Stop());
        CHECK(found == plain_rank(matrix, prime));
    }
}

// s x - (slope s) x vanishes.
void slopes_are_factors() {
    isotopy::RankGraph graph({0}, prime);
    const std::size_t both = graph.add_patches({0}, {1, 1, 2, 1, {0}, {1.0f, 1.0f}});
    const std::size_t gate = graph.add_gate(both, Gate::two_slopes, 2, 77);
    const std::size_t difference = graph.add_patches({gate}, {1, 1, 1, 2, {0, 1}, {77.0f, prime - 1.0f}});
    graph.add_layer(difference, 0);
    const std::vector<std::uint8_t> mask{1, 0};
    const std::vector<const std::uint8_t*> active{mask.data()};
    const std::vector<const std::int32_t*> picked{nullptr};
    std::int32_t upper = 1, found = 0;
    graph.ranks(active, picked, &upper, &found, plenty, isotopy::Stop());
    CHECK(found == 0);
}

template <class Exception, class Work>
bool throws(const Work& work) {
    try {
        work();
    } catch (const Exception&) {
        return true;
    }
    return false;
}

void misuse_and_stop_are_noticed() {
    using isotopy::RankGraph;
    CHECK(throws<std::invalid_argument>([] { RankGraph({0, 0}, prime); }));
    CHECK(throws<std::invalid_argument>([] { RankGraph({0}, (1u << 20) + 7); }));
    RankGraph graph({1, 0}, prime);
    CHECK(throws<std::invalid_argument>([&] { graph.add_patches({0}, {1, 1, 1, 1, {2}, {1.0f}}); }));
    CHECK(throws<std::invalid_argument>([&] { graph.add_patches({0}, {1, 1, 1, 1, {-2}, {1.0f}}); }));
    CHECK(throws<std::invalid_argument>([&] { graph.add_patches({0}, {1, 1, 1, 1, {0, 1}, {1.0f}}); }));
    CHECK(throws<std::invalid_argument>([&] { graph.add_patches({0}, {1, 1, 1, 1, {0}, {-1.0f}}); }));
    CHECK(throws<std::invalid_argument>([&] { graph.add_patches({7}, {1, 1, 1, 1, {0}, {1.0f}}); }));
    CHECK(throws<std::invalid_argument>([&] { graph.add_gate(0, Gate::active_rows, 3, 0); }));
    CHECK(throws<std::invalid_argument>([&] { graph.add_layer(1, 0); }));
    const std::size_t node = graph.add_gate(0, Gate::active_rows, 2, 0);
    graph.add_layer(node, 0);
    CHECK(throws<std::invalid_argument>([&] { graph.add_layer(node, 2); }));
    CHECK(throws<std::invalid_argument>([&] { graph.matrix(node); }));
    isotopy::Stop stop;
    stop.request();
    const std::vector<std::uint8_t> mask{1, 1};
    const std::vector<const std::uint8_t*> active{mask.data()};
    const std::vector<const std::int32_t*> picked{nullptr};
    std::int32_t upper = 2, found = 0;
    CHECK(throws<isotopy::Cancelled>([&] { graph.ranks(active, picked, &upper, &found, plenty, stop); }));
}

}  // namespace

int main() {
    echelon_forms_have_the_rank();
    long_sums_stay_exact();
    graphs_have_the_rank_of_the_product();
    paths_are_as_many_as_a_flow_finds();
    dependent_rows_are_skipped_but_not_missed();
    slopes_are_factors();
    misuse_and_stop_are_noticed();
}
