#include "isotopy/meets.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <random>
#include <vector>

#include "check.hpp"

using isotopy::Meets;
using isotopy::Sure;
using Point = std::array<std::int64_t, 3>;
using Hull = std::vector<Point>;

// -- the witness: signs of integer determinants

Point minus(Point a, Point b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
std::int64_t dot(Point a, Point b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Point cross(Point a, Point b) { return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}; }
int sign_of(std::int64_t x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

// Whether x / w, on the line through two points, is between them.
bool between(Point u, Point v, Point x, std::int64_t w) {
    const Point along = minus(v, u);
    const std::int64_t at = dot(along, minus(x, {u[0] * w, u[1] * w, u[2] * w}));
    return sign_of(at) * sign_of(w) >= 0 && std::abs(at) <= dot(along, along) * std::abs(w);
}

bool on_segment(Point p, Point u, Point v) { return cross(minus(v, u), minus(p, u)) == Point{0, 0, 0} && between(u, v, p, 1); }

bool segments_meet(Point p, Point q, Point u, Point v) {
    if (on_segment(p, u, v) || on_segment(q, u, v) || on_segment(u, p, q) || on_segment(v, p, q)) return true;
    const Point normal = cross(minus(q, p), minus(v, u));
    if (normal == Point{0, 0, 0} || dot(normal, minus(u, p)) != 0) return false;
    const auto side = [&](Point a, Point b, Point c) { return sign_of(dot(normal, cross(minus(b, a), minus(c, a)))); };
    return side(p, q, u) * side(p, q, v) < 0 && side(u, v, p) * side(u, v, q) < 0;
}

bool in_triangle(Point x, std::int64_t w, const Hull& t, Point normal) {  // x / w is in its plane
    for (std::size_t k = 0; k < 3; ++k) {
        const Point u = t[k], v = t[(k + 1) % 3];
        if (sign_of(dot(normal, cross(minus(v, u), minus(x, {u[0] * w, u[1] * w, u[2] * w})))) * sign_of(w) < 0) return false;
    }
    return true;
}

bool segment_meets(Point p, Point q, const Hull& other) {
    if (other.size() == 2) return segments_meet(p, q, other[0], other[1]);
    const Point normal = cross(minus(other[1], other[0]), minus(other[2], other[0]));
    const std::int64_t at = dot(normal, minus(p, other[0])), to = dot(normal, minus(q, other[0]));
    if (at * to > 0) return false;
    if (at != 0 || to != 0) {
        const std::int64_t w = at - to;
        return in_triangle({q[0] * at - p[0] * to, q[1] * at - p[1] * to, q[2] * at - p[2] * to}, w, other, normal);
    }
    if (in_triangle(p, 1, other, normal) || in_triangle(q, 1, other, normal)) return true;
    for (std::size_t k = 0; k < 3; ++k)
        if (segments_meet(p, q, other[k], other[(k + 1) % 3])) return true;
    return false;
}

bool meet(const Hull& a, const Hull& b) {
    for (const auto& [one, two] : {std::pair{&a, &b}, std::pair{&b, &a}})
        for (std::size_t k = 0; k < one->size(); ++k)
            if (segment_meets((*one)[k], (*one)[(k + 1) % one->size()], *two)) return true;
    return false;
}

// -- the tests

void answers_are_those_of_integers(double error, bool positive, double decided) {
    std::mt19937 random(7);
    std::uniform_int_distribution<std::int64_t> digit(positive ? 0 : -2, positive ? 3 : 2);
    int open = 0, found = 0, nothing = 0;
    constexpr int trials = 20000;
    for (int trial = 0; trial < trials; ++trial) {
        std::array<Hull, 2> hulls;
        for (Hull& hull : hulls)
            do {
                hull.clear();
                for (unsigned k = 0; k < 2 + random() % 2; ++k) hull.push_back({digit(random), digit(random), digit(random)});
            } while (hull.size() == 2 ? hull[0] == hull[1] : cross(minus(hull[1], hull[0]), minus(hull.back(), hull[0])) == Point{0, 0, 0});
        std::map<Point, std::int64_t> number;
        std::vector<double> values, errors;
        std::vector<std::int64_t> nodes, offsets{0};
        for (const Hull& hull : hulls) {
            for (const Point& point : hull) {
                const auto [place, fresh] = number.try_emplace(point, static_cast<std::int64_t>(number.size()));
                nodes.push_back(place->second);
                for (std::size_t c = 0; fresh && c < 3; ++c) {
                    const bool sure = positive && point[c] == 0;
                    const double off = sure ? 0 : error * (static_cast<double>(random() % 2001) / 1000 - 1);
                    values.push_back(static_cast<double>(point[c]) + off), errors.push_back(sure ? 0 : error);
                }
            }
            offsets.push_back(static_cast<std::int64_t>(nodes.size()));
        }
        const std::vector<std::int64_t> labels{-1, -1};
        Meets meets(values, errors, 3, offsets, nodes, labels, positive);
        const auto answer = meets(0, 1);
        const bool truth = meet(hulls[0], hulls[1]);
        const bool none = answer.status == Meets::Status::nothing, undecided = answer.status == Meets::Status::open;
        CHECK(undecided || none != truth);
        open += undecided, nothing += none, found += !undecided && !none;
        for (std::size_t k = 0; k < meets.crossings().size(); ++k) {  // near a point of both hulls' boxes
            double x[3], bound[3];
            meets.place(k, x, bound);
            for (std::size_t c = 0; c < 3; ++c)
                for (const Hull& hull : hulls) {
                    double low = HUGE_VAL, high = -HUGE_VAL;
                    for (const Point& point : hull) low = std::min(low, static_cast<double>(point[c])), high = std::max(high, static_cast<double>(point[c]));
                    CHECK(low - bound[c] <= x[c] && x[c] <= high + bound[c]);
                }
        }
    }
    std::printf("error %g: %d open, %d meet, %d do not\n", error, open, found, nothing);
    CHECK(open <= (1 - decided) * trials);
    CHECK(found > trials / 50 && nothing > trials / 10);
}

void a_crossing_is_where_it_should_be() {
    // The segment from (1, 1, -1) to (1, 1, 3) meets the triangle in the plane z = 0 at (1, 1, 0).
    const std::vector<double> values{0, 0, 0, 4, 0, 0, 0, 4, 0, 1, 1, -1, 1, 1, 3}, errors(15, 1e-12);
    const std::vector<std::int64_t> offsets{0, 3, 5}, nodes{0, 1, 2, 3, 4}, labels{-1, -1};
    Meets meets(values, errors, 3, offsets, nodes, labels, false);
    const auto answer = meets(0, 1);
    CHECK(answer.status == Meets::Status::point && answer.ends[0] == 5 && meets.crossings().size() == 1);
    double x[3], bound[3];
    meets.place(0, x, bound);
    const double truth[3] = {1, 1, 0};
    for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(x[c] - truth[c]) <= bound[c] && bound[c] < 1e-9);
}

// Errors enclose: the same expression in twice the precision is within the bound.
void sure_numbers_enclose() {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> uniform(-4, 4);
    for (int trial = 0; trial < 20000; ++trial) {
        long double exact[3];
        Sure known[3];
        for (int k = 0; k < 3; ++k) {
            const double value = uniform(random), error = std::abs(uniform(random)) * 1e-6;
            known[k] = {value, error};
            exact[k] = static_cast<long double>(value) + static_cast<long double>(error) * (uniform(random) / 4);
        }
        const auto holds = [](Sure a, long double x) { return std::abs(static_cast<long double>(a.value) - x) <= static_cast<long double>(a.error); };
        CHECK(holds(known[0] + known[1], exact[0] + exact[1]));
        CHECK(holds(known[0] - known[1], exact[0] - exact[1]));
        CHECK(holds(known[0] * known[1] + known[2], exact[0] * exact[1] + exact[2]));
        CHECK(holds(known[0] / known[1], exact[0] / exact[1]) || !(std::abs(known[1].value) > known[1].error));
        if (const auto s = isotopy::sign(known[0])) CHECK(*s == (exact[0] > 0 ? 1 : -1));
    }
    CHECK(!isotopy::sign(Sure{1e-7, 1e-6}) && *isotopy::sign(Sure{}) == 0 && *isotopy::sign(Sure{-1, 0.5}) == -1);
    CHECK(std::isinf((Sure{1, 0} / Sure{0.1, 0.2}).error));
    CHECK((Sure{} * Sure{3, HUGE_VAL}).zero());
}

int main() {
    sure_numbers_enclose();
    a_crossing_is_where_it_should_be();
    answers_are_those_of_integers(0, false, 0.5);
    answers_are_those_of_integers(1e-9, false, 0.5);
    answers_are_those_of_integers(0.05, false, 0.2);
    answers_are_those_of_integers(1e-9, true, 0.5);
    return 0;
}
