// Ranks over a finite field of the products Q_K W_K ... Q_1 W_1 that a piecewise affine network takes at its samples.
//
// A rank over GF(p) never exceeds the rank over the rationals, so each result is a lower bound, whatever p. Two fields:
// GF(3) in bit planes (64 entries per word: fast, but square matrices are often singular by chance) and GF(p) for a prime
// below 2^20 (sums of products in doubles, exact; see echelon.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "isotopy/echelon.hpp"
#include "isotopy/parallel.hpp"

namespace isotopy {

namespace rank_detail {

// 512 entries of GF(3): bit i of `ones` says that entry i is 1, bit i of `twos` that it is 2.
using Lanes = std::uint64_t __attribute__((vector_size(64)));
struct alignas(64) Block {
    Lanes ones, twos;
};

// row -= factor * pivot over GF(3) for every row below, with the factor that clears one entry.
ISOTOPY_CLONES inline void eliminate3(Block* rows, std::size_t count, std::size_t blocks, const Block* pivot, std::size_t start,
                                      std::size_t word, unsigned bit, bool pivot_is_two) {
    for (std::size_t r = 0; r < count; ++r) {
        Block* row = rows + r * blocks;
        const std::uint64_t one = (row[start].ones[word] >> bit) & 1u, two = (row[start].twos[word] >> bit) & 1u;
        // equal entries are subtracted (1 - 1 = 0), different ones added (2 + 1 = 0); by masks, as the choice is random
        const std::uint64_t same = pivot_is_two ? two : one, other = pivot_is_two ? one : two;
        const Lanes subtract = Lanes{} - same, add = Lanes{} - other;
        for (std::size_t b = start; b < blocks; ++b) {
            const Lanes b1 = (pivot[b].twos & subtract) | (pivot[b].ones & add);
            const Lanes b2 = (pivot[b].ones & subtract) | (pivot[b].twos & add);
            const Lanes t = (row[b].ones | b2) ^ (row[b].twos | b1);
            const Lanes first = (row[b].twos | b2) ^ t;
            row[b].twos = (row[b].ones | b1) ^ t;
            row[b].ones = first;
        }
    }
}

// sum += one table row per group, over GF(3).
ISOTOPY_CLONES inline void add_table_rows3(Block* sum, const Block* table, const std::uint32_t* picks, std::size_t groups, std::size_t blocks) {
    for (std::size_t b = 0; b < blocks; ++b) {
        Lanes ones = sum[b].ones, twos = sum[b].twos;
        for (std::size_t g = 0; g < groups; ++g) {
            const Block& term = table[picks[g] * blocks + b];
            const Lanes t = (ones | term.twos) ^ (twos | term.ones);
            const Lanes first = (twos | term.twos) ^ t;
            twos = (ones | term.ones) ^ t;
            ones = first;
        }
        sum[b].ones = ones, sum[b].twos = twos;
    }
}

}  // namespace rank_detail

// Room for tables, kept between layers.
struct Scratch {
    std::vector<rank_detail::Block> table;
    std::vector<std::uint32_t> picks;
};

// Rows over GF(3), in two bit planes.
class Rows3 {
public:
    using Entry = std::uint8_t;

    Rows3(std::size_t count, std::size_t width, std::uint32_t) { reset(count, width); }
    void reset(std::size_t count, std::size_t width) {
        count_ = count, width_ = width, blocks_ = (width + 511) / 512;
        data_.assign(count * blocks_, Block{});
    }
    std::size_t count() const { return count_; }
    std::size_t width() const { return width_; }

