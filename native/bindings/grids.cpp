// Functions on grids: signals, images and volumes.
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "isotopy/field.hpp"
#include "isotopy/image.hpp"
#include "isotopy/signal.hpp"
#include "isotopy/volume.hpp"

namespace bindings {

namespace {

// What one piece of a batch found: samples in order, carriers as places in the whole batch.
struct Piece {
    isotopy::Pairing pairing;
    std::vector<std::int64_t> sample;

    // Ends a sample; `left` more of the same size will follow.
    void close(std::size_t index, std::size_t size, std::size_t left) {
        const auto shift = [&](std::vector<std::int64_t>& at, std::size_t from) {
            for (std::size_t place = from; place < at.size(); ++place) at[place] += static_cast<std::int64_t>(index * size);
        };
        shift(pairing.birth_at, sample.size());
        shift(pairing.death_at, deaths_);
        deaths_ = pairing.death_at.size();
        if (sample.empty() && left > 0) {  // samples are alike: room for a little more than as many classes each
            const auto reserve = [&](auto&... parts) { (parts.reserve(parts.size() * (left + 1) / 4 * 5), ...); };
            reserve(pairing.degree, pairing.essential, pairing.birth_cell, pairing.death_cell, pairing.birth_at, pairing.death_at);
            sample.reserve(pairing.degree.capacity());
        }
        sample.resize(pairing.degree.size(), static_cast<std::int64_t>(index));
    }

private:
    std::size_t deaths_ = 0;
};

// One table for the batch; `at` has the carriers of all births, then of the deaths (of the births, where there is none).
nb::dict join(std::vector<Piece>&& pieces) {
    Piece all = pieces.empty() ? Piece{} : std::move(pieces[0]);
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    for (std::size_t index = 1; index < pieces.size(); ++index) {
        const Piece piece = std::move(pieces[index]);
        append(all.sample, piece.sample);
        append(all.pairing.degree, piece.pairing.degree);
        append(all.pairing.essential, piece.pairing.essential);
        append(all.pairing.birth_cell, piece.pairing.birth_cell);
        append(all.pairing.death_cell, piece.pairing.death_cell);
        append(all.pairing.birth_at, piece.pairing.birth_at);
        append(all.pairing.death_at, piece.pairing.death_at);
    }
    auto& at = all.pairing.birth_at;
    const std::size_t count = at.size();
    at.resize(2 * count);
    for (std::size_t index = 0, death = 0; index < count; ++index) at[count + index] = all.pairing.essential[index] != 0 ? at[index] : all.pairing.death_at[death++];
    nb::dict result;
    result["sample"] = to_numpy(std::move(all.sample));
    result["degree"] = to_numpy(std::move(all.pairing.degree));
    result["essential"] = to_numpy(std::move(all.pairing.essential));
    result["birth_cell"] = to_numpy(std::move(all.pairing.birth_cell));
    result["death_cell"] = to_numpy(std::move(all.pairing.death_cell));
    result["at"] = to_numpy(std::move(all.pairing.birth_at));
    return result;
}

template <class Real>
using Reals = nb::ndarray<const Real, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Calls work(samples first .. last - 1, piece, stop) on pieces of the batch that fill the threads.
template <class Work>
nb::dict run_pieces(std::size_t samples, std::size_t threads, bool short_work, const Work& work) {
    std::vector<Piece> pieces(short_work ? std::min<std::size_t>(samples, 1) : std::min(samples, 8 * threads));
    run(pieces.size(), threads, short_work, [&](std::size_t index, const isotopy::Stop& stop) {
        work(samples * index / pieces.size(), samples * (index + 1) / pieces.size(), pieces[index], stop);
    });
    return join(std::move(pieces));
}

isotopy::LevelSetOptions level_sets(int cells, bool superlevel, int max_degree, bool keep_zero) {
    if (cells < 0 || cells > 2) throw std::invalid_argument("cells must be 0, 1 or 2");
    return {static_cast<isotopy::Cells>(cells), superlevel, max_degree, keep_zero};
}

template <class Real>
nb::dict signal(Reals<Real> values, std::size_t samples, int cells, bool superlevel, bool keep_zero, std::size_t threads) {
    const std::size_t size = samples == 0 ? 0 : values.shape(0) / samples;
    if (size * samples != values.shape(0) || size > isotopy::largest_image) throw std::invalid_argument("values do not fill the signals");
    return run_pieces(samples, threads, values.shape(0) < 100000, [&](std::size_t first, std::size_t last, Piece& piece, const isotopy::Stop& stop) {
        isotopy::Signal<Real> one(level_sets(cells, superlevel, 0, keep_zero));
        for (std::size_t sample = first; sample < last; ++sample) {
            one.append_pairs(values.data() + sample * size, size, piece.pairing, stop);
            piece.close(sample, size, last - sample - 1);
        }
    });
}

template <class Real>
nb::dict image(Reals<Real> values, std::size_t samples, std::size_t columns, int cells, bool superlevel, int max_degree, bool keep_zero, std::size_t threads) {
    const std::size_t size = samples == 0 ? 0 : values.shape(0) / samples, rows = columns == 0 ? 0 : size / columns;
    if (rows * columns * samples != values.shape(0) || size > isotopy::largest_image) throw std::invalid_argument("values do not fill the images");
    if (size == 0) return join({});
    using One = isotopy::Image<Real>;
    const isotopy::LevelSetOptions options = level_sets(cells, superlevel, max_degree, keep_zero);
    if (samples < threads && size >= 65536) {  // threads inside of each image
        std::vector<Piece> pieces(1);
        for (std::size_t sample = 0; sample < samples; ++sample) {
            const Real* here = values.data() + sample * size;
            One one(rows, columns, options);
            std::vector<std::vector<typename One::Saddle>> bands(std::min(4 * threads, rows));
            run(bands.size(), threads, false, [&](std::size_t band, const isotopy::Stop& stop) {
                one.scan(here, rows * band / bands.size(), rows * (band + 1) / bands.size(), bands[band], stop);
            });
            run(1, 1, false, [&](std::size_t, const isotopy::Stop& stop) {
                for (std::size_t band = 1; band < bands.size(); ++band) bands[0].insert(bands[0].end(), bands[band].begin(), bands[band].end());
                one.append_pairs(here, bands[0], pieces[0].pairing, stop);
            });
            pieces[0].close(sample, size, 0);
        }
        return join(std::move(pieces));
    }
    return run_pieces(samples, threads, values.shape(0) < 50000, [&](std::size_t first, std::size_t last, Piece& piece, const isotopy::Stop& stop) {
        One one(rows, columns, options);
        for (std::size_t sample = first; sample < last; ++sample) {
            one.append_pairs(values.data() + sample * size, piece.pairing, stop);
            piece.close(sample, size, last - sample - 1);
        }
    });
}

template <class Real>
void bind_level_sets(nb::module_& m) {
    m.def("signal", &signal<Real>, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("cells"), nb::arg("superlevel"), nb::arg("keep_zero"),
          nb::arg("threads"), "Critical cells of the level sets of a batch of signals, degree 0.");
    m.def("image", &image<Real>, nb::arg("values").noconvert(), nb::arg("samples"), nb::arg("columns"), nb::arg("cells"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("keep_zero"), nb::arg("threads"), "Critical cells of the level sets of a batch of images, degrees 0 and 1.");
}

// Functions on one volume of the given shape, (samples, voxels), one after the other, float32 or float64. Threads that are
// not needed for the batch work inside the volumes.
nb::dict volume(nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu> values, Integers shape, std::size_t samples, const std::string& cells,
                bool superlevel, int max_degree, std::uint32_t modulus, bool keep_zero, std::size_t threads) {
    if (shape.shape(0) != 3) throw std::invalid_argument("volumes have 3 axes");
    std::size_t size = 1, padded = 1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        constexpr std::size_t largest = isotopy::volume_detail::Box::largest;
        if (shape(axis) < 0) throw std::invalid_argument("shape must not be negative");
        const auto length = static_cast<std::size_t>(shape(axis));
        if (length > largest || (padded *= length + 2) > largest) throw std::invalid_argument("the volume is too large");
        size *= length;
    }
    if (values.shape(0) != samples * size) throw std::invalid_argument("values do not fill the volumes");
    if (max_degree < 0 || !isotopy::is_prime(modulus)) throw std::invalid_argument("max_degree must not be negative, modulus must be a prime");
    isotopy::VolumeOptions options{isotopy::VolumeCells::freudenthal, superlevel, max_degree, modulus, keep_zero, 1};
    if (cells == "cubical") options.cells = isotopy::VolumeCells::cubical;
    else if (cells == "cubical_top") options.cells = isotopy::VolumeCells::cubical_top;
    else if (cells != "freudenthal") throw std::invalid_argument("cells must be freudenthal, cubical or cubical_top");
    const std::size_t workers = std::max<std::size_t>(1, threads), volumes_at_once = std::max<std::size_t>(1, std::min(workers, samples));
    const bool short_work = samples * size < 8000;
    options.threads = short_work ? 1 : workers / volumes_at_once;
    std::vector<isotopy::Pairing> pairings(samples);
    const auto work = [&](const auto* data) {
        using Value = std::remove_cvref_t<decltype(*data)>;
        const std::span<const std::int64_t> lengths(shape.data(), 3);
        run(samples, volumes_at_once, short_work, [&](std::size_t sample, const isotopy::Stop& stop) {
            pairings[sample] = isotopy::volume_persistence(lengths, std::span<const Value>(data + sample * size, size), options, stop);
        });
    };
    if (values.dtype() == nb::dtype<float>()) work(static_cast<const float*>(values.data()));
    else if (values.dtype() == nb::dtype<double>()) work(static_cast<const double*>(values.data()));
    else throw std::invalid_argument("values must be float32 or float64");
    return gather(std::move(pairings));
}

}  // namespace

void bind_grids(nb::module_& m) {
    bind_level_sets<float>(m);
    bind_level_sets<double>(m);
    m.def("volume", &volume, nb::arg("values").noconvert(), nb::arg("shape").noconvert(), nb::arg("samples"), nb::arg("cells"), nb::arg("superlevel"),
          nb::arg("max_degree"), nb::arg("modulus"), nb::arg("keep_zero"), nb::arg("threads"),
          "Critical cells of lower-star filtrations on volumes, degrees 0 to 2: freudenthal, cubical or cubical_top cells.");
}

}  // namespace bindings
