// Does the image of a point lie in the image of a polytope on which a network is affine, and if so, of which point of it?
//
// All pieces of one call have one rank k. The fibre over an image is then a flat of dimension f = d - k, and a preimage is
// a point of it that breaks no wall. f = 0: the only candidate. k = 0: the base point. f = 1: an interval in closed form.
// Pieces of rank 1 have segments as images, whose ends take two linear programs. Else the candidate nearest to the base
// point is tried, and every point that it leaves open takes a program. Slack and residual of a hit are always those
// of its preimage, worked out from walls and map.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "isotopy/parallel.hpp"
#include "isotopy/program.hpp"

namespace isotopy {

// Pieces x -> image + map (x - base) with walls `normals (x - base) + offsets >= 0`, one after the other.
struct Pieces {
    std::size_t width, ambient, rank;
    std::span<const double> images;   // (p, width)
    std::span<const double> maps;     // (p, width, ambient)
    std::span<const double> frames;   // (p, rank, width): orthonormal, spans the image
    std::span<const double> lifts;    // (p, rank, ambient): what the map sends to the frame, nearest to 0
    std::span<const double> kernels;  // (p, ambient - rank, ambient): orthonormal
    std::span<const double> probes;   // (p, width): a unit vector normal to the frame, or 0
    std::span<const double> errors;   // (p): how far rounding may move a candidate
    std::span<const std::int64_t> regions;  // (p): number of the polytope
    std::span<const std::int64_t> rows;     // (p): row of its walls in the tables
    std::span<const double> normals;        // (rows, stride, ambient): unit vectors, or 0 where there is no wall
    std::span<const double> offsets;        // (rows, stride): infinite where there is no wall
    std::size_t walls, stride;              // the first `walls` of each row count

    std::size_t count() const { return regions.size(); }
    std::size_t free() const { return ambient - rank; }
};

// Images of points, and the polytopes that the points lie in.
struct Targets {
    std::span<const double> images;  // (n, width)
    std::span<const std::int64_t> regions;

    std::size_t count() const { return regions.size(); }
};

struct Tolerances {
    double residual;  // largest coordinate of what a preimage misses its image by
    double slack;     // how far beyond a wall a preimage may be
    double reach;     // size of the sample: the first box of linear programs
};

struct Hits {
    std::vector<std::int64_t> piece, point;
    std::vector<double> shifts;  // preimages less their base points
    std::vector<double> slacks, residuals;
    std::vector<std::int64_t> open_piece, open_point;  // left to a linear program, or by one
    // How close the rejected ones are: bounds, no candidate is closer. `close`: within ten times a tolerance.
    double rejected_slack = -std::numeric_limits<double>::infinity();
    double rejected_residual = std::numeric_limits<double>::infinity();
    std::int64_t close = 0, programs = 0;

    void join(const Hits& other) {
        const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
        append(piece, other.piece), append(point, other.point), append(shifts, other.shifts);
        append(slacks, other.slacks), append(residuals, other.residuals);
        append(open_piece, other.open_piece), append(open_point, other.open_point);
        rejected_slack = std::max(rejected_slack, other.rejected_slack);
        rejected_residual = std::min(rejected_residual, other.rejected_residual);
        close += other.close, programs += other.programs;
    }
};

// One piece and its candidates.
class Fiber {
public:
    Fiber(const Pieces& pieces, const Targets& targets, const Tolerances& tolerances, std::size_t piece)
        : pieces_(pieces), targets_(targets), tolerances_(tolerances), piece_(piece), d_(pieces.ambient), w_(pieces.width), k_(pieces.rank), f_(pieces.free()), m_(pieces.walls),
          image_(pieces.images.data() + piece * w_), map_(pieces.maps.data() + piece * w_ * d_), frame_(pieces.frames.data() + piece * k_ * w_),
          lift_(pieces.lifts.data() + piece * k_ * d_), kernel_(pieces.kernels.data() + piece * f_ * d_), probe_(pieces.probes.data() + piece * w_),
          normals_(pieces.normals.data() + static_cast<std::size_t>(pieces.rows[piece]) * pieces.stride * d_),
          offsets_(pieces.offsets.data() + static_cast<std::size_t>(pieces.rows[piece]) * pieces.stride), far_(10 * std::max(tolerances.slack, pieces.errors[piece])),
          difference_(w_), along_(k_), shift_(d_), best_(d_), room_(m_) {}

