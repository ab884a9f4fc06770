// ISOTOPY_WIDE: compile a loop for several widths of vectors and pick one at run time, so that one build is fast on new
// processors and right on old ones. Results are the same on all of them: nothing is contracted or reassociated.
#pragma once

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define ISOTOPY_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ISOTOPY_WIDE
#endif
