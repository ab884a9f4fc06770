// Real numbers known up to a bound: float64 arithmetic that carries its errors along.
#pragma once

#include <cmath>
#include <optional>

namespace isotopy {

struct Sure {
    double value = 0, error = 0;

    bool zero() const { return value == 0 && error == 0; }
};

namespace sure {
// Roundings of the bounds themselves are few; `slack` covers them, `tiny` what underflows.
inline constexpr double unit = 0x1p-53, slack = 1 + 0x1p-48, tiny = 0x1p-1060;
}

inline Sure operator+(Sure a, Sure b) {
    const double value = a.value + b.value;
    return {value, (a.error + b.error + sure::unit * std::abs(value)) * sure::slack};
}

inline Sure operator-(Sure a, Sure b) { return a + Sure{-b.value, b.error}; }

inline Sure operator*(Sure a, Sure b) {
    if (a.zero() || b.zero()) return {};
    const double value = a.value * b.value;
    return {value, (std::abs(a.value) * b.error + std::abs(b.value) * a.error + a.error * b.error + sure::unit * std::abs(value)) * sure::slack + sure::tiny};
}

// An infinite error where the divisor may be 0.
inline Sure operator/(Sure a, Sure b) {
    const double least = std::abs(b.value) - b.error, value = a.value / b.value;
    if (!(least > 0)) return {0, HUGE_VAL};
    return {value, ((a.error + std::abs(value) * b.error) / least + sure::unit * std::abs(value)) * sure::slack + sure::tiny};
}

// None where it is open.
inline std::optional<int> sign(Sure a) {
    if (a.zero()) return 0;
    if (std::abs(a.value) > a.error * sure::slack) return a.value > 0 ? 1 : -1;
    return std::nullopt;
}

}  // namespace isotopy
