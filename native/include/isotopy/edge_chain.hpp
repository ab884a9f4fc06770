// A chain of edges with coefficients, its last edge at hand: one bit per edge, and a bit per word that is not zero, level by
// level. Bits above a word that became zero are only cleared when the search comes across them.
//
// U. Bauer, M. Kerber, J. Reininghaus, H. Wagner, PHAT, J. Symb. Comput. 78 (2017): the bit tree as a pivot column.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "isotopy/field.hpp"

namespace isotopy {

template <bool binary>
class EdgeChain {
public:
    EdgeChain(std::size_t keys, const Field& field) : field_(field) {
        if (!binary) coefficients_.resize(keys);
        do levels_.emplace_back(keys = (keys + 63) / 64);
        while (keys > 1);
    }

    // Number of the last word that is not zero. The chain must not be zero.
    std::size_t last_word() {
        for (;;) {
            std::size_t word = 0;
            if (levels_.back()[0] == 0) throw std::logic_error("a 2-cell that closes no cavity must end a loop");
            for (std::size_t level = levels_.size(); level-- > 1;) word = word << 6 | top(levels_[level][word]);
            if (levels_[0][word] != 0) return word;
            forget(word);
        }
    }
    std::uint64_t word(std::size_t index) const { return levels_[0][index]; }

    void add(std::uint32_t key, std::uint32_t coefficient) {
        const std::size_t index = key / 64;
        const std::uint64_t bit = std::uint64_t{1} << (key % 64);
        std::uint64_t& bits = levels_[0][index];
        if (bits == 0) announce(index);
        if constexpr (binary) {
            bits ^= bit;
        } else {
            coefficients_[key] = field_.add(coefficients_[key], coefficient);
            bits = coefficients_[key] != 0 ? bits | bit : bits & ~bit;
        }
    }

    std::uint32_t coefficient(std::uint32_t key) const { return binary ? 1 : coefficients_[key]; }

    void remove(std::uint32_t key) {
        levels_[0][key / 64] &= ~(std::uint64_t{1} << (key % 64));
        if constexpr (!binary) coefficients_[key] = 0;
    }

    // Takes everything out, the last edge first.
    void drain(std::vector<std::uint32_t>& keys, std::vector<std::uint32_t>& coefficients) {
        while (levels_.back()[0] != 0) {
            std::size_t index = 0;
            for (std::size_t level = levels_.size(); level-- > 1;) index = index << 6 | top(levels_[level][index]);
            for (std::uint64_t& bits = levels_[0][index]; bits != 0;) {
                const auto key = static_cast<std::uint32_t>(index * 64 + top(bits));
                keys.push_back(key);
                if constexpr (!binary) coefficients.push_back(coefficients_[key]);
                remove(key);
            }
            forget(index);
        }
    }

private:
    static std::size_t top(std::uint64_t bits) { return 63 - static_cast<std::size_t>(std::countl_zero(bits)); }

    void announce(std::size_t index) {
        for (std::size_t level = 1; level < levels_.size(); ++level, index /= 64) {
            std::uint64_t& bits = levels_[level][index / 64];
            const std::uint64_t before = bits;
            bits |= std::uint64_t{1} << (index % 64);
            if (before != 0) return;
        }
    }
    void forget(std::size_t index) {
        for (std::size_t level = 1; level < levels_.size(); ++level, index /= 64) {
            std::uint64_t& bits = levels_[level][index / 64];
            bits &= ~(std::uint64_t{1} << (index % 64));
            if (bits != 0) return;
        }
    }

    Field field_;
    std::vector<std::vector<std::uint64_t>> levels_;
    std::vector<std::uint32_t> coefficients_;  // by edge; not over Z/2
};

}  // namespace isotopy
