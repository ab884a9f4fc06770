// Stable radix sort of items by an unsigned key, and the monotone maps from floating-point numbers to such keys.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "isotopy/parallel.hpp"

namespace isotopy {

// Smaller number, smaller key; -0 and +0 share one key. NaN is not allowed.
inline std::uint64_t monotone_key(double value) noexcept {
    const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);
    return (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
}

inline std::uint32_t monotone_key(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value + 0.0f);
    return (bits >> 31) != 0 ? ~bits : bits | (std::uint32_t{1} << 31);
}

// Item has a member `key`. Passes over digits that all items share are left out.
template <std::size_t bits, class Item>
void radix_sort_by(std::vector<Item>& items, const Stop& stop) {
    constexpr std::size_t digits = std::size_t{1} << bits;
    constexpr std::size_t passes = (8 * sizeof(Item::key) + bits - 1) / bits;
    std::array<std::array<std::size_t, digits>, passes> counts{};
    for (const Item& item : items)
        for (std::size_t pass = 0; pass < passes; ++pass) ++counts[pass][(item.key >> (pass * bits)) & (digits - 1)];
    std::vector<Item> buffer(items.size());
    for (std::size_t pass = 0; pass < passes; ++pass) {
        stop.check();
        auto& count = counts[pass];
        if (count[(items.front().key >> (pass * bits)) & (digits - 1)] == items.size()) continue;
        std::size_t start = 0;
        for (std::size_t& entry : count) {
            const std::size_t size = entry;
            entry = start;
            start += size;
        }
        for (const Item& item : items) buffer[count[(item.key >> (pass * bits)) & (digits - 1)]++] = item;
        items.swap(buffer);
    }
}

// Wide digits take fewer passes, narrow ones less time to set up.
template <class Item>
void radix_sort(std::vector<Item>& items, const Stop& stop) {
    if (items.size() < 64)
        std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.key < b.key; });
    else if (items.size() < 4096)
        radix_sort_by<8>(items, stop);
    else
        radix_sort_by<11>(items, stop);
}

}  // namespace isotopy
