// The quotient on a coset, row by row: the constraints of the machine (circuits/src/machine/gates.rs) and of the copy argument, each
// times its weight. A weight has the inverse of the vanishing polynomial in it, which is one number on a coset.
//
// A thread has a row: 67 multiplications for 37 cells of 32 bytes, or 85 for 43 with two activations a row. Arithmetic bounds it, so
// cells are read where they are used, again if need be, and few are alive at a time.
#include "quotient_paired.cuh"
#include "quotient_single.cuh"

// `columns` and `constants` are the arrays of the enumerations; a column has n elements, and its last row is before its first.
KERNEL_BOUNDED(128, quotient_single, Fr *out, const Fr *const *columns, const Fr *constants, u32 n) {
    coset_quotient::fold<coset_quotient::Single>(out, columns, constants, n);
}

KERNEL_BOUNDED(128, quotient_paired, Fr *out, const Fr *const *columns, const Fr *constants, u32 n) {
    coset_quotient::fold<coset_quotient::Paired>(out, columns, constants, n);
}
