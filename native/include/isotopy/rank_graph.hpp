// Bounds on the ranks of the Jacobians of a piecewise affine network, any graph of sparse affine maps and gates, at its samples.
//
// From below: ranks over GF(p). Each row of a Jacobian is kept from its first to its last nonzero column only. Rows of
// convolutions depend on few pixels, so products and eliminations cost what their receptive fields do. Only rows that a later
// layer asks for are worked out.
//
// From above: the fewest neurons through which all paths from the input go, for the Jacobian factors through them. By
// Menger's theorem that is the largest number of paths without a common neuron, found by augmenting paths.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "isotopy/echelon.hpp"
#include "isotopy/parallel.hpp"
#include "isotopy/rank.hpp"

namespace isotopy {

// An affine map as patches of its input: entry (g R + r) Q + q of the output is the sum over t of weights[g][r][t] times
// entry sources[g][q][t] of the concatenated inputs; -1 stands for none. A convolution has few weights for many places q,
// a dense map one place, a scaling one term.
struct Patches {
    std::size_t groups, places, rows, terms;  // G, Q, R, T
    std::vector<std::int32_t> sources;        // (G, Q, T)
    std::vector<float> weights;               // (G, R, T), residues; the prime itself for a weight that is 0 modulo it only

    std::size_t size() const { return groups * rows * places; }
};

class RankGraph {
public:
    // columns[i] is the column in which input i is written: neighbors close together keep rows short.
    RankGraph(std::vector<std::int32_t> columns, std::uint32_t prime) : prime_(prime), columns_(std::move(columns)) {
        if (prime < 2 || prime > largest_prime) throw std::invalid_argument("RankGraph: the prime must be below 2^20");
        std::vector<bool> taken(columns_.size(), false);
        for (const std::int32_t column : columns_) {
            const auto place = static_cast<std::size_t>(column);
            if (column < 0 || place >= columns_.size() || taken[place]) throw std::invalid_argument("RankGraph: columns must be a permutation");
            taken[place] = true;
        }
        nodes_.push_back({Kind::input, {}, columns_.size(), {}, 0, 0.0});
    }

    // Each returns the number of a node; the input is node 0.
    std::size_t add_patches(std::vector<std::size_t> inputs, Patches patches) {
        std::size_t length = 0;
        for (const std::size_t input : inputs) length += size(input);
        if (patches.sources.size() != patches.groups * patches.places * patches.terms || patches.weights.size() != patches.groups * patches.rows * patches.terms)
            throw std::invalid_argument("RankGraph: sources or weights have the wrong size");
        for (const std::int32_t source : patches.sources)
            if (source < -1 || (source >= 0 && static_cast<std::size_t>(source) >= length)) throw std::invalid_argument("RankGraph: sources are out of range");
        for (const float weight : patches.weights)
            if (!(weight >= 0.0f && weight <= static_cast<float>(prime_))) throw std::invalid_argument("RankGraph: weights must be residues");
        const std::size_t outputs = patches.size();
        nodes_.push_back({Kind::patches, std::move(inputs), outputs, std::move(patches), 0, 0.0});
        return nodes_.size() - 1;
    }
    // `slope` is the residue of the negative slope of two_slopes.
    std::size_t add_gate(std::size_t input, Gate gate, std::size_t outputs, std::uint32_t slope) {
        const std::size_t before = size(input);
        if (gate != Gate::picked_rows && outputs != before) throw std::invalid_argument("RankGraph: this gate keeps the size of its input");
        const Kind kind = gate == Gate::active_rows ? Kind::active : gate == Gate::two_slopes ? Kind::slopes : gate == Gate::picked_rows ? Kind::picked : Kind::same;
        nodes_.push_back({kind, {input}, outputs, {}, gates_, static_cast<double>(slope % prime_)});
        if (kind != Kind::same) ++gates_;
        return nodes_.size() - 1;
    }
    // Declares the next layer: the node that ends it, and the last layer before it (from 1, 0 for the input) through which
    // all paths from the input go; its rank is at least the one of this layer.
    void add_layer(std::size_t node, std::size_t before) {
        if (node >= nodes_.size() || before > layers_.size()) throw std::invalid_argument("RankGraph: no such node or layer");
        layers_.push_back({node, before});
    }

