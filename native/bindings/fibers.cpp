// Preimages of points in the polytopes of a network.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "arrays.hpp"
#include "isotopy/fibers.hpp"

namespace bindings {

namespace {

using Matrix = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Stack = nb::ndarray<const double, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

template <class Array>
std::span<const double> flat(const Array& array) {
    return {array.data(), array.size()};
}

// Keeps the arrays that the views of a kernel look into.
struct FiberSearch {
    Matrix images, probes, offsets, target_images;
    Stack maps, frames, lifts, kernels, normals;
    Doubles errors;
    Integers regions, rows, target_regions;
    isotopy::Pieces pieces;
    isotopy::Targets targets;
    isotopy::Tolerances tolerances;

    FiberSearch(const Matrix& images_, const Stack& maps_, const Stack& frames_, const Stack& lifts_, const Stack& kernels_, const Matrix& probes_, const Doubles& errors_,
                const Integers& regions_, const Integers& rows_, const Stack& normals_, const Matrix& offsets_, std::size_t walls, const Matrix& target_images_,
                const Integers& target_regions_, double residual, double slack, double reach)
        : images(images_), probes(probes_), offsets(offsets_), target_images(target_images_), maps(maps_), frames(frames_), lifts(lifts_), kernels(kernels_), normals(normals_),
          errors(errors_), regions(regions_), rows(rows_), target_regions(target_regions_) {
        const std::size_t count = images.shape(0), width = images.shape(1), ambient = maps.shape(2), rank = frames.shape(1);
        const bool fits = maps.shape(0) == count && maps.shape(1) == width && frames.shape(0) == count && frames.shape(2) == width && rank <= ambient &&
                          lifts.shape(0) == count && lifts.shape(1) == rank && lifts.shape(2) == ambient && kernels.shape(0) == count &&
                          kernels.shape(1) == ambient - rank && kernels.shape(2) == ambient && probes.shape(0) == count && probes.shape(1) == width &&
                          errors.shape(0) == count && regions.shape(0) == count && rows.shape(0) == count && normals.shape(2) == ambient &&
                          offsets.shape(0) == normals.shape(0) && offsets.shape(1) == normals.shape(1) && walls <= normals.shape(1) &&
                          target_images.shape(1) == width && target_regions.shape(0) == target_images.shape(0);
        if (!fits) throw std::invalid_argument("arrays of pieces, walls and targets do not match");
        for (std::size_t piece = 0; piece < count; ++piece)
            if (rows(piece) < 0 || static_cast<std::size_t>(rows(piece)) >= normals.shape(0)) throw std::invalid_argument("rows are out of range");
        pieces = {width, ambient, rank, flat(images), flat(maps), flat(frames), flat(lifts), flat(kernels), flat(probes), flat(errors),
                  {regions.data(), count}, {rows.data(), count}, flat(normals), flat(offsets), walls, normals.shape(1)};
        targets = {flat(target_images), {target_regions.data(), target_regions.shape(0)}};
        tolerances = {residual, slack, reach};
    }
};

nb::dict table(const std::vector<isotopy::Hits>& parts) {
    isotopy::Hits all;
    for (const isotopy::Hits& part : parts) all.join(part);
    nb::dict result;
    result["rejected_slack"] = all.rejected_slack;
    result["rejected_residual"] = all.rejected_residual;
    result["close"] = all.close;
    result["programs"] = all.programs;
    result["piece"] = to_numpy(std::move(all.piece));
    result["point"] = to_numpy(std::move(all.point));
    result["shifts"] = to_numpy(std::move(all.shifts));
    result["slacks"] = to_numpy(std::move(all.slacks));
    result["residuals"] = to_numpy(std::move(all.residuals));
    result["open_piece"] = to_numpy(std::move(all.open_piece));
    result["open_point"] = to_numpy(std::move(all.open_point));
    return result;
}

}  // namespace

void bind_fibers(nb::module_& m) {
    nb::class_<FiberSearch>(m, "FiberSearch")
        .def(nb::init<const Matrix&, const Stack&, const Stack&, const Stack&, const Stack&, const Matrix&, const Doubles&, const Integers&, const Integers&, const Stack&,
                      const Matrix&, std::size_t, const Matrix&, const Integers&, double, double, double>(),
             nb::arg("images"), nb::arg("maps"), nb::arg("frames"), nb::arg("lifts"), nb::arg("kernels"), nb::arg("probes"), nb::arg("errors"), nb::arg("regions"),
             nb::arg("rows"), nb::arg("normals"), nb::arg("offsets"), nb::arg("walls"), nb::arg("target_images"), nb::arg("target_regions"), nb::arg("residual"),
             nb::arg("slack"), nb::arg("reach"))
        .def("search", [](const FiberSearch& self, std::size_t threads) {
            std::vector<isotopy::Hits> parts(self.pieces.count());
            run(parts.size(), threads, false, [&](std::size_t piece, const isotopy::Stop& stop) {
                parts[piece] = isotopy::Fiber(self.pieces, self.targets, self.tolerances, piece).search(stop);
            });
            return table(parts);
        }, nb::arg("threads"), "Hits found without linear programs, and what these must decide.")
        .def("programs", [](const FiberSearch& self, const Integers& pieces, const Integers& points, std::size_t threads) {
            std::vector<std::vector<std::int64_t>> open(self.pieces.count());
            if (pieces.shape(0) != points.shape(0)) throw std::invalid_argument("one point for each piece is needed");
            for (std::size_t i = 0; i < pieces.shape(0); ++i) {
                if (pieces(i) < 0 || static_cast<std::size_t>(pieces(i)) >= open.size() || points(i) < 0 || static_cast<std::size_t>(points(i)) >= self.targets.count())
                    throw std::invalid_argument("pieces or points are out of range");
                open[static_cast<std::size_t>(pieces(i))].push_back(points(i));
            }
            std::vector<isotopy::Hits> parts(open.size());
            run(parts.size(), threads, false, [&](std::size_t piece, const isotopy::Stop& stop) {
                if (!open[piece].empty()) parts[piece] = isotopy::Fiber(self.pieces, self.targets, self.tolerances, piece).programs(open[piece], stop);
            });
            return table(parts);
        }, nb::arg("pieces"), nb::arg("points"), nb::arg("threads"), "What was left open, by linear programs.");
}

}  // namespace bindings
