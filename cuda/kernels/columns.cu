// Operations on columns and polynomials: arrays of Fr in device memory.
#include "columns_scan.cuh"

// Where a thread goes through powers it has eight rows, 256 apart: the first power takes up to a multiplication for each bit of the row.
constexpr u32 rows_block = 256, rows_shift = 8, rows_each = 8;

DEVICE u32 thread_row() { return blockIdx.x * (rows_block * rows_each) + threadIdx.x; }

// squares[i] = z^(2^i)
DEVICE Fr power(const Fr *squares, u32 exponent) {
    Fr r = Fr::one();
#pragma unroll 1
    for (; exponent; exponent >>= 1, squares++)
        if (exponent & 1) r *= Fr::load(squares);
    return r;
}

// out[i] = first z^i
KERNEL_BOUNDED(256, columns_powers, Fr *out, const Fr *first, const Fr *squares, u32 n) {
    u32 row = thread_row();
    Fr v = Fr::load(first) * power(squares, row), step = Fr::load(squares + rows_shift);
#pragma unroll 1
    for (u32 l = 0; l < rows_each && row < n; l++, row += rows_block) {
        v.store(out + row);
        v *= step;
    }
}

// out[i] = factors[0] in[i] + factors[1]
KERNEL_BOUNDED(256, columns_affine, Fr *out, const Fr *in, const Fr *factors, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) (Fr::load(in + i) * Fr::load(factors) + Fr::load(factors + 1)).store(out + i);
}

// out = sum_i factors[2 + i] p_i + factors[0] X + factors[1] X^top, up to X^top
KERNEL_BOUNDED(256, columns_combine, Fr *out, const Polynomial *polynomials, const Fr *factors, u32 count, u32 top) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i > top) return;
    Fr sum = i == 1 ? Fr::load(factors) : Fr::zero();
    if (i == top) sum += Fr::load(factors + 1);
#pragma unroll 1
    for (u32 l = 0; l < count; l++) {
        Polynomial p = polynomials[l];
        if (i < p.length) sum += Fr::load(p.coefficients + i) * Fr::load(factors + 2 + l);
    }
    sum.store(out + i);
}

struct Three {
    const Fr *column[3];
};

// out[row] = product_j (value_j + beta name_j + gamma): where the cells are mapped to. scalars: gamma, beta
KERNEL_BOUNDED(256, columns_copy_below, Fr *out, const Three *values, const Three *names, const Fr *scalars, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Fr gamma = Fr::load(scalars), beta = Fr::load(scalars + 1), product;
#pragma unroll
    for (int j = 0; j < 3; j++) {
        Fr v = Fr::load(values->column[j] + i) + gamma + Fr::load(names->column[j] + i) * beta;
        product = j == 0 ? v : product * v;
    }
    product.store(out + i);
}

// factors[row] *= product_j (value_j + scalars[1 + j] omega^row + gamma): the cells' own names. Sets the flag if one becomes 0.
KERNEL_BOUNDED(256, columns_copy_factors, Fr *factors, const Three *values, const Fr *scalars, const Fr *squares, u32 *zero, u32 n) {
    u32 row = thread_row();
    Fr x = power(squares, row), step = Fr::load(squares + rows_shift), gamma = Fr::load(scalars);
#pragma unroll 1
    for (u32 l = 0; l < rows_each && row < n; l++, row += rows_block) {
        Fr product = Fr::load(factors + row);
#pragma unroll 1
        for (int j = 0; j < 3; j++) product *= Fr::load(values->column[j] + row) + gamma + x * Fr::load(scalars + 1 + j);
        if (product.is_zero()) atomicOr(zero, 1u);
        product.store(factors + row);
        x *= step;
    }
}

// What is looked up: input and tag, and the output if there is one. The last of several is the table's row.
struct Lookup {
    const Fr *tag, *in, *out;

    // beta + in + alpha out + alpha^2 tag; scalars: beta, alpha, alpha^2
    DEVICE Fr factor(u32 row, const Fr *scalars) const {
        Fr f = Fr::load(scalars) + Fr::load(in + row) + Fr::load(tag + row) * Fr::load(scalars + 2);
        return out ? f + Fr::load(out + row) * Fr::load(scalars + 1) : f;
    }
};

// out[row] = the product of a row's factors, 1 after the last row. Sets the flag if a factor is 0.
KERNEL_BOUNDED(256, columns_lookup_below, Fr *out, const Lookup *lookups, const Fr *scalars, u32 *zero, u32 count, u32 n) {
    u32 row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row > n) return;
    Fr product = Fr::one();
#pragma unroll 1
    for (u32 l = 0; l < count && row < n; l++) product *= lookups[l].factor(row, scalars);
    if (product.is_zero()) atomicOr(zero, 1u);
    product.store(out + row);
}

// terms[row] = sum_l 1 / factor_l - multiplicity / (the table's factor), where it held the inverse of their product; 0 after the last row.
KERNEL_BOUNDED(256, columns_lookup_terms, Fr *terms, const Lookup *lookups, const Fr *multiplicities, const Fr *scalars, u32 count, u32 n) {
    u32 row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row > n) return;
    Fr above = Fr::zero(), below = Fr::load(terms + row), product = Fr::one();
#pragma unroll 1
    for (u32 l = 0; l < count && row < n; l++) {
        Fr factor = lookups[l].factor(row, scalars);
        above = above * factor + (l < count - 1 ? product : -(product * Fr::load(multiplicities + row)));
        product *= factor;
    }
    (above * below).store(terms + row);
}

// Four pieces of a polynomial in place of what has its values on four cosets, see the engine's `pieces`. squares: a table for the inverse
// of each coset's shift; scalars: 1/i for the i of order 4 between cosets, then the factor of each piece.
KERNEL_BOUNDED(256, columns_pieces, Fr *a, Fr *b, Fr *c, Fr *d, const Fr *scalars, const Fr *squares, u32 n) {
    u32 row = thread_row();
    Fr x[4];
#pragma unroll 1
    for (int j = 0; j < 4; j++) x[j] = power(squares + squares_each * j, row);
#pragma unroll 1
    for (u32 l = 0; l < rows_each && row < n; l++, row += rows_block) {
        Fr p = Fr::load(a + row) * x[0], q = Fr::load(b + row) * x[1], r = Fr::load(c + row) * x[2], s = Fr::load(d + row) * x[3];
        Fr even = p + r, odd = q + s, difference = p - r, turned = (q - s) * Fr::load(scalars);
        ((even + odd) * Fr::load(scalars + 1)).store(a + row);
        ((difference + turned) * Fr::load(scalars + 2)).store(b + row);
        ((even - odd) * Fr::load(scalars + 3)).store(c + row);
        ((difference - turned) * Fr::load(scalars + 4)).store(d + row);
#pragma unroll
        for (int j = 0; j < 4; j++) x[j] *= Fr::load(squares + squares_each * j + rows_shift);
    }
}
