// Stable radix sort of items by an unsigned key, and the monotone map from doubles to 64-bit keys.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "isotopy/parallel.hpp"

namespace isotopy {

// Smaller double, smaller key; -0 and +0 share one key. NaN is not allowed.
inline std::uint64_t monotone_key(double value) noexcept {
    const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);
    return (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
}

// Item has a member `key`. Passes of 11 bits; those over digits that all items share are left out.
template <class Item>
void radix_sort(std::vector<Item>& items, const Stop& stop) {
    constexpr std::size_t bits = 11;
    constexpr std::size_t digits = std::size_t{1} << bits;
    constexpr std::size_t passes = (8 * sizeof(Item::key) + bits - 1) / bits;
    if (items.size() < 2) return;
    std::vector<std::array<std::size_t, digits>> counts(passes);
    for (auto& count : counts) count.fill(0);
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

}  // namespace isotopy
