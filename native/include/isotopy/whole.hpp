// Signed integers of any size, and float64 numbers as such: what signs are read off where rounding leaves them open.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace isotopy {

class Whole {
public:
    Whole() = default;

    // value / 2^lowest, which must be an integer: `lowest` is no larger than lowest_bit(value).
    Whole(double value, int lowest) {
        if (value == 0) return;
        int exponent = 0;
        auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::abs(std::frexp(value, &exponent)), 53));
        const int shift = exponent - 53 - lowest;  // negative where the last bits are 0
        if (shift < 0) mantissa >>= static_cast<unsigned>(-shift);
        negative_ = value < 0;
        const auto empty = static_cast<std::size_t>(std::max(shift, 0)) / 32;
        const auto rest = static_cast<unsigned>(std::max(shift, 0)) % 32;
        limbs_.assign(empty, 0);
        limbs_.push_back(static_cast<std::uint32_t>(mantissa << rest));
        limbs_.push_back(static_cast<std::uint32_t>(mantissa >> (32 - rest)));
        limbs_.push_back(static_cast<std::uint32_t>(rest == 0 ? 0 : mantissa >> (64 - rest)));
        trim();
    }

    int sign() const noexcept { return limbs_.empty() ? 0 : negative_ ? -1 : 1; }

    // Exponent of the lowest bit of a nonzero number.
    static int lowest_bit(double value) {
        int exponent = 0;
        const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::abs(std::frexp(value, &exponent)), 53));
        return exponent - 53 + std::countr_zero(mantissa);
    }

    // The lowest bit of all of them; 0 where all are 0.
    static int lowest_bit(std::span<const double> values) {
        bool any = false;
        int lowest = 0;
        for (const double value : values) {
            if (value == 0) continue;
            const int own = lowest_bit(value);
            lowest = any ? std::min(lowest, own) : own;
            any = true;
        }
        return lowest;
    }

    friend Whole operator-(Whole a) {
        a.negative_ = !a.negative_ && !a.limbs_.empty();
        return a;
    }

    friend Whole operator+(const Whole& a, const Whole& b) {
        Whole sum;
        if (a.negative_ == b.negative_) {
            sum.limbs_ = added(a.limbs_, b.limbs_);
            sum.negative_ = a.negative_;
        } else {
            const bool first = larger(a.limbs_, b.limbs_);
            sum.limbs_ = first ? taken(a.limbs_, b.limbs_) : taken(b.limbs_, a.limbs_);
            sum.negative_ = first ? a.negative_ : b.negative_;
        }
        sum.trim();
        return sum;
    }

    friend Whole operator-(const Whole& a, const Whole& b) { return a + -b; }

    friend Whole operator*(const Whole& a, const Whole& b) {
        Whole product;
        product.limbs_.assign(a.limbs_.size() + b.limbs_.size(), 0);
        for (std::size_t i = 0; i < a.limbs_.size(); ++i) {
            std::uint64_t carry = 0;
            for (std::size_t j = 0; j < b.limbs_.size(); ++j) {
                carry += std::uint64_t{a.limbs_[i]} * b.limbs_[j] + product.limbs_[i + j];
                product.limbs_[i + j] = static_cast<std::uint32_t>(carry);
                carry >>= 32;
            }
            product.limbs_[i + b.limbs_.size()] = static_cast<std::uint32_t>(carry);
        }
        product.negative_ = a.negative_ != b.negative_;
        product.trim();
        return product;
    }

private:
    using Limbs = std::vector<std::uint32_t>;  // lowest first, the last one not 0

    void trim() {
        while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
        if (limbs_.empty()) negative_ = false;
    }

    static bool larger(const Limbs& a, const Limbs& b) {
        if (a.size() != b.size()) return a.size() > b.size();
        return std::lexicographical_compare(b.rbegin(), b.rend(), a.rbegin(), a.rend());
    }

    static Limbs added(const Limbs& a, const Limbs& b) {
        Limbs sum(std::max(a.size(), b.size()) + 1);
        std::uint64_t carry = 0;
        for (std::size_t i = 0; i < sum.size(); ++i) {
            carry += std::uint64_t{i < a.size() ? a[i] : 0} + (i < b.size() ? b[i] : 0);
            sum[i] = static_cast<std::uint32_t>(carry);
            carry >>= 32;
        }
        return sum;
    }

    // a - b where a is not smaller.
    static Limbs taken(const Limbs& a, const Limbs& b) {
        Limbs rest(a.size());
        std::int64_t borrow = 0;
        for (std::size_t i = 0; i < a.size(); ++i) {
            borrow += std::int64_t{a[i]} - (i < b.size() ? std::int64_t{b[i]} : 0);
            rest[i] = static_cast<std::uint32_t>(borrow);
            borrow >>= 32;
        }
        return rest;
    }

    bool negative_ = false;
    Limbs limbs_;
};

}  // namespace isotopy
