#include "isotopy/fibers.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"

using namespace isotopy;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Rows {
    std::size_t q;
    std::vector<double> rows, bounds;
};

// The largest c . x over all x within the rows, by looking at every vertex; -inf if there is none.
double best_vertex(const Rows& all, const std::vector<double>& c) {
    const std::size_t q = all.q, m = all.bounds.size();
    double best = -infinity;
    std::vector<std::size_t> chosen(q);
    for (std::size_t i = 0; i < q; ++i) chosen[i] = i;
    for (bool more = m >= q; more;) {
        std::vector<double> work(q * (q + 1));
        for (std::size_t i = 0; i < q; ++i) {
            for (std::size_t j = 0; j < q; ++j) work[i * (q + 1) + j] = all.rows[chosen[i] * q + j];
            work[i * (q + 1) + q] = all.bounds[chosen[i]];
        }
        bool regular = true;
        for (std::size_t column = 0; column < q && regular; ++column) {
            std::size_t pivot = column;
            for (std::size_t i = column; i < q; ++i)
                if (std::abs(work[i * (q + 1) + column]) > std::abs(work[pivot * (q + 1) + column])) pivot = i;
            regular = std::abs(work[pivot * (q + 1) + column]) > 1e-9;
            for (std::size_t j = 0; j <= q && regular; ++j) std::swap(work[pivot * (q + 1) + j], work[column * (q + 1) + j]);
            for (std::size_t i = 0; i < q && regular; ++i) {
                const double factor = i == column ? 0 : work[i * (q + 1) + column] / work[column * (q + 1) + column];
                for (std::size_t j = 0; j <= q; ++j) work[i * (q + 1) + j] -= factor * work[column * (q + 1) + j];
            }
        }
        if (regular) {
            std::vector<double> x(q);
            double value = 0;
            for (std::size_t i = 0; i < q; ++i) x[i] = work[i * (q + 1) + q] / work[i * (q + 1) + i], value += c[i] * x[i];
            bool inside = true;
            for (std::size_t row = 0; row < m; ++row) {
                double side = -all.bounds[row];
                for (std::size_t j = 0; j < q; ++j) side += all.rows[row * q + j] * x[j];
                inside = inside && side <= 1e-9;
            }
            if (inside) best = std::max(best, value);
        }
        std::size_t at = q;
        while (at > 0 && chosen[at - 1] == m - q + at - 1) --at;
        more = at > 0;
        if (more) {
            ++chosen[at - 1];
            for (std::size_t i = at; i < q; ++i) chosen[i] = chosen[i - 1] + 1;
        }
    }
    return best;
}

void programs() {
    std::mt19937 random(5);
    const Stop stop;
    for (int round = 0; round < 400; ++round) {
        const std::size_t q = 1 + std::size_t(round) % 3, m = 1 + random() % 7;
        const bool integers = round % 2 == 0;  // ties and degenerate vertices
        const auto number = [&] { return integers ? double(random() % 5) - 2 : std::normal_distribution<double>()(random); };
        std::vector<double> rows(m * q), objective(q), bounds(m);
        for (double& x : rows) x = number();
        for (double& x : objective) x = number();
        Program program(rows, q, objective);
        for (int again = 0; again < 4; ++again) {  // other bounds, from the basis before
            for (double& b : bounds) b = number() + 1;
            if (again == 3) bounds[random() % m] = infinity;
            const std::vector<double> box(q, 3.0);
            const Verdict verdict = program.solve(bounds, box, -infinity, stop);
            Rows all{q, rows, bounds};
            for (std::size_t row = m; row-- > 0;)
                if (all.bounds[row] == infinity) {
                    all.bounds.erase(all.bounds.begin() + std::ptrdiff_t(row));
                    all.rows.erase(all.rows.begin() + std::ptrdiff_t(row * q), all.rows.begin() + std::ptrdiff_t(row * q + q));
                }
            for (std::size_t j = 0; j < q; ++j)
                for (const double side : {1.0, -1.0}) {
                    for (std::size_t i = 0; i < q; ++i) all.rows.push_back(i == j ? side : 0.0);
                    all.bounds.push_back(3.0);
                }
            const double best = best_vertex(all, objective);
            CHECK(verdict == (best == -infinity ? Verdict::empty : Verdict::optimal));
            if (verdict != Verdict::optimal) {
                program.start();
                continue;
            }
            CHECK(std::abs(program.value() - best) < 1e-8);
            for (std::size_t row = 0; row < all.bounds.size(); ++row) {
                double side = -all.bounds[row];
                for (std::size_t j = 0; j < q; ++j) side += all.rows[row * q + j] * program.point()[j];
                CHECK(side < 1e-9);
            }
            Program early(rows, q, objective);
            if (early.solve(bounds, box, best + 0.5, stop) == Verdict::below) CHECK(early.value() >= best - 1e-9 && early.value() < best + 0.5);
            CHECK(early.solve(bounds, box, best - 0.5, stop) == Verdict::optimal);
        }
    }
}

