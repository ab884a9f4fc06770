// The only file that knows Python: each binding checks, releases the GIL and calls a kernel of include/isotopy.
#include <nanobind/nanobind.h>

#include <thread>

namespace nb = nanobind;

NB_MODULE(_native, m) {
    m.doc() = "Kernels of isotopy: arrays in, indices out.";
    m.def("hardware_threads", [] { return std::max(1u, std::thread::hardware_concurrency()); },
          "Number of hardware threads that the kernels use by default.");
}