    // All points outside of the polytope, without linear programs.
    Hits search(const Stop& stop) {
        const std::int64_t own = pieces_.regions[piece_];
        const double root = std::sqrt(double(w_)), most = 10 * root * tolerances_.residual;
        double base = 0;
        for (std::size_t i = 0; i < w_; ++i) base += probe_[i] * image_[i];
        for (std::size_t point = 0; point < targets_.count(); ++point) {
            if (point % 1024 == 1023) stop.check();
            if (targets_.regions[point] == own) continue;
            const double* y = targets_.images.data() + point * w_;
            double height = -base;
            for (std::size_t i = 0; i < w_; ++i) height += probe_[i] * y[i];
            if (std::abs(height) > most) {
                hits_.rejected_residual = std::min(hits_.rejected_residual, std::abs(height) / root);
                continue;
            }
            const double residual = lift(point);
            if (!(residual <= tolerances_.residual)) {
                hits_.rejected_residual = std::min(hits_.rejected_residual, residual);
                hits_.close += residual <= 10 * tolerances_.residual;
                continue;
            }
            if (k_ == 1 && f_ > 1) leave(point);  // the programs of its piece decide all of them
            else try_candidate(point);
        }
        return std::move(hits_);
    }

    // The points that were left open.
    Hits programs(std::span<const std::int64_t> points, const Stop& stop) {
        if (k_ == 1 && f_ > 1) {
            std::vector<std::int64_t> left;
            for (const double side : {1.0, -1.0}) segment(points, side, left, stop);
            fibers(left, stop);
        } else {
            fibers(points, stop);
        }
        return std::move(hits_);
    }

private:
    // The shift from the base point to the nearest point of the fibre; what its image misses the target by.
    double lift(std::size_t point) {
        const double* y = targets_.images.data() + point * w_;
        for (std::size_t i = 0; i < w_; ++i) difference_[i] = y[i] - image_[i];
        std::fill(shift_.begin(), shift_.end(), 0.0);
        for (std::size_t j = 0; j < k_; ++j) {
            double a = 0;
            for (std::size_t i = 0; i < w_; ++i) a += frame_[j * w_ + i] * difference_[i];
            along_[j] = a;
            for (std::size_t c = 0; c < d_; ++c) shift_[c] += a * lift_[j * d_ + c];
        }
        double worst = 0;
        for (std::size_t i = 0; i < w_; ++i) {
            double rest = difference_[i];
            for (std::size_t j = 0; j < k_; ++j) rest -= along_[j] * frame_[j * w_ + i];
            worst = std::max(worst, std::abs(rest));
        }
        return worst;
    }

    double above(std::size_t wall, const double* shift) const {
        double value = offsets_[wall];
        for (std::size_t c = 0; c < d_; ++c) value += normals_[wall * d_ + c] * shift[c];
        return value;
    }

    double slack(const double* shift) const {
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t wall = 0; wall < m_; ++wall) least = std::min(least, above(wall, shift));
        return least;
    }

    double residual(std::size_t point, const double* shift) const {
        const double* y = targets_.images.data() + point * w_;
        double worst = 0;
        for (std::size_t i = 0; i < w_; ++i) {
            double value = image_[i];
            for (std::size_t c = 0; c < d_; ++c) value += map_[i * d_ + c] * shift[c];
            worst = std::max(worst, std::abs(value - y[i]));
        }
        return worst;
    }

    // Takes the preimage if it is one.
    bool accept(std::size_t point, const double* shift, double room) {
        if (!(room >= -tolerances_.slack)) return false;
        const double missed = residual(point, shift);
        if (!(missed <= tolerances_.residual)) return false;
        hits_.piece.push_back(static_cast<std::int64_t>(piece_)), hits_.point.push_back(static_cast<std::int64_t>(point));
        hits_.shifts.insert(hits_.shifts.end(), shift, shift + d_);
        hits_.slacks.push_back(room), hits_.residuals.push_back(missed);
        return true;
    }

    void reject(double room) {
        hits_.rejected_slack = std::max(hits_.rejected_slack, room);
        hits_.close += room >= -far_;
    }

    void leave(std::size_t point) {
        hits_.open_piece.push_back(static_cast<std::int64_t>(piece_)), hits_.open_point.push_back(static_cast<std::int64_t>(point));
    }