// x -> its first `rank` coordinates, on a cube around the base point: a shift is a preimage if it has these coordinates.
void cubes() {
    const Stop stop;
    for (std::size_t d = 1; d <= 4; ++d)
        for (std::size_t rank = 0; rank <= d; ++rank) {
            const std::size_t free = d - rank;
            std::vector<double> image(d, 0.0), map(d * d, 0.0), frame(rank * d, 0.0), lift(rank * d, 0.0), kernel(free * d, 0.0), probe(d, 0.0), error{0.0};
            for (std::size_t i = 0; i < rank; ++i) map[i * d + i] = 2, frame[i * d + i] = 1, lift[i * d + i] = 0.5;
            for (std::size_t i = 0; i < free; ++i) kernel[i * d + rank + i] = 1;
            if (free > 0) probe[d - 1] = 1;
            std::vector<double> normals(2 * d * d, 0.0), offsets(2 * d, 1.0);
            for (std::size_t i = 0; i < d; ++i) normals[2 * i * d + i] = 1, normals[(2 * i + 1) * d + i] = -1;
            std::vector<double> images;
            std::vector<std::int64_t> expected;
            const std::vector<double> heights{0.0, 1.5, -1.9, 2.1, -3.0};
            std::vector<std::int64_t> regions;
            for (std::size_t point = 0; point < heights.size(); ++point) {
                for (std::size_t i = 0; i < d; ++i) images.push_back(i < rank ? heights[point] : 0.0);
                regions.push_back(1);
                if (rank == 0 || std::abs(heights[point]) <= 2) expected.push_back(std::int64_t(point));
            }
            if (free > 0) {  // beside the image
                for (std::size_t i = 0; i < d; ++i) images.push_back(i + 1 < d ? 0.0 : 0.5);
                regions.push_back(1);
            }
            for (std::size_t i = 0; i < d; ++i) images.push_back(0.0);
            regions.push_back(0);  // in the polytope itself
            const std::vector<std::int64_t> own{0}, row{0};
            const Pieces pieces{d, d, rank, image, map, frame, lift, kernel, probe, error, own, row, normals, offsets, 2 * d, 2 * d};
            const Targets targets{images, regions};
            const Tolerances tolerances{1e-9, 1e-9, 1.0};
            Hits found = Fiber(pieces, targets, tolerances, 0).search(stop);
            CHECK(rank > 1 || free < 2 || rank == 0 || found.point.empty());
            const Hits rest = Fiber(pieces, targets, tolerances, 0).programs(found.open_point, stop);
            CHECK(rest.open_point.empty());
            found.join(rest);
            std::sort(found.point.begin(), found.point.end());
            CHECK(found.point == expected);
            for (std::size_t hit = 0; hit < found.point.size(); ++hit) CHECK(found.slacks[hit] > 0 && found.residuals[hit] == 0);
            if (rank > 0) CHECK(found.rejected_slack < -0.04 && found.rejected_slack > -0.06);  // 2.1 is 0.05 beyond a wall
            CHECK(free == 0 ? found.rejected_residual == infinity : found.rejected_residual > 0.1 && found.rejected_residual <= 0.5);
        }
}

// A wall that fibres cross only far away: the first box of the program is too small.
void far() {
    const Stop stop;
    const double length = std::sqrt(1 + 1e-6);
    for (const double side : {1.0, -1.0}) {  // -1: a second wall that keeps them from it
        const std::vector<double> image{0, 0}, map{1, 0, 0, 0, 0, 1, 0, 0}, frame{1, 0, 0, 1}, lift{1, 0, 0, 0, 0, 1, 0, 0}, kernel{0, 0, 1, 0, 0, 0, 0, 1}, probe{0, 0}, error{0};
        const std::vector<double> normals{-1 / length, 0, 1e-3 / length, 0, 0, 0, side, 0}, offsets{1 / length, 1};
        const std::vector<double> images{5, 0};
        const std::vector<std::int64_t> own{0}, row{0}, other{1};
        const Pieces pieces{2, 4, 2, image, map, frame, lift, kernel, probe, error, own, row, normals, offsets, 2, 2};
        const Targets targets{images, other};
        const Tolerances tolerances{1e-9, 1e-9, 1.0};
        const Hits open = Fiber(pieces, targets, tolerances, 0).search(stop);
        CHECK(open.open_point.size() == 1);
        const Hits found = Fiber(pieces, targets, tolerances, 0).programs(open.open_point, stop);
        CHECK(found.open_point.empty() && found.point.size() == (side > 0 ? 1u : 0u));
        CHECK(side > 0 ? found.slacks[0] >= 0 && found.shifts[2] >= 4000 - 1e-6 : found.rejected_slack < -1);
    }
}

}  // namespace

int main() {
    programs();
    cubes();
    far();
    return 0;
}