    std::size_t depth() const { return layers_.size(); }
    std::size_t gates() const { return gates_; }
    std::size_t size(std::size_t node) const {
        if (node >= nodes_.size()) throw std::invalid_argument("RankGraph: no such node");
        return nodes_[node].size;
    }
    std::size_t inputs() const { return columns_.size(); }
    // Size and kind of each gate's mask, in the order in which the gates were added.
    std::vector<std::pair<std::size_t, bool>> masks() const {
        std::vector<std::pair<std::size_t, bool>> found;
        for (const Node& node : nodes_)
            if (node.kind == Kind::active || node.kind == Kind::slopes || node.kind == Kind::picked) found.emplace_back(node.size, node.kind == Kind::picked);
        return found;
    }

    // Raises lower[K] to the rank modulo p of layer K at one sample, for all layers where it is below upper[K], and where
    // it stays below lowers upper[K] to the number of disjoint paths. Ranks are worked out no further than upper[K]. Throws
    // std::bad_alloc where rows would take more than `bytes`.
    void ranks(std::span<const std::uint8_t* const> active, std::span<const std::int32_t* const> picked, std::int32_t* upper,
               std::int32_t* lower, std::size_t bytes, const Stop& stop) const {
        Sample sample(nodes_.size(), active, picked, bytes);
        for (std::size_t k = layers_.size(); k-- > 0;) {
            const Layer& layer = layers_[k];
            if (lower[k] < upper[k]) {
                try {
                    compute(sample, layer.node, stop);
                } catch (const std::bad_alloc&) {  // once more, with rows forgotten after their last use
                    if (sample.forget) throw;
                    sample = Sample(nodes_.size(), active, picked, bytes);
                    sample.forget = true;
                    compute(sample, layer.node, stop);
                }
                const std::size_t found = eliminate(sample.rows[layer.node], static_cast<std::size_t>(upper[k]), stop);
                lower[k] = std::max(lower[k], static_cast<std::int32_t>(found));
                if (lower[k] < upper[k]) upper[k] = static_cast<std::int32_t>(disjoint_paths(sample, layer.node, static_cast<std::size_t>(upper[k]), stop));
                if (sample.forget) {
                    sample = Sample(nodes_.size(), active, picked, bytes);
                    sample.forget = true;
                }
            }
            if (layer.before > 0) lower[layer.before - 1] = std::max(lower[layer.before - 1], lower[k]);
        }
    }

    // Matrix of a node as residues, (size(node), inputs) row by row; for graphs without gates.
    std::vector<std::uint32_t> matrix(std::size_t node) const {
        if (gates_ > 0) throw std::invalid_argument("RankGraph: matrices are those of graphs without gates");
        std::vector<std::uint32_t> found(size(node) * inputs());
        Sample sample(nodes_.size(), {}, {}, static_cast<std::size_t>(-1));
        compute(sample, node, Stop());
        const double p = prime_;
        for (std::size_t i = 0; i < size(node); ++i) {
            const Row& row = sample.rows[node][i];
            for (std::size_t c = row.begin; c < row.end; ++c)
                found[i * inputs() + c] = static_cast<std::uint32_t>(reduce(row.factor * static_cast<double>(row.entries[c - row.begin]), p, 1.0 / p));
        }
        return found;
    }

private:
    enum class Kind { input, patches, active, slopes, picked, same };
    struct Node {
        Kind kind;
        std::vector<std::size_t> inputs;
        std::size_t size;
        Patches patches;
        std::size_t gate;  // number of its mask
        double slope;
    };
    struct Layer {
        std::size_t node, before;
    };
    using Row = Multiple;  // begin == end: a zero row
    enum State : std::uint8_t { unknown, asked, done };

    // What is known at one sample.
    struct Sample {
        Sample(std::size_t nodes, std::span<const std::uint8_t* const> a, std::span<const std::int32_t* const> p, std::size_t b)
            : rows(nodes), states(nodes), memory(nodes), active(a), picked(p), bytes(b) {}
        std::vector<std::vector<Row>> rows;
        std::vector<std::vector<State>> states;
        std::vector<std::vector<std::shared_ptr<Arena>>> memory;  // what the rows of a node point into
        std::span<const std::uint8_t* const> active;
        std::span<const std::int32_t* const> picked;
        std::size_t bytes;
        bool forget = false;
    };

