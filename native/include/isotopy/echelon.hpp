// Echelon forms over GF(p), row by row, and sums of multiples of rows: whole numbers in doubles, reduced as late as possible.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

// Compiled for several instruction sets; the loader picks the best one that the machine has.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define ISOTOPY_CLONES __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#else
#define ISOTOPY_CLONES
#endif

namespace isotopy {

// Residues are below 2^20, so products are below 2^40 and 8000 of them, summed in any order, are exact in a double.
inline constexpr std::uint32_t largest_prime = 1u << 20;
inline constexpr std::size_t most_products = 8000;

// t mod p for 0 <= t < 2^53: the quotient is off by one at most.
inline double reduce(double t, double p, double inverse) {
    double r = t - std::floor(t * inverse) * p;
    r = r < 0 ? r + p : r;
    return r >= p ? r - p : r;
}

// value^(p - 2), the reciprocal by Fermat
inline double reciprocal(double value, double prime) {
    const auto p = static_cast<std::uint64_t>(prime);
    std::uint64_t base = static_cast<std::uint64_t>(value), result = 1;
    for (std::uint64_t exponent = p - 2; exponent; exponent >>= 1) {
        if (exponent & 1u) result = result * base % p;
        base = base * base % p;
    }
    return static_cast<double>(result);
}

// A multiple of a row: entries[c - begin] is the entry in column c of [begin, end), all others are 0.
struct Multiple {
    const float* entries;
    std::uint32_t begin, end;
    double factor;
};

namespace rank_detail {

ISOTOPY_CLONES inline void reduce_all(double* entries, std::size_t count, double p, double inverse) {
    for (std::size_t c = 0; c < count; ++c) entries[c] = reduce(entries[c], p, inverse);
}

// sum += all multiples, at most most_products of them; four at a time where they overlap.
ISOTOPY_CLONES inline void add_all(double* __restrict sum, const Multiple* terms, std::size_t count) {
    std::size_t t = 0;
    for (; t + 4 <= count; t += 4) {
        std::size_t begin = terms[t].begin, end = terms[t].end;
        for (std::size_t i = 1; i < 4; ++i) begin = std::max<std::size_t>(begin, terms[t + i].begin), end = std::min<std::size_t>(end, terms[t + i].end);
        end = std::max(begin, end);
        for (std::size_t i = 0; i < 4; ++i) {
            const Multiple& term = terms[t + i];
            const float* __restrict from = term.entries;
            for (std::size_t c = term.begin; c < std::min<std::size_t>(begin, term.end); ++c) sum[c] += term.factor * static_cast<double>(from[c - term.begin]);
            for (std::size_t c = end; c < term.end; ++c) sum[c] += term.factor * static_cast<double>(from[c - term.begin]);
        }
        if (begin == end) continue;
        const float *first = terms[t].entries + (begin - terms[t].begin), *second = terms[t + 1].entries + (begin - terms[t + 1].begin);
        const float *third = terms[t + 2].entries + (begin - terms[t + 2].begin), *fourth = terms[t + 3].entries + (begin - terms[t + 3].begin);
        const double f = terms[t].factor, g = terms[t + 1].factor, h = terms[t + 2].factor, k = terms[t + 3].factor;
        double* __restrict to = sum + begin;
        for (std::size_t c = 0; c < end - begin; ++c)
            to[c] += (f * static_cast<double>(first[c]) + g * static_cast<double>(second[c])) +
                     (h * static_cast<double>(third[c]) + k * static_cast<double>(fourth[c]));
    }
    for (; t < count; ++t) {
        const float* __restrict from = terms[t].entries;
        double* __restrict to = sum + terms[t].begin;
        const double factor = terms[t].factor;
        const std::size_t length = terms[t].end - terms[t].begin;
        for (std::size_t c = 0; c < length; ++c) to[c] += factor * static_cast<double>(from[c]);
    }
}

// A row of an echelon form from its leading 1 on.
struct Lead {
    const float* entries = nullptr;
    std::size_t end = 0;
};

// Clears row[begin, end) from the left with the rows that lead there, four at a time where they stand side by side.
// Returns the first column whose entry stays, or `end`, and moves `end` to the right where rows reach further.
ISOTOPY_CLONES inline std::size_t clear(double* __restrict row, std::size_t begin, std::size_t& end, const Lead* leads, double p,
                                        double inverse) {
    std::size_t products = 0, c = begin;
    while (c < end) {
        if (products + 4 > most_products) {
            for (std::size_t k = c; k < end; ++k) row[k] = reduce(row[k], p, inverse);
            products = 0;
        }
        const bool four = c + 4 <= end && leads[c].entries && leads[c + 1].entries && leads[c + 2].entries && leads[c + 3].entries;
        if (!four) {
            row[c] = reduce(row[c], p, inverse);
            if (row[c] == 0.0) {
                ++c;
                continue;
            }
            if (!leads[c].entries) return c;
            const double factor = p - row[c];
            const float* __restrict from = leads[c].entries;
            const std::size_t stop = leads[c].end;
            for (std::size_t k = c; k < stop; ++k) row[k] += factor * static_cast<double>(from[k - c]);
            row[c] = 0.0;
            end = std::max(end, stop);
            ++products, ++c;
            continue;
        }
        double factors[4];
        std::size_t common = leads[c].end;
        for (std::size_t i = 0; i < 4; ++i) {
            const Lead& lead = leads[c + i];
            const double r = reduce(row[c + i], p, inverse);
            factors[i] = r == 0.0 ? 0.0 : p - r;
            for (std::size_t k = c + i + 1; k < std::min(c + 4, lead.end); ++k)
                row[k] += factors[i] * static_cast<double>(lead.entries[k - c - i]);
            row[c + i] = 0.0;
            common = std::min(common, lead.end);
            end = std::max(end, lead.end);
        }
        common = std::max(common, c + 4);
        const float *first = leads[c].entries, *second = leads[c + 1].entries, *third = leads[c + 2].entries, *fourth = leads[c + 3].entries;
        double* __restrict to = row + c;
        for (std::size_t k = 4; k < common - c; ++k)
            to[k] += (factors[0] * static_cast<double>(first[k]) + factors[1] * static_cast<double>(second[k - 1])) +
                     (factors[2] * static_cast<double>(third[k - 2]) + factors[3] * static_cast<double>(fourth[k - 3]));
        for (std::size_t i = 0; i < 4; ++i) {
            const float* __restrict from = leads[c + i].entries;
            for (std::size_t k = common; k < leads[c + i].end; ++k) row[k] += factors[i] * static_cast<double>(from[k - c - i]);
        }
        products += 4, c += 4;
    }
    return end;
}

}  // namespace rank_detail

// sum = all terms modulo p, where sum is 0 before and all terms are 0 outside [begin, end).
inline void sum_multiples(const std::vector<Multiple>& terms, double* sum, std::size_t begin, std::size_t end, double p) {
    for (std::size_t start = 0; start < terms.size(); start += most_products) {
        rank_detail::add_all(sum, terms.data() + start, std::min(most_products, terms.size() - start));
        rank_detail::reduce_all(sum + begin, end - begin, p, 1.0 / p);
    }
}

// Blocks of floats that live as long as the arena.
class Arena {
public:
    float* take(std::size_t count) {
        if (count > room_) {
            room_ = std::max(count, std::clamp<std::size_t>(bytes_ / sizeof(float), 256, 1u << 16));  // as much again
            bytes_ += room_ * sizeof(float);
            blocks_.push_back(std::make_unique<float[]>(room_));
            next_ = blocks_.back().get();
        }
        float* found = next_;
        next_ += count, room_ -= count;
        return found;
    }

