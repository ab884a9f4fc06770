#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "isotopy/distinct.hpp"
#include "isotopy/field.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/radix.hpp"
#include "isotopy/union_find.hpp"

using namespace isotopy;

static void keys_keep_the_order_of_doubles() {
    const double infinity = std::numeric_limits<double>::infinity();
    const std::vector<double> rising{-infinity, -1e300, -1.5, -1e-310, 0.0, 1e-310, 1.0, 1.0 + 1e-15, 1e300, infinity};
    for (std::size_t i = 1; i < rising.size(); ++i) CHECK(monotone_key(rising[i - 1]) < monotone_key(rising[i]));
    CHECK(monotone_key(-0.0) == monotone_key(0.0));
}

static void sorting_is_stable() {
    struct Item {
        std::uint64_t key;
        std::size_t place;
    };
    std::mt19937_64 random(3);
    std::vector<Item> items;
    for (std::size_t i = 0; i < 5000; ++i) items.push_back({i % 2 == 0 ? random() : random() % 7, i});
    auto expected = items;
    std::stable_sort(expected.begin(), expected.end(), [](const Item& a, const Item& b) { return a.key < b.key; });
    Stop stop;
    radix_sort(items, stop);
    for (std::size_t i = 0; i < items.size(); ++i) CHECK(items[i].key == expected[i].key && items[i].place == expected[i].place);
}

static void all_work_is_done_once() {
    for (const std::size_t threads : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{500}})
        for (const bool inline_work : {false, true}) {
            std::vector<std::atomic<int>> done(100);
            parallel_for(done.size(), threads, inline_work, [&](std::size_t i, const Stop&) { ++done[i]; }, [] { return false; });
            CHECK(std::all_of(done.begin(), done.end(), [](const std::atomic<int>& count) { return count == 1; }));
        }
}

static void failures_come_back() {
    bool caught = false;
    try {
        parallel_for(10, 3, false, [](std::size_t i, const Stop&) { if (i == 4) throw std::domain_error("four"); }, [] { return false; });
    } catch (const std::domain_error&) {
        caught = true;
    }
    CHECK(caught);
}

static void poll_stops_the_work() {
    bool caught = false;
    try {
        parallel_for(2, 2, false, [](std::size_t, const Stop& stop) { for (;;) { stop.check(); std::this_thread::yield(); } }, [] { return true; });
    } catch (const Cancelled&) {
        caught = true;
    }
    CHECK(caught);
}

static void fields_divide() {
    for (const std::uint32_t prime : {2u, 3u, 7u, 65537u, 2147483647u}) {
        CHECK(is_prime(prime));
        const Field field(prime);
        for (const std::uint32_t a : {1u, (prime + 1) / 2, prime - 1}) {
            CHECK(field.multiply(a, field.inverse(a)) == 1);
            CHECK(field.add(a, field.negative(a)) == 0);
        }
    }
    CHECK(!is_prime(0) && !is_prime(1) && !is_prime(91));
}

template <class Rows>
static void rows_are_eliminated(std::uint32_t prime) {
    const Rows rows(130, prime);
    std::vector<typename Rows::Word> a(rows.words(), 0), b(rows.words(), 0);
    CHECK(rows.last(a) == no_entry);
    rows.set_one(a, 129);
    rows.set_one(a, 3);
    rows.set_one(b, 129);
    rows.set_one(b, 70);
    rows.add(b, b, false);
    if (prime == 2) {
        CHECK(rows.last(b) == no_entry);
        return;
    }
    CHECK(rows.last(b) == 129);
    rows.normalize(b, 129);
    rows.eliminate(a, b, 129);
    CHECK(rows.last(a) == 70);
    rows.add(a, a, true);
    CHECK(rows.last(a) == no_entry);
}

static void sets_are_joined() {
    UnionFind sets(5);
    sets.hang(4, 2);
    sets.hang(2, 0);
    CHECK(sets.find(4) == 0 && sets.find(2) == 0 && sets.find(3) == 3);
}

// Rows of all widths, few of them different, against comparison one by one.
static void equal_rows_have_one_number() {
    std::mt19937 random(0);
    for (std::size_t width = 0; width < 20; ++width) {
        const std::size_t rows = 300;
        std::vector<std::uint8_t> bytes(rows * width, 7);
        for (std::uint8_t& byte : bytes)
            if (random() % (2 * width) == 0) byte = static_cast<std::uint8_t>(random() % 3);
        const DistinctRows found = distinct_rows(bytes, rows, width, Stop());
        const auto equal = [&](std::size_t a, std::size_t b) {
            return std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(a * width), bytes.begin() + static_cast<std::ptrdiff_t>((a + 1) * width),
                              bytes.begin() + static_cast<std::ptrdiff_t>(b * width));
        };
        std::int64_t count = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            std::size_t first = 0;
            while (!equal(first, row)) ++first;
            if (first == row) CHECK(found.numbers[row] == count && found.first[static_cast<std::size_t>(count++)] == static_cast<std::int64_t>(row));
            CHECK(found.numbers[row] == found.numbers[first]);
        }
        CHECK(found.first.size() == static_cast<std::size_t>(count));
    }
}

int main() {
    equal_rows_have_one_number();
    keys_keep_the_order_of_doubles();
    sorting_is_stable();
    all_work_is_done_once();
    failures_come_back();
    poll_stops_the_work();
    fields_divide();
    rows_are_eliminated<BinaryRows>(2);
    rows_are_eliminated<PrimeRows>(5);
    sets_are_joined();
    return 0;
}
