// Incidence matrices of the edges, faces and cells of a subdivision, column by column.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "subdivision.hpp"

namespace isotopy {

struct Incidence {  // column c has signs[i] in row rows[i] for offsets[c] <= i < offsets[c + 1]; rows increase
    std::vector<std::int64_t> offsets{0}, rows;
    std::vector<std::int8_t> signs;

    void close(std::vector<std::pair<std::int64_t, std::int8_t>>& column) {
        std::sort(column.begin(), column.end());
        for (const auto& [row, sign] : column) rows.push_back(row), signs.push_back(sign);
        offsets.push_back(static_cast<std::int64_t>(rows.size()));
        column.clear();
    }
};

// +1 where a face runs along its edge, -1 where it runs against it.
inline std::int8_t direction(const Subdivision& s, const Subdivision::Corner& corner) {
    return s.ends()[static_cast<std::size_t>(corner.edge)][0] == corner.vertex ? 1 : -1;
}

inline Incidence edge_boundary(const Subdivision& s) {
    Incidence found;
    std::vector<std::pair<std::int64_t, std::int8_t>> column;
    for (const auto& [a, b] : s.ends()) {
        column = {{a, std::int8_t{-1}}, {b, std::int8_t{1}}};
        found.close(column);
    }
    return found;
}

inline Incidence face_boundary(const Subdivision& s) {
    Incidence found;
    std::vector<std::pair<std::int64_t, std::int8_t>> column;
    for (std::size_t f = 0; f < s.faces(); ++f) {
        for (const Subdivision::Corner& corner : s.face(f)) column.emplace_back(corner.edge, direction(s, corner));
        found.close(column);
    }
    return found;
}

// The first face of a cell counts +1; across each edge of the cell the two faces there run in opposite directions.
inline Incidence cell_boundary(const Subdivision& s) {
    Incidence found;
    std::vector<std::pair<std::int64_t, std::int8_t>> column;
    std::vector<std::tuple<Subdivision::Index, std::size_t, std::int8_t>> sides;  // edge, place of the face in the cell, direction
    std::vector<std::vector<std::pair<std::size_t, std::int8_t>>> across;         // neighbors, and whether signs are equal
    std::vector<std::size_t> reached;
    for (std::size_t c = 0; c < s.cells(); ++c) {
        const auto faces = s.cell(c);
        sides.clear(), across.assign(faces.size(), {});
        for (std::size_t i = 0; i < faces.size(); ++i)
            for (const Subdivision::Corner& corner : s.face(static_cast<std::size_t>(faces[i]))) sides.emplace_back(corner.edge, i, direction(s, corner));
        std::sort(sides.begin(), sides.end());
        for (std::size_t i = 0; i < sides.size(); i += 2) {
            if (i + 1 == sides.size() || std::get<0>(sides[i]) != std::get<0>(sides[i + 1])) throw std::logic_error("a cell is not closed");
            const auto& [edge, first, along] = sides[i];
            const auto& [same, second, against] = sides[i + 1];
            const std::int8_t equal = along == against ? -1 : 1;
            across[first].emplace_back(second, equal), across[second].emplace_back(first, equal);
        }
        std::vector<std::int8_t> sign(faces.size(), 0);
        sign[0] = 1, reached = {0};
        for (std::size_t next = 0; next < reached.size(); ++next)
            for (const auto& [face, equal] : across[reached[next]])
                if (sign[face] == 0) sign[face] = static_cast<std::int8_t>(sign[reached[next]] * equal), reached.push_back(face);
        if (reached.size() != faces.size()) throw std::logic_error("a cell is not connected");
        for (std::size_t i = 0; i < faces.size(); ++i) column.emplace_back(faces[i], sign[i]);
        found.close(column);
    }
    return found;
}

}  // namespace isotopy
