#include "isotopy/chain_reduction.hpp"

#include <random>
#include <vector>

#include "check.hpp"
#include "matrix.hpp"

using namespace isotopy;

struct Complex {
    std::vector<std::size_t> counts;
    std::vector<std::vector<std::int64_t>> starts, rows, values;
    std::vector<std::uint8_t> inside;

    void add(std::size_t below, const std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>>& columns) {
        if (counts.empty()) counts.push_back(below);
        counts.push_back(columns.size());
        starts.push_back({0});
        rows.emplace_back();
        values.emplace_back();
        for (const auto& column : columns) {
            for (const auto& [row, value] : column) {
                rows.back().push_back(row);
                values.back().push_back(value);
            }
            starts.back().push_back(std::int64_t(rows.back().size()));
        }
        std::size_t cells = 0;
        for (const std::size_t count : counts) cells += count;
        inside.resize(cells, 0);
    }
    ChainComplex view() const {
        ChainComplex complex{counts, {}, inside};
        for (std::size_t k = 0; k < starts.size(); ++k) complex.boundaries.push_back({starts[k], rows[k], values[k]});
        return complex;
    }
};

constexpr std::size_t plenty = std::size_t{1} << 30;

static Complex circle(std::int64_t n) {
    std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> edges;
    for (std::int64_t v = 0; v < n; ++v) edges.push_back({{v, -1}, {(v + 1) % n, 1}});
    Complex complex;
    complex.add(std::size_t(n), edges);
    return complex;
}

static void test_circle() {
    const Stop stop;
    Complex complex = circle(9);
    for (const std::uint32_t p : {0u, 2u, 3u}) {
        const auto left = reduce_chains(complex.view(), p, plenty, stop);
        CHECK(left.cells.size() == 2 && left.cells[0] == 0 && left.cells[1] >= 9);
        CHECK(left.rows.empty() && left.starts == std::vector<std::int64_t>({0, 0, 0}));
    }
    complex.inside[4] = complex.inside[6] = 1;  // two points of it: one edge joins them, another closes the circle
    const auto left = reduce_chains(complex.view(), 0, plenty, stop);
    CHECK(left.cells.size() == 4 && left.cells[0] == 4 && left.cells[1] == 6);
    complex.inside.assign(18, 1);
    CHECK(reduce_chains(complex.view(), 0, plenty, stop).cells.size() == 2);
}

// The ranks of a matrix are those of what is left, whatever was taken out; torsion stays over Z.
static void test_random_matrices() {
    const Stop stop;
    std::mt19937 random(3);
    for (int round = 0; round < 300; ++round) {
        const std::size_t rows = 1 + random() % 12, columns = 1 + random() % 12;
        Matrix matrix(rows, columns);
        std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> entries(columns);
        const std::uint32_t p = 7;
        for (std::size_t c = 0; c < columns; ++c)
            for (std::size_t r = 0; r < rows; ++r) {
                const std::int64_t value = random() % 3 == 0 ? std::int64_t(random() % 5) - 2 : 0;
                if (value == 0) continue;
                entries[c].push_back({std::int64_t(r), value});
                matrix.at(r, c) = std::uint32_t((value + 7) % 7);
            }
        Complex complex;
        complex.add(rows, entries);
        const auto rank = std::size_t(plain_rank(matrix, p));
        const auto left = reduce_chains(complex.view(), p, plenty, stop);
        CHECK(left.rows.empty() && left.cells.size() == rows + columns - 2 * rank);
        const auto whole = reduce_chains(complex.view(), 0, plenty, stop);
        const std::size_t taken = (rows + columns - whole.cells.size()) / 2;
        std::size_t low = 0;
        while (low < whole.cells.size() && whole.cells[low] < std::int64_t(rows)) ++low;
        CHECK(low == rows - taken);
        Matrix rest(low + 1, whole.cells.size() - low + 1);
        for (std::size_t c = low; c < whole.cells.size(); ++c)
            for (auto at = std::size_t(whole.starts[c]); at < std::size_t(whole.starts[c + 1]); ++at) {
                CHECK(whole.values[at] != 1 && whole.values[at] != -1);
                rest.at(std::size_t(whole.rows[at]), c - low) = std::uint32_t(((whole.values[at] % 7) + 7) % 7);
            }
        CHECK(std::size_t(plain_rank(rest, p)) + taken == rank);
    }
}

// x_i = 2 x_(i+1), forty times, and x_0 = 0: the pivot that would make 2^32 is left to longer integers.
static void test_growth_is_left_to_the_caller() {
    const Stop stop;
    std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> columns{{{0, 1}}};
    for (std::int64_t i = 0; i < 40; ++i) columns.push_back({{i, 1}, {i + 1, -2}});
    Complex complex;
    complex.add(41, columns);
    const auto left = reduce_chains(complex.view(), 0, plenty, stop);
    CHECK(left.cells.size() > 2 && left.cells.size() < 30);
    std::int64_t most = 0;
    for (const std::int64_t value : left.values) most = std::max(most, value < 0 ? -value : value);
    CHECK(most == IntegerRing::largest);
    CHECK(reduce_chains(complex.view(), 2, plenty, stop).cells.size() == 2);  // x_40 is a class modulo 2
    CHECK(reduce_chains(complex.view(), 3, plenty, stop).cells.empty());
}

static void test_refusals() {
    Complex complex = circle(5);
    const Stop stop;
    bool refused = false;
    try {
        reduce_chains(complex.view(), 0, 100, stop);
    } catch (const std::bad_alloc&) {
        refused = true;
    }
    CHECK(refused);
    complex.values[0][0] = std::int64_t{1} << 40;
    refused = false;
    try {
        reduce_chains(complex.view(), 0, plenty, stop);
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    CHECK(refused);
    complex.values[0][0] = -1;
    complex.rows[0][1] = complex.rows[0][0];
    Stop stopped;
    stopped.request();
    bool cancelled = false;
    try {
        reduce_chains(complex.view(), 0, plenty, stopped);
    } catch (const Cancelled&) {
        cancelled = true;
    }
    CHECK(cancelled);
}

int main() {
    test_circle();
    test_random_matrices();
    test_growth_is_left_to_the_caller();
    test_refusals();
}
