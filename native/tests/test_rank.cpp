// Rank chains over GF(3) and GF(p) against plain elimination of the whole product.
#include "isotopy/rank.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "matrix.hpp"

namespace {

using isotopy::Gate;

// One random chain: widths, gates, weights of low or full rank, masks of any density; identities before picked rows.
template <class Rows>
void compare(std::uint32_t p, std::uint32_t seed, std::size_t widest) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    std::size_t width = 1 + below(widest);
    Matrix product(width, width);
    for (std::size_t i = 0; i < width; ++i) product.at(i, i) = 1;

    isotopy::RankChain<Rows> chain(width, p);
    const std::size_t depth = 1 + below(4);
    std::vector<std::vector<std::uint8_t>> active(depth);
    std::vector<std::vector<std::int32_t>> picked(depth);
    std::vector<int> wanted;
    for (std::size_t k = 0; k < depth; ++k) {
        const auto gate = static_cast<Gate>(below(4));
        const bool identity = below(4) == 0;
        const std::size_t rows = identity ? width : below(widest + 1), density = 1 + below(9);
        const auto slope = static_cast<std::uint32_t>(1 + below(p - 1));
        Matrix weight(rows, width);
        for (std::size_t i = 0; i < rows * width; ++i) weight.entries[i] = static_cast<std::uint32_t>(below(p));
        if (below(2) == 0)
            for (std::size_t r = 1; r < rows; r += 2) std::copy_n(weight.entries.data(), width, weight.entries.data() + r * width);
        if (identity)
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t c = 0; c < width; ++c) weight.at(r, c) = r == c;
        const std::size_t outputs = gate == Gate::picked_rows && rows > 0 ? below(widest + 1) : rows;
        chain.add(gate, rows, width, identity ? std::vector<std::uint32_t>{} : weight.entries, slope);
        chain.set_outputs(outputs);

        Matrix moved(rows, product.columns), next(outputs, product.columns);
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < product.columns; ++c) {
                std::uint64_t sum = 0;
                for (std::size_t j = 0; j < width; ++j) sum = (sum + std::uint64_t{weight.at(r, j)} * product.at(j, c)) % p;
                moved.at(r, c) = static_cast<std::uint32_t>(sum);
            }
        for (std::size_t i = 0; i < outputs; ++i) {
            active[k].push_back(below(10) < density);
            picked[k].push_back(rows == 0 ? 0 : static_cast<std::int32_t>(below(rows)));
            const std::size_t from = gate == Gate::picked_rows ? static_cast<std::size_t>(picked[k][i]) : i;
            std::uint64_t factor = 1;
            if (gate == Gate::active_rows) factor = active[k][i];
            if (gate == Gate::two_slopes && !active[k][i]) factor = slope;
            for (std::size_t c = 0; c < product.columns; ++c)
                next.at(i, c) = static_cast<std::uint32_t>(moved.at(from, c) * factor % p);
        }
        product = next;
        width = outputs;
        wanted.push_back(plain_rank(product, p));
    }
    std::vector<const std::uint8_t*> active_pointers;
    std::vector<const std::int32_t*> picked_pointers;
    for (std::size_t k = 0; k < depth; ++k) active_pointers.push_back(active[k].data()), picked_pointers.push_back(picked[k].data());
    std::vector<std::int32_t> found(depth);
    chain.ranks(active_pointers, picked_pointers, found.data(), isotopy::Stop());
    CHECK(std::equal(found.begin(), found.end(), wanted.begin()));
}

void chains_equal_plain_elimination() {
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
        compare<isotopy::Rows3>(3, seed, 30);
        compare<isotopy::RowsP>(3, seed, 30);
        compare<isotopy::RowsP>(1048573, seed, 30);
    }
    for (std::uint32_t seed = 0; seed < 6; ++seed) {  // beyond a word of 64 and a block of 512 entries
        compare<isotopy::Rows3>(3, seed, 150);
        compare<isotopy::Rows3>(3, 100 + seed, 600);
        compare<isotopy::RowsP>(1048573, seed, 150);
    }
}

void matrices_of_known_rank() {
    const std::vector<std::uint32_t> two{1, 2, 0, 1, 2, 4, 0, 2};  // (1 2; 0 1) and (2 4; 0 2): both invertible but for p = 2
    std::int32_t found = -1;
    isotopy::matrix_ranks(two, 2, 2, 2, 1048573, 1, &found, isotopy::Stop());
    CHECK(found == 2);
    isotopy::matrix_ranks(std::vector<std::uint32_t>{1, 2, 2, 4}, 1, 2, 2, 7, 0, &found, isotopy::Stop());
    CHECK(found == 1);
    isotopy::matrix_ranks(std::vector<std::uint32_t>{8, 9, 9, 8}, 1, 2, 2, 7, 0, &found, isotopy::Stop());  // residues above p
    CHECK(found == 2);
    isotopy::matrix_ranks(std::vector<std::uint32_t>{}, 3, 0, 4, 7, 2, &found, isotopy::Stop());
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
    isotopy::RankChain<isotopy::Rows3> chain(2, 3);
    const std::vector<std::uint32_t> three{1, 2, 0};
    CHECK(throws<std::invalid_argument>([&] { chain.add(Gate::all_rows, 1, 3, three, 0); }));
    CHECK(throws<std::invalid_argument>([&] { chain.add(Gate::all_rows, 1, 2, three, 0); }));
    std::int32_t found = 0;
    CHECK(throws<std::invalid_argument>([&] { isotopy::matrix_ranks(three, 1, 2, 2, 3, 0, &found, isotopy::Stop()); }));
    chain.add(Gate::all_rows, 1, 2, std::vector<std::uint32_t>{1, 2}, 0);
    isotopy::Stop stop;
    stop.request();
    const std::vector<const std::uint8_t*> active{nullptr};
    const std::vector<const std::int32_t*> picked{nullptr};
    CHECK(throws<isotopy::Cancelled>([&] { chain.ranks(active, picked, &found, stop); }));
}

}  // namespace

int main() {
    chains_equal_plain_elimination();
    matrices_of_known_rank();
    misuse_and_stop_are_noticed();
}