    // Row r gets the entries source[columns[c]].
    void gather(std::size_t r, const Entry* source, const std::uint32_t* columns, std::size_t count) {
        constexpr std::uint64_t low_bits = 0x0101010101010101u, collect = 0x0102040810204080u;
        for (std::size_t begin = 0; begin < count; begin += 64) {
            Entry picked[64] = {};
            const std::size_t end = std::min<std::size_t>(64, count - begin);
            for (std::size_t c = 0; c < end; ++c) picked[c] = source[columns[begin + c]];
            std::uint64_t first = 0, second = 0;
            for (std::size_t byte = 0; byte < 8; ++byte) {  // the multiplication gathers one bit of each of eight bytes
                std::uint64_t eight = 0;
                for (std::size_t c = 8; c-- > 0;) eight = (eight << 8) | picked[8 * byte + c];
                first |= ((eight & low_bits) * collect >> 56) << (8 * byte);
                second |= ((eight >> 1 & low_bits) * collect >> 56) << (8 * byte);
            }
            Block& block = data_[r * blocks_ + begin / 512];
            block.ones[begin / 64 % 8] = first, block.twos[begin / 64 % 8] = second;
        }
    }
    void set(std::size_t r, std::size_t c, Entry value) {
        Block& block = data_[r * blocks_ + c / 512];
        if (value & 1u) block.ones[c / 64 % 8] |= std::uint64_t{1} << (c % 64);
        if (value >> 1) block.twos[c / 64 % 8] |= std::uint64_t{1} << (c % 64);
    }
    Entry get(std::size_t r, std::size_t c) const {
        const Block& block = data_[r * blocks_ + c / 512];
        const std::uint64_t one = (block.ones[c / 64 % 8] >> (c % 64)) & 1u, two = (block.twos[c / 64 % 8] >> (c % 64)) & 1u;
        return static_cast<Entry>(one | (two << 1));
    }

    // this = coefficients * right, where row i has coefficients weights(i)[columns[j]] and right has one row per j.
    // Method of the four Russians: all 81 combinations of four rows are tabled.
    template <class Weights>
    void product(const Weights& weights, const std::uint32_t* columns, const Rows3& right, Scratch& scratch) {
        const std::size_t groups = (right.count_ + 3) / 4;
        std::vector<Block>& table = scratch.table;
        table.assign(groups * 81 * blocks_, Block{});
        for (std::size_t g = 0; g < groups; ++g) {
            std::size_t filled = 1;
            for (std::size_t j = 4 * g; j < std::min(right.count_, 4 * g + 4); ++j, filled *= 3)
                for (std::size_t factor = 1; factor < 3; ++factor)
                    for (std::size_t old = 0; old < filled; ++old)
                        for (std::size_t b = 0; b < blocks_; ++b) {
                            const Block& from = table[(g * 81 + old) * blocks_ + b];
                            const Block& source = right.data_[j * right.blocks_ + b];
                            const Lanes b1 = factor == 1 ? source.ones : source.twos, b2 = factor == 1 ? source.twos : source.ones;
                            const Lanes t = (from.ones | b2) ^ (from.twos | b1);
                            table[(g * 81 + factor * filled + old) * blocks_ + b] = {(from.twos | b2) ^ t, (from.ones | b1) ^ t};
                        }
        }
        std::vector<std::uint32_t>& picks = scratch.picks;
        picks.resize(groups);
        for (std::size_t i = 0; i < count_; ++i) {
            const Entry* row = weights(i);
            for (std::size_t g = 0; g < groups; ++g) {
                std::uint32_t pick = 0, power = 1;
                for (std::size_t j = 4 * g; j < std::min(right.count_, 4 * g + 4); ++j, power *= 3) pick += power * row[columns[j]];
                picks[g] = static_cast<std::uint32_t>(g * 81) + pick;
            }
            rank_detail::add_table_rows3(data_.data() + i * blocks_, table.data(), picks.data(), groups, blocks_);
        }
    }

    // Row r gets the first entries of a row that may be longer.
    void copy_row(std::size_t r, const Rows3& other, std::size_t from) {
        std::copy_n(other.data_.data() + from * other.blocks_, blocks_, data_.data() + r * blocks_);
    }
    void scale(std::size_t r, Entry factor) {
        for (std::size_t b = 0; b < blocks_; ++b) {
            Block& block = data_[r * blocks_ + b];
            if (factor == 2) std::swap(block.ones, block.twos);
            if (factor == 0) block = Block{};
        }
    }

