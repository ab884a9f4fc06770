// Vectors over Z/p: bits for p = 2, one word per coefficient for other primes, and lists of entries where most are zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <bit>
#include <span>
#include <utility>
#include <vector>

namespace isotopy {

inline bool is_prime(std::uint64_t number) noexcept {
    if (number < 2) return false;
    for (std::uint64_t divisor = 2; divisor * divisor <= number; ++divisor)
        if (number % divisor == 0) return false;
    return true;
}

// Arithmetic modulo a prime below 2^31.
class Field {
public:
    explicit Field(std::uint32_t prime) : prime_(prime) {}
    std::uint32_t prime() const noexcept { return prime_; }
    std::uint32_t negative(std::uint32_t a) const noexcept { return a == 0 ? 0 : prime_ - a; }
    std::uint32_t add(std::uint32_t a, std::uint32_t b) const noexcept {
        return static_cast<std::uint32_t>((std::uint64_t{a} + b) % prime_);
    }
    std::uint32_t multiply(std::uint32_t a, std::uint32_t b) const noexcept {
        return static_cast<std::uint32_t>(std::uint64_t{a} * b % prime_);
    }
    std::uint32_t inverse(std::uint32_t a) const noexcept {  // a^(p-2), Fermat
        std::uint32_t result = 1, power = a, exponent = prime_ - 2;
        for (; exponent != 0; exponent >>= 1, power = multiply(power, power))
            if ((exponent & 1) != 0) result = multiply(result, power);
        return result;
    }

private:
    std::uint32_t prime_;
};

inline constexpr std::size_t no_entry = static_cast<std::size_t>(-1);

// Many rows of words, one after the other.
template <class Word>
class WordStore {
public:
    std::size_t size() const noexcept { return rows_; }
    void push_back(const std::vector<Word>& row) {
        width_ = row.size();
        words_.insert(words_.end(), row.begin(), row.end());
        ++rows_;
    }
    std::span<const Word> operator[](std::size_t index) const noexcept { return {words_.data() + index * width_, width_}; }

private:
    std::size_t rows_ = 0, width_ = 0;
    std::vector<Word> words_;
};

// Rows over Z/2, 64 coefficients per word.
class BinaryRows {
public:
    using Word = std::uint64_t;
    using Row = std::vector<Word>;
    using Store = WordStore<Word>;
    void clear(Row& row) const { row.assign(words_, 0); }
    explicit BinaryRows(std::size_t length, std::uint32_t) : words_((length + 63) / 64) {}
    std::size_t words() const noexcept { return words_; }
    void set_one(std::span<Word> row, std::size_t index) const noexcept { row[index / 64] |= Word{1} << (index % 64); }
    // row += source or row -= source
    void add(std::span<Word> row, std::span<const Word> source, bool) const noexcept {
        for (std::size_t word = 0; word < words_; ++word) row[word] ^= source[word];
    }
    // Index of the last nonzero coefficient.
    std::size_t last(std::span<const Word> row) const noexcept {
        for (std::size_t word = words_; word-- > 0;)
            if (row[word] != 0) return word * 64 + 63 - static_cast<std::size_t>(std::countl_zero(row[word]));
        return no_entry;
    }
    void normalize(std::span<Word>, std::size_t) const noexcept {}
    // Makes the coefficient at `pivot` zero with a row that is one there.
    void eliminate(std::span<Word> row, std::span<const Word> source, std::size_t) const noexcept { add(row, source, false); }

private:
    std::size_t words_;
};

// Rows over Z/p, one coefficient per word.
class PrimeRows {
public:
    using Word = std::uint32_t;
    using Row = std::vector<Word>;
    using Store = WordStore<Word>;
    void clear(Row& row) const { row.assign(words_, 0); }
    PrimeRows(std::size_t length, std::uint32_t prime) : words_(length), field_(prime) {}
    std::size_t words() const noexcept { return words_; }
    void set_one(std::span<Word> row, std::size_t index) const noexcept { row[index] = 1; }
    void add(std::span<Word> row, std::span<const Word> source, bool negative) const noexcept {
        for (std::size_t word = 0; word < words_; ++word)
            row[word] = field_.add(row[word], negative ? field_.negative(source[word]) : source[word]);
    }
    std::size_t last(std::span<const Word> row) const noexcept {
        for (std::size_t word = words_; word-- > 0;)
            if (row[word] != 0) return word;
        return no_entry;
    }
    void normalize(std::span<Word> row, std::size_t pivot) const noexcept {
        const std::uint32_t scale = field_.inverse(row[pivot]);
        for (Word& entry : row) entry = field_.multiply(entry, scale);
    }
    void eliminate(std::span<Word> row, std::span<const Word> source, std::size_t pivot) const noexcept {
        const std::uint32_t scale = field_.negative(row[pivot]);
        for (std::size_t word = 0; word < words_; ++word) row[word] = field_.add(row[word], field_.multiply(scale, source[word]));
    }

private:
    std::size_t words_;
    Field field_;
};

// Rows over Z/p as lists of their nonzero coefficients, by index.
class SparseRows {
public:
    struct Entry {
        std::uint32_t index, coefficient;
    };
    using Row = std::vector<Entry>;
    using Store = std::vector<Row>;
    SparseRows(std::size_t, std::uint32_t prime) : field_(prime) {}
    void clear(Row& row) const { row.clear(); }
    void set_one(Row& row, std::size_t index) const { row = {{static_cast<std::uint32_t>(index), 1}}; }
    void add(Row& row, const Row& source, bool negative) const { add_multiple(row, source, negative ? field_.negative(1) : 1); }
    std::size_t last(const Row& row) const noexcept { return row.empty() ? no_entry : row.back().index; }
    void normalize(Row& row, std::size_t) const {
        const std::uint32_t scale = field_.inverse(row.back().coefficient);
        for (Entry& entry : row) entry.coefficient = field_.multiply(entry.coefficient, scale);
    }
    // Makes the last coefficient zero with a row that ends in a one there.
    void eliminate(Row& row, const Row& source, std::size_t) const { add_multiple(row, source, field_.negative(row.back().coefficient)); }

private:
    void add_multiple(Row& row, const Row& source, std::uint32_t scale) const {
        Row sum;
        sum.reserve(row.size() + source.size());
        auto a = row.begin();
        for (const Entry& entry : source) {
            while (a != row.end() && a->index < entry.index) sum.push_back(*a++);
            std::uint32_t coefficient = field_.multiply(entry.coefficient, scale);
            if (a != row.end() && a->index == entry.index) coefficient = field_.add(coefficient, (a++)->coefficient);
            if (coefficient != 0) sum.push_back({entry.index, coefficient});
        }
        sum.insert(sum.end(), a, row.end());
        row = std::move(sum);
    }

    Field field_;
};

}  // namespace isotopy
