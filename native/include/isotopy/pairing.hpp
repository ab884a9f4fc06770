// What a persistence kernel returns for one sample: cells, never values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace isotopy {

// Classes by degree; within a degree finite ones in the order of their deaths, then essential ones in the order of their
// births. Cells are sorted vertex numbers, one after the other: a class of degree k has k+1 vertices in birth_cell and,
// when it dies, k+2 in death_cell. birth_at and death_at name the vertices that carry the value of the cell: the two ends
// of the longest edge (Rips; classes of degree 0 are born at 0 and have no birth_at), or one vertex (grids).
struct Pairing {
    std::vector<std::int64_t> degree;
    std::vector<std::uint8_t> essential;
    std::vector<std::int64_t> birth_cell;
    std::vector<std::int64_t> death_cell;
    std::vector<std::int64_t> birth_at;
    std::vector<std::int64_t> death_at;
};

}  // namespace isotopy
