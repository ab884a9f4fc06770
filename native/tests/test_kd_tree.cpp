#include "isotopy/kd_tree.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "isotopy/spanning_forest.hpp"

using namespace isotopy;

static bool same(const std::vector<Edge>& a, const std::vector<Edge>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const Edge& x, const Edge& y) { return x.length == y.length && x.i == y.i && x.j == y.j; });
}

// Kruskal's algorithm on all edges, the witness.
static std::vector<Edge> slow_forest(const Metric& metric, double threshold) {
    std::vector<Edge> edges, forest;
    for (std::size_t i = 0; i < metric.size(); ++i)
        for (std::size_t j = i + 1; j < metric.size(); ++j)
            if (metric.distance(i, j) <= threshold) edges.push_back(make_edge(metric.distance(i, j), i, j));
    std::sort(edges.begin(), edges.end(), before);
    UnionFind components(metric.size());
    for (const Edge& edge : edges) {
        const std::uint32_t a = components.find(edge.i), b = components.find(edge.j);
        if (a == b) continue;
        components.hang(a, b);
        forest.push_back(edge);
    }
    return forest;
}

int main() {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    const Stop stop;
    const double infinity = std::numeric_limits<double>::infinity();
    for (int round = 0; round < 150; ++round) {
        const std::size_t n = 1 + random() % 120, d = 1 + random() % 4;
        std::vector<double> x(n * d);
        for (double& value : x)  // in general position, on integer grids, on lattices whose squares have many roots that nearly tie
            value = round % 3 == 0 ? normal(random) : round % 3 == 1 ? double(random() % 3) : double(random() % 5) * 0.1;
        const double threshold = round % 4 == 0 ? infinity : round % 4 == 1 ? 1.0 : std::abs(normal(random));
        const Metric metric = Metric::of_points(x, n, d);
        const auto expected = slow_forest(metric, threshold);
        CHECK(same(spanning_forest(metric, threshold, stop), expected));
        for (const std::size_t threads : {1u, 3u}) CHECK(same(KdTree(metric).spanning_forest(threshold, threads, stop), expected));
        const KdTree tree(metric);
        for (std::uint32_t i = 0; i < n; ++i) {
            std::vector<std::uint32_t> found, wanted;
            tree.within(i, threshold, [&](std::uint32_t j, double length) {
                CHECK(length == metric.distance(i, j));
                found.push_back(j);
            });
            for (std::uint32_t j = i + 1; j < n; ++j)
                if (metric.distance(i, j) <= threshold) wanted.push_back(j);
            std::sort(found.begin(), found.end());
            CHECK(found == wanted);
        }
    }

    // Many points, few places: no quadratic blow-up, and the first of them holds all others.
    const std::vector<double> same_place(3 * 200000, 1.0);
    const Metric metric = Metric::of_points(same_place, 200000, 3);
    const auto forest = KdTree(metric).spanning_forest(infinity, 2, stop);
    CHECK(forest.size() == 199999 && forest.front().i == 0 && forest.back().i == 0 && forest.back().j == 199999);
    return 0;
}
