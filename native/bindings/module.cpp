// The module isotopy._native. This folder alone knows Python: each binding checks, releases the GIL and calls a kernel of
// include/isotopy.
#include "arrays.hpp"

NB_MODULE(_native, m) {
    m.doc() = "Kernels of isotopy: arrays in, indices out.";
    bindings::bind_chains(m);
    bindings::bind_clouds(m);
    bindings::bind_complexes(m);
    bindings::bind_fibers(m);
    bindings::bind_grids(m);
    bindings::bind_hulls(m);
    bindings::bind_polygons(m);
    bindings::bind_ranks(m);
    bindings::bind_subdivisions(m);
}