    // All rows of a node, and those that they need.
    void compute(Sample& sample, std::size_t target, const Stop& stop) const {
        for (std::size_t i = 0; i <= target; ++i) {
            sample.rows[i].resize(nodes_[i].size, Row{nullptr, 0, 0, 0.0});
            sample.states[i].resize(nodes_[i].size, unknown);
        }
        for (State& state : sample.states[target])
            if (state == unknown) state = asked;
        for (std::size_t i = target + 1; i-- > 0;) ask(sample, nodes_[i], sample.states[i]);
        std::vector<double> sum(inputs(), 0.0);
        for (std::size_t i = 0; i <= target; ++i) {
            stop.check();
            answer(sample, i, sum, stop);
            std::size_t used = 0;
            for (std::size_t j = 0; j <= i; ++j)
                if (!sample.memory[j].empty() && sample.memory[j].front()) used += sample.memory[j].front()->bytes();
            if (used > sample.bytes) throw std::bad_alloc();
            if (!sample.forget) continue;
            for (const std::size_t input : nodes_[i].inputs)
                if (last_use(input, target) == i) sample.memory[input].clear(), sample.rows[input].clear(), sample.rows[input].shrink_to_fit();
        }
    }

    std::size_t last_use(std::size_t node, std::size_t target) const {
        std::size_t last = node;
        for (std::size_t i = node + 1; i <= target; ++i)
            if (std::find(nodes_[i].inputs.begin(), nodes_[i].inputs.end(), node) != nodes_[i].inputs.end()) last = i;
        return last;
    }

    // Marks the rows that the marked rows of a node need.
    void ask(Sample& sample, const Node& node, const std::vector<State>& states) const {
        const auto want = [&](std::size_t input, std::size_t row) {
            State& state = sample.states[input][row];
            if (state == unknown) state = asked;
        };
        if (node.kind == Kind::patches) {
            const Patches& patches = node.patches;
            for (std::size_t g = 0; g < patches.groups; ++g)
                for (std::size_t q = 0; q < patches.places; ++q) {
                    bool any = false;
                    for (std::size_t r = 0; r < patches.rows && !any; ++r) any = states[(g * patches.rows + r) * patches.places + q] == asked;
                    if (!any) continue;
                    const std::int32_t* sources = patches.sources.data() + (g * patches.places + q) * patches.terms;
                    for (std::size_t t = 0; t < patches.terms; ++t)
                        if (sources[t] >= 0) {
                            const auto [input, row] = locate(node, static_cast<std::size_t>(sources[t]));
                            want(input, row);
                        }
                }
        } else if (node.kind != Kind::input) {
            for (std::size_t i = 0; i < node.size; ++i) {
                if (states[i] != asked) continue;
                if (node.kind == Kind::picked) want(node.inputs[0], static_cast<std::size_t>(sample.picked[node.gate][i]));
                else if (node.kind != Kind::active || sample.active[node.gate][i]) want(node.inputs[0], i);
            }
        }
    }

    // Node and row of an entry of the concatenated inputs.
    std::pair<std::size_t, std::size_t> locate(const Node& node, std::size_t source) const {
        std::size_t place = 0;
        while (source >= nodes_[node.inputs[place]].size) source -= nodes_[node.inputs[place++]].size;
        return {node.inputs[place], source};
    }