    std::size_t bytes() const { return bytes_; }

private:
    std::vector<std::unique_ptr<float[]>> blocks_;
    float* next_ = nullptr;
    std::size_t room_ = 0, bytes_ = 0;
};

// Independent rows over GF(p), each with a leading 1 in a column of its own. Rows that end early keep the others short:
// rows sorted by their first column are cleared at the cost of a band matrix.
class Echelon {
public:
    Echelon(std::size_t width, std::uint32_t prime) : p_(prime), inverse_(1.0 / prime), leads_(width) {
        if (prime < 2 || prime > largest_prime) throw std::invalid_argument("Echelon: the prime must be below 2^20");
    }
    std::size_t rank() const { return columns_.size(); }
    // Columns of the leading entries, in the order in which the rows came.
    const std::vector<std::uint32_t>& columns() const { return columns_; }

    // Adds a row with entries in [0, p) inside [begin, end) and 0 outside, and sets it to 0. True if it was independent.
    bool add(double* row, std::size_t begin, std::size_t end) {
        const std::size_t lead = rank_detail::clear(row, begin, end, leads_.data(), p_, inverse_);
        const bool independent = lead < end;
        if (independent) {
            rank_detail::reduce_all(row + lead, end - lead, p_, inverse_);
            while (row[end - 1] == 0.0) --end;
            const double scale = reciprocal(row[lead], p_);
            float* kept = arena_.take(end - lead);
            for (std::size_t c = lead; c < end; ++c) kept[c - lead] = static_cast<float>(reduce(row[c] * scale, p_, inverse_));
            leads_[lead] = {kept, end};
            columns_.push_back(static_cast<std::uint32_t>(lead));
            std::fill(row + lead, row + end, 0.0);
        }
        return independent;
    }

private:
    double p_, inverse_;
    std::vector<rank_detail::Lead> leads_;
    std::vector<std::uint32_t> columns_;
    Arena arena_;
};

}  // namespace isotopy