    // Rank by elimination in place; pivot columns in the order found. Stops at `enough`.
    std::size_t eliminate(std::size_t enough, std::vector<std::uint32_t>& pivots, const Stop& stop) {
        pivots.clear();
        for (std::size_t r = 0; r < count_ && pivots.size() < enough; ++r) {
            if (r % 64 == 0) stop.check();
            const Block* pivot = data_.data() + r * blocks_;
            std::size_t word = 0;
            while (word < 8 * blocks_ && (pivot[word / 8].ones[word % 8] | pivot[word / 8].twos[word % 8]) == 0) ++word;
            if (word == 8 * blocks_) continue;
            const std::uint64_t two = pivot[word / 8].twos[word % 8];
            const auto bit = static_cast<unsigned>(std::countr_zero(pivot[word / 8].ones[word % 8] | two));
            pivots.push_back(static_cast<std::uint32_t>(word * 64 + bit));
            if (r + 1 < count_)
                rank_detail::eliminate3(data_.data() + (r + 1) * blocks_, count_ - r - 1, blocks_, pivot, word / 8, word % 8, bit, (two >> bit) & 1u);
        }
        return pivots.size();
    }

    static Entry entry(std::uint32_t residue) { return static_cast<Entry>(residue); }

private:
    using Block = rank_detail::Block;
    using Lanes = rank_detail::Lanes;

    std::size_t count_ = 0, width_ = 0, blocks_ = 0;
    std::vector<Block> data_;
};

// Rows over GF(p), p < 2^20, in floats.
class RowsP {
public:
    using Entry = float;

    RowsP(std::size_t count, std::size_t width, std::uint32_t prime) : prime_(prime), p_(prime) { reset(count, width); }
    void reset(std::size_t count, std::size_t width) {
        count_ = count, width_ = width;
        data_.assign(count * width, 0.0f);
    }
    std::size_t count() const { return count_; }
    std::size_t width() const { return width_; }

    void gather(std::size_t r, const Entry* source, const std::uint32_t* columns, std::size_t count) {
        for (std::size_t c = 0; c < count; ++c) data_[r * width_ + c] = source[columns[c]];
    }
    void set(std::size_t r, std::size_t c, Entry value) { data_[r * width_ + c] = value; }
    Entry get(std::size_t r, std::size_t c) const { return data_[r * width_ + c]; }

    template <class Weights>
    void product(const Weights& weights, const std::uint32_t* columns, const RowsP& right, Scratch&) {
        const auto width = static_cast<std::uint32_t>(width_);
        std::vector<Multiple> terms;
        for (std::size_t i = 0; i < count_; ++i) {
            const Entry* row = weights(i);
            terms.clear();
            for (std::size_t j = 0; j < right.count_; ++j)
                if (row[columns[j]] != 0.0f) terms.push_back({right.data_.data() + j * right.width_, 0, width, row[columns[j]]});
            sum_.assign(width_, 0.0);
            sum_multiples(terms, sum_.data(), 0, width_, p_);
            std::transform(sum_.begin(), sum_.end(), data_.begin() + static_cast<std::ptrdiff_t>(i * width_), [](double t) { return static_cast<Entry>(t); });
        }
    }

    void copy_row(std::size_t r, const RowsP& other, std::size_t from) {
        std::copy_n(other.data_.begin() + static_cast<std::ptrdiff_t>(from * other.width_), width_,
                    data_.begin() + static_cast<std::ptrdiff_t>(r * width_));
    }
    void scale(std::size_t r, Entry factor) {
        for (std::size_t c = 0; c < width_; ++c) data_[r * width_ + c] = static_cast<Entry>(reduce(static_cast<double>(data_[r * width_ + c]) * static_cast<double>(factor), p_, 1.0 / p_));
    }

