// Matrices over GF(p) and their ranks by plain elimination, the slow reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

struct Matrix {
    std::size_t rows, columns;
    std::vector<std::uint32_t> entries;

    Matrix(std::size_t r, std::size_t c) : rows(r), columns(c), entries(r * c, 0) {}
    std::uint32_t& at(std::size_t r, std::size_t c) { return entries[r * columns + c]; }
    std::uint32_t at(std::size_t r, std::size_t c) const { return entries[r * columns + c]; }
};

inline std::uint32_t power(std::uint64_t base, std::uint64_t exponent, std::uint64_t p) {
    std::uint64_t result = 1;
    for (; exponent; exponent >>= 1, base = base * base % p)
        if (exponent & 1u) result = result * base % p;
    return static_cast<std::uint32_t>(result);
}

inline int plain_rank(Matrix m, std::uint64_t p) {
    std::size_t found = 0;
    for (std::size_t c = 0; c < m.columns && found < m.rows; ++c) {
        std::size_t pivot = found;
        while (pivot < m.rows && m.at(pivot, c) == 0) ++pivot;
        if (pivot == m.rows) continue;
        for (std::size_t k = 0; k < m.columns; ++k) std::swap(m.at(pivot, k), m.at(found, k));
        const std::uint64_t inverse = power(m.at(found, c), p - 2, p);
        for (std::size_t r = found + 1; r < m.rows; ++r) {
            const std::uint64_t factor = m.at(r, c) * inverse % p;
            for (std::size_t k = c; k < m.columns; ++k)
                m.at(r, k) = static_cast<std::uint32_t>((m.at(r, k) + (p - factor) * m.at(found, k)) % p);
        }
        ++found;
    }
    return static_cast<int>(found);
}
