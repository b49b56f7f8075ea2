// What takes all elements of a column together: values of polynomials, quotients, running products and sums, inverses.
//
// Each is a tree over tiles of 1024 elements and over their results, level by level. A kernel `.._blocks` makes one element of each tile;
// the host goes on with these until one tile is left; the other kernels go back with what belongs to each tile, and may work in place,
// since no thread reads what another writes. A thread has four elements, 256 apart where order does not matter, else next to each other.
#pragma once

#include "columns_tree.cuh"

// Entries of a table of squares: z^(2^i) for i below.
constexpr u32 squares_each = 48;

struct Polynomial {
    const Fr *coefficients;
    u64 length;
};

// The thread's elements in their order; beyond the column, `otherwise`.
DEVICE u32 tree_load(Fr *a, const Fr *in, u32 n, const Fr &otherwise) {
    u32 i = blockIdx.x * tree_tile + threadIdx.x * tree_chunk;
#pragma unroll
    for (u32 l = 0; l < tree_chunk; l++) a[l] = i + l < n ? Fr::load(in + i + l) : otherwise;
    return i;
}

// out[y stride + x] = sum_i p_i z^i over tile x of polynomial y, i from the tile's first. `powers`: a table of squares for each, from
// some power of two on.
KERNEL_BOUNDED(256, columns_horner_blocks, Fr *out, const Polynomial *polynomials, const Fr *powers, u32 stride) {
    TREE(tree);
    Polynomial p = polynomials[blockIdx.y];
    u32 length = static_cast<u32>(p.length), tile = blockIdx.x * tree_tile;
    if (tile >= length && tile > 0) return; // the whole block, and the tile of no other
    powers += blockIdx.y * squares_each;
    Fr step = Fr::load(powers + tree_levels), sum = Fr::zero();
#pragma unroll
    for (u32 l = tree_chunk; l-- > 0;) {
        u32 i = tile + threadIdx.x + l * tree_leaves;
        Fr c = i < length ? Fr::load(p.coefficients + i) : Fr::zero();
        sum = l == tree_chunk - 1 ? c : sum * step + c;
    }
    sum = tree.up(Horner{powers}, sum);
    if (threadIdx.x == 0) sum.store(out + blockIdx.y * stride + blockIdx.x);
}

// out[i] = sum_(j > i) p_j z^(j-i-1), the quotient by X - z, for i < count; carries[x] is that for the last element of tile x.
KERNEL_BOUNDED(256, columns_horner_scan, Fr *out, const Fr *in, const Fr *carries, const Fr *powers, u32 n, u32 count, u32 carried) {
    TREE(tree);
    Fr a[tree_chunk], z = Fr::load(powers), sum;
    u32 i = tree_load(a, in, n, Fr::zero());
#pragma unroll
    for (u32 l = tree_chunk; l-- > 0;) sum = l == tree_chunk - 1 ? a[l] : sum * z + a[l];
    const Horner op{powers + 2}; // a leaf holds four elements
    tree.up(op, sum);
    sum = tree.down(op, carried ? Fr::load(carries + blockIdx.x) : Fr::zero());
#pragma unroll
    for (u32 l = tree_chunk; l-- > 0;) {
        if (i + l < count) sum.store(out + i + l);
        if (l > 0) sum = sum * z + a[l];
    }
}

// out[x] = the product or sum of tile x, without zeros if these are to be skipped.
template <class Of> DEVICE void running_blocks(Fr *out, const Fr *in, u32 n, u32 skip_zeros) {
    TREE(tree);
    Fr all = Of::none();
#pragma unroll
    for (u32 l = 0; l < tree_chunk; l++) {
        u32 i = blockIdx.x * tree_tile + threadIdx.x + l * tree_leaves;
        Fr a = i < n ? Fr::load(in + i) : Of::none();
        if (skip_zeros && a.is_zero()) a = Of::none();
        all = l == 0 ? a : Of::of(all, a);
    }
    all = tree.up(Running<Of>{}, all);
    if (threadIdx.x == 0) all.store(out + blockIdx.x);
}

// Each element becomes the product or sum of all before it; carries[x] is that for the first element of tile x.
template <class Of> DEVICE void running_scan(Fr *column, const Fr *carries, u32 n, u32 carried) {
    TREE(tree);
    Fr a[tree_chunk], all;
    u32 i = tree_load(a, column, n, Of::none());
#pragma unroll
    for (u32 l = 0; l < tree_chunk; l++) all = l == 0 ? a[l] : Of::of(all, a[l]);
    tree.up(Running<Of>{}, all);
    all = tree.down(Running<Of>{}, carried ? Fr::load(carries + blockIdx.x) : Of::none());
#pragma unroll
    for (u32 l = 0; l < tree_chunk; l++) {
        if (i + l < n) all.store(column + i + l);
        if (l < tree_chunk - 1) all = Of::of(all, a[l]);
    }
}

KERNEL_BOUNDED(256, columns_product_blocks, Fr *out, const Fr *in, u32 n, u32 skip_zeros) { running_blocks<Product>(out, in, n, skip_zeros); }
KERNEL_BOUNDED(256, columns_product_scan, Fr *column, const Fr *carries, u32 n, u32 carried) { running_scan<Product>(column, carries, n, carried); }
KERNEL_BOUNDED(256, columns_sum_blocks, Fr *out, const Fr *in, u32 n, u32 skip_zeros) { running_blocks<Sum>(out, in, n, skip_zeros); }
KERNEL_BOUNDED(256, columns_sum_scan, Fr *column, const Fr *carries, u32 n, u32 carried) { running_scan<Sum>(column, carries, n, carried); }

// Each element becomes its inverse, zeros stay; inverses[x] is that of the product of tile x. The only tile of a column inverts by itself.
KERNEL_BOUNDED(256, columns_invert, Fr *column, const Fr *inverses, u32 n, u32 given) {
    TREE(tree);
    Fr a[tree_chunk], up_to[tree_chunk];
    u32 i = tree_load(a, column, n, Fr::one()), zeros = 0;
#pragma unroll
    for (u32 l = 0; l < tree_chunk; l++) {
        if (a[l].is_zero()) {
            zeros |= 1u << l;
            a[l] = Fr::one();
        }
        up_to[l] = l == 0 ? a[0] : up_to[l - 1] * a[l];
    }
    Fr root = tree.up(Inverse{}, up_to[tree_chunk - 1]);
    if (threadIdx.x == 0) root = given ? Fr::load(inverses + blockIdx.x) : root.inverse();
    Fr inverse = tree.down(Inverse{}, root);
#pragma unroll
    for (u32 l = tree_chunk; l-- > 0;) {
        Fr own = l == 0 ? inverse : inverse * up_to[l - 1];
        if (zeros >> l & 1) own = Fr::zero();
        if (i + l < n) own.store(column + i + l);
        if (l > 0) inverse *= a[l];
    }
}