    // Works out the marked rows of a node from those of its inputs.
    void answer(Sample& sample, std::size_t index, std::vector<double>& sum, const Stop& stop) const {
        static constexpr float one = 1.0f;
        const Node& node = nodes_[index];
        std::vector<Row>& rows = sample.rows[index];
        std::vector<State>& states = sample.states[index];
        if (node.kind == Kind::patches) {
            combine(sample, index, sum, stop);
            return;
        }
        for (std::size_t i = 0; i < node.size; ++i) {
            if (states[i] != asked) continue;
            states[i] = done;
            if (node.kind == Kind::input) {
                const auto column = static_cast<std::uint32_t>(columns_[i]);
                rows[i] = {&one, column, column + 1, 1.0};
            } else if (node.kind == Kind::picked) {
                rows[i] = sample.rows[node.inputs[0]][static_cast<std::size_t>(sample.picked[node.gate][i])];
            } else {
                const bool on = node.kind == Kind::same || sample.active[node.gate][i];
                if (on || node.kind == Kind::slopes) rows[i] = sample.rows[node.inputs[0]][i];
                if (!on && node.kind == Kind::slopes) rows[i].factor = reduce(rows[i].factor * node.slope, prime_, 1.0 / prime_);
            }
        }
        if (node.kind != Kind::input) borrow(sample, index);
    }

    // Rows of this node point into the memory of its inputs.
    void borrow(Sample& sample, std::size_t index) const {
        auto& memory = sample.memory[index];
        if (memory.empty()) memory.push_back(nullptr);  // the first place is for its own
        for (const std::size_t input : nodes_[index].inputs)
            for (const auto& arena : sample.memory[input])
                if (arena && std::find(memory.begin(), memory.end(), arena) == memory.end()) memory.push_back(arena);
    }

    void combine(Sample& sample, std::size_t index, std::vector<double>& sum, const Stop& stop) const {
        const Node& node = nodes_[index];
        const Patches& patches = node.patches;
        const double p = prime_, inverse = 1.0 / p;
        auto& memory = sample.memory[index];
        if (memory.empty()) memory.push_back(nullptr);
        if (!memory.front()) memory.front() = std::make_shared<Arena>();
        bool borrowed = false;
        std::vector<std::pair<Row, std::size_t>> live;
        std::vector<Multiple> terms;
        for (std::size_t g = 0; g < patches.groups; ++g)
            for (std::size_t q = 0; q < patches.places; ++q) {
                bool gathered = false;
                for (std::size_t r = 0; r < patches.rows; ++r) {
                    const std::size_t i = (g * patches.rows + r) * patches.places + q;
                    if (sample.states[index][i] != asked) continue;
                    sample.states[index][i] = done;
                    if (!gathered) {
                        live.clear();
                        const std::int32_t* sources = patches.sources.data() + (g * patches.places + q) * patches.terms;
                        for (std::size_t t = 0; t < patches.terms; ++t) {
                            if (sources[t] < 0) continue;
                            const auto [input, place] = locate(node, static_cast<std::size_t>(sources[t]));
                            const Row& row = sample.rows[input][place];
                            if (row.begin < row.end) live.emplace_back(row, t);
                        }
                        // neighbors overlap, which makes sums faster
                        std::stable_sort(live.begin(), live.end(), [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
                        gathered = true;
                        stop.check();
                    }
                    const float* weights = patches.weights.data() + (g * patches.rows + r) * patches.terms;
                    terms.clear();
                    std::uint32_t begin = static_cast<std::uint32_t>(inputs()), end = 0;
                    for (const auto& [row, t] : live) {
                        const double factor = reduce(static_cast<double>(weights[t]) * row.factor, p, inverse);
                        if (factor == 0.0) continue;
                        terms.push_back({row.entries, row.begin, row.end, factor});
                        begin = std::min(begin, row.begin), end = std::max(end, row.end);
                    }
                    Row& found = sample.rows[index][i];
                    if (terms.size() == 1) borrowed = true;
                    if (terms.size() <= 1) {
                        found = terms.empty() ? Row{nullptr, 0, 0, 0.0} : terms.front();
                        continue;
                    }
                    sum_multiples(terms, sum.data(), begin, end, p);
                    found = keep(*memory.front(), sum.data(), begin, end);
                }
            }
        if (borrowed) borrow(sample, index);
    }

    // The row in memory of its own, without zeros at its ends; sets it to 0.
    static Row keep(Arena& arena, double* row, std::size_t begin, std::size_t end) {
        std::size_t first = begin, last = end;
        while (first < last && row[first] == 0.0) ++first;
        while (first < last && row[last - 1] == 0.0) --last;
        if (first == last) return {nullptr, 0, 0, 0.0};
        float* kept = arena.take(last - first);
        for (std::size_t c = first; c < last; ++c) kept[c - first] = static_cast<float>(row[c]);
        std::fill(row + first, row + last, 0.0);
        return {kept, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last), 1.0};
    }

    // Rank of the rows, no further than `enough`. Rows with the same columns are taken together: once one of them is
    // dependent, random sums of the others are tried first. A sum that is dependent while they are not has a chance of 1 / p.
    std::size_t eliminate(std::vector<Row> rows, std::size_t enough, const Stop& stop) const {
        std::erase_if(rows, [](const Row& row) { return row.begin == row.end || row.factor == 0.0; });
        const auto key = [](const Row& row) { return std::tuple(row.begin, row.end, row.entries); };
        std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return std::less<>()(key(a), key(b)); });
        rows.erase(std::unique(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return key(a) == key(b); }), rows.end());