    void try_candidate(std::size_t point) {
        if (k_ > 0 && f_ < 2) {  // walls that stopped points before are likely to stop this one
            for (std::size_t i = 0; i < guesses_.size(); ++i) {
                const auto [from, to] = guesses_[i];
                double bound = above(from, shift_.data());
                if (f_ == 1) {
                    const double up = tilts_[from], down = -tilts_[to];
                    bound = (down * bound + up * above(to, shift_.data())) / (up + down);
                }
                if (!(bound < -far_)) continue;
                std::swap(guesses_[i], guesses_[i / 2]);
                return reject(bound);
            }
        }
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t wall = 0; wall < m_; ++wall) {
            room_[wall] = above(wall, shift_.data());
            if (!(room_[wall] < least)) continue;
            least = room_[wall];
            if (k_ > 0 && f_ == 0 && least < -far_) {
                remember(wall, wall);
                return reject(least);
            }
        }
        if (f_ == 0 || k_ == 0) {
            if (!accept(point, shift_.data(), least)) reject(std::min(least, -tolerances_.slack));
            return;
        }
        if (f_ == 1) return interval(point);
        if (least > far_ && accept(point, shift_.data(), least)) return;
        if (tilts_.empty()) {
            tilts_.resize(m_);
            for (std::size_t wall = 0; wall < m_; ++wall)
                for (std::size_t j = 0; j < f_; ++j) tilts_[wall] = std::max(tilts_[wall], std::abs(tilt(wall, j)));
        }
        for (std::size_t wall = 0; wall < m_; ++wall)
            if (tilts_[wall] < 1e-12 && room_[wall] < -far_) return reject(room_[wall]);  // all of the fibre is beyond it
        leave(point);
    }

    void remember(std::size_t from, std::size_t to) {
        if (guesses_.size() < kept) guesses_.emplace_back(from, to);
        else guesses_.back() = {from, to};
    }

    double tilt(std::size_t wall, std::size_t direction) const {
        double value = 0;
        for (std::size_t c = 0; c < d_; ++c) value += normals_[wall * d_ + c] * kernel_[direction * d_ + c];
        return value;
    }

    // A fibre that is a line: each wall cuts off a half-line.
    void interval(std::size_t point) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        if (tilts_.empty()) {
            tilts_.resize(m_);
            for (std::size_t wall = 0; wall < m_; ++wall) tilts_[wall] = tilt(wall, 0);
        }
        double low = -infinity, high = infinity, level = infinity;
        std::size_t from = 0, to = 0;
        for (std::size_t wall = 0; wall < m_; ++wall) {
            const double slope = tilts_[wall];
            if (std::abs(slope) < 1e-12) {
                level = std::min(level, room_[wall]);
            } else if (const double cut = -room_[wall] / slope; slope > 0) {
                if (cut > low) low = cut, from = wall;
            } else if (cut < high) {
                high = cut, to = wall;
            }
        }
        double at = 0, bound = level;
        if (low > high) {  // no point is above both walls; they are equally far from this one
            const double up = tilts_[from], down = -tilts_[to];
            at = (room_[to] - room_[from]) / (up + down);
            bound = std::min(bound, (down * room_[from] + up * room_[to]) / (up + down));
        } else if (low > -infinity && high < infinity) {
            at = low + (high - low) / 2;
        } else if (low > -infinity) {
            at = std::max(0.0, low + tolerances_.reach);
        } else if (high < infinity) {
            at = std::min(0.0, high - tolerances_.reach);
        }
        if (bound < -far_) {
            if (low > high) remember(from, to);
            return reject(bound);
        }
        for (std::size_t c = 0; c < d_; ++c) best_[c] = shift_[c] + at * kernel_[c];
        if (!accept(point, best_.data(), slack(best_.data()))) leave(point);
    }

    // A piece of rank 1: its image is a segment, whose end on one side is the optimum of one program. Preimages lie between
    // the base point and a preimage of the end.
    void segment(std::span<const std::int64_t> points, double side, std::vector<std::int64_t>& left, const Stop& stop) {
        const double length = std::sqrt(lift_squares());
        std::vector<double> objective(d_), rows, bounds;
        for (std::size_t c = 0; c < d_; ++c) objective[c] = side * lift_[c] / length;
        std::vector<std::pair<double, std::int64_t>> mine;
        double farthest = 0;
        for (const std::int64_t point : points) {
            lift(static_cast<std::size_t>(point));
            const double at = side * along_[0] * length;
            if (at < 0 || (at == 0 && side < 0)) continue;
            mine.emplace_back(at, point);
            farthest = std::max(farthest, at);
        }
        if (mine.empty()) return;
        for (std::size_t wall = 0; wall < m_; ++wall) {
            if (!(offsets_[wall] < std::numeric_limits<double>::infinity())) continue;
            for (std::size_t c = 0; c < d_; ++c) rows.push_back(-normals_[wall * d_ + c]);
            bounds.push_back(offsets_[wall]);
        }
        const std::size_t count = bounds.size();
        rows.insert(rows.end(), objective.begin(), objective.end());
        bounds.push_back(farthest);
        Program program(rows, d_, objective);
        Verdict verdict = Verdict::lost;
        for (double factor = 8; factor < 1e8; factor *= 1e3) {
            const std::vector<double> box(d_, factor * std::max(tolerances_.reach, farthest));
            program.start();
            verdict = program.solve(bounds, box, -std::numeric_limits<double>::infinity(), stop);
            if (verdict == Verdict::optimal && !program.boxed()) break;
            verdict = Verdict::lost;
        }
        ++hits_.programs;
        const std::vector<double> end = program.point();
        double reached = 0;
        for (std::size_t c = 0; c < d_; ++c) reached += objective[c] * end[c];
        const double weight = program.weight(count);  // at least 1 where walls alone end the segment
        for (const auto& [at, point] : mine) {
            if (verdict == Verdict::optimal && weight > 0.5 && (reached - at) / weight < -far_) {
                reject((reached - at) / weight);
                continue;
            }
            if (verdict == Verdict::optimal && reached > 0 && at <= reached) {
                for (std::size_t c = 0; c < d_; ++c) best_[c] = at / reached * end[c];
                const double room = slack(best_.data());
                if (room > far_ && accept(static_cast<std::size_t>(point), best_.data(), room)) continue;
            }
            left.push_back(point);
        }
    }

    double lift_squares() const {
        double sum = 0;
        for (std::size_t c = 0; c < d_; ++c) sum += lift_[c] * lift_[c];
        return sum;
    }

    // The largest slack on each fibre.
    void fibers(std::span<const std::int64_t> points, const Stop& stop) {
        if (points.empty()) return;
        const std::size_t q = f_ + 1;
        std::vector<double> rows(m_ * q), objective(q), bounds(m_), box(q);
        for (std::size_t wall = 0; wall < m_; ++wall) {
            for (std::size_t j = 0; j < f_; ++j) rows[wall * q + j] = -tilt(wall, j);
            rows[wall * q + f_] = 1;
        }
        objective[f_] = 1;
        Program program(rows, q, objective);
        for (const std::int64_t signed_point : points) {
            const auto point = static_cast<std::size_t>(signed_point);
            lift(point);
            double size = tolerances_.reach;
            for (std::size_t c = 0; c < d_; ++c) size = std::max(size, std::abs(shift_[c]));
            for (std::size_t wall = 0; wall < m_; ++wall) bounds[wall] = above(wall, shift_.data());
            ++hits_.programs;
            bool settled = false;
            for (double factor = 8; factor < 1e8 && !settled; factor *= 1e3) {
                std::fill(box.begin(), box.end(), factor * size);
                box[f_] = factor > 8 ? factor * size : tolerances_.reach;
                Verdict verdict = program.solve(bounds, box, -far_, stop);
                if (verdict == Verdict::lost) {
                    program.start();
                    verdict = program.solve(bounds, box, -far_, stop);
                }
                if (verdict == Verdict::below) {
                    reject(program.value());
                    settled = true;
                } else if (verdict == Verdict::optimal) {
                    best_ = shift_;
                    for (std::size_t j = 0; j < f_; ++j)
                        for (std::size_t c = 0; c < d_; ++c) best_[c] += program.point()[j] * kernel_[j * d_ + c];
                    settled = accept(point, best_.data(), slack(best_.data()));
                    if (!settled && !program.boxed() && program.value() < -tolerances_.slack) {
                        reject(program.value());
                        settled = true;
                    }
                }
            }
            if (!settled) leave(point), program.start();
        }
    }

    static constexpr std::size_t kept = 8;

    const Pieces& pieces_;
    const Targets& targets_;
    Tolerances tolerances_;
    std::size_t piece_, d_, w_, k_, f_, m_;
    const double *image_, *map_, *frame_, *lift_, *kernel_, *probe_, *normals_, *offsets_;
    double far_;  // what is farther beyond a wall than this is not close
    std::vector<double> difference_, along_, shift_, best_, room_, tilts_;
    std::vector<std::pair<std::size_t, std::size_t>> guesses_;
    Hits hits_;
};

}  // namespace isotopy