    std::size_t eliminate(std::size_t enough, std::vector<std::uint32_t>& pivots, const Stop& stop) {
        Echelon echelon(width_, prime_);
        sum_.assign(width_, 0.0);
        for (std::size_t r = 0; r < count_ && echelon.rank() < enough; ++r) {
            if (r % 64 == 0) stop.check();
            std::copy_n(data_.begin() + static_cast<std::ptrdiff_t>(r * width_), width_, sum_.begin());
            echelon.add(sum_.data(), 0, width_);
        }
        pivots = echelon.columns();
        return pivots.size();
    }

    static Entry entry(std::uint32_t residue) { return static_cast<Entry>(residue); }

private:
    std::size_t count_ = 0, width_ = 0;
    std::uint32_t prime_;
    double p_;
    std::vector<Entry> data_;
    std::vector<double> sum_;
};

// What ends a layer: which rows of the pre-activation survive, and with which slope.
enum class Gate { active_rows, all_rows, two_slopes, picked_rows };

// A chain of layers with residues as weights; ranks of all its prefixes at many samples.
template <class Rows>
class RankChain {
public:
    using Entry = typename Rows::Entry;

    RankChain(std::size_t inputs, std::uint32_t prime) : inputs_(inputs), prime_(prime) {}

    // residues: (rows, columns), empty for the identity. `slope` is the residue of the negative slope of two_slopes.
    void add(Gate gate, std::size_t rows, std::size_t columns, std::span<const std::uint32_t> residues, std::uint32_t slope) {
        const std::size_t before = layers_.empty() ? inputs_ : layers_.back().outputs;
        if (columns != before) throw std::invalid_argument("RankChain: columns must equal the width of the layer before");
        if (!residues.empty() && residues.size() != rows * columns) throw std::invalid_argument("RankChain: residues have the wrong size");
        Layer layer{gate, rows, columns, rows, {}, Rows::entry(slope % prime_)};
        layer.weights.reserve(residues.size());
        for (const std::uint32_t value : residues) layer.weights.push_back(Rows::entry(value % prime_));
        layers_.push_back(std::move(layer));
    }
    // picked_rows: how many rows are picked.
    void set_outputs(std::size_t outputs) { layers_.back().outputs = outputs; }

    std::size_t depth() const { return layers_.size(); }
    std::size_t outputs(std::size_t layer) const { return layers_[layer].outputs; }
    Gate gate(std::size_t layer) const { return layers_[layer].gate; }

    // active[layer]: outputs bytes (active_rows, two_slopes); picked[layer]: outputs row numbers (picked_rows).
    void ranks(std::span<const std::uint8_t* const> active, std::span<const std::int32_t* const> picked, std::int32_t* result,
               const Stop& stop) const {
        // The image of the layers so far is all of its active coordinates (full), or the span of the columns of `basis`.
        bool full = true;
        Rows basis(0, 0, prime_), test(0, 0, prime_), image(0, 0, prime_);
        std::vector<std::uint32_t> alive(inputs_), rows, pivots, unit;
        for (std::size_t i = 0; i < inputs_; ++i) alive[i] = static_cast<std::uint32_t>(i);
        Scratch scratch;

        for (std::size_t k = 0; k < layers_.size(); ++k) {
            stop.check();
            const Layer& layer = layers_[k];
            rows.clear();
            for (std::size_t i = 0; i < layer.outputs; ++i) {
                if (layer.gate == Gate::picked_rows) rows.push_back(static_cast<std::uint32_t>(picked[k][i]));
                else if (layer.gate != Gate::active_rows || active[k][i]) rows.push_back(static_cast<std::uint32_t>(i));
            }
            const std::size_t height = rows.size(), width = full ? alive.size() : basis.width();
            const std::size_t enough = std::min(height, width);
            // A few rows and columns more than the rank can be are enough almost always; all of them decide.
            const std::size_t some_rows = std::min(height, enough + spare), some_columns = std::min(width, enough + spare);
            assemble(layer, full, alive, rows, basis, some_rows, some_columns, test, scratch);
            std::size_t rank = test.eliminate(enough, pivots, stop);
            const bool whole = some_rows == height && some_columns == width;
            if (rank < enough && !whole) {
                assemble(layer, full, alive, rows, basis, height, width, test, scratch);
                rank = test.eliminate(enough, pivots, stop);
            }
            result[k] = static_cast<std::int32_t>(rank);

            if (rank == height) {
                full = true;
            } else {
                if (rank == width) {  // injective so far: all columns are needed
                    pivots.resize(width);
                    for (std::size_t c = 0; c < width; ++c) pivots[c] = static_cast<std::uint32_t>(c);
                }
                assemble(layer, full, alive, rows, basis, height, width, image, scratch);
                if (pivots.size() < width) {
                    test.reset(height, pivots.size());
                    for (std::size_t r = 0; r < height; ++r)
                        for (std::size_t c = 0; c < pivots.size(); ++c) test.set(r, c, image.get(r, pivots[c]));
                    std::swap(test, image);
                }
                if (layer.gate == Gate::two_slopes)
                    for (std::size_t r = 0; r < height; ++r)
                        if (!active[k][r]) image.scale(r, layer.slope);
                std::swap(basis, image);
                full = false;
            }
            alive.clear();
            for (std::size_t i = 0; i < height; ++i)
                alive.push_back(static_cast<std::uint32_t>(layer.gate == Gate::picked_rows ? i : rows[i]));
            if (layer.gate == Gate::picked_rows) {
                alive.resize(layer.outputs);
                for (std::size_t i = 0; i < layer.outputs; ++i) alive[i] = static_cast<std::uint32_t>(i);
            }
        }
    }

private:
    struct Layer {
        Gate gate;
        std::size_t rows, columns, outputs;
        std::vector<Entry> weights;  // empty: the identity
        Entry slope;
    };
    static constexpr std::size_t spare = 12;