        Echelon echelon(inputs(), prime_);
        std::vector<double> row(inputs(), 0.0);
        std::vector<Multiple> terms;
        std::minstd_rand random(prime_);
        for (std::size_t start = 0, stop_at = 0; start < rows.size(); start = stop_at) {
            const std::uint32_t begin = rows[start].begin, end = rows[start].end;
            while (stop_at < rows.size() && rows[stop_at].begin == begin && rows[stop_at].end == end) ++stop_at;
            std::size_t dependent = 0, patience = 1;
            for (std::size_t i = start; i < stop_at && echelon.rank() < enough; ++i) {
                if (i % 16 == 0) stop.check();
                terms.assign(1, {rows[i].entries, begin, end, 1.0});
                sum_multiples(terms, row.data(), begin, end, prime_);
                dependent = echelon.add(row.data(), begin, end) ? 0 : dependent + 1;
                if (dependent < patience || stop_at - i < 4) continue;
                bool all = true;
                for (int attempt = 0; attempt < 2 && all; ++attempt) {
                    terms.clear();
                    for (std::size_t j = i + 1; j < stop_at; ++j) terms.push_back({rows[j].entries, begin, end, static_cast<double>(random() % prime_)});
                    sum_multiples(terms, row.data(), begin, end, prime_);
                    all = !echelon.add(row.data(), begin, end);
                }
                if (all) break;
                dependent = 0, patience *= 2;
            }
            if (echelon.rank() >= enough) break;
        }
        return echelon.rank();
    }

    static constexpr std::int32_t none = -1;

    // Paths from the inputs to the rows of a node that share no row. A search runs from rows without a path down to unused
    // inputs, through places: a row entered from above (2 row) or left below (2 row + 1). It may enter a row that a path
    // uses: that path then ends above it, and looks for another way down from there.
    struct Paths {
        const RankGraph& graph;
        const Sample& sample;
        std::vector<std::int32_t> first, above, under;  // first row of each node by number; neighbors on the path through a row
        std::vector<bool> used;

        Paths(const RankGraph& g, const Sample& s, std::size_t target) : graph(g), sample(s), first(target + 2, 0) {
            for (std::size_t i = 0; i <= target; ++i) first[i + 1] = first[i] + static_cast<std::int32_t>(g.nodes_[i].size);
            above.assign(rows(), none), under.assign(rows(), none), used.assign(rows(), false);
        }
        std::size_t rows() const { return static_cast<std::size_t>(first.back()); }
        bool is_end(std::int32_t place) const { return place % 2 == 0 && place / 2 < first[1] && !used[static_cast<std::size_t>(place / 2)]; }

        // Calls take for the places that may follow, from number t on, until it returns true.
        template <class Take>
        bool follow(std::int32_t place, std::size_t& t, const Take& take) const {
            const auto v = static_cast<std::size_t>(place / 2);
            if (place % 2 == 0) {
                if (t++ > 0) return false;
                return used[v] ? above[v] != none && take(2 * above[v] + 1) : take(place + 1);
            }
            const auto index = static_cast<std::size_t>(std::upper_bound(first.begin(), first.end(), place / 2) - first.begin()) - 1;
            const Node& node = graph.nodes_[index];
            const std::size_t row = v - static_cast<std::size_t>(first[index]);
            std::size_t ways = node.kind == Kind::input ? 0 : 1;
            if (node.kind == Kind::patches) {
                const Patches& patches = node.patches;
                const std::size_t r = row / patches.places, g = r / patches.rows, q = row % patches.places;
                const std::int32_t* sources = patches.sources.data() + (g * patches.places + q) * patches.terms;
                const float* weights = patches.weights.data() + r * patches.terms;
                for (ways = patches.terms; t < ways; ++t) {
                    if (sources[t] < 0 || weights[t] == 0.0f) continue;
                    const auto [input, place_in] = graph.locate(node, static_cast<std::size_t>(sources[t]));
                    const std::int32_t source = first[input] + static_cast<std::int32_t>(place_in);
                    if (source != under[v] && take(2 * source)) return ++t, true;
                }
            } else if (t < ways && t++ == 0 && (node.kind != Kind::active || sample.active[node.gate][row])) {
                const std::int32_t source = first[node.inputs[0]] + (node.kind == Kind::picked ? sample.picked[node.gate][row] : static_cast<std::int32_t>(row));
                if (source != under[v] && take(2 * source)) return true;
            }
            return t++ == ways && used[v] && take(place - 1);  // give the row up
        }

        // The other side of a row that is entered (or given up), or the next row on the way down.
        void step(std::int32_t before, std::int32_t place) {
            const auto v = static_cast<std::size_t>(before / 2), w = static_cast<std::size_t>(place / 2);
            if (v == w) used[v] = place % 2 == 1, under[v] = none;
            else if (place % 2 == 0) under[v] = place / 2, above[w] = before / 2;
        }
    };

    // The largest number of such paths, no further than `enough`; in each round all shortest ways are tried (Dinic).
    std::size_t disjoint_paths(const Sample& sample, std::size_t target, std::size_t enough, const Stop& stop) const {
        Paths paths(*this, sample, target);
        std::vector<std::int32_t> level(2 * paths.rows()), queue, way;
        std::vector<std::size_t> next(2 * paths.rows());
        const auto at = [](std::int32_t place) { return static_cast<std::size_t>(place); };
        std::size_t found = 0;
        while (found < enough) {
            stop.check();
            std::fill(level.begin(), level.end(), none);
            queue.clear();
            for (std::int32_t row = paths.first[target]; row < paths.first[target + 1]; ++row)
                if (!paths.used[at(row)]) queue.push_back(2 * row), level[at(2 * row)] = 0;
            std::int32_t deepest = none;
            for (std::size_t head = 0; head < queue.size() && (deepest == none || level[at(queue[head])] < deepest); ++head) {
                const std::int32_t place = queue[head];
                std::size_t t = 0;
                if (paths.is_end(place)) deepest = level[at(place)];
                else paths.follow(place, t, [&](std::int32_t after) {
                    if (level[at(after)] == none) level[at(after)] = level[at(place)] + 1, queue.push_back(after);
                    return false;
                });
            }
            if (deepest == none) break;
            std::fill(next.begin(), next.end(), std::size_t{0});
            for (std::int32_t row = paths.first[target]; row < paths.first[target + 1] && found < enough; ++row) {
                if (paths.used[at(row)]) continue;
                way.assign(1, 2 * row);
                while (!way.empty() && !paths.is_end(way.back())) {
                    const std::int32_t place = way.back();
                    const bool further = paths.follow(place, next[at(place)], [&](std::int32_t after) {
                        if (level[at(after)] != level[at(place)] + 1 || level[at(after)] > deepest) return false;
                        way.push_back(after);
                        return true;
                    });
                    if (!further) level[at(place)] = none, way.pop_back();
                }
                if (way.empty()) continue;
                for (std::size_t i = 1; i < way.size(); ++i) paths.step(way[i - 1], way[i]);
                paths.used[at(way.back() / 2)] = true;
                for (const std::int32_t place : way) level[at(place)] = none;
                ++found;
            }
        }
        return found;
    }

    std::uint32_t prime_;
    std::vector<std::int32_t> columns_;
    std::vector<Node> nodes_;
    std::vector<Layer> layers_;
    std::size_t gates_ = 0;
};

}  // namespace isotopy
