// Disjoint sets of 0..size-1 with path halving; the caller decides which root survives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace isotopy {

class UnionFind {
public:
    explicit UnionFind(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), std::uint32_t{0}); }

    std::uint32_t find(std::uint32_t element) {
        while (parent_[element] != element) {
            parent_[element] = parent_[parent_[element]];
            element = parent_[element];
        }
        return element;
    }

    // Hangs one root below another. Path halving alone keeps the amortized cost logarithmic, and the surviving root can
    // be the elder one, so that no second array is needed.
    void hang(std::uint32_t child, std::uint32_t root) { parent_[child] = root; }

private:
    std::vector<std::uint32_t> parent_;
};

}  // namespace isotopy