    // test = W[rows, alive] (full) or W[rows, alive] * basis, cut to the given number of rows and columns.
    void assemble(const Layer& layer, bool full, const std::vector<std::uint32_t>& alive, const std::vector<std::uint32_t>& rows,
                  const Rows& basis, std::size_t height, std::size_t width, Rows& test, Scratch& scratch) const {
        test.reset(height, width);
        const auto row_of = [&](std::size_t i) { return rows[i * rows.size() / std::max<std::size_t>(height, 1)]; };
        if (layer.weights.empty()) {
            for (std::size_t i = 0; i < height; ++i) {
                const auto found = std::lower_bound(alive.begin(), alive.end(), row_of(i));
                if (found == alive.end() || *found != row_of(i)) continue;
                const auto place = static_cast<std::size_t>(found - alive.begin());
                if (!full) test.copy_row(i, basis, place);
                else if (place < width) test.set(i, place, Rows::entry(1));
            }
            return;
        }
        const auto weights = [&](std::size_t i) { return layer.weights.data() + row_of(i) * layer.columns; };
        if (full) {
            std::vector<std::uint32_t> columns(width);
            for (std::size_t c = 0; c < width; ++c) columns[c] = alive[c * alive.size() / width];
            for (std::size_t i = 0; i < height; ++i) test.gather(i, weights(i), columns.data(), width);
        } else {
            test.product(weights, alive.data(), basis, scratch);
        }
    }

    std::size_t inputs_;
    std::uint32_t prime_;
    std::vector<Layer> layers_;
};

// Rank over GF(p) of each of `count` matrices (rows, columns), residues in row-major order.
inline void matrix_ranks(std::span<const std::uint32_t> residues, std::size_t count, std::size_t rows, std::size_t columns,
                         std::uint32_t prime, std::size_t index, std::int32_t* result, const Stop& stop) {
    if (residues.size() != count * rows * columns) throw std::invalid_argument("matrix_ranks: residues have the wrong size");
    RowsP matrix(rows, columns, prime);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) matrix.set(r, c, RowsP::entry(residues[(index * rows + r) * columns + c] % prime));
    std::vector<std::uint32_t> pivots;
    *result = static_cast<std::int32_t>(matrix.eliminate(std::min(rows, columns), pivots, stop));
}

}  // namespace isotopy
