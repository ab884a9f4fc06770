// Equal rows of bytes, by a hash table of row numbers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "parallel.hpp"

namespace isotopy {

struct DistinctRows {
    std::vector<std::int64_t> numbers;  // of each row: equal rows have one number, by first appearance
    std::vector<std::int64_t> first;    // of each number: the first row that has it
};

// Rows of `width` bytes, one after the other.
inline DistinctRows distinct_rows(std::span<const std::uint8_t> bytes, std::size_t rows, std::size_t width, const Stop& stop) {
    const auto hash = [&](std::size_t row) {
        std::uint64_t state = width;
        for (std::size_t at = 0; at < width; at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes.data() + row * width + at, std::min<std::size_t>(8, width - at));
            state = (state ^ word) * 0x9E3779B97F4A7C15;
            state ^= state >> 32;
        }
        return (state * 0xD6E8FEB86659FD93) >> 16;
    };
    const std::size_t places = std::bit_ceil(2 * rows + 1);
    std::vector<std::int64_t> table(places, -1);  // numbers
    DistinctRows found;
    found.numbers.resize(rows);
    for (std::size_t row = 0; row < rows; ++row) {
        if ((row & 4095u) == 0) stop.check();
        std::size_t at = static_cast<std::size_t>(hash(row)) & (places - 1);
        while (table[at] >= 0) {
            const auto other = static_cast<std::size_t>(found.first[static_cast<std::size_t>(table[at])]);
            if (width == 0 || std::memcmp(bytes.data() + row * width, bytes.data() + other * width, width) == 0) break;
            at = (at + 1) & (places - 1);
        }
        if (table[at] < 0) {
            table[at] = static_cast<std::int64_t>(found.first.size());
            found.first.push_back(static_cast<std::int64_t>(row));
        }
        found.numbers[row] = table[at];
    }
    return found;
}

}  // namespace isotopy
