#include "isotopy/matching.hpp"

#include <random>
#include <vector>

#include "check.hpp"

using namespace isotopy;

// The best sum (order 1 or 2) or the best longest move (order infinity), over all partial matchings.
static double best(const std::vector<DiagramPoint>& a, const std::vector<DiagramPoint>& b, const GroundNorm& norm, bool longest, std::size_t i = 0,
                   unsigned taken = 0) {
    const auto join = [&](double x, double y) { return longest ? std::max(x, y) : norm.power(x) + y; };
    if (i == a.size()) {
        double total = 0;
        for (std::size_t j = 0; j < b.size(); ++j)
            if ((taken >> j & 1u) == 0) total = join(norm.to_diagonal(b[j]), total);
        return total;
    }
    double smallest = join(norm.to_diagonal(a[i]), best(a, b, norm, longest, i + 1, taken));
    for (std::size_t j = 0; j < b.size(); ++j)
        if ((taken >> j & 1u) == 0) smallest = std::min(smallest, join(norm.distance(a[i], b[j]), best(a, b, norm, longest, i + 1, taken | 1u << j)));
    return smallest;
}

int main() {
    std::mt19937 random(5);
    std::uniform_real_distribution<double> uniform;
    const Stop stop;
    for (int round = 0; round < 600; ++round) {
        std::vector<DiagramPoint> sides[2];
        for (auto& side : sides) {
            side.resize(random() % 6);
            for (DiagramPoint& point : side) {
                point.birth = round % 3 == 0 ? double(random() % 3) : uniform(random);
                point.death = point.birth + (round % 3 == 0 ? double(random() % 3) : 0.4 * uniform(random));
            }
        }
        const auto& [a, b] = sides;
        const double p = round % 2 == 0 ? std::numeric_limits<double>::infinity() : 1.0 + round % 3;
        for (const double order : {1.0, 2.0, 1.5}) {
            const GroundNorm norm(p, order);
            bool over = true;
            const auto partner = wasserstein_matching(a, b, norm, 1000, over, stop, round % 4);
            CHECK(!over && partner.size() == a.size());
            double total = 0;
            std::vector<int> used(b.size(), 0);
            for (std::size_t i = 0; i < a.size(); ++i) {
                const bool alone = partner[i] < 0;
                if (!alone) CHECK(used[std::size_t(partner[i])]++ == 0);
                total += norm.power(alone ? norm.to_diagonal(a[i]) : norm.distance(a[i], b[std::size_t(partner[i])]));
            }
            for (std::size_t j = 0; j < b.size(); ++j)
                if (used[j] == 0) total += norm.power(norm.to_diagonal(b[j]));
            CHECK(std::abs(total - best(a, b, norm, false)) < 1e-12);
        }
        const GroundNorm norm(p, 1.0);
        const auto [i, j] = Bottleneck(a, b, norm, stop).critical();
        double value = 0;
        if (i >= 0 && j >= 0) value = norm.distance(a[std::size_t(i)], b[std::size_t(j)]);
        else if (i >= 0) value = norm.to_diagonal(a[std::size_t(i)]);
        else if (j >= 0) value = norm.to_diagonal(b[std::size_t(j)]);
        CHECK(value == best(a, b, norm, true));
    }
    bool over = false;
    const std::vector<DiagramPoint> same(9, {0.0, 1.0});
    CHECK(wasserstein_matching(same, same, GroundNorm(2.0, 1.0), 80, over, stop).empty() && over);
    // Prices must stay right over many augmentations: with and without row reduction the sums are the same.
    for (int round = 0; round < 12; ++round) {
        std::vector<DiagramPoint> sides[2];
        for (auto& side : sides)
            for (int k = 0; k < 60; ++k) {
                const double birth = round % 2 == 0 ? double(random() % 6) : uniform(random);
                side.push_back({birth, birth + (round % 2 == 0 ? double(1 + random() % 4) : uniform(random))});
            }
        const GroundNorm norm(2.0, 1.0 + round % 3);
        double sums[2] = {0, 0};
        for (int passes : {0, 3}) {
            std::vector<int> used(60, 0);
            double& total = sums[passes == 3];
            const auto partner = wasserstein_matching(sides[0], sides[1], norm, 10000, over, stop, passes);
            for (std::size_t i = 0; i < partner.size(); ++i) {
                total += norm.power(partner[i] < 0 ? norm.to_diagonal(sides[0][i]) : norm.distance(sides[0][i], sides[1][std::size_t(partner[i])]));
                if (partner[i] >= 0) used[std::size_t(partner[i])] = 1;
            }
            for (std::size_t j = 0; j < used.size(); ++j)
                if (used[j] == 0) total += norm.power(norm.to_diagonal(sides[1][j]));
        }
        CHECK(std::abs(sums[0] - sums[1]) < 1e-9);
    }
    // Many candidates: the bisection over samples of them ends where the whole list does.
    std::vector<DiagramPoint> large[2];
    for (auto& side : large)
        for (int k = 0; k < 400; ++k) {
            const double birth = uniform(random);
            side.push_back({birth, birth + uniform(random)});
        }
    const GroundNorm norm(std::numeric_limits<double>::infinity(), 1.0);
    const auto [i, j] = Bottleneck(large[0], large[1], norm, stop).critical();
    const auto [k, l] = Bottleneck(large[1], large[0], norm, stop).critical();
    CHECK(i >= 0 || j >= 0);
    CHECK(i == l && j == k);
    return 0;
}
